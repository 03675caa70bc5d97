"""Choose by measurement how a network runs best: memory format, batch size, compilation.

Results do not depend on them (beyond floating-point rounding), so these may differ from
one machine to the next.
"""

from __future__ import annotations

import time

import torch

from synthesight.likelihood.memory import encode, is_out_of_memory
from synthesight.likelihood.protocol import LikelihoodModel

LARGEST = 1024
LONG = 300.0
GAIN = 1.05  # a larger batch must be this much faster an image to be worth its memory


def best_batch_size(model: LikelihoodModel, conditioning: object) -> int:
    """The largest batch that fits and still pays, by doubling.

    Parameters
    ----------
    model
        The model.
    conditioning
        Prepared prompts; the first is used.

    Returns
    -------
    Network evaluations a batch, between 1 and ``LARGEST``.
    """
    size, best, best_rate = 1, 1, 0.0
    x = _grey(model)
    patience = 2
    while size <= LARGEST and patience:
        try:
            rate = size / _seconds(model, conditioning, x, size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            break
        if rate > GAIN * best_rate:
            best, best_rate = size, rate
        else:
            patience -= 1
        size *= 2
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
    return best


def choose_memory_format(
    model: LikelihoodModel, conditioning: object, most: int | None = None
) -> str:
    """Run a convolutional network channels-last where that is faster.

    The network is the attribute ``network`` of the models in this package; other models, and
    transformers, are left alone.

    Parameters
    ----------
    model
        The model.
    conditioning
        Prepared prompts; the first is used.
    most
        Network evaluations that a batch may have; at most eight are measured. None is no limit.

    Returns
    -------
    ``"channels_last"`` or ``"contiguous"``, the format that the network is left in.
    """
    network = getattr(model, "network", None)
    if network is None or not any(
        isinstance(m, torch.nn.Conv2d) and m.kernel_size != m.stride for m in network.modules()
    ):
        return "contiguous"
    x, size = _grey(model), min(most or 8, 8)
    try:
        plain = _seconds(model, conditioning, x, size)
        network.to(memory_format=torch.channels_last)
        if _seconds(model, conditioning, x, size) < plain:
            return "channels_last"
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    network.to(memory_format=torch.contiguous_format)
    return "contiguous"


def seconds_a_batch(model: LikelihoodModel, conditioning: object, size: int) -> float:
    """How long a batch of ``size`` evaluations takes; infinitely long where it does not fit."""
    try:
        return _seconds(model, conditioning, _grey(model), size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    return float("inf")


def compile_network(
    model: LikelihoodModel, conditioning: object, size: int, evaluations: float, plain: float
) -> bool | None:
    """Compile the network for long work, and keep that only if it is faster.

    Parameters
    ----------
    model
        A model with the attribute ``network``.
    conditioning
        Prepared prompts.
    size
        Network evaluations a batch: the one shape that is compiled.
    evaluations
        About how many are to come. Compiling takes a minute or more, so work of less than
        ``LONG`` seconds is not worth it.
    plain
        Seconds that a batch takes as it is.

    Returns
    -------
    Whether ``model.network`` is now compiled; None where it was not tried.
    """
    # Where not even a batch fits, the engine finds a size that does.
    if not LONG <= evaluations / size * plain < float("inf"):
        return None
    network = model.network  # type: ignore[attr-defined]
    x = _grey(model)
    try:
        model.network = torch.compile(network, dynamic=False)  # type: ignore[attr-defined]
        compiled = _seconds(model, conditioning, x, size)
    except Exception:  # No compiler, an unsupported operation: whatever it is, eager works.
        compiled = float("inf")
    if compiled * GAIN < plain:
        return True
    model.network = network  # type: ignore[attr-defined]
    return False


def _grey(model: LikelihoodModel) -> torch.Tensor:
    """One image, encoded, to measure with."""
    side = model.resolution
    return encode(model, torch.zeros((1, 3, side, side), device=model.device))


def _seconds(model: LikelihoodModel, conditioning: object, x: torch.Tensor, size: int) -> float:
    """Least time of two runs of one batch, after a warm-up run."""
    batch = x.expand(size, *x.shape[1:]).contiguous()
    noise = torch.randn(batch.shape, device=batch.device, dtype=batch.dtype)
    steps = torch.full((size,), len(model.schedule) // 2, device=batch.device)
    rows = torch.zeros(size, dtype=torch.int64, device=batch.device)
    times = []
    with torch.inference_mode():
        for _ in range(3):
            started = time.perf_counter()
            model.errors(batch, noise, steps, conditioning, rows).cpu()
            times.append(time.perf_counter() - started)
    return min(times[1:])
