"""Contrasts of factorials, and effects from stored rows: by hand, nested, paired, nothing dropped silently."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats
from stored_sweep import Score, write_cell, write_sweep

from editmgt.analysis.contrasts import Design, Factor, circle
from editmgt.analysis.effects import Effect, Scores, estimate
from editmgt.files import read_json, write_json
from editmgt.metrics.registry import REGISTRY
from editmgt.report.analysis import Analysis, analyse
from editmgt.report.csv_tables import effects_csv
from editmgt.report.words import answer

HOLD, CONSOLIDATION, INJECTION = "model.region_hold", "model.consolidation", "model.attention_injection"
SWITCHES = {INJECTION: [True, False], CONSOLIDATION: [True, False], HOLD: [True, False]}
STUDY = {
    "factors": SWITCHES,
    "acts_through": {CONSOLIDATION: {HOLD: True}},
    "seeds": [0, 1, 2],
    "primary": "edit/success",
    "baseline": dict.fromkeys(SWITCHES, True),
    "correction": "holm",
}


def by_name(analysis: Analysis, metric: str = "edit/success") -> dict[str, Effect]:
    return {effect.contrast.name: effect for effect in analysis.effects[metric]}


def switches_score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
    """Injection adds 4; hold adds 1, and consolidation 2 more with it; injection makes hold worth 3 more."""
    injection, hold = levels[INJECTION], levels[HOLD]
    value = 4 * injection + hold * (1 + 2 * levels[CONSOLIDATION] + 3 * injection)
    noise = 0.01 * (((i * 7 + seed * 3) % 5) + i % 3 * injection + (i * seed) % 4 * hold)
    map_score = 0.5 + 0.1 * levels[CONSOLIDATION] + 0.01 * (i % 4) * levels[CONSOLIDATION]
    return {"edit/success": value + noise, "localization/auc": map_score, "speed/edit_seconds": 0.1}


def flat(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
    return {"edit/success": float((i + seed + (levels[HOLD] is True)) % 3 == 0)}


def test_contrasts_of_a_two_by_two() -> None:
    design = Design((Factor("a", (0, 1), ("0", "1")), Factor("b.c", ("x", "y"), ("x", "y"))))
    main, other, interaction = design.effects()
    assert main.name == "a: 0 → 1" and main.kind == "main"
    assert main.weights == {(0, 0): -0.5, (0, 1): -0.5, (1, 0): 0.5, (1, 1): 0.5}
    assert other.weights == {(0, 0): -0.5, (0, 1): 0.5, (1, 0): -0.5, (1, 1): 0.5}
    assert interaction.name == "a: 0 → 1 × b.c: x → y" and interaction.kind == "interaction"
    assert interaction.weights == {(0, 0): 1, (0, 1): -1, (1, 0): -1, (1, 1): 1}
    assert [c.name for c in design.comparisons()] == [
        "cell: b.c: x → y",
        "cell: a: 0 → 1",
        "cell: a: 0 → 1, b.c: x → y",
    ]


def test_what_acts_only_through_another_is_nested_and_its_idle_cells_are_one() -> None:
    design = Design(
        tuple(
            Factor(key, (True, False), ("true", "false")) for key in ("injection", "consolidation", "hold")
        ),
        {"consolidation": {"hold": frozenset({0})}},
    )
    names = {c.name: c for c in design.effects()}
    assert list(names) == [
        "injection: true → false",
        "consolidation: true → false | hold=true",
        "hold: true → false",
        "injection: true → false × consolidation: true → false | hold=true",
        "injection: true → false × hold: true → false",
    ]
    nested = names["consolidation: true → false | hold=true"]
    assert nested.kind == "nested"
    assert nested.weights == {(0, 0, 0): -0.5, (0, 1, 0): 0.5, (1, 0, 0): -0.5, (1, 1, 0): 0.5}
    assert design.canonical((1, 1, 1)) == (1, 0, 1) and design.canonical((1, 1, 0)) == (1, 1, 0)
    assert len(design.comparisons()) == 5
    for contrast in [*names.values(), *design.comparisons()]:
        assert sum(contrast.weights.values()) == pytest.approx(0)


def test_gates_chain() -> None:
    factors = tuple(Factor(key, (0, 1), ("0", "1")) for key in "abc")
    design = Design(factors, {"c": {"b": frozenset({1})}, "b": {"a": frozenset({1})}})
    assert design.gates("c") == {"b": {1}, "a": {1}}
    assert design.canonical((0, 1, 1)) == (0, 0, 0)


def test_two_factors_that_act_under_different_levels_of_a_third_do_not_interact(tmp_path: Path) -> None:
    """Each rule reads a number of its own: no cell reads both, and an effect that cannot be is no test of Holm's."""
    rule, threshold, quantile = (f"model.hold.{name}" for name in ("rule", "threshold", "quantile"))

    def score(levels: dict[str, Any], _: int, i: int) -> dict[str, float]:
        read = levels[threshold] if levels[rule] == "threshold" else 2 * levels[quantile]
        return {"edit/success": read * (1 + 0.1 * (i % 3)) + 0.2 * (levels[rule] == "quantile") * (i % 2)}

    factors = {rule: ["threshold", "quantile"], threshold: [0.1, 0.5], quantile: [0.5, 0.8]}
    analysis = analyse(write_sweep(tmp_path, factors, [0], score))
    effects = analysis.of_family("edit/success", "effects")
    assert {effect.contrast.name for effect in effects} == {
        f"{rule}: threshold → quantile",
        f"{threshold}: 0.1 → 0.5 | {rule}=threshold",
        f"{quantile}: 0.5 → 0.8 | {rule}=quantile",
    }
    least = min(effects, key=lambda effect: effect.summary.p)
    assert least.p_corrected == pytest.approx(3 * least.summary.p)


def test_factors_that_act_under_one_level_of_a_third_interact_there() -> None:
    factors = tuple(Factor(key, (0, 1), ("0", "1")) for key in "abc")
    design = Design(factors, {"b": {"a": frozenset({1})}, "c": {"a": frozenset({1})}})
    assert "b: 0 → 1 × c: 0 → 1 | a=1" in [contrast.name for contrast in design.effects()]
    apart = Design(factors, {"b": {"a": frozenset({1})}, "c": {"a": frozenset({0})}})
    assert not any(contrast.kind == "interaction" for contrast in apart.effects())


@pytest.mark.parametrize(
    ("through", "found"),
    [
        ({"a": {"b": 1}, "b": {"c": 1}}, []),
        ({"a": {"b": 1, "c": 1}, "b": {"c": 1}}, []),
        ({"a": {"a": 1}}, ["a", "a"]),
        ({"a": {"b": 1}, "b": {"a": 1}}, ["a", "b", "a"]),
        ({"a": {"b": 1}, "b": {"c": 1}, "c": {"d": 1, "b": 1}}, ["b", "c", "b"]),
    ],
)
def test_a_circle_of_factors_is_found(through: dict[str, dict[str, int]], found: list[str]) -> None:
    assert circle(through) == found


def test_one_factor_one_seed_by_hand(tmp_path: Path) -> None:
    scores = {True: [1, 1, 0, 1], False: [0, 1, 0, 0]}
    write_sweep(
        tmp_path,
        {HOLD: [True, False]},
        [0],
        lambda levels, _, i: {"edit/success": scores[levels[HOLD]][i]},
        samples=4,
    )
    [effect] = analyse(tmp_path).effects["edit/success"]
    summary = effect.summary
    assert effect.contrast.name == "model.region_hold: true → false"
    assert (summary.n, summary.images, summary.seeds) == (4, 4, (0,))
    assert summary.estimate == -0.5  # differences -1 0 0 -1: sd .57735, se .288675, t(3) 3.182446
    assert [summary.low, summary.high] == pytest.approx([-1.418693, 0.418693], abs=1e-5)
    assert summary.p == pytest.approx(0.181690, abs=1e-5) and effect.p_corrected == summary.p
    assert effect.win_rate == 0.25  # two losses, two ties
    assert summary.p == pytest.approx(stats.ttest_rel(scores[False], scores[True]).pvalue, rel=1e-6)


def test_a_factorial_with_nesting_by_hand(tmp_path: Path) -> None:
    write_sweep(tmp_path, SWITCHES, [0, 1, 2], switches_score, samples=12, study=STUDY)
    found = by_name(analyse(tmp_path))
    expected = {
        # hold off: 4; hold on: 4 + 1 + 3 with consolidation 2 more half of the time
        f"{INJECTION}: true → false": -(4 + 3 / 2),
        f"{CONSOLIDATION}: true → false | {HOLD}=true": -2,
        f"{HOLD}: true → false": -(1 + 2 / 2 + 3 / 2),
        f"{INJECTION}: true → false × {CONSOLIDATION}: true → false | {HOLD}=true": 0,
        f"{INJECTION}: true → false × {HOLD}: true → false": 3,
    }
    effects = [effect for effect in found.values() if effect.contrast.kind != "comparison"]
    assert [effect.contrast.name for effect in effects] == list(expected)
    for effect in effects:
        assert effect.summary.estimate == pytest.approx(expected[effect.contrast.name], abs=0.05)
    assert sum(effect.contrast.kind == "comparison" for effect in found.values()) == 5
    assert found[f"{INJECTION}: true → false"].win_rate == 0
    assert np.isnan(found[f"{INJECTION}: true → false × {HOLD}: true → false"].win_rate)


def test_a_factor_is_not_nested_for_a_metric_on_which_it_acts(tmp_path: Path) -> None:
    write_sweep(tmp_path, SWITCHES, [0], switches_score, samples=6, study=STUDY)
    found = by_name(analyse(tmp_path), "localization/auc")
    effect = found[f"{CONSOLIDATION}: true → false"]
    assert effect.contrast.kind == "main" and effect.summary.estimate < -0.1
    assert "speed/edit_seconds" not in analyse(tmp_path).effects


def test_what_reads_attention_is_nested_in_its_source_whatever_the_metric(tmp_path: Path) -> None:
    """Pictures depend on consolidation through hold and attention; the map through attention alone."""
    source = "model.localization.source"

    def score(levels: dict[str, Any], _: int, i: int) -> dict[str, float]:
        read = levels[CONSOLIDATION] and levels[source] == "attention"
        noise = 0.01 * ((i * 7) % 5) * (1 + read)
        return {
            "edit/success": noise * levels[HOLD] + 3.0 * (read and levels[HOLD]),
            "localization/auc": noise + 0.2 * read + 0.1 * (levels[source] == "posterior"),
        }

    factors = {source: ["attention", "posterior"], CONSOLIDATION: [True, False], HOLD: [True, False]}
    write_sweep(tmp_path, factors, [0], score, samples=6)
    analysis = analyse(tmp_path)
    through = f"{CONSOLIDATION}: true → false | "
    effect = by_name(analysis)[f"{through}{HOLD}=true, {source}=attention"]
    assert effect.summary.estimate == pytest.approx(-3, abs=0.05)
    assert by_name(analysis)[f"{source}: attention → posterior | {HOLD}=true"].summary.n == 6
    maps = by_name(analysis, "localization/auc")
    assert maps[f"{through}{source}=attention"].summary.estimate == pytest.approx(-0.2, abs=0.05)
    assert maps[f"{source}: attention → posterior"].contrast.kind == "main"


@pytest.mark.parametrize(
    ("others", "within"),
    [
        (["otsu"], " | model.hold.rule=threshold"),
        (["hysteresis"], ""),
        (["hysteresis", "otsu"], " | model.hold.rule=threshold or hysteresis"),
    ],
)
def test_a_factor_is_nested_in_the_values_of_another_that_let_it_act(
    others: list[str], within: str, tmp_path: Path
) -> None:
    """Two rules read the threshold, and Otsu's does not: where that is averaged in, the effect would be a third too small."""

    def score(levels: dict[str, Any], _: int, i: int) -> dict[str, float]:
        reads = levels["model.hold.rule"] != "otsu"
        return {"edit/success": (1 + 0.01 * i) * reads * levels["model.hold.threshold"]}

    write_sweep(
        tmp_path,
        {"model.hold.rule": ["threshold", *others], "model.hold.threshold": [0.5, 0.7]},
        [0],
        score,
    )
    analysis = analyse(tmp_path)
    effect = by_name(analysis)[f"model.hold.threshold: 0.5 → 0.7{within}"]
    assert effect.summary.estimate == pytest.approx(0.2, abs=0.02)
    assert (within.replace(" | model.hold.rule=", "(within rule ") in answer(analysis)[0]) or not within
    between = [effect for effect in by_name(analysis) if " × " in effect]
    both_act = "model.hold.rule: threshold → hysteresis × model.hold.threshold: 0.5 → 0.7"
    assert between == ([both_act] if "hysteresis" in others else [])


def test_what_a_swept_group_sets_is_no_factor_beside_it(tmp_path: Path) -> None:
    ways = {"none": False, "posterior": True, "otsu": True}
    write_sweep(tmp_path, {"hold_setup": list(ways)}, [0], lambda *_: {"edit/success": 1.0}, samples=3)
    for name, holds in ways.items():
        path = tmp_path / f"hold_setup-{name}__seed-0" / "config.yaml"
        config = yaml.safe_load(path.read_text())
        config["model"] |= {"region_hold": holds, "hold": {"rule": name}}
        path.write_text(yaml.safe_dump(config))
    assert [factor.key for factor in analyse(tmp_path).design.factors] == ["hold_setup"]


def test_cells_that_nothing_parts_stand_for_each_other(tmp_path: Path) -> None:
    """A sweep without the idle cells (consolidation off, hold off) says the same of pictures."""
    whole, without = tmp_path / "whole", tmp_path / "without"

    def only_pictures(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
        return {"edit/success": switches_score(levels, seed, i)["edit/success"]}

    for directory in (whole, without):
        write_sweep(directory, SWITCHES, [0, 1], only_pictures, samples=6, study=STUDY | {"seeds": [0, 1]})
    plan = read_json(without / "plan.json")
    for name in list(plan["cells"]):
        if "consolidation-false__region_hold-false" in name:
            del plan["cells"][name]
            for path in (without / name).iterdir():
                path.unlink()
            (without / name).rmdir()
    write_json(without / "plan.json", plan)
    reduced = analyse(without)
    assert not reduced.notes and len(reduced.lines) == 12
    assert effects_csv(reduced) == effects_csv(analyse(whole))


def test_samples_of_one_source_image_are_one_cluster(tmp_path: Path) -> None:
    def score(levels: dict[str, Any], _: int, i: int) -> dict[str, float]:
        return {"edit/success": float(levels[HOLD]) * (i // 2) + 0.0}

    write_sweep(tmp_path, {HOLD: [False, True]}, [0], score, samples=8, per_source=2)
    [effect] = analyse(tmp_path).effects["edit/success"]
    expected = stats.ttest_1samp([0, 1, 2, 3], 0)
    assert (effect.summary.n, effect.summary.images) == (8, 4)
    assert effect.summary.p == pytest.approx(expected.pvalue, rel=1e-6)


def test_what_cannot_be_paired_is_counted(tmp_path: Path) -> None:
    def score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float] | str | None:
        if i == 0 and levels[HOLD]:
            return "RuntimeError: no such luck"
        if i == 1 and seed == 1:
            return {"edit/success": float("nan")}
        if i == 2 and not levels[HOLD]:
            return None
        return {"edit/success": float(i % 2 + levels[HOLD])}

    write_sweep(tmp_path, {HOLD: [True, False]}, [0, 1], score, samples=8)
    [effect] = analyse(tmp_path).effects["edit/success"]
    summary = effect.summary
    assert (summary.n, summary.failed, summary.undefined, summary.absent) == (5, 1, 1, 1)
    assert summary.estimate == -1 and "no interval" in effect.note  # all five differ by one
    assert summary.p == 1 / 16  # the sign test's
    assert "samples left out: 1 failed, 1 undefined, 1 absent" in answer(analyse(tmp_path))[-1]


def test_without_a_study_file_the_cells_say_the_same(tmp_path: Path) -> None:
    with_study, without = tmp_path / "with", tmp_path / "without"
    write_sweep(with_study, SWITCHES, [0, 1, 2], switches_score, samples=6, study=STUDY)
    write_sweep(without, SWITCHES, [0, 1, 2], switches_score, samples=6)
    assert effects_csv(analyse(without)) == effects_csv(analyse(with_study))


def test_where_every_sample_is_lost_the_answer_says_so(tmp_path: Path) -> None:
    write_sweep(
        tmp_path, {HOLD: [True, False]}, [0], lambda levels, *_: {"edit/success": float(levels[HOLD])}
    )
    first, *_ = answer(analyse(tmp_path))
    assert "is real" in first and "region_hold true → false −1.000 worse (p = 0.008, all differences" in first


@pytest.mark.parametrize("levels", [3, 5, 6])
@pytest.mark.parametrize("kind", ["binary", "continuous"])
def test_what_rounding_leaves_where_cells_are_equal_is_no_effect(kind: str, levels: int) -> None:
    """Averages over three and more levels of another factor: sixths do not cancel, and tests would call that real."""
    factors = [
        Factor(key, tuple(range(n)), tuple(map(str, range(n))))
        for key, n in zip("abc", (2, 2, levels), strict=True)
    ]
    design, rng = Design(tuple(factors)), np.random.default_rng(levels)
    values = rng.integers(0, 2, (levels, 40)) if kind == "binary" else rng.normal(30, 3, (levels, 40))
    frames = {
        (cell, 0): pd.DataFrame({"sample_id": range(40), "status": "ok", "m": values[cell[-1]].astype(float)})
        .assign(source_id="", edit_type="", instruction="", seed=0).astype({"sample_id": str})
        for cell in design.combinations()
    }  # fmt: skip
    effects = estimate(Scores(frames, design, {"m": REGISTRY["edit/success"]}), design.effects(), "m")
    idle = [effect for effect in effects if "c" not in effect.contrast.changes]
    assert len(idle) == 3
    for effect in idle:
        assert (effect.summary.estimate, effect.summary.p, effect.note) == (0, 1, "no sample differs")


def test_a_cell_that_never_started_has_the_values_that_others_have(tmp_path: Path) -> None:
    """YAML 1.1, in which the plan was read, takes 1e-4 for a text: a level of its own, and the sweep for no factorial."""
    rate = "model.optimizer.lr"

    def score(levels: dict[str, Any], _: int, i: int) -> dict[str, float]:
        return {"edit/success": float((i + levels[HOLD]) % 3 == 0)}

    write_sweep(tmp_path, {rate: [1e-3, 1e-4], HOLD: [True, False]}, [0], score)
    plan = read_json(tmp_path / "plan.json")
    lost = [*plan["cells"]][-1]
    plan["cells"][lost] = [f"{rate}=1e-4", f"{HOLD}=false", "seed=0"]
    write_json(tmp_path / "plan.json", plan)
    shutil.rmtree(tmp_path / lost)
    study = analyse(tmp_path).study
    assert study.full_factorial and study.design.factors[0].texts == ("0.001", "0.0001")


def test_a_value_that_is_written_in_two_ways_is_one_level(tmp_path: Path) -> None:
    key = "sampler.guidance_interval"
    write_sweep(tmp_path, {key: [[0, 1], [0.5, 1]]}, [0], lambda *_: {"edit/success": 1.0}, samples=3,
                study=STUDY | {"factors": {key: [[0.0, 1.0], [0.5, 1.0], [0.5, 1]]}, "baseline": {key: [0.5, 1.0]}, "acts_through": {},
                               "seeds": [0]})  # fmt: skip
    analysis = analyse(tmp_path)
    assert not analysis.notes and analysis.design.factors[0].texts == ("[0.5,1.0]", "[0.0,1.0]")


def test_a_missing_cell_costs_its_seed_and_only_what_needs_it(tmp_path: Path) -> None:
    write_sweep(tmp_path, SWITCHES, [0, 1, 2], switches_score, samples=6, study=STUDY)
    lost = tmp_path / "attention_injection-false__consolidation-true__region_hold-true__seed-2"
    for path in lost.iterdir():
        path.unlink()
    lost.rmdir()
    analysis = analyse(tmp_path)
    found = by_name(analysis)
    main = found[f"{INJECTION}: true → false"].summary
    assert main.seeds == (0, 1) and main.seeds_left_out == (2,)
    comparison = next(e for e in found.values() if e.contrast.kind == "comparison")
    assert comparison.contrast.name == f"cell: {HOLD}: true → false" and comparison.summary.seeds == (0, 1, 2)
    assert any(lost.name in note and "missing" in note for note in analysis.notes)


def test_a_cell_that_no_seed_has_leaves_the_rest(tmp_path: Path) -> None:
    write_sweep(tmp_path, SWITCHES, [0], switches_score, samples=6, study=STUDY | {"seeds": [0]})
    name = "attention_injection-false__consolidation-true__region_hold-true__seed-0"
    (tmp_path / name / "status.json").write_text('{"state": "failed", "error": "out of memory"}')
    found = by_name(analyse(tmp_path))
    main = found[f"{INJECTION}: true → false"]
    assert main.summary.n == 0 and main.missing == ((1, 0, 0),) and main.note == "cells are missing"
    assert found[f"{INJECTION}: true → false × {HOLD}: true → false"].missing == ((1, 0, 0),)
    assert sum(e.summary.n > 0 for e in found.values() if e.contrast.kind == "comparison") == 4


def test_noise_seeds_of_one_editor_are_pooled(tmp_path: Path) -> None:
    """Where nothing is trained, ``seed`` is of the edits' noise: more pairs, not more trainings."""
    write_sweep(tmp_path, {HOLD: [True, False]}, [0, 1, 2], flat, samples=6)
    for path in tmp_path.glob("*/config.yaml"):
        config = yaml.safe_load(path.read_text()) | {"task": "evaluate"}
        path.write_text(yaml.safe_dump(config))
        rows = path.with_name("samples.csv")
        rows.write_text(rows.read_text().replace(",0,ok,", f",{config['seed']},ok,"))
    [effect] = analyse(tmp_path).effects["edit/success"]
    assert (effect.summary.n, effect.summary.images, effect.summary.seeds) == (18, 6, (None,))


def test_cells_that_are_no_factorial_have_comparisons_alone(tmp_path: Path) -> None:
    def score(levels: dict[str, Any], seed: int, i: int) -> dict[str, float]:
        return {"edit/success": float(levels[INJECTION] + levels[HOLD] * (i % 2))}

    for number, (injection, hold) in enumerate([(True, True), (False, True), (True, False)]):
        write_cell(tmp_path / f"cell{number}", {INJECTION: injection, HOLD: hold}, 0, score)
    effects = analyse(tmp_path).effects["edit/success"]
    assert {effect.contrast.kind for effect in effects} == {"comparison"} and len(effects) == 2


def test_a_group_is_told_by_the_choice_that_was_made(tmp_path: Path) -> None:
    """Two files of a group may share a name; the plan knows which one a cell took."""
    write_sweep(
        tmp_path, {"benchmark.world": ["full", "basic"]}, [0], lambda c, _, i: {"edit/success": float(i % 3)}
    )
    plan = read_json(tmp_path / "plan.json")
    for name, choice in zip(plan["cells"], ("scenes", "scenes_basic"), strict=True):
        plan["cells"][name] = [f"benchmark={choice}", "seed=0"]
        config = yaml.safe_load((tmp_path / name / "config.yaml").read_text())
        config["benchmark"]["name"] = "scenes"
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump(config))
    write_json(tmp_path / "plan.json", plan)
    assert [e.contrast.name for e in analyse(tmp_path).effects["edit/success"]] == [
        "benchmark: scenes → scenes_basic"
    ]
    study = {"factors": {"benchmark": ["scenes_basic", "scenes"]}, "seeds": [0]}
    study |= {"primary": "edit/success", "baseline": {}, "correction": "holm"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    assert [e.contrast.name for e in analyse(tmp_path).effects["edit/success"]] == [
        "benchmark: scenes_basic → scenes"
    ]


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_effects_that_are_not_there_are_not_found(tmp_path: Path, seeds: list[int]) -> None:
    score: Score = lambda levels, seed, i: {"edit/success": float((i + seed) % 2)}  # noqa: E731
    write_sweep(tmp_path, {HOLD: [True, False]}, seeds, score)
    [effect] = analyse(tmp_path).effects["edit/success"]
    assert effect.summary.estimate == 0 and effect.summary.p == 1 and effect.win_rate == 0.5
    assert effect.note == "no sample differs"
