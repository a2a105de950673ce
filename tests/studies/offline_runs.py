"""Reads back what W&B wrote offline."""

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
    import json

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
    import json

    found: dict[str, Any] = {}
    for record in records:
        kind = record.WhichOneof("record_type")
        updates = (
            record.run.config.update if kind == "run" else record.config.update if kind == "config" else ()
        )
        for item in updates:
            found[item.key or item.nested_key[0]] = json.loads(item.value_json)
    return found
