"""The sentences of a report, made from its numbers."""

from collections.abc import Sequence

from editmgt.analysis.contrasts import Contrast, Design
from editmgt.analysis.effects import Effect
from editmgt.analysis.statistics import ESTIMATOR, ESTIMATOR_ONE_SEED
from editmgt.config import show
from editmgt.metrics.registry import REGISTRY
from editmgt.report.analysis import Analysis, main_metrics
from editmgt.report.numbers import interval, metric_title, p_value, verdict


def answer(analysis: Analysis) -> list[str]:
    """Return the first lines of a report, at most three: what changed, what did not, and on what basis."""
    basis = _basis(analysis)
    effects = analysis.of_family(analysis.primary, "effects")
    if not any(effect.summary.n for effect in effects):  # single cells may still be compared
        effects = [*effects, *analysis.of_family(analysis.primary, "comparisons")]
    if not effects:
        return [f"**Nothing to compare:** {_why_nothing(analysis)}.", basis]
    groups: dict[str, list[Effect]] = {"real": [], "suggestive": [], "not shown": [], "unknown": []}
    for effect in effects:
        groups[verdict(effect)].append(effect)
    named = metric_title(analysis.primary)
    one_seed = _one_seed(analysis)
    scope = " (for these trained weights)" if one_seed else ""
    if groups["real"]:
        first = f"**What changes {named}, and is real{scope}:** {_listed(analysis, groups['real'])}."
    else:
        first = f"**Nothing is shown to change {named}{scope}**: no effect has a corrected p under 0.05."
    rest = []
    if groups["suggestive"]:
        rest.append(
            f"**Perhaps** (the interval leaves zero out, the corrected p does not): "
            f"{_listed(analysis, groups['suggestive'])}."
        )
    if groups["not shown"]:
        rest.append(f"**Not shown:** {_listed(analysis, groups['not shown'])}.")
    if groups["unknown"]:
        unknown = "; ".join(f"{phrase(e.contrast, analysis.design)} ({e.note})" for e in groups["unknown"])
        rest.append(f"**Cannot be told:** {unknown}.")
    if others := _other_metrics(analysis):
        rest.append(f"**Real on other metrics** (each corrected on its own): {others}.")
    return [first, *([" ".join(rest)] if rest else []), basis]


def phrase(contrast: Contrast, design: Design) -> str:
    """Return what changes in a contrast, with short names."""
    by_key = {factor.key: factor for factor in design.factors}
    changes = [
        f"{by_key[key].label} {show(by_key[key].values[0])} → {show(by_key[key].values[level])}"
        if contrast.kind != "interaction" or len(by_key[key].values) > 2
        else by_key[key].label
        for key, level in contrast.changes.items()
    ]
    within = [f"{by_key[key].label} {by_key[key].any_of(levels)}" for key, levels in contrast.within.items()]
    joint = " × " if contrast.kind == "interaction" else ", "
    return joint.join(changes) + (f" (within {', '.join(within)})" if within else "")


def method(analysis: Analysis) -> list[str]:
    """Return how the numbers were computed and what they mean, a paragraph each."""
    effects = analysis.of_family(analysis.primary, "effects")
    comparisons = analysis.of_family(analysis.primary, "comparisons")
    several = len(_seeds(analysis)) > 1
    family = [f"the {len(effects)} effects of factors"] if effects else []
    family += [f"the {len(comparisons)} comparisons with the baseline"] if comparisons else []
    lines = [
        f"Estimator: {ESTIMATOR if several else ESTIMATOR_ONE_SEED}.",
        "Pairing: the same samples and noise seeds in every cell; a sample counts where it is defined in all cells "
        "and seeds of an effect, and what is left out is counted in effects.csv (failed, undefined, absent). "
        "Samples of one source image are one cluster.",
        "An effect is the change from the baseline's value to the other one: main effects average over the other "
        "factors' levels; an interaction is the effect of one change where the other was made, less the effect "
        "where it was not; a factor that acts only through another is looked at where it acts (| key=value). "
        "Metrics on which it acts directly, such as those of the map, are not nested.",
        "Win rate: share of the paired samples on which the change is better, ties counted half.",
        "sd: standard deviation of the differences between training seeds, between source images, and of the rest; "
        "a component that would be negative is 0.",
    ]
    if family:
        lines.insert(
            1,
            f"Correction: Holm over {' and, as a family of its own, over '.join(family)}, for each metric; the "
            f"primary metric, {analysis.primary}, decides, the others describe. Real: corrected p < 0.05.",
        )
    if not analysis.study.full_factorial:
        lines.append(
            "The cells are not a full factorial, so there are no main effects and interactions: only comparisons "
            "with the baseline cell."
        )
    lines.append(
        "Times (speed/) have means and no effects: they are of whole batches on a machine as it was."
    )
    return lines


def _listed(analysis: Analysis, effects: Sequence[Effect]) -> str:
    return "; ".join(_one(analysis, effect) for effect in effects)


def _other_metrics(analysis: Analysis) -> str:
    """Each effect that is real on a metric beside the primary, and which way."""
    found: dict[str, list[str]] = {}
    for name in main_metrics(analysis)[1:]:
        for effect in analysis.of_family(name, "effects") or analysis.of_family(name, "comparisons"):
            if verdict(effect) == "real":
                found.setdefault(phrase(effect.contrast, analysis.design), []).append(
                    f"{name}{better(effect)}"
                )
    return "; ".join(f"{change}: {', '.join(names)}" for change, names in found.items())


def better(effect: Effect) -> str:
    """Return which way an effect goes; an interaction goes none."""
    direction = REGISTRY[effect.metric].direction
    if direction == "neither" or effect.contrast.kind == "interaction":
        return ""
    return " better" if (effect.summary.estimate > 0) == (direction == "higher") else " worse"


def _one(analysis: Analysis, effect: Effect) -> str:
    summary = effect.summary
    text = f"{phrase(effect.contrast, analysis.design)} {interval(summary)}"
    if verdict(effect) != "not shown":
        text += better(effect)
    details = [f"p {_equals(p_value(effect.p_corrected))}"]
    if (summary.n, summary.seeds) != _usual(analysis):
        details.append(_count(summary.n, "sample"))
        details.append(_count(len(summary.seeds), "seed"))
    if effect.note:
        details.append(effect.note)
    return f"{text} ({', '.join(details)})"


def _equals(text: str) -> str:
    return text if text.startswith("<") else f"= {text}"


def _usual(analysis: Analysis) -> tuple[int, tuple[object, ...]]:
    """The samples and seeds that most effects of the primary metric rest on."""
    found = [(e.summary.n, e.summary.seeds) for e in analysis.effects.get(analysis.primary, [])]
    return max(found, key=found.count) if found else (0, ())


def _basis(analysis: Analysis) -> str:
    cells = [line for line in analysis.lines if line.kind == "cell"]
    done = sum(line.state == "done" for line in cells)
    n, seeds = _usual(analysis)
    parts = []
    if n:
        trained = _seeds(analysis) != (None,)
        counted = _count(len(seeds), "training seed") if trained else "one set of trained weights per cell"
        parts.append(f"{_count(n, 'paired sample')}, {counted}, 95% intervals, Holm-corrected p")
    if lost := _left_out(analysis):
        parts.append(lost)
    planned = len(cells) + sum("no cell is there" in note for note in analysis.notes)
    if done < planned:
        gone = [f"{line.name} {line.state}" for line in cells if line.state != "done"]
        shown = ", ".join(gone[:4]) + (f" and {len(gone) - 4} more" if len(gone) > 4 else "")
        parts.append(f"{planned - done} of {planned} cells missing ({shown or 'see below'})")
    else:
        parts.append(f"all {planned} cells finished" if planned > 1 else "one cell")
    if _one_seed(analysis):
        parts.append(
            "one training per setting: whether another training would show the same cannot be concluded, and the "
            "intervals are over images alone"
        )
    elif 1 < len(seeds) < 3:
        parts.append("two training seeds say little about the variance between trainings: use at least three")
    return f"**Basis:** {'; '.join(parts)}."


def _left_out(analysis: Analysis) -> str:
    """How many samples the primary's effects went without, at most, and why."""
    summaries = [effect.summary for effect in analysis.effects.get(analysis.primary, [])]
    counts = {
        why: max((getattr(s, why) for s in summaries), default=0) for why in ("failed", "undefined", "absent")
    }
    said = [f"{count} {why}" for why, count in counts.items() if count]
    return f"samples left out: {', '.join(said)}" if said else ""


def _seeds(analysis: Analysis) -> tuple[object, ...]:
    return analysis.scores.seeds if analysis.scores else ()


def _one_seed(analysis: Analysis) -> bool:
    """Whether effects say nothing about other trainings."""
    return len(_usual(analysis)[1]) == 1


def _why_nothing(analysis: Analysis) -> str:
    cells = [line for line in analysis.lines if line.kind == "cell"]
    if len(cells) < 2:
        return "one cell; a sweep (-m) with several values of a key compares them"
    if analysis.scores is None:
        return "no cell has scored samples"
    if analysis.primary not in analysis.metrics:
        return "no cell has a metric with a value for each sample; times and distances of whole sets have means alone"
    return "no setting differs between the cells"


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
