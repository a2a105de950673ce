"""Edits two at a time before a judge behind a real HTTP server: fair ones, ones that go by position, broken ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from chat_server import Chat, brighter, chat, winner
from full_disk import full_disk
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from editmgt.benchmarks import EditSample
from editmgt.benchmarks.judging import COMPARISONS
from editmgt.evaluation.compared_pictures import (
    Contestant,
    compare_pictures,
    read_comparisons,
)
from editmgt.evaluation.judge import Judge, read_winner
from editmgt.files import WriteError
from editmgt.report.pairwise import Tournament, read_tournaments, tournament

LEVELS = {"bright": 200, "middle": 120, "dark": 40}


def contestants(directory: Path, count: int, *, of_others: tuple[str, ...] = ()) -> list[Contestant]:
    """One whose edits are bright, one's that are middling, one's that are dark: each sample a level darker."""

    def one(name: str, level: int) -> Contestant:
        (directory / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            Image.new("RGB", (8, 8), (level - index,) * 3).save(directory / name / f"k{index}.png")
        return Contestant(name, lambda s: directory / name / f"{s.sample_id}.png", name in of_others)

    return [one(name, level) for name, level in LEVELS.items()]


def samples(count: int) -> list[EditSample]:
    pixels = np.zeros((8, 8, 3), np.uint8)
    return [EditSample(f"k{i}", f"s{i}", pixels, f"make it bright {i}", f"t{i % 2}") for i in range(count)]


def compared(directory: Path, server: Chat, count: int = 4, **options: tuple[str, ...]) -> Tournament:
    out = directory / "pairwise" / "folder"
    judge = Judge(server.url, "seer", attempts=2, timeout=600, pause=0.01)
    rows = compare_pictures(contestants(directory, count, **options), samples(count), out, judge)
    stored = read_comparisons(out / "comparisons.csv")
    assert stored == rows
    [found], broken = read_tournaments(directory)
    assert not broken and found.benchmark == "folder"
    return found


def test_a_fair_judge_orders_them(tmp_path: Path) -> None:
    with chat(brighter) as server:
        found = compared(tmp_path, server)
    assert found.names == ["bright", "middle", "dark"]
    assert found.tally == [(24, 0, 0), (12, 0, 12), (0, 0, 24)]  # 4 samples, 3 questions, 2 others
    assert (found.asked, found.consistency, found.same, found.failed) == (36, 1, 0, 0)
    assert list(found.ratings) == ["overall", "instruction", "quality", "kept"]
    assert all(np.isfinite(values.estimate).all() for values in found.ratings.values())
    assert np.all(np.diff(found.ratings["overall"].estimate) < 0)
    assert len(server.asked) == 72  # both orders
    prompts = [text for text, _ in server.asked]
    assert sum("make it bright 3" in text for text in prompts) == 18 and "{instruction}" not in "".join(
        prompts
    )
    assert {levels[0] for _, levels in server.asked} == {0.0}  # the source comes first
    replies = [json.loads(line) for line in (tmp_path / "pairwise/folder/judge.jsonl").open()]
    assert len(replies) == 72 and {reply["A"] for reply in replies} == set(LEVELS)
    assert {reply["prompt_sha256"] for reply in replies} == {prompt.digest for prompt in COMPARISONS}
    assert all(reply["reply"] and reply["date"] and reply["judge"] == "seer" for reply in replies)


@pytest.mark.parametrize("side", ["A", "B", "Image A"])
def test_a_judge_that_goes_by_position_finds_ties_alone(side: str, tmp_path: Path) -> None:
    with chat(lambda _text, _levels: winner(side)) as server:
        found = compared(tmp_path, server)
    assert found.tally == [(0, 24, 0)] * 3 and found.consistency == 0
    np.testing.assert_allclose(found.ratings["overall"].estimate, 1000)
    assert np.isnan(
        found.ratings["overall"].low
    ).all()  # no draw of pictures differs: no interval, not one of no width


def test_ties_and_equal_pictures(tmp_path: Path) -> None:
    with chat(lambda _text, _levels: winner("tie")) as server:
        made = contestants(tmp_path, 1)
        twin = Contestant("twin", made[0].picture)
        judge = Judge(server.url, "seer", timeout=600)
        rows = compare_pictures([made[0], twin, made[1]], samples(1), tmp_path / "out", judge)
    found = tournament("x", rows)
    assert (found.asked, found.agreed, found.same) == (6, 6, 3)
    assert len(server.asked) == 6  # what both twins are asked is asked once, of each other nothing
    assert found.tally == [(0, 6, 0)] * 3


def broken(text: str, levels: list[float]) -> str | int:
    if "make it bright 0" in text:
        return 500
    if "make it bright 1" in text:
        return "I like both."
    return winner("C") if "make it bright 2" in text else brighter(text, levels)


def test_what_brings_no_answer_is_a_failed_row_and_asked_again(tmp_path: Path) -> None:
    with chat(broken) as server:
        found = compared(tmp_path, server)
        assert (found.asked, found.failed) == (9, 27) and found.tally[0] == (6, 0, 0)
        rows = read_comparisons(tmp_path / "pairwise/folder/comparisons.csv")
        errors = {row["sample_id"]: row["error"] for row in rows}
        assert "HTTP 500" in errors["k0"] and "holds no JSON object with a winner" in errors["k1"]
        assert "the winner is not A, B or tie: C" in errors["k2"] and not errors["k3"]
        assert (
            len(server.asked) == 27 * 2 + 18
        )  # twice each, and no second order where the first brought nothing
        server.reply = brighter
        before = len(server.asked)
        again = compared(tmp_path, server)
        assert again.failed == 0 and len(server.asked) == before + 54
        assert compared(tmp_path, server).tally == again.tally and len(server.asked) == before + 54


def test_a_torn_answer_is_asked_again_and_another_judge_is_another(tmp_path: Path) -> None:
    with chat(brighter) as server:
        first = compared(tmp_path, server, count=1)
        answers = tmp_path / "pairwise/folder/answers.csv"
        answers.write_text(answers.read_text()[:-3])
        assert compared(tmp_path, server, count=1).tally == first.tally and len(server.asked) == 19
        judge = Judge(server.url, "seer 2", timeout=600)
        compare_pictures(contestants(tmp_path, 1), samples(1), answers.parent, judge)
        assert len(server.asked) == 19 + 18
        Image.new("RGB", (8, 8), "white").save(
            tmp_path / "dark" / "k0.png"
        )  # another edit: two pairs are asked anew
        made = [Contestant(n, lambda s, n=n: tmp_path / n / f"{s.sample_id}.png") for n in LEVELS]
        compare_pictures(made, samples(1), answers.parent, judge)
        assert len(server.asked) == 19 + 18 + 12


def test_galleries_are_not_compared_with_themselves(tmp_path: Path) -> None:
    with chat(brighter) as server:
        found = compared(tmp_path, server, of_others=("middle", "dark"))
        assert found.asked == 2 * 4 * 3 and found.names[0] == "bright"
        made = contestants(tmp_path, 2)
        absent = Contestant("absent", lambda s: None if s.sample_id == "k0" else Path("gone.png"))
        rows = compare_pictures([made[0], absent], samples(2), tmp_path / "out", Judge(server.url, "seer"))
    assert [row["sample_id"] for row in rows] == ["k1"] * 3  # nobody promised k0
    assert all("There is no image file 'gone.png'" in row["error"] for row in rows)


def test_a_sample_that_cannot_be_read_is_failed_rows(tmp_path: Path) -> None:
    class Broken(list[EditSample]):
        def __getitem__(self, index: int) -> EditSample:  # type: ignore[override]
            raise ValueError(f"no picture in row {index}")

    rows = compare_pictures(
        contestants(tmp_path, 1), Broken(samples(1)), tmp_path, Judge("http://127.0.0.1:9/v1", "seer")
    )
    assert len(rows) == 9 and {row["error"] for row in rows} == {"ValueError: no picture in row 0"}
    found = tournament("x", rows)
    assert found.failed == 9 and found.ratings == {} and found.tally == [(0, 0, 0)] * 3


def test_a_full_disk_is_no_refusal(tmp_path: Path) -> None:
    with chat(brighter) as server:
        with full_disk(4000), pytest.raises(WriteError, match="cannot write"):
            compared(tmp_path, server)
        assert not (tmp_path / "pairwise/folder/comparisons.csv").exists()
        assert compared(tmp_path, server).failed == 0


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ('{"winner": "A"}', "A"),
        ('Well. {"reasoning": "a\nb", "winner": " image b "}', "B"),
        ('{"winner": "Edit A"} so {"winner": "Edit A"}', "A"),
        ('{"winner": "TIE"}', "tie"),
    ],
)
def test_winners_as_they_are_said(reply: str, said: str) -> None:
    assert read_winner(reply) == said


@given(said=st.one_of(st.text(max_size=9), st.integers(), st.none(), st.booleans(), st.lists(st.text())))
def test_a_winner_is_never_guessed(said: object) -> None:
    if isinstance(said, str) and said.strip().lower() in ("a", "b", "tie", "image a", "image b"):
        return
    with pytest.raises(ValueError, match="the winner is not A, B or tie"):
        read_winner(json.dumps({"winner": said}))
    for text in (str(said), '{"winner": "A"} or {"winner": "B"}'):
        with pytest.raises(ValueError, match=r"holds (no JSON object|several winners)"):
            read_winner(text)
