"""Make the token cache of a training: ``python -m editmgt.prepare data=... model=... data.token_cache=DIR``."""

import itertools
import sys
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor

import editmgt
from editmgt.codec import Codec
from editmgt.config.schema import Edits, Prepare
from editmgt.data import cache
from editmgt.data.bad_rows import BadRow, BadRows
from editmgt.data.batches import checked
from editmgt.data.cache import TEXTS, codes_folder, part_path, part_record
from editmgt.data.edit_data import cache_facts, make_transform, open_all
from editmgt.data.encoding import collate, encode
from editmgt.data.rows import EditRows
from editmgt.data.transform import Pair, Transform, View
from editmgt.devices import find_device
from editmgt.editing.cuts import count_line
from editmgt.errors import UserError, first_line
from editmgt.files import read_json
from editmgt.interrupts import INTERRUPTED
from editmgt.progress import progress_bar
from editmgt.spreadsheet import to_csv
from editmgt.text import TextEncoder

CONF = Path(editmgt.__file__).parents[2] / "conf"
BAD_INPUT = 2


def main(arguments: list[str]) -> int:
    """Compose the configuration, make this process's parts; returns the exit status."""
    from editmgt.sweeps.command import quiet
    from editmgt.sweeps.compose import compose_all

    if {"-h", "--help"} & {*arguments}:
        print(f"{__doc__}\n\nIts settings, changed by key=value:\n\n{(CONF / 'prepare.yaml').read_text()}")
        return 0
    try:
        if not CONF.is_dir():
            raise UserError(f"There is no {CONF}: run from a checkout, installed with pip install -e .")
        config = compose_all(CONF, "prepare", arguments, multirun=False).cells[0].config
        quiet()
        prepare(cast(Prepare, config))
    except UserError as error:
        print(error, file=sys.stderr)
        return BAD_INPUT
    except OSError as error:  # a full disk, a directory that cannot be written
        print(f"{first_line(error)}. What is made stays: the same command goes on.", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("\nInterrupted: the same command goes on with the next part.", file=sys.stderr)
        return INTERRUPTED
    return 0


def prepare(config: Prepare) -> None:
    """Make the parts of this shard that are not there yet; whoever makes the last one finishes the cache."""
    from editmgt.sweeps.checks import check_data, check_resolution
    from editmgt.training.parts import starting_parts

    model, data, options = config.model, config.data, config.prepare
    assert isinstance(data, Edits) and data.token_cache is not None  # `config.problems` says so
    device = find_device("prepare.device", options.device)
    check_data([(data, model.kind)])
    codec, text, transformer = starting_parts(config.init_from, model)
    check_resolution(data.resolution, codec.downsampling * transformer.cell_size)
    codec, text = codec.float().to(device).eval(), text.float().to(device).eval()
    directory, learns = Path(data.token_cache), model.train_text_encoder
    size = options.part_rows
    facts = cache_facts(data, model.kind, codec, text, learns) | {"prepare.part_rows": size}
    cache.check_facts(directory, facts)

    datasets = open_all(data, model.kind)
    texts = [rows.texts() for rows in datasets]
    sentences = list(dict.fromkeys(t for ts in texts for t in ts if t is not None))
    if not sentences:
        raise UserError(f"No row of {', '.join(data.datasets)} has a text: nothing can be learnt from them.")
    known = [text for of_rows in texts for text in of_rows if text is not None]
    cut = count_line(known, text, "texts")
    numbers = {sentence: number for number, sentence in enumerate(sentences)}
    parts = {codes_folder(rows.name): _ceil(len(ts), size) for rows, ts in zip(datasets, texts, strict=True)}
    parts[TEXTS] = _ceil(len(sentences), size)
    shard, shards = map(int, options.shard.split("/"))
    wanted = {
        folder: [
            number
            for number in range(shard, count, shards)
            if part_record(part_path(directory, folder, number)) is None
        ]
        for folder, count in parts.items()
    }
    total = sum(map(len, wanted.values()))
    print(f"{directory}: {total} of {sum(parts.values())} parts to make here", flush=True)
    if cut:
        print(f"{directory}: {cut}", flush=True)
    bad = BadRows(directory / cache.BAD_ROWS, data.max_bad_share)
    made = itertools.count(1)
    with progress_bar("encoding parts") as tell:
        for number in wanted[TEXTS]:
            _make_texts(
                part_path(directory, TEXTS, number),
                sentences[number * size : (number + 1) * size],
                text,
                learns,
                options.batch_size,
            )
            tell(next(made), total)
        for rows in datasets:
            folder = codes_folder(rows.name)
            transform = make_transform(data, codec.downsampling * transformer.cell_size)
            encoder = _Encoder(rows, transform, codec, numbers, options.batch_size, bad)
            for number, tables in rows.parts(size, wanted[folder]):
                encoder.make(part_path(directory, folder, number), number * size, tables)
                tell(next(made), total)
    names, lengths = [rows.name for rows in datasets], [len(ts) for ts in texts]
    if missing := cache.finish(directory, names, lengths, parts, data.max_bad_share):
        print(f"{directory}: {missing} parts are left to other shards")
    else:
        bad_rows = read_json(directory / cache.INDEX)["bad"]
        print(
            f"{directory}: finished, {sum(lengths)} rows, {len(sentences)} texts, {bad_rows} bad rows left out"
        )


class _Encoder:
    """Makes parts of one dataset."""

    def __init__(
        self,
        rows: EditRows,
        transform: Transform,
        codec: Codec,
        text_numbers: dict[str, int],
        batch_size: int,
        bad: BadRows,
    ) -> None:
        self.rows, self.transform, self.codec = rows, transform, codec
        self.text_numbers, self.batch_size, self.bad = text_numbers, batch_size, bad

    def make(self, path: Path, first: int, tables: list[Any]) -> None:
        """Encode the rows in ``tables``, of which ``first`` is the first one's number, and write them."""
        places: list[tuple[int, int, int, int]] = []  # row, variant, text, bucket
        waiting: dict[int, list[tuple[int, View]]] = {}  # of each bucket, with their places in the part
        encoded: dict[int, dict[str, Tensor]] = {}
        lines: list[str] = []
        for row, table in enumerate(tables, start=first):
            try:
                pair = checked(self.rows, row, table, self.transform, self.bad)
            except BadRow as error:
                lines.append(to_csv([(self.rows.name, row, error.reason, error.detail)]))
                continue
            bucket = self.transform.bucket(self.rows.size(table))
            for variant in range(self.transform.variants):
                views = waiting.setdefault(bucket, [])
                views.append((len(places), self.transform(pair, variant, bucket)))
                places.append((row, variant, self.text_numbers[pair.text], bucket))
                if len(views) == self.batch_size:
                    encoded |= self._encode_all(waiting.pop(bucket))
        for views in waiting.values():
            encoded |= self._encode_all(views)
        cache.write_part(path, self._table(places, encoded), bad=lines)

    def _table(self, places: list[tuple[int, int, int, int]], encoded: dict[int, dict[str, Tensor]]) -> Any:
        if not encoded:  # every row is bad: an empty part, in the columns of the others
            blank = Image.new("RGB", self.transform.sizes[0])
            pair = Pair(blank if self.rows.has_source else None, blank, None, "")
            made = self._encode_all([(0, self.transform(pair, 0))])
            return self._table([(0, 0, 0, 0)], made).slice(0, 0)
        arrays = {name: [encoded[place][name] for place in range(len(places))] for name in encoded[0]}
        return cache.code_table(places, arrays)

    def _encode_all(self, views: list[tuple[int, View]]) -> dict[int, dict[str, Tensor]]:
        smallest = (
            torch.int16 if self.codec.codebook_size <= torch.iinfo(torch.int16).max + 1 else torch.int32
        )
        batch = collate([view for _, view in views], [])
        made = {name: value.cpu().to(smallest) for name, value in encode(batch, self.codec, None).items()}
        return {place: {name: value[i] for name, value in made.items()} for i, (place, _) in enumerate(views)}


@torch.inference_mode()
def _make_texts(path: Path, texts: list[str], text: TextEncoder, learns: bool, batch_size: int) -> None:
    parts: dict[str, list[Tensor]] = {}
    for start in range(0, len(texts), batch_size):
        ids = text.tokenize(texts[start : start + batch_size])
        if learns:
            made = {"input_ids": ids}
        else:
            states = text(ids.to(next(text.parameters()).device))
            made = {
                "text_states": states.states_BTD.cpu().bfloat16(),
                "pooled_text": states.pooled_BP.cpu().bfloat16(),
            }
        for name, tensor in made.items():
            parts.setdefault(name, []).append(tensor)
    values = {name: torch.cat(tensors) for name, tensors in parts.items()}
    cache.write_part(
        path,
        cache.text_table(texts, values),
        shapes={name: list(tensor.shape[1:]) for name, tensor in values.items()},
    )


def _ceil(number: int, size: int) -> int:
    return -(-number // size)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
