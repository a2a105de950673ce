"""Devices that are not there are told in one line, wherever they are named."""

import pytest
import torch

from editmgt.devices import check_accelerator, find_device
from editmgt.errors import UserError


def test_a_device_is_found_or_refused_by_name() -> None:
    assert find_device("device", "cpu") == torch.device("cpu")
    assert find_device("device", "auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:99", "gpu", "ipu", "xla", "vulkan"):
        with pytest.raises(UserError, match=rf"^device={name} is not available here\.$"):
            find_device("device", name)


def test_a_trainer_is_given_what_the_machine_has() -> None:
    check_accelerator("cpu", 8)
    check_accelerator("auto", "auto")
    with pytest.raises(UserError, match=r"trainer\.accelerator=cuda trainer\.devices=99: this machine has"):
        check_accelerator("cuda", 99)
