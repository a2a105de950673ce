"""The numbers and texts that settings are: their ranges. No number of the schema may be infinite or NaN."""

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError, PydanticKnownError

from editmgt import limits
from editmgt.limits import Limit


class Strict(BaseModel):
    """Nothing but what is declared, of the very type that is declared, and no number without end."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def _up_to(limit: Limit) -> AfterValidator:
    """Refuse what is larger than ``limit``; the message gives its reason."""

    def check(value: float) -> float:
        if value > limit.most:
            raise PydanticCustomError("limit", "{rule}", {"rule": limit.rule})
        return value

    return AfterValidator(check)


def one_of(choices: Sequence[str]) -> BeforeValidator:
    """Refuse all but ``choices``, which are known when the program runs, as a ``Literal`` refuses."""

    def check(value: Any) -> Any:
        if value not in choices:
            raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, choices))})
        return value

    return BeforeValidator(check)


def _rising(pair: list[float]) -> list[float]:
    if not pair[0] < pair[1]:
        raise PydanticCustomError("rising", "must be two numbers, the second larger than the first")
    return pair


Text = Annotated[str, Field(min_length=1)]
NotNegative = Annotated[int, Field(ge=0), _up_to(limits.COUNT)]
Positive = Annotated[int, Field(ge=1), _up_to(limits.COUNT)]
MaxSteps = Annotated[int, Field(ge=-1), _up_to(limits.COUNT)]
Seed = Annotated[int, Field(ge=0), _up_to(limits.SEED)]
Steps = Annotated[int, Field(ge=1), _up_to(limits.STEPS)]
Samples = Annotated[int, Field(ge=1), _up_to(limits.SAMPLES)]
BatchSize = Annotated[int, Field(ge=1), _up_to(limits.BATCH)]
Resolution = Annotated[int, Field(ge=1), _up_to(limits.RESOLUTION)]
Rank = Annotated[int, Field(ge=0), _up_to(limits.RANK)]
Processes = Annotated[int, Field(ge=1), _up_to(limits.PROCESSES)]
Workers = Annotated[int, Field(ge=0), _up_to(limits.PROCESSES)]

Size = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(gt=0), _up_to(limits.SECONDS)]
Guidance = Annotated[float, Field(ge=0), _up_to(limits.GUIDANCE)]
Strength = Annotated[float, Field(ge=0), _up_to(limits.REFERENCE_STRENGTH)]
Temperature = Annotated[float, Field(ge=0), _up_to(limits.TEMPERATURE)]
Interval = Annotated[list[Fraction], Field(min_length=2, max_length=2), AfterValidator(_rising)]
Temperatures = Annotated[list[Temperature], Field(min_length=2, max_length=2)]
Layers = Annotated[list[NotNegative], Field(min_length=1)]
