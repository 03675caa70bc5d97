"""What does not fit in memory: told from other errors, and done in parts where it can be."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from synthesight.errors import SynthesightError, first_line
from synthesight.likelihood.protocol import LikelihoodModel

# In small letters. What only may come of it, such as CUBLAS_STATUS_NOT_INITIALIZED, is not here.
OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "_alloc_failed",
    "_allocation_failed",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that memory ran out, as allocators and libraries put it."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        sign in str(error).lower() for sign in OUT_OF_MEMORY
    )


@contextmanager
def opening(
    what: str, advice: str, *, size: int | None = None, tensors: int | None = None
) -> Iterator[None]:
    """Say in one sentence ``what`` a library could not do with files, and the ``advice``.

    The libraries raise all sorts for files that are damaged or do not fit; only that memory ran out
    is told from it. Settings may ask for a network of any size: where the system can, the process
    is kept to the memory that weights of ``size`` bytes need, and a network of far more than
    ``tensors`` is not built to its end.
    """
    try:
        with bounded(size) as is_bounded, few_parameters(tensors):
            yield
    except SynthesightError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # Rust's
            raise
        if is_out_of_memory(error):
            if not is_bounded:
                raise
            why = f"it asks for far more memory than its {(size or 0) / 1e6:.3g} MB of weights need"
        # Diffusers makes an empty model, and stumbles over what a file did not fill.
        elif "meta tensor" in str(error):
            why = "some of its tensors are missing"
        else:
            why = first_line(error)
        raise SynthesightError(f"{what} ({why}): {advice}.") from error


@contextmanager
def bounded(size: int | None) -> Iterator[bool]:
    """Keep this process to the memory that opening files of so many bytes can need; yield whether.

    That is eight times their size, for conversions and copies, and 1 GiB. Nothing is done where
    other threads might want memory, or on systems without Linux's ``/proc``.
    """
    status = Path("/proc/self/status")
    if size is None or threading.active_count() > 1 or not status.exists():
        yield False
        return
    import resource

    used = re.search(r"^VmData:\s*(\d+) kB", status.read_text(), re.MULTILINE)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    # The stack of each thread of torch counts as well.
    most = 1024 * int(used[1] if used else 0) + 2**30 + 2**24 * (os.cpu_count() or 1) + 8 * size
    if used is None or most >= (min(soft, hard) if min(soft, hard) >= 0 else 2**62):
        yield False
        return
    resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    try:
        yield True
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextmanager
def few_parameters(tensors: int | None) -> Iterator[None]:
    """Stop building a network that has ten times as many parameters as there are tensors for it."""
    if tensors is None:
        yield
        return
    left = 1000 + 10 * tensors

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise ValueError(f"it asks for far more layers than its {tensors} tensors are for")

    counting = torch.nn.modules.module.register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        counting.remove()


def encode(
    model: LikelihoodModel, pixels: torch.Tensor, keys: np.ndarray | None = None
) -> torch.Tensor:
    """Encode images, in ever smaller parts where they do not fit in memory together.

    ``keys``, uint64 (B, 2), are for a model that varies images by chance.
    """
    try:
        with torch.inference_mode():
            x = model.encode(pixels)
            return model.jitter(x, keys) if keys is not None and hasattr(model, "jitter") else x
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside the except clause: the traceback would keep the failed call's tensors alive.
    if len(pixels) == 1:
        raise too_large(model)
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
    half = (len(pixels) + 1) // 2
    first, second = (None, None) if keys is None else (keys[:half], keys[half:])
    return torch.cat([encode(model, pixels[:half], first), encode(model, pixels[half:], second)])


def prepare(model: LikelihoodModel, prompts: Sequence[str]) -> Any:
    """Return what ``model.prepare`` does, or say that memory does not hold it."""
    try:
        return model.prepare(prompts)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    raise SynthesightError(
        f"{model.name}: its {len(prompts)} prompts cannot be encoded in this device's memory: use "
        "`dtype=bfloat16`, fewer prompts, or a device with more memory."
    )


def too_large(model: LikelihoodModel) -> SynthesightError:
    """What to say where a single image needs more memory than there is."""
    return SynthesightError(
        f"{model.name}: not even one image fits in memory; use `dtype=bfloat16` or a device with "
        "more memory."
    )
