"""Reads back what W&B wrote offline, from the run's folder alone."""

import json
import time
from pathlib import Path
from typing import Any


def read_offline(path: Path, patience: float = 600.0) -> list[Any]:
    """The records of a finished offline run's file; W&B writes the last of them a moment after it says it is done.

    ``patience`` guards against a record that never comes, however busy the machine is.
    """
    give_up = time.monotonic() + patience
    while not exit_codes(records := _records(path)) and time.monotonic() < give_up:
        time.sleep(0.05)
    return records


def _records(path: Path) -> list[Any]:
    """Read LevelDB's log format behind a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, position, block, records, part = path.read_bytes(), 7, 32768, [], b""
    while position + 7 <= len(data):
        left = block - position % block
        if left < 7:
            position += left
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        part += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            records.append(record)
            part = b""
    return records


def run_record(records: list[Any]) -> Any:
    """Who a run is: its id, name, group and job type."""
    return next(record.run for record in records if record.WhichOneof("record_type") == "run")


def logged_keys(records: list[Any]) -> set[str]:
    """The names of everything in a run's history."""
    return {
        item.key or item.nested_key[0]
        for record in records
        if record.WhichOneof("record_type") == "history"
        for item in record.history.item
    }


def history(records: list[Any], key: str) -> list[float]:
    """The values of one curve, as they were logged."""
    return [
        json.loads(item.value_json)
        for record in records
        if record.WhichOneof("record_type") == "history"
        for item in record.history.item
        if (item.key or item.nested_key[0]) == key
    ]


def exit_codes(records: list[Any]) -> list[int]:
    """How a run was finished."""
    return [r.exit.exit_code for r in records if r.WhichOneof("record_type") == "exit"]


def config_of(records: list[Any]) -> dict[str, Any]:
    """A run's configuration as it was in the end."""
    found: dict[str, Any] = {}
    for record in records:
        kind = record.WhichOneof("record_type")
        updates = (
            record.run.config.update if kind == "run" else record.config.update if kind == "config" else ()
        )
        for item in updates:
            found[item.key or item.nested_key[0]] = json.loads(item.value_json)
    return found


def logged(records: list[Any]) -> dict[str, Any]:
    """The last value of everything in a run's history; that of a table or a picture is a mapping."""
    found: dict[str, Any] = {}
    for record in records:
        if record.WhichOneof("record_type") == "history":
            for item in record.history.item:
                key, *inner = [item.key] if item.key else item.nested_key
                value = json.loads(item.value_json)
                if inner:
                    value = {**(found.get(key) or {}), inner[0]: value}
                found[key] = value
    return found


def tables(folder: Path) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """The tables of an offline run by key: columns and rows. A picture is the path of its file."""

    def cell(value: Any) -> Any:
        return folder / "files" / value["path"] if isinstance(value, dict) else value

    found = {}
    for key, value in logged(read_offline(next(folder.glob("*.wandb")))).items():
        if isinstance(value, dict) and value.get("_type") == "table-file":
            content = json.loads((folder / "files" / value["path"]).read_text())
            found[key] = content["columns"], [[cell(entry) for entry in row] for row in content["data"]]
    return found


def artifacts(records: list[Any]) -> dict[str, Any]:
    """The artifacts that a run logged or used, by name."""
    return {r.artifact.name: r.artifact for r in records if r.WhichOneof("record_type") == "artifact"}


def goals(records: list[Any]) -> dict[str, int]:
    """What is better of each metric that a run defined."""
    return {r.metric.name: r.metric.goal for r in records if r.WhichOneof("record_type") == "metric"}
