"""What a ``benchmark`` configuration may hold: what all have, and what its protocol reads."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, SerializeAsAny, WrapValidator, create_model

from editmgt.benchmarks.protocols import PROTOCOLS, protocol
from editmgt.settings.declaration import Mark
from editmgt.settings.ranges import BatchSize, Positive, Processes, Samples, Seconds, Seed, Size, Strict, Text

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


class JudgeSettings(Strict):
    """A vision-language model that is asked about edits, and how patiently."""

    kind: Literal["scores", "pairwise"]
    candidates: Text | None
    endpoint: Annotated[str, Field(pattern=r"^https?://")] | None
    model: Text | None
    key_variable: Text
    temperature: Size | None
    attempts: Positive
    timeout: Seconds
    parallel: Processes


class _PairwiseJudge(JudgeSettings):
    kind: Literal["pairwise"]  # the benchmark has no questions of its own


class Benchmark(Strict):
    """What every ``benchmark`` has; :func:`benchmark_schema` adds what its protocol reads."""

    name: Annotated[str, Field(pattern=NAME)]  # names directories
    size: Samples | None
    batch_size: Annotated[BatchSize, Mark.RUNNING]
    seed: Annotated[Seed, Mark.REPLICATE]
    judge: JudgeSettings | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Benchmark":
        """Return the benchmark that ``values`` describe, with all that its protocol reads."""
        return benchmark_schema(values["name"]).model_validate(values)


@cache
def benchmark_schema(name: str) -> type[Benchmark]:
    """Return what a ``benchmark`` configuration of a protocol may hold: see :mod:`editmgt.benchmarks.protocols`."""
    module = protocol(name)
    kinds = get_type_hints(module.rows, include_extras=True)
    fields: dict[str, Any] = {
        key: (kind, ...) for key, kind in kinds.items() if key not in ("name", "return")
    }
    fields["judge"] = ((JudgeSettings if hasattr(module, "JUDGING") else _PairwiseJudge) | None, None)
    return create_model(name, __base__=Benchmark, **fields)


def _of_its_protocol(values: Any, otherwise: Callable[[Any], Benchmark]) -> Benchmark:
    known = isinstance(values, Mapping) and values.get("name") in PROTOCOLS
    return Benchmark.of(values) if known else otherwise(values)


AnyBenchmark = Annotated[SerializeAsAny[Benchmark], WrapValidator(_of_its_protocol)]
