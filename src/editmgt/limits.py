"""The largest values that settings may take, each with its reason: generous to research, short of what cannot run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """The largest value of a setting, and why it ends there."""

    most: int
    why: str

    @property
    def rule(self) -> str:
        """What a message says of a larger value."""
        return f"must be at most {self.most:,}: {self.why}"


SEED = Limit(2**32 - 1, "NumPy's generators take no larger seed")
COUNT = Limit(10**12, "no run counts further")
STEPS = Limit(10_000, "each is a pass through the transformer, and one that commits no token changes nothing")
GUIDANCE = Limit(1000, "logits that are multiplied by more overflow in half precision")
REFERENCE_STRENGTH = Limit(1000, "at a thousand times its weight the reference is all that attention sees")
TEMPERATURE = Limit(1000, "by then the choice of tokens is noise alone")
RESOLUTION = Limit(8192, "attention compares every cell of a picture with every other")
SAMPLES = Limit(10_000_000, "each is rendered or edited on its own")
BATCH = Limit(65_536, "a batch is held in memory whole")
RANK = Limit(4096, "an adapter wider than the layers that it adapts learns nothing more")
PROCESSES = Limit(1024, "each is a process or thread of this machine")
SECONDS = Limit(86_400, "a day")
