"""Hold rules, a file each: which codes keep the source's, decided from the map.

A module of this package is a rule, by the name that ``model.hold.rule`` gives it. Its function ``held`` returns [B,H,W]
bool, True for codes to hold, and says by the names of its parameters what it needs: of a pass what ``EVIDENCE`` lists, of
the settings any field of :class:`editmgt.editing.EditSettings`. It looks at each sample alone, and a setting that is 0
makes it hold nothing.
"""

import inspect
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

RULES = tuple(sorted(module.name for module in iter_modules(__path__)))
# What a pass tells, and which sources of the map tell it. ``scores_BHW``: the map at the codes, in [0, 1] but for what
# resizing adds; low where nothing has to change. ``likeliest_BHW``: whether the model finds no code likelier than the source's.
EVIDENCE = {
    "scores_BHW": ("attention", "posterior", "guidance"),
    "likeliest_BHW": ("posterior",),
}


@cache
def rule(name: str) -> "Callable[..., Tensor]":
    """Return a rule's function."""
    held: Callable[..., Tensor] = import_module(f"{__name__}.{name}").held
    return held


@cache
def needs(name: str) -> tuple[str, ...]:
    """Return the names of what a rule needs: of ``EVIDENCE``, and of the settings."""
    return tuple(inspect.signature(rule(name)).parameters)


@cache
def readers(setting: str) -> tuple[str, ...]:
    """Return the rules that read a setting."""
    return tuple(name for name in RULES if setting in needs(name))


def sources(name: str) -> tuple[str, ...]:
    """Return the sources of the map that tell all that a rule needs."""
    told = [EVIDENCE[need] for need in needs(name) if need in EVIDENCE]
    return tuple(source for source in EVIDENCE["scores_BHW"] if all(source in some for some in told))
