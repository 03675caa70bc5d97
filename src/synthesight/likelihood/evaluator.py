"""Evaluate batches of (image, increment, prompt), of whatever size fits in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.memory import is_out_of_memory, too_large
from synthesight.likelihood.protocol import DrawModel, PartModel, passes_of


@dataclass
class Usage:
    """What was spent, updated while work goes on.

    Attributes
    ----------
    evaluations
        Passes: network evaluations of one (image, draw, prompt), or shares of one.
    network_seconds, seconds
        Time in the network, and in all.
    batch_size, halvings
        Evaluations a batch, and how often that was halved for want of memory.
    compiled
        Whether the network is compiled, and so every batch filled up to one shape.
    """

    evaluations: float = 0
    network_seconds: float = 0.0
    seconds: float = 0.0
    batch_size: int = 0
    halvings: int = 0
    compiled: bool = False


@dataclass(frozen=True)
class Made:
    """The draws of a batch, on their way: each once, and which of them each evaluation takes."""

    draws: Future[tuple[torch.Tensor, ...]]
    which: np.ndarray


class Evaluator:
    """Gives the nats of batches, in as many passes as memory asks for.

    Parameters
    ----------
    model
        A model of draws or of parts.
    conditioning
        What ``model.prepare`` returned.
    batch_size
        Evaluations a batch. An out-of-memory error halves it and work goes on.
    one_shape
        Fill up the last batches: a network that was compiled for one shape would be compiled
        again for others.
    halving
        Whether a batch may be halved for want of memory.
    ask
        What to ask of the model in place of its ``nats``: takes what that takes, and returns a
        tensor with one row for each of the batch.

    Attributes
    ----------
    parts
        Whether the model is one of parts.
    """

    def __init__(
        self,
        model: DrawModel | PartModel,
        conditioning: object,
        *,
        batch_size: int,
        one_shape: bool = False,
        halving: bool = True,
        ask: Callable[..., torch.Tensor] | None = None,
    ) -> None:
        self.model = model
        self.ask = ask
        self.halving = halving
        self.conditioning = conditioning
        self.usage = Usage(batch_size=batch_size, compiled=one_shape)
        self.parts = isinstance(model, PartModel)
        self._pool: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """End the thread that makes draws."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def begin(
        self,
        keys: np.ndarray,
        slot: np.ndarray,
        increment: np.ndarray | range,
        shape: torch.Size,
    ) -> Made | None:
        """Begin to make the draws of a batch on the side, while the device is at another.

        Parameters
        ----------
        keys, slot, increment
            As in a call.
        shape
            Of one encoded image.

        Returns
        -------
        What the call takes as ``made``; None for parts, of which nothing is to be made.
        """
        if isinstance(increment, range):
            return None
        # One draw serves all of its prompts: make it once.
        pair = slot * 2**32 + increment
        _, first, which = np.unique(pair, return_index=True, return_inverse=True)
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="draws")
        draws = self._pool.submit(
            self.model.draws,  # type: ignore[union-attr]
            keys[slot[first]],
            increment[first],
            shape,
        )
        return Made(draws, which)

    def __call__(
        self,
        x: torch.Tensor,
        keys: np.ndarray,
        slot: np.ndarray,
        increment: np.ndarray | range,
        rows: np.ndarray,
        made: Made | None = None,
    ) -> np.ndarray:
        """Evaluate a batch of at most ``usage.batch_size``.

        ``x``, (S, ...), are encoded images, and ``keys``, uint64 (S, 2), theirs. Of each of the B,
        ``slot`` says which image, ``increment`` the index of the draw (or, as a range, the parts to
        evaluate for all of them), and ``rows`` which of the prepared prompts: int64 (B,). ``made``
        is what :meth:`begin` returned for this batch; None makes its draws now.

        Returns nats, float64: (B,) for draws, (B, P) for P parts; or what is asked for.

        Raises
        ------
        SynthesightError
            If they are not finite or of another shape, or not even one evaluation fits in memory.
        """
        try:
            if len(slot) <= self.usage.batch_size:
                return self._evaluate(x, keys, slot, increment, rows, made)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:  # The batch was taken before memory ran out in another.
            return self._in_parts(x, keys, slot, increment, rows)
        # What was run, which a batch that was filled up is less than.
        usage = self.usage
        if not self.halving:
            raise SynthesightError(
                f"{self.model.name}: the {usage.batch_size} evaluations that `reproducible` does "
                "at a time do not fit in memory: leave it out, or use a device with more memory."
            )
        size = max(len(slot), usage.batch_size) if usage.compiled else len(slot)
        if size == 1:
            raise too_large(self.model)
        # Outside the except clause: the traceback would keep the failed batch's tensors alive.
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        usage.batch_size = min(usage.batch_size, (size + 1) // 2)
        usage.halvings += 1
        return self._in_parts(x, keys, slot, increment, rows)

    def _in_parts(
        self,
        x: torch.Tensor,
        keys: np.ndarray,
        slot: np.ndarray,
        increment: np.ndarray | range,
        rows: np.ndarray,
    ) -> np.ndarray:
        size = self.usage.batch_size
        found = []
        for start in range(0, len(slot), size):
            part = slice(start, start + size)
            some = increment if isinstance(increment, range) else increment[part]
            found.append(self(x, keys, slot[part], some, rows[part]))
        return np.concatenate(found)

    def _evaluate(
        self,
        x: torch.Tensor,
        keys: np.ndarray,
        slot: np.ndarray,
        increment: np.ndarray | range,
        rows: np.ndarray,
        made: Made | None,
    ) -> np.ndarray:
        device, count = self.model.device, len(slot)
        fill = self.usage.batch_size - count if self.usage.compiled else 0
        if fill > 0:
            slot, rows = (np.concatenate([a, np.repeat(a[:1], fill)]) for a in (slot, rows))
        chosen = x.index_select(0, torch.from_numpy(slot).to(x.device))
        row = torch.from_numpy(rows).to(device)
        if made is None:
            made = self.begin(keys, slot[:count], increment, x.shape[1:])
        given = increment if made is None else self._draws(made, max(fill, 0))
        started = time.perf_counter()
        with torch.inference_mode():
            ask = self.ask or self.model.nats
            nats = ask(chosen, given, self.conditioning, row)  # type: ignore[arg-type]
            found = nats[:count].cpu().double().numpy()
        self.usage.network_seconds += time.perf_counter() - started
        self.usage.evaluations += count * self._passes(increment)
        self._check(nats, found, increment, len(slot))
        return found

    def _draws(self, made: Made, fill: int) -> tuple[torch.Tensor, ...]:
        """Wait for draws; one row for each of the batch, and ``fill`` more."""
        take = torch.from_numpy(np.concatenate([made.which, np.repeat(made.which[:1], fill)]))
        take = take.to(self.model.device)
        return tuple(
            part.to(self.model.device).index_select(0, take) for part in made.draws.result()
        )

    def _passes(self, increment: np.ndarray | range) -> float:
        if isinstance(self.model, PartModel) and isinstance(increment, range):
            return passes_of(self.model, increment)
        return 1

    def _check(
        self, nats: torch.Tensor, found: np.ndarray, increment: np.ndarray | range, count: int
    ) -> None:
        """Refuse what would decide silently: to argmax, a NaN is the most of all."""
        expected = (count, len(increment)) if isinstance(increment, range) else (count,)
        if self.ask is None and tuple(nats.shape) != expected:
            raise SynthesightError(
                f"{self.model.name} gave nats of shape {tuple(nats.shape)}, not {expected}: sum "
                "them over all dimensions of an image."
            )
        if not np.isfinite(found).all():
            raise SynthesightError(
                f"{self.model.name} gave nats that are not finite: keep probabilities above 0, "
                "and check its weights and what it divides by."
            )
