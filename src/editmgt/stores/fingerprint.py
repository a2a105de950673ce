"""What decides trained weights, and what decides a score given the weights, as two hashes of content."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import editmgt
from editmgt.config.benchmark import Benchmark
from editmgt.config.bundles import finished_settings, has_transformer
from editmgt.config.keys import idle, inference_only, marked, without
from editmgt.config.schema import Config, Edits, Evaluate, Scenes, Train
from editmgt.data.sources import identity
from editmgt.editing.settings import EditSettings
from editmgt.files import files_below
from editmgt.settings.declaration import Mark
from editmgt.weights import find

LENGTH = 16  # hexadecimal digits

TRAINING_SOURCE = (
    "model",
    "training",
    "data",
    "editing/bundle.py",
    "editing/images.py",
    "editing/masks.py",
    "editing/picture_files.py",
    "editing/profiles.py",
    "codec.py",
    "text.py",
    "loading.py",
)
PROTOCOL_SOURCE = (
    "model",
    "editing",
    "metrics",
    "benchmarks",
    "evaluation",
    "data/scenes",
    "data/cells.py",
    "data/folder.py",
    "data/sample.py",
    "data/transform.py",
    "codec.py",
    "text.py",
)


def training_fingerprint(config: Train) -> str:
    """Return the hash of everything in a ``train.py`` configuration that can change trained weights.

    So does a checkpoint to go on from, unless it is this training's own.
    """
    values = config.model_dump()
    trained = without(values, marked(Mark.RUNNING) | inference_only() | idle(values).keys())
    model = trained["model"] | {"llm": None, "teacher": None}  # by their content, wherever they lie
    if config.init_from is not None and has_transformer(find(config.init_from).directory):
        model.pop("text_encoder", None)  # it comes with the weights
    weights = {"init_from": config.init_from, "llm": config.model.llm, "teacher": config.model.teacher}
    identity = {
        "seed": config.seed,
        **{key: None if name is None else weights_digest(name) for key, name in weights.items()},
        "teacher_attends": _attends(config.model.teacher),
        "model": model,
        "data": _data(config.data, trained["data"]),
        "trainer": trained["trainer"],
        "callbacks": config.callbacks or {},
        "source": source_digest(*TRAINING_SOURCE),
    }
    targets = [str(node.get("_target_")) for node in (config.callbacks or {}).values()]
    if any(
        target.endswith(".EarlyStopping") for target in targets
    ):  # by the dev loss, whenever that is measured
        identity["val_check_interval"] = config.trainer.val_check_interval
    own = digest(identity)
    if config.resume in (None, "auto"):
        return own
    checkpoint = Path(config.resume).resolve()
    if checkpoint.parent.parent.name == own:
        return own
    stat = checkpoint.stat()
    stats = ((checkpoint.name, stat.st_size, stat.st_mtime_ns),)
    return digest(identity | {"resume": _files_digest(checkpoint.parent, stats)})


def protocol(config: Config, settings: dict[str, Any]) -> dict[str, Any]:
    """Return everything that can change a score given the weights: plain values, and hashes of files.

    ``settings`` are the edit settings as they were used, nothing left to a checkpoint's defaults.
    """
    from editmgt.metrics import identity as metrics_identity  # late: it imports torch

    return {
        "settings": settings,
        "dtype": config.dtype if isinstance(config, Evaluate) else "float32",  # as it was trained
        "seed": config.edit_seed,
        "benchmark": _rows(config.benchmark),
        "metrics": metrics_identity(config.metrics),
        "source": source_digest(*PROTOCOL_SOURCE),
    }


def weights_digest(name: str) -> str:
    """Return the hash of a bundle's files, but for the edit settings it was finished with."""
    directory, variant = find(name)
    files = [path for path in files_below(directory) if path.name != "model_index.json"]
    stats = tuple((str(p.relative_to(directory)), p.stat().st_size, p.stat().st_mtime_ns) for p in files)
    return _files_digest(directory, stats) + (f":{variant}" if variant else "")


@cache
def source_digest(*names: str) -> str:
    """Return the hash of source files and folders of this package, as they were when first asked for.

    A file that is edited while a sweep runs changes nothing for it: its code is loaded.
    """
    root = Path(editmgt.__file__).parent
    files = [
        p
        for name in names
        for p in ([root / name] if name.endswith(".py") else sorted((root / name).rglob("*.py")))
    ]
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.relative_to(root).as_posix()}\0".encode() + path.read_bytes())
    return total.hexdigest()[:LENGTH]


@cache
def _files_digest(directory: Path, stats: tuple[tuple[str, int, int], ...]) -> str:
    """Keyed by sizes and times too, so that weights replaced while this runs are hashed again."""
    total = hashlib.sha256()
    for name, size, _ in stats:
        total.update(f"{name}\0{size}\0".encode())
        with (directory / name).open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:LENGTH]


def _attends(teacher: str | None) -> str | None:
    """What the source's tokens attend to where a teacher is asked: of an editor's settings the one that it teaches by."""
    if teacher is None:
        return None
    settings = finished_settings(find(teacher).directory)
    return str(settings.get("reference_attends", EditSettings.reference_attends))


def _data(data: Scenes | Edits, values: dict[str, Any]) -> dict[str, Any]:
    """A data configuration's ``values`` as what they are: of edit datasets the files themselves, wherever they lie."""
    if isinstance(data, Scenes):
        return values
    # a stream read by a worker has an order of its own
    kept = values if data.streaming else without(values, {"num_workers"})
    files = {name: [identity(spec), spec.ratio] for name, spec in data.datasets.items()}
    return kept | {"datasets": files, "token_cache": data.token_cache is not None}


def _rows(benchmark: Benchmark) -> dict[str, Any]:
    """A benchmark by its rows' content, wherever they lie."""
    from editmgt.benchmarks import rows_digest

    values, digest = benchmark.model_dump(), rows_digest(benchmark)
    if benchmark.judge is not None and benchmark.judge.kind == "pairwise":
        values = without(values, {"judge"})  # it compares cells, and no cell's scores are its
    return values if digest is None else without(values, {"path"}) | {"rows": digest}


def digest(identity: Any) -> str:
    """Return the hash of plain JSON values; 1 and 1.0 are one number."""
    numbers = json.loads(json.dumps(identity), parse_int=float)
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()[:LENGTH]
