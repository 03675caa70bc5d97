"""What does not fit in memory: told from other errors, and done in parts where it can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

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


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether an error says that memory ran out, as allocators and libraries put it."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(
        sign in str(error).lower() for sign in OUT_OF_MEMORY
    )


@contextmanager
def opening(what: str, advice: str) -> Iterator[None]:
    """Say in one sentence that a library could not do something with files.

    The libraries raise all sorts for files that are damaged or do not fit; only that memory ran out
    is told from it.
    """
    try:
        yield
    except SynthesightError:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise
        # Diffusers makes an empty model, and stumbles over what a file did not fill.
        empty = "meta tensor" in str(error)
        why = "some of its tensors are missing" if empty else first_line(error)
        raise SynthesightError(f"{what} ({why}): {advice}.") from error


def encode(model: LikelihoodModel, pixels: torch.Tensor) -> torch.Tensor:
    """Encode images, in ever smaller parts where they do not fit in memory together.

    Raises
    ------
    SynthesightError
        If not even one does.
    """
    try:
        with torch.inference_mode():
            return model.encode(pixels)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Outside the except clause: the traceback would keep the failed call's tensors alive.
    if len(pixels) == 1:
        raise too_large(model)
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
    half = (len(pixels) + 1) // 2
    return torch.cat([encode(model, pixels[:half]), encode(model, pixels[half:])])


def prepare(model: LikelihoodModel, prompts: Sequence[str]) -> Any:
    """Return what the prompts condition on.

    Raises
    ------
    SynthesightError
        If memory does not hold it.
    """
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
