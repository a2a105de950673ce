"""A key of the command line that no cell's edits read is told: two equal cells would look like a finding."""

from pathlib import Path

import pytest

from editmgt.sweeps.compose import compose_all
from editmgt.sweeps.unread import unread

CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["model.hold.quantile=0.5"], ["model.hold.quantile has no effect: model.hold.rule=threshold."]),
        (
            ["model.hold.quantile=0.4,0.5", "model.hold.threshold=0.1"],
            ["model.hold.quantile has no effect in any cell: model.hold.rule=threshold."],
        ),
        (["model.hold.quantile=0.5", "model.hold.rule=threshold,quantile"], []),
        # held or not, the map's IoU is taken at the threshold
        (["model.region_hold=false", "model.hold.threshold=0.1"], []),
    ],
)
def test_of_an_evaluation_by_what_its_checkpoint_has(
    tiny_bundle: Path, arguments: list[str], lines: list[str]
) -> None:
    asked = [f"checkpoint='{tiny_bundle}'", "model.localization.layers=[1,2]", *arguments]
    assert unread(compose_all(CONF, "evaluate", asked, multirun=True)) == lines


def test_of_a_training_by_what_it_will_be() -> None:
    asked = ["sampler.draw_temperature=0.5,1", "model.paradigm=flow"]
    told = ["sampler.draw_temperature has no effect in any cell: the editor is a flow."]
    assert unread(compose_all(CONF, "train", asked, multirun=True)) == told
    assert unread(compose_all(CONF, "train", [*asked[:1], "model.paradigm=mgt,flow"], multirun=True)) == []
