"""Where a network runs, and in which precision."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from synthesight.errors import SynthesightError

DTYPES = ("float32", "bfloat16", "float16", "auto")
WITHOUT_FLOAT64 = ("mps",)  # kinds of devices: what is summed in float64 is summed on the CPU


def best_device() -> str:
    """Return the device that models run on where none is named: cuda, mps (Apple's GPU) or cpu."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def summing_device(device: torch.device) -> torch.device:
    """Return where float64 numbers of a device's work are: there, or the CPU if it has none.

    Examples
    --------
    >>> summing_device(torch.device("mps")), summing_device(torch.device("cuda", 1))
    (device(type='cpu'), device(type='cuda', index=1))
    """
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def in_float64(values: torch.Tensor) -> torch.Tensor:
    """Return values in float64, on the :func:`summing_device` of theirs.

    Examples
    --------
    >>> in_float64(torch.ones(2, dtype=torch.bfloat16)).dtype
    torch.float64
    """
    return values.to(summing_device(values.device)).double()


def check_device(device: str | torch.device) -> torch.device:
    """Return the device, once it is sure that torch can use it."""
    if isinstance(device, str):
        device = device.lower().replace("gpu", "cuda")  # gpu:1, as other libraries write it
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise SynthesightError(
            f"There is no device {str(device)!r}: choose cpu, cuda, mps (Apple's GPU) or, of "
            "several GPUs, cuda:1."
        ) from error
    if place.type == "cpu" and place.index:
        raise SynthesightError(f"There is no {place}: choose `device=cpu`, which is all of it.")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise SynthesightError(
            f"There is no {place}, since torch sees {torch.cuda.device_count()} GPUs: choose "
            "`device=cpu`, or install the build of torch for this machine's GPU."
        )
    if place.type == "mps":
        if not torch.backends.mps.is_available():
            raise SynthesightError(
                "torch sees no GPU of Apple's here, which mps is: choose `device=cpu`."
            )
        # Operations that it lacks are then computed on the CPU. torch reads this when it first
        # uses the device.
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
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
