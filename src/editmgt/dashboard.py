"""Lay out a W&B project's page for reading studies: ``python -m editmgt.dashboard [ENTITY/]PROJECT``."""

import sys
from typing import TYPE_CHECKING, Any

from editmgt.errors import UserError

if TYPE_CHECKING:
    from wandb_workspaces.workspaces import Workspace

FIGURES = [f"report/{name}" for name in ("forest", "interaction", "tradeoff", "types", "strip")]
USAGE = "usage: python -m editmgt.dashboard [ENTITY/]PROJECT"


def workspace(entity: str, project: str) -> "Workspace":
    """Return the page, not saved: answers first, then cells, samples and training curves."""
    import wandb_workspaces.reports.v2 as panels
    import wandb_workspaces.workspaces as ws

    def bars(*names: str) -> list[panels.BarPlot]:
        return [panels.BarPlot(title=name, metrics=[name], orientation="h") for name in names]

    trade = panels.ScatterPlot(
        title="leakage against success",
        x=panels.SummaryMetric("outside_codec/l1"),
        y=panels.SummaryMetric("edit/success"),
    )
    sections: dict[str, list[Any]] = {
        "What changed, and is it real": [
            *(panels.WeavePanelSummaryTable(table_name=f"report/{name}") for name in ("effects", "summary")),
            panels.MediaBrowser(title="figures", media_keys=FIGURES),
        ],
        "Cells": [
            *bars("edit/success", "edit/success_strict", "inside/l1", "outside/l1"),
            trade,
            panels.RunComparer(diff_only=True),
        ],
        "Where it looks, and what it costs": bars(
            "localization/auc", "localization/iou", "localization/held", "speed/edit_seconds"
        ),
        "Samples": [  # joined by their first column, which is the sample
            panels.WeavePanelSummaryTable(table_name="samples_table"),
            panels.MediaBrowser(title="samples", media_keys=["samples"]),
        ],
        "Training": [panels.LinePlot(title=name, y=[name]) for name in ("train/loss", "dev/loss")],
    }
    return ws.Workspace(
        name="Studies",
        entity=entity,
        project=project,
        sections=[ws.Section(name=name, panels=found, is_open=True) for name, found in sections.items()],
        runset_settings=ws.RunsetSettings(
            groupby=[ws.Metric("Group")],  # a study is a group
            pinned_columns=["summary:edit/success", "config:training_fingerprint"],
        ),
    )


def build(name: str) -> str:
    """Save the page to ``[entity/]project`` and return its address.

    Raises:
        UserError: where the library or the login is missing, or W&B refuses.
    """
    from editmgt.tracking.tracker import wandb_mode

    if wandb_mode() != "online":
        raise UserError(
            "W&B is offline here, and a dashboard lives there: run 'wandb login' or set WANDB_API_KEY, "
            "upload the runs with the 'wandb sync' line that each command prints, then do this again."
        )
    try:
        import wandb
        import wandb_workspaces  # noqa: F401
    except ImportError as error:
        raise UserError(f"{error.name} is missing: pip install 'editmgt[dashboard]'.") from error
    entity, _, project = name.rpartition("/")
    try:
        page = workspace(entity or str(wandb.Api().default_entity), project)
        page.save()
    except Exception as error:  # no network, a wrong key, a project of someone else: W&B says which
        reason = str(error).strip().splitlines()
        raise UserError(f"W&B did not take the dashboard: {reason[0] if reason else repr(error)}") from error
    return str(page.url)


def main(arguments: list[str]) -> int:
    """Return the exit status."""
    if len(arguments) != 1 or arguments[0].startswith("-") or arguments[0].count("/") > 1:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        print(build(arguments[0]))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
