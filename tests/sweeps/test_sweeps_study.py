"""Studies as configuration: what they expand to, what the command line may change, and mistakes in them."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from editmgt.config import Study
from editmgt.errors import UserError
from editmgt.results import SweepDirectory, readable
from editmgt.sweeps.changes import changes
from editmgt.sweeps.compose import Composition, compose_all
from editmgt.sweeps.study import narrowed, narrowing_problems, problems, sweeps

CONF = Path(__file__).parent.parent.parent / "conf"
KNOWN = ("model.region_hold", "model.consolidation", "sampler.steps")
GOOD: dict[str, Any] = {
    "factors": {"model.region_hold": [True, False], "model.consolidation": [True, False]},
    "acts_through": {"model.consolidation": {"model.region_hold": True}},
    "seeds": [0, 1],
    "primary": "edit/success",
    "baseline": {"model.region_hold": True, "model.consolidation": True},
    "correction": "holm",
}


def components(*arguments: str, multirun: bool = True) -> Composition:
    return compose_all(CONF, "train", ["experiment=components", *arguments], multirun)


def test_components_is_the_factorial_over_seeds() -> None:
    composition = components()
    assert len(composition.cells) == 24 and len({cell.overrides for cell in composition.cells}) == 24
    assert composition.study is not None and composition.study.seeds == [0, 1, 2]
    assert len(composition.study.factors) == 3


def test_the_command_line_wins() -> None:
    arguments = ("seed=5", "model.attention_injection=false", "model.consolidation=true", "sampler.steps=2,4")
    composition = components(*arguments)
    assert len(composition.cells) == 4
    assert {cell.config.seed for cell in composition.cells} == {5}
    study = composition.study
    assert study is not None
    assert set(study.factors) == {"model.region_hold", "sampler.steps"}
    assert study.seeds == [5] and study.baseline["sampler.steps"] == 2 and study.acts_through == {}


@pytest.mark.parametrize("files", ["hold_and_consolidation,speed", "localization_layers,speed"])
def test_two_studies_are_two_sweeps(files: str) -> None:
    """The first one's factors would be swept in all of them; where it has none, the second's would not be."""
    with pytest.raises(UserError) as refused:
        compose_all(CONF, "evaluate", [f"experiment={files}"], True)
    assert str(refused.value).startswith(f"experiment={files}: a sweep answers one study")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["study.primary=edit/sucess"], "there is no metric 'edit/sucess'. Did you mean 'edit/success'?"),
        (["study.seeds=[]"], "study.seeds="),
        (
            [f"model.{name}=true" for name in ("region_hold", "consolidation", "attention_injection")],
            "one cell",
        ),
        (
            ["plan=onyl", "model.region_hold=true", "model.consolidation=true"],
            "plan=onyl must be one of run, only. Did you mean 'only'?",
        ),
        (["metrics.names=[inside/l1]", "study.primary=edit/success"], "not computed"),
    ],
)
def test_mistakes_on_the_command_line(arguments: list[str], line: str) -> None:
    with pytest.raises(UserError) as error:
        components(*arguments, "seed=0")
    assert line in str(error.value) and "\n" not in str(error.value)


def test_a_study_needs_a_sweep() -> None:
    with pytest.raises(UserError, match=r"components is a study, .*: add -m"):
        components(multirun=False)


@pytest.mark.parametrize(
    ("where", "value", "line"),
    [
        (
            "factors",
            {"model.regionhold": [1, 2]},
            "no key 'model.regionhold'. Did you mean 'model.region_hold'?",
        ),
        ("factors", {"model.region_hold": [True], "model.consolidation": [True]}, "at least two"),
        ("factors", {"model.region_hold": []}, "study.factors.model.region_hold="),
        ("baseline", {"model.region_hold": True}, "says nothing of model.consolidation"),
        (
            "baseline",
            GOOD["baseline"] | {"model.region_hold": "maybe"},
            "=maybe is not one of its values (true, false)",
        ),
        ("baseline", GOOD["baseline"] | {"sampler.steps": 1}, "'sampler.steps' is no factor of this study"),
        ("acts_through", {"model.consolidation": {"sampler.steps": 1}}, "'sampler.steps' is no factor"),
        (
            "acts_through",
            {
                "model.consolidation": {"model.region_hold": True},
                "model.region_hold": {"model.consolidation": True},
            },
            "study.acts_through goes round in a circle, model.consolidation → model.region_hold → "
            "model.consolidation: leave one of them out.",
        ),
        (
            "acts_through",
            {"model.region_hold": {"model.region_hold": True}},
            "in a circle, model.region_hold → model.region_hold: leave one of them out.",
        ),
        ("primary", "edit/succes", "Did you mean 'edit/success'?"),
        ("correction", "hulm", "study.correction=hulm must be one of holm. Did you mean 'holm'?"),
        ("seed", [1], "Unknown key 'study.seed'. Did you mean 'seeds'?"),
    ],
)
def test_mistakes_in_a_file(where: str, value: Any, line: str) -> None:
    assert problems(GOOD, KNOWN, None) == []
    found = problems(deepcopy(GOOD) | {where: value}, KNOWN, None)
    assert any(line in text for text in found) and not any("\n" in text for text in found)


def test_a_primary_metric_that_is_not_computed() -> None:
    assert "metrics leaves it out" in problems(GOOD, KNOWN, ["inside/l1"])[0]


@pytest.mark.parametrize(
    ("primary", "metrics", "why"),
    [
        ("speed/edit_seconds", [], "a time is of a whole batch, on a machine as it was"),
        ("set/fid", ["metrics.preset=[set/fid,edit/success]"], "it is one number for all edits of a cell"),
        ("set/kid", ["metrics.preset=[edit/success]"], "it is one number for all edits of a cell"),
        ("set/fid", ["metrics.preset=[set/fid]"], "it is one number for all edits of a cell"),
    ],
)
def test_a_primary_metric_that_has_no_effects(
    run: Callable[..., int],
    tiny_bundle: Path,
    capsys: pytest.CaptureFixture[str],
    primary: str,
    metrics: list[str],
    why: str,
) -> None:
    """It has means and nothing that is paired by sample: after all the work there would be nothing to compare."""
    arguments = ["-m", "experiment=hold_and_consolidation", f"study.primary={primary}", *metrics]
    small = ["debug=few", "benchmark.resolution=32", "logger=none", f"checkpoint='{tiny_bundle}'"]
    assert run("evaluate", *arguments, *small) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"study.primary={primary} has no effects: {why}. Choose one that is computed here: " in line
    choices = line.rpartition(": ")[2]
    assert "set/" not in choices and "speed/" not in choices
    assert choices == "none." if metrics == ["metrics.preset=[set/fid]"] else "edit/success" in choices
    assert not Path("outputs").exists()


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
            st.booleans(),
            st.integers(),
            st.floats(allow_nan=False, allow_infinity=False),
            st.lists(st.integers(), min_size=1),
        ),
        min_size=2,
        unique_by=repr,
    )
)
def test_any_value_survives_the_command_line(values: list[Any]) -> None:
    study = Study.model_validate(GOOD | {"factors": {"x": values}})
    factor, seed = OverridesParser.create().parse_overrides(sweeps(study, []))
    parsed = [
        OverridesParser.create().parse_override(f"x={text}").value()
        for text in factor.sweep_string_iterator()
    ]
    assert [getattr(value, "text", value) for value in parsed] == values
    assert list(seed.sweep_iterator()) == [0, 1]


def test_what_the_command_line_took_away_is_told() -> None:
    study = Study.model_validate(GOOD)
    left = narrowed(study, {"sampler.steps": [2, 4]}, [0])
    assert narrowing_problems(left) == [] and left.acts_through == {}
    assert narrowing_problems(narrowed(study, {}, [0])) != []
    without_baseline = Study.model_validate(
        GOOD | {"factors": {"sampler.steps": [1, 2, 3]}, "baseline": {"sampler.steps": 1}}
    )
    [line] = narrowing_problems(narrowed(without_baseline, {"sampler.steps": [2, 3]}, [0]))
    assert "study.baseline: sampler.steps=1 is not one of its values (2, 3)" in line


def test_a_study_is_stored_and_read_back(tmp_path: Path) -> None:
    study = Study.model_validate(GOOD)
    assert SweepDirectory(tmp_path).study() is None
    SweepDirectory(tmp_path).write_study(study)
    assert SweepDirectory(tmp_path).study() == study
    for broken in ("factors: [", "- factors", "factors: {}"):
        (tmp_path / "study.yaml").write_text(broken)
        assert readable(SweepDirectory(tmp_path).study) is None
    other = study.model_copy(update={"seeds": [7]})
    assert changes(study.model_dump(), other.model_dump()) == ["seeds was [0,1] and is [7]"]
