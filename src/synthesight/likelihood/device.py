"""Where a network runs, and in which precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from synthesight.errors import SynthesightError

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def check_device(device: str | torch.device) -> torch.device:
    """Return the device, once it is sure that torch can use it.

    Raises
    ------
    SynthesightError
        If this machine has no such device, or the device cannot compute in float64.
    """
    if isinstance(device, str):
        device = device.lower().replace("gpu", "cuda")  # gpu:1, as other libraries write it
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise SynthesightError(
            f"There is no device {str(device)!r}: choose cpu, cuda or, of several GPUs, cuda:1."
        ) from error
    if place.type == "cpu" and place.index:
        raise SynthesightError(f"There is no {place}: choose `device=cpu`, which is all of it.")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise SynthesightError(
            f"There is no {place}, since torch sees {torch.cuda.device_count()} GPUs: choose "
            "`device=cpu`, or install the build of torch for this machine's GPU."
        )
    if place.type == "mps":
        raise SynthesightError(
            "The device mps lacks float64, in which errors are summed: choose `device=cpu`."
        )
    try:
        torch.empty(1, device=place)
    # A kind of device that another package would bring is a module that cannot be imported.
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        raise SynthesightError(
            f"torch cannot use the device {place} here: choose `device=cpu`."
        ) from error
    if place.type == "meta":
        raise SynthesightError("The device meta computes nothing: choose `device=cpu`.")
    return place


@contextmanager
def exact_float32() -> Iterator[None]:
    """Compute float32 products in float32, whatever else was set: as a context or a decorator.

    Graphics cards may use TF32 instead, with three digits. Two ways to call a network then differ
    though they are the same, and numbers that tell places are rounded.

    Examples
    --------
    >>> with exact_float32():
    ...     torch.backends.cuda.matmul.fp32_precision
    'ieee'
    """
    convolutions: Any = torch.backends.cudnn  # torch sets `conv` at import, unknown to mypy
    kinds = (torch.backends.cuda.matmul, convolutions.conv)
    before = [kind.fp32_precision for kind in kinds]
    try:
        for kind in kinds:
            kind.fp32_precision = "ieee"
        yield
    finally:
        for kind, precision in zip(kinds, before, strict=True):
            kind.fp32_precision = precision


def device_name(device: torch.device | None) -> str | None:
    """Return what computes, for people: the graphics card, or the kind of device."""
    if device is None or device.type != "cuda":
        return device.type if device is not None else None
    return torch.cuda.get_device_name(device)
