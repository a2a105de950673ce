"""Configurations: what they may hold, and what is wrong with one.

Problems come as lines, one per mistake, that name the key, the value and the nearest valid choice. Nothing here
imports torch before types and ranges are right: a mistake should be told in a second.
"""

from collections.abc import Mapping
from typing import Any

from editmgt.config.bundles import BUNDLE
from editmgt.config.messages import mistakes, show
from editmgt.config.problems import problems
from editmgt.config.schema import BENCHMARKS, Study
from editmgt.config.targets import hydra_problems

__all__ = ["BENCHMARKS", "BUNDLE", "Study", "edit_values", "hydra_problems", "mistakes", "problems", "show"]


def edit_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """The switches and the sampler of a configuration, by the names of :class:`editmgt.editing.EditSettings`."""
    model = config["model"]
    names = ("reference_strength", "reference_strength_scope", "region_hold", "consolidation", "resolution")
    return {
        **config["sampler"],
        **{name: model[name] for name in names},
        **model["localization"],
        "hold_threshold": model["hold"]["threshold"],
    }
