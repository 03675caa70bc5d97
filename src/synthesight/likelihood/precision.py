"""Choose the precision of a network by what it does to decisions.

Classes are told apart by differences of errors that are a small part of the errors themselves:
rounding that moves x̂ by 0.3 % was seen to move the difference of two classes by 26 to 75 % in
bfloat16, and by 4 to 9 % in float16. So the difference is what is measured, on a few draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor

from synthesight.likelihood.denoiser import NonFiniteOutput
from synthesight.likelihood.memory import is_out_of_memory
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.plumbing import cast

LIMIT = 0.1
"""Largest error of a difference, of its own size: it adds 1 % to the variance of a draw."""

DRAWS = 8


def half_precisions(device: torch.device) -> list[torch.dtype]:
    """Return the half precisions that a device computes in faster than in float32."""
    if device.type != "cuda":
        return []
    native = torch.cuda.is_bf16_supported(including_emulation=False)
    return [torch.float16, torch.bfloat16] if native else [torch.float16]


def choose_precision(
    model: PipelineDenoiser, candidates: Sequence[torch.dtype]
) -> dict[str, float | None]:
    """Measure the candidates and leave the network in the best of them.

    Parameters
    ----------
    model
        With its network in float32.
    candidates
        Precisions that are faster than float32.

    Returns
    -------
    For each candidate, the error of the difference between two classes, relative to its size
    in float32; None where it overflows. Empty where float32 does not fit in memory: the first
    candidate is then taken unmeasured. Else it is the one of the least error, if that is at most
    ``LIMIT``, or float32.
    """
    network = model.network
    whole = [(tensor, tensor.data) for tensor in (*network.parameters(), *network.buffers())]

    def put(dtype: torch.dtype) -> None:
        # In place, since the pipeline's own call runs its own network and no copy of it.
        for tensor, values in whole:
            tensor.data = values
        cast(network, dtype)
        model.reopen()

    errors: dict[str, float | None] = {}
    best, least = torch.float32, LIMIT
    try:
        expected = difference(model)
        for dtype in candidates:
            put(dtype)
            error = _error(model, expected)
            errors[str(dtype).removeprefix("torch.")] = error if isfinite(error) else None
            if error <= least:
                best, least = dtype, error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        errors = {}
        best = next(iter(candidates), torch.float32)  # whatever fits
    put(best)
    return errors


def difference(model: PipelineDenoiser) -> Tensor:
    """Return the difference of two prompts' errors on a few draws: float64, (``DRAWS``,)."""
    generator = torch.Generator().manual_seed(0)
    height, width = model.size
    # Smooth, as images are: the least rough of random ones.
    coarse = torch.rand(1, 3, 8, 8, generator=generator) * 2 - 1
    image = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(-1, 1)
    x = model.encode(image)
    noise = torch.randn(DRAWS, *x.shape[1:], generator=generator)
    steps = torch.linspace(0.1, 0.9, DRAWS).mul(len(model.schedule)).long()
    prepared = model.prepare(model.example_prompts)
    rows = torch.zeros(DRAWS, dtype=torch.int64)
    x = x.expand(DRAWS, *x.shape[1:])
    return model.errors(x, noise, steps, prepared, rows) - model.errors(
        x, noise, steps, prepared, rows + 1
    )


def _error(model: PipelineDenoiser, expected: Tensor) -> float:
    try:
        found = difference(model)
    except NonFiniteOutput:
        return float("inf")
    size = expected.square().mean().sqrt().clamp(min=1e-300)
    return float((found - expected).square().mean().sqrt() / size)
