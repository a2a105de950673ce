"""A broken file means the same to all who read it: what a report calls failed is done again, and ends nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from stored_sweep import write_sweep

from editmgt.report.stored import collect
from editmgt.results import RunDirectory
from editmgt.sweeps.compose import compose_all
from editmgt.sweeps.plan import read_plan
from editmgt.sweeps.reference import finished_cells
from editmgt.sweeps.status import is_done

HOLD = "model.region_hold"
CONF = Path(__file__).parents[2] / "conf"
PRINTS = {"training_fingerprint": "t0", "protocol_fingerprint": "p"}


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("status.json", lambda text: "[]"),
        ("status.json", lambda text: ""),
        ("metrics.json", lambda text: text.replace("1.0", "NaN")),
        ("metrics.json", lambda text: text.replace("4", "3", 1)),
        ("samples.csv", lambda text: text.replace(",ok,", ",,", 1)),
        ("samples.csv", lambda text: text[:-20]),
        ("config.yaml", lambda text: "a: ["),
        ("config.yaml", lambda text: "model: tiny"),
    ],
)
def test_what_a_report_calls_failed_is_done_again(
    tmp_path: Path, file: str, damage: Callable[[str], str]
) -> None:
    sweep = write_sweep(tmp_path, {HOLD: [True, False]}, [0], lambda *_: {"edit/success": 1.0}, samples=4)
    broken, whole = (sweep / name for name in read_plan(sweep).cells)
    config = compose_all(CONF, "evaluate", ["checkpoint=tiny_editor"], multirun=False).cells[0].config
    for cell in (broken, whole):
        RunDirectory(cell).write_config(config.model_dump())
    assert is_done(broken, PRINTS) and is_done(whole, PRINTS)
    (broken / file).write_text(damage((broken / file).read_text()))
    assert not is_done(broken, PRINTS) and is_done(whole, PRINTS)
    assert [line.state for line in collect(sweep)] == ["failed", "done"]
    assert whole in [directory for directory, _ in finished_cells(read_plan(sweep))]
