"""Whose fault a failure is: a sample's, which stays as it is, or the machine's, which may be gone the next time."""

import errno

import torch

from editmgt.errors import on_one_line
from editmgt.results.rows import BY_MACHINE

_LONGEST = 2000  # characters of an error that a row keeps

_OF_DEVICES_AND_DISKS = frozenset(
    getattr(errno, name)
    for name in (
        "EIO", "ENOSPC", "EDQUOT", "EFBIG", "EROFS", "ENOMEM", "EAGAIN", "EMFILE", "ENFILE", "EBUSY", "ENODEV", "ENXIO",
        "ESTALE", "ETIMEDOUT", "ENOTCONN", "EREMOTEIO", "EHOSTDOWN", "EHOSTUNREACH", "ENETDOWN", "ENETUNREACH",
        "ECONNRESET", "ECONNABORTED", "ECONNREFUSED",
    )
    if hasattr(errno, name)
)  # fmt: skip

# PyTorch has classes for some failures of a device; of others only the words of a RuntimeError tell.
_WORDS = ("can't allocate memory", "out of memory", "CUDA error", "CUDA driver", "cuDNN error", "CUBLAS_STATUS_",
          "CUDNN_STATUS_", "No CUDA GPUs are available", "MPS backend")  # fmt: skip


def by_machine(error: BaseException) -> bool:
    """Whether ``error`` came from this machine and not from what it worked on.

    Memory that was full, a disk or a connection that failed, a device that is gone; in any of the errors that led to
    this one. A file that is missing, unreadable or no picture is the sample's.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError | torch.AcceleratorError):
        return True
    if isinstance(error, OSError) and error.errno in _OF_DEVICES_AND_DISKS:
        return True
    if isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS):
        return True
    return error.__cause__ is not None and by_machine(error.__cause__)


def told(error: Exception) -> str:
    """Return an error in one line, as a row keeps it."""
    line = on_one_line(error)[:_LONGEST]
    return BY_MACHINE + line if by_machine(error) else line
