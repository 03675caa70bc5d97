"""Choose the precision of a network by what it does to decisions.

Classes are told apart by differences of errors that are a small part of the errors themselves:
rounding that moves x̂ by 0.3 % was seen to move the difference of two classes by 26 to 75 % in
bfloat16, and by 4 to 9 % in float16. So the difference is what is measured, on a few draws.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synthesight.likelihood.denoiser import NonFiniteOutput
from synthesight.likelihood.memory import is_out_of_memory
from synthesight.likelihood.pipeline import SAMPLE_PROMPTS, PipelineDenoiser
from synthesight.likelihood.plumbing import cast
from synthesight.likelihood.tokens.masked import Amused
from synthesight.likelihood.tokens.randar import RandAR
from synthesight.likelihood.tokens.raster import RasterModel
from synthesight.likelihood.tokens.var import VAR

LIMIT = 0.1
"""Largest error of a difference, of its own size: it adds 1 % to the variance of a draw."""

DRAWS = 8
FASTER = 1.2  # what half precision must gain on a processor, to be worth any error
LABELS = ("0", "1")


def half_precisions(device: torch.device) -> list[torch.dtype]:
    """Return the half precisions that a device has instructions for."""
    if device.type == "cpu":
        asked = {
            torch.float16: "_is_mkldnn_fp16_supported",
            torch.bfloat16: "_is_mkldnn_bf16_supported",
        }
        known = torch.ops.mkldnn
        return [dtype for dtype, name in asked.items() if getattr(known, name, lambda: False)()]
    if device.type != "cuda":
        return []
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return [torch.float16, torch.bfloat16] if native else [torch.float16]


def choose_precision(
    model: PipelineDenoiser | RasterModel | Amused | VAR | RandAR, candidates: Sequence[torch.dtype]
) -> dict[str, float | None]:
    """Measure the candidates, leave the float32 network in the best, and return the errors.

    These are of the difference between two classes, relative to its size in float32; None where it
    overflows. Empty where float32 does not fit in memory: the first candidate is then taken
    unmeasured. Else it is the one of the least error, if that is at most ``LIMIT``, and it is
    faster, or float32. On a GPU the candidates are known to be faster; on a CPU that is measured as
    well.
    """
    network = model.network
    whole = [(tensor, tensor.data) for tensor in (*network.parameters(), *network.buffers())]

    def put(dtype: torch.dtype) -> None:
        # In place, since the pipeline's own call runs its own network and no copy of it.
        for tensor, values in whole:
            tensor.data = values
        cast(network, dtype)
        model.reopen()

    def measured() -> Tensor:
        if isinstance(model, PipelineDenoiser):
            return difference(model)
        return nats_difference(model)

    errors: dict[str, float | None] = {}
    best, least = torch.float32, LIMIT
    try:
        expected = measured()
        plain = _seconds(model.device, measured)
        for dtype in candidates:
            put(dtype)
            error = _error(measured, expected)
            errors[str(dtype).removeprefix("torch.")] = error if isfinite(error) else None
            if error <= least and FASTER * _seconds(model.device, measured) <= plain:
                best, least = dtype, error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        errors = {}
        best = next(iter(candidates), torch.float32)  # whatever fits
    put(best)
    return errors


def _seconds(device: torch.device, measured: Callable[[], Tensor]) -> float:
    """How long it takes; on a GPU, where half precision is known to be faster, not measured."""
    times = []
    for _ in range(2 if device.type == "cpu" else 0):
        started = time.perf_counter()
        measured()
        times.append(time.perf_counter() - started)
    return min(times, default=0.0)


def difference(model: PipelineDenoiser) -> Tensor:
    """Return the difference of two prompts' errors on a few draws: float64, (``DRAWS``,)."""
    generator = torch.Generator().manual_seed(0)
    x = model.encode(_image(model.size, generator))
    noise = torch.randn(DRAWS, *x.shape[1:], generator=generator)
    steps = torch.linspace(0.1, 0.9, DRAWS).mul(len(model.schedule)).long()
    prepared = model.prepare(model.example_prompts)
    rows = torch.zeros(DRAWS, dtype=torch.int64)
    x = x.expand(DRAWS, *x.shape[1:])
    return model.errors(x, noise, steps, prepared, rows) - model.errors(
        x, noise, steps, prepared, rows + 1
    )


def nats_difference(model: RasterModel | Amused | VAR | RandAR) -> Tensor:
    """Return the difference of two prompts' nats on each part, or on a few draws: float64."""
    side = model.resolution
    size = (side, side) if isinstance(side, int) else side
    image = _image(size, torch.Generator().manual_seed(0)).to(model.device)
    with torch.inference_mode():
        x = model.encode(image)
        prepared: Any = model.prepare(LABELS if model.takes_labels else SAMPLE_PROMPTS)
        rows = torch.arange(2, device=model.device)
        if isinstance(model, RasterModel | VAR):
            parts = range(model.horizon)
            nats = model.nats(x.expand(2, *x.shape[1:]), parts, prepared, rows)
        else:
            keys, index = np.zeros((DRAWS, 2), dtype=np.uint64), np.arange(DRAWS)
            (draws,) = model.draws(keys, index, x.shape[1:])
            draws = torch.cat([draws.to(model.device)] * 2)
            x, rows = x.expand(2 * DRAWS, *x.shape[1:]), rows.repeat_interleave(DRAWS)
            nats = model.nats(x, (draws,), prepared, rows).view(2, DRAWS)
    return nats[0] - nats[1]


def _image(size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Return an image as smooth as images are: the least rough of random ones."""
    coarse = torch.rand(1, 3, 8, 8, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, size, mode="bicubic").clamp(-1, 1)


def _error(measured: Callable[[], Tensor], expected: Tensor) -> float:
    try:
        found = measured()
    except NonFiniteOutput:
        return float("inf")
    size = expected.square().mean().sqrt().clamp(min=1e-300)
    return float((found - expected).square().mean().sqrt() / size)
