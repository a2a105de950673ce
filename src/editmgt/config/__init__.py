"""Configurations: what they may hold, and what is wrong with one.

Problems come as lines, one per mistake, that name the key, the value and the nearest valid choice. Nothing here
imports torch before types and ranges are right, but for the modules of protocols that read tables: a mistake should be
told in a second.
"""

from editmgt.config.benchmark import Benchmark
from editmgt.config.bundles import BUNDLE
from editmgt.config.edit_values import edit_values
from editmgt.config.problems import problems
from editmgt.config.schema import PRIMARY, Config, Evaluate, Metrics, Study, Train, parse_config
from editmgt.config.targets import hydra_problems
from editmgt.settings.mistakes import mistakes, show

__all__ = [
    "BUNDLE",
    "PRIMARY",
    "Benchmark",
    "Config",
    "Evaluate",
    "Metrics",
    "Study",
    "Train",
    "edit_values",
    "hydra_problems",
    "mistakes",
    "parse_config",
    "problems",
    "show",
]
