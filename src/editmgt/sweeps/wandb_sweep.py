"""A finished sweep's cells as a W&B sweep, for agents on any number of machines: ``report/wandb_sweep.yaml``."""

import math
from typing import Any

import yaml

from editmgt.config import Config
from editmgt.metrics import REGISTRY
from editmgt.sweeps.objective import primary
from editmgt.sweeps.plan import Plan

FILE = "wandb_sweep.yaml"
_GOALS = {"higher": "maximize", "lower": "minimize"}
_HEAD = f"""\
# The same cells by W&B agents, each where {{task}}.py lies (a clone of this repository):
#   wandb sweep {{directory}}/report/{FILE}
#   wandb agent ENTITY/PROJECT/ID    as that command prints it
"""


def sweep_yaml(plan: Plan, config: Config) -> str | None:
    """Return the file; None where a grid is not what the plan's cells are.

    Args:
        plan: of a sweep.
        config: the configuration of one of its cells.
    """
    cells = [dict(text.partition("=")[::2] for text in overrides) for overrides in plan.cells.values()]
    values = {key: list(dict.fromkeys(cell[key] for cell in cells)) for key in cells[0]}
    deletes = any(key.startswith("~") for key in values)  # which no key=value says
    if plan.adaptive or deletes or math.prod(map(len, values.values())) != len(cells):
        return None
    parameters: dict[str, dict[str, Any]] = {
        key: {"value": texts[0]} if len(texts) == 1 else {"values": texts} for key, texts in values.items()
    }
    if config.study is not None:  # a single cell of a study is a run of its own
        parameters["study"] = {"value": "null"}
    metric = primary(config)
    sweep = {
        "project": config.logger.project,
        "name": plan.directory.name,
        "program": f"{plan.task}.py",
        "command": ["${env}", "${interpreter}", "${program}", "${args_no_hyphens}"],
        "method": "grid",
        "metric": {"name": metric, "goal": _GOALS.get(REGISTRY[metric].direction, "maximize")},
        "parameters": parameters,
    }
    if config.logger.entity is not None:
        sweep["entity"] = config.logger.entity
    head = _HEAD.format(task=plan.task, directory=plan.directory)
    return head + yaml.safe_dump(sweep, sort_keys=False, allow_unicode=True)
