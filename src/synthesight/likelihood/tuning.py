"""Choose by measurement how a network runs best: memory format, packing, batch size, compilation.

Results do not depend on them (beyond floating-point rounding), so these may differ from
one machine to the next. Measuring takes evaluations, which may be no more than a share of those to
come: counted, and not timed, since a busy machine is no reason to measure less, or more.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.memory import encode, is_out_of_memory
from synthesight.likelihood.packing import pack, unpack
from synthesight.likelihood.protocol import DrawModel, PartModel, Resolution
from synthesight.likelihood.reproducible import BATCH

LARGEST = 1024  # that measurement ever chooses
MOST_BATCH = 16_384  # that a user may ask for
LONG = 60.0  # seconds of work for which it pays to compile: on a CPU, where it takes 8 to 30
LONG_GPU = 300.0  # where more is tried
SHARE = 0.1  # of the work to come, that measuring may cost
RUNS = 3  # of a batch, to measure it: one to warm up, and the better of two
USUAL = {"cpu": 16}  # evaluations a batch where there is too little work to measure
USUAL_GPU = 64
SHORT = 2.0  # seconds that a batch takes at most, if a smaller one does: what a kill may cost
PACKED = 1.3  # packed weights gain this or nothing: less is the noise of a busy machine
GAIN = 1.05  # a larger batch must be this much faster an image to be worth its memory


class Purse:
    """What measuring may still cost, in evaluations."""

    def __init__(self, evaluations: float = float("inf")) -> None:
        self.left = evaluations

    def affords(self, evaluations: float) -> bool:
        return evaluations <= self.left

    def spend(self, evaluations: float) -> None:
        self.left -= evaluations


class Tuner:
    """Finds out how a network runs best, once, and keeps it for later calls.

    Without a ``batch_size`` (evaluations), the best is found by measurement. ``compiled`` is None
    where that was not tried; ``memory_format`` is ``"contiguous"`` or ``"channels_last"``;
    ``packed`` says whether linear layers are (:func:`~synthesight.likelihood.packing.pack`).
    """

    def __init__(self, batch_size: int | None = None) -> None:
        if batch_size is not None and not (
            isinstance(batch_size, int | np.integer) and 1 <= batch_size <= MOST_BATCH
        ):
            raise SynthesightError(
                f"`batch_size={batch_size}` cannot be: give a whole number from 1 to {MOST_BATCH}."
            )
        self.batch_size = batch_size
        self.compiled: bool | None = None
        self.memory_format = "contiguous"
        self.packed = False
        # Batch sizes, by resolution and what was asked for; seconds a batch.
        self._sizes: dict[tuple[Resolution, int | None], int] = {}
        self._seconds: dict[tuple[Resolution, int], float] = {}

    def tune(self, model: DrawModel | PartModel, conditioning: object, evaluations: float) -> int:
        """Return how many evaluations to do in a batch, and leave the network as it runs best.

        The first of the prepared prompts is used. Whether it pays to compile depends on how many
        ``evaluations`` are to come.
        """
        asked = model.resolution, self.batch_size
        purse = Purse(SHARE * evaluations)
        if asked not in self._sizes:
            most = min(self.batch_size or 8, 8)
            if purse.affords(4 * RUNS * most):
                self.memory_format = choose_memory_format(model, conditioning, most)
                self.packed = choose_packing(model, conditioning, most)
                purse.spend(4 * RUNS * most)
            size, measured = self.batch_size, True
            if size is None:
                size, measured = best_batch_size(model, conditioning, purse)
            if not measured:  # Of longer work, a later call may find out.
                return max(1, min(size, int(evaluations)))
            self._sizes[asked] = size
        size = self._sizes[asked]
        if self.compiled is None and hasattr(owner(model), "network"):
            key = model.resolution, size
            if key not in self._seconds and purse.affords(RUNS * size):
                self._seconds[key] = seconds_a_batch(model, conditioning, grey_image(model), size)
            if key in self._seconds:
                self.compiled = compile_network(
                    model, conditioning, size, evaluations, self._seconds[key]
                )
                if self.compiled:
                    self.packed = False
        return size

    def fixed(self, model: DrawModel | PartModel) -> int:
        """Return how many evaluations a reproducible batch has, and leave the network as it came.

        Nothing is measured, since clocks do not run twice alike.
        """
        network = getattr(owner(model), "network", None)
        if network is not None:
            # As torch calls what it compiled.
            owner(model).network = network = getattr(network, "_orig_mod", network)
            network.to(memory_format=torch.contiguous_format)
            unpack(network)
        self.compiled, self.memory_format, self.packed = None, "contiguous", False
        self._sizes.clear()
        return BATCH

    def halved(self, model: DrawModel | PartModel, batch_size: int) -> None:
        """Keep that only this many evaluations fit in memory together."""
        self._sizes[model.resolution, self.batch_size] = batch_size


def best_batch_size(
    model: DrawModel | PartModel, conditioning: object, purse: Purse | None = None
) -> tuple[int, bool]:
    """Find the largest batch that fits and still pays, by doubling, as far as the purse allows.

    Returns network evaluations a batch, between 1 and ``LARGEST``, and whether that was measured to
    its end. Where it was not, the size is what is usual on such a device, or less where one
    evaluation alone takes long. Sizes below the usual one are only a way there, since a busy
    machine makes any of them look fastest.
    """
    purse = purse or Purse()
    usual = USUAL.get(model.device.type, USUAL_GPU)
    size, best, best_rate = 1, 1, 0.0
    patience = 2
    x: torch.Tensor | None = None
    while size <= LARGEST and patience:
        if not purse.affords(RUNS * size):
            within = int(SHORT * best_rate) if best_rate else usual
            return max(best, min(usual, within)), False
        x = grey_image(model) if x is None else x
        seconds = seconds_a_batch(model, conditioning, x, size)
        purse.spend(RUNS * size)
        rate = size / seconds
        if not rate or (seconds > SHORT and size > 1):
            break
        if size <= usual or rate > GAIN * best_rate:
            best, best_rate = size, rate
        else:
            patience -= 1
        size *= 2
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
    return best, True


def choose_memory_format(
    model: DrawModel | PartModel, conditioning: object, most: int | None = None
) -> str:
    """Run a convolutional network channels-last where that is faster; return its format.

    The network is the attribute ``network`` of the models in this package; other models, and
    transformers, are left alone. At most eight evaluations a batch are measured, or ``most``.
    """
    network = getattr(owner(model), "network", None)
    if network is None or not any(
        isinstance(m, torch.nn.Conv2d) and m.kernel_size != m.stride for m in network.modules()
    ):
        return "contiguous"
    x, size = grey_image(model), min(most or 8, 8)
    plain = seconds_a_batch(model, conditioning, x, size)
    network.to(memory_format=torch.channels_last)
    if seconds_a_batch(model, conditioning, x, size) < plain:
        return "channels_last"
    network.to(memory_format=torch.contiguous_format)
    return "contiguous"


def choose_packing(
    model: DrawModel | PartModel, conditioning: object, most: int | None = None
) -> bool:
    """Pack the weights of linear layers where that is faster, by far on some processors."""
    network = getattr(owner(model), "network", None)
    if network is None or model.device.type != "cpu":
        return False
    x, size = grey_image(model), min(most or 8, 8)
    plain = seconds_a_batch(model, conditioning, x, size)
    try:
        if pack(network):
            packed = seconds_a_batch(model, conditioning, x, size)
            if PACKED * packed < plain:
                # A busy machine slows what is measured first as often as what is second.
                unpack(network)
                plain = min(plain, seconds_a_batch(model, conditioning, x, size))
                pack(network)
            if PACKED * packed < plain:
                return True
    except (RuntimeError, AttributeError):  # A build of torch without oneDNN, or a layer it lacks.
        pass
    unpack(network)
    return False


def seconds_a_batch(
    model: DrawModel | PartModel, conditioning: object, x: torch.Tensor, size: int
) -> float:
    """How long a batch of ``size`` evaluations takes; infinitely long where it does not fit."""
    try:
        return _seconds(model, conditioning, x, size)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    return float("inf")


def compile_network(
    model: DrawModel | PartModel, conditioning: object, size: int, evaluations: float, plain: float
) -> bool | None:
    """Compile the network for long work, and keep that only if it is faster; None if not tried.

    It is compiled for batches of ``size``, which take ``plain`` seconds as it is. Compiling takes
    its time, so work of less than ``LONG`` seconds, by the ``evaluations`` to come, is not worth
    it.
    """
    long = LONG if model.device.type == "cpu" else LONG_GPU
    # Where not even a batch fits, the engine finds a size that does.
    if not long <= evaluations / size * plain < float("inf"):
        return None
    of = owner(model)
    network = of.network
    x = grey_image(model)
    was_packed = unpack(network)  # which a compiler knows nothing of
    try:
        of.network = torch.compile(network, dynamic=False)
        compiled = _seconds(model, conditioning, x, size)
    except Exception:  # No compiler, an unsupported operation: whatever it is, eager works.
        compiled = float("inf")
    if compiled * GAIN < plain:
        return True
    of.network = network
    if was_packed:
        pack(network)
    return False


def owner(model: DrawModel | PartModel) -> Any:
    """Return the object that may have a ``network``: the denoiser of an adapted one."""
    return getattr(model, "denoiser", model)


def grey_image(model: DrawModel | PartModel) -> torch.Tensor:
    """One image, encoded, to measure with."""
    size = model.resolution
    height, width = (size, size) if isinstance(size, int) else size
    return encode(model, torch.zeros((1, 3, height, width), device=model.device))


def _seconds(
    model: DrawModel | PartModel, conditioning: object, x: torch.Tensor, size: int
) -> float:
    """Least time of two runs of one batch, after a warm-up run."""
    batch = x.expand(size, *x.shape[1:]).contiguous()
    rows = torch.zeros(size, dtype=torch.int64, device=batch.device)
    increments: Any
    if isinstance(model, PartModel):
        increments = range(model.horizon)
    else:
        made = model.draws(np.zeros((1, 2), dtype=np.uint64), np.zeros(1, np.int64), x.shape[1:])
        increments = tuple(
            part.to(batch.device).expand(size, *part.shape[1:]).contiguous() for part in made
        )
    times = []
    with torch.inference_mode():
        for _ in range(RUNS):
            started = time.perf_counter()
            model.nats(batch, increments, conditioning, rows).cpu()
            times.append(time.perf_counter() - started)
    return min(times[1:])
