"""The classes that a configuration names: made as it says, and every wrong argument is told by its key."""

from typing import Any

import pytest
import torch

from editmgt.config.targets import OPTIMIZERS
from editmgt.training.callbacks import callback_problems, chosen_callbacks
from editmgt.training.optimizers import optimizer_maker, optimizer_problems

ADAMW = {
    "_target_": "torch.optim.AdamW",
    "_partial_": True,
    "lr": 1e-3,
    "betas": [0.9, 0.98],
    "foreach": True,
}
EMA = {"_target_": "lightning.pytorch.callbacks.EMAWeightAveraging", "decay": 0.9}


@pytest.mark.parametrize("target", OPTIMIZERS)
def test_every_optimizer_is_made_and_judges_its_values(target: str) -> None:
    node = {"_target_": target, "_partial_": True, "lr": 0.01}
    assert optimizer_problems(node) == []
    make = optimizer_maker(node, eight_bit=False)
    [group] = make([{"params": [torch.nn.Parameter(torch.zeros(2))]}]).param_groups
    assert group["lr"] == 0.01
    [line] = optimizer_problems(node | {"lr": -1})
    assert line.startswith("model.optimizer.lr=-1 is refused by ")
    [line] = optimizer_problems(node | {"lrr": 1})
    assert line.startswith("model.optimizer.lrr=1: ") and "Did you mean 'lr'?" in line


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"lr": "abc"}, "model.optimizer.lr=abc must be a number."),
        ({"lr": True}, "model.optimizer.lr=true must be a number."),
        ({"lr": None}, "model.optimizer.lr=null must be a number."),
        ({"betas": [2, 3]}, "model.optimizer.betas=[2,3] is refused by AdamW: Invalid beta"),
        ({"betas": [0.9]}, "model.optimizer.betas=[0.9] must be a list of 2 numbers."),
        ({"betas": [0.9, 0.9, 0.9]}, "must be a list of 2 numbers."),
        ({"betas": 0.9}, "model.optimizer.betas=0.9 must be a list of 2 numbers."),
        ({"betas": ["a", "b"]}, "model.optimizer.betas=[a,b] must be a list of 2 numbers."),
        ({"eps": -1}, "model.optimizer.eps=-1 is refused by AdamW"),
        ({"weight_decay": -1}, "model.optimizer.weight_decay=-1 is refused by AdamW"),
        ({"amsgrad": "maybe"}, "model.optimizer.amsgrad=maybe must be true or false."),
        ({"fused": True}, "model.optimizer: AdamW refuses these values together: `fused` and `foreach`"),
        ({"params": [1]}, "model.optimizer.params=[1]: AdamW has no argument 'params'."),
        (
            {"_target_": "torch.optim.SGD"},
            "SGD has no argument 'betas'. To leave it out write '~model.optimizer.betas'.",
        ),
    ],
)
def test_a_wrong_argument_of_an_optimizer(changes: dict[str, Any], line: str) -> None:
    [found] = optimizer_problems(ADAMW | changes)
    assert line in found and "\n" not in found


def test_null_is_pytorchs_own_choice_where_it_has_one() -> None:
    assert optimizer_problems(ADAMW | {"foreach": None, "fused": True}) == []


def test_callbacks_are_made_in_their_order_and_judge_their_values() -> None:
    [_, ema] = chosen_callbacks({"ema": EMA})  # behind what begins its mean late
    assert type(ema).__name__ == "EMAWeightAveraging" and chosen_callbacks(None) == []
    assert callback_problems({"ema": EMA}) == []
    [line] = callback_problems({"ema": EMA | {"decay": 5}})
    assert line.startswith("callbacks.ema.decay=5 is refused by EMAWeightAveraging: ")
    [line] = callback_problems({"ema": EMA | {"dekay": 1}})
    assert line.startswith("callbacks.ema.dekay=1: ") and "Did you mean 'decay'?" in line
    [line] = callback_problems({"stop": {"_target_": "lightning.pytorch.callbacks.EarlyStopping"}})
    assert line == "callbacks.stop.monitor is missing: EarlyStopping needs it."
