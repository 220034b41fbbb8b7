"""Where and how networks run: what a site may say, and what that comes to on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PRECISIONS = ("auto", "fp32", "fp16", "bf16")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")


class DeviceError(RuntimeError):
    """The device that was asked for is not there, or cannot do what was asked."""


@dataclass(frozen=True)
class NetworkOptions:
    """What a site says of its networks.

    Attributes
    ----------
    weights : Path, optional
        A folder with a site's own weights, ``<network>.safetensors``.
    device : str
        "auto": the first CUDA device, else the CPU. "cpu", "cuda" or "cuda:1".
    precision : str
        One of `PRECISIONS`, on a CUDA device; "auto" is fp16. On the CPU it is always fp32.
    batch : int
        Patches or slices at a time on a CUDA device. On the CPU they go one by one: on one thread a
        batch is no faster.

    Raises
    ------
    ValueError
        If a value is none of these.
    """

    weights: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    batch: int = 4

    def __post_init__(self) -> None:
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(
                f"found the device {self.device!r}, expected 'auto', 'cpu', 'cuda' or 'cuda:1'"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(
                f"found the precision {self.precision!r}, expected one of {', '.join(PRECISIONS)}"
            )
        if self.device == "cpu" and self.precision not in ("auto", "fp32"):
            raise ValueError(
                f"found the precision {self.precision!r} on the CPU, which works in fp32"
            )
        if self.batch < 1:
            raise ValueError(f"found a batch of {self.batch}, expected 1 or more")


@dataclass(frozen=True)
class Place:
    """Where a network runs, and with which numbers.

    Attributes
    ----------
    device : str
        "cpu" or "cuda:0".
    precision : str
        "fp32", "fp16" or "bf16".
    """

    device: str
    precision: str


CPU = Place("cpu", "fp32")


def place_of(options: NetworkOptions) -> Place:
    """Where networks run on this machine; needs PyTorch unless the device is the CPU.

    Raises
    ------
    DeviceError
        If a CUDA device was asked for by name and is not there, or cannot compute in bf16.
    """
    if options.device == "cpu":
        return CPU
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if options.device == "auto" and count == 0:
        return CPU
    number = int(options.device.partition(":")[2] or 0)
    if number >= count:
        raise DeviceError(
            f"the device {options.device!r} is not there: PyTorch finds "
            f"{count or 'no'} CUDA device{'s' if count > 1 else ''}"
        )
    precision = "fp16" if options.precision == "auto" else options.precision
    if precision == "bf16" and torch.cuda.get_device_capability(number) < (8, 0):
        raise DeviceError(f"the device cuda:{number} does not compute in bf16: use fp16")
    return Place(f"cuda:{number}", precision)
