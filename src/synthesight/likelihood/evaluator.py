"""Evaluate batches of (image, increment, prompt), of whatever size fits in memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.memory import is_out_of_memory, too_large
from synthesight.likelihood.protocol import DrawModel, PartModel


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
    cost
        float64, shape (n + 1,): passes that the first 0, 1, …, n parts take; None for draws.
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
        self.cost: np.ndarray | None = None
        if isinstance(model, PartModel):
            # The last entry is exactly 1, however the shares were rounded.
            shares = np.asarray(model.cost, dtype=np.float64)
            self.cost = np.concatenate([[0.0], np.cumsum(shares[:-1]), [1.0]])

    def __call__(
        self,
        x: torch.Tensor,
        keys: np.ndarray,
        slot: np.ndarray,
        increment: np.ndarray | range,
        rows: np.ndarray,
    ) -> np.ndarray:
        """Evaluate a batch of at most ``usage.batch_size``.

        Parameters
        ----------
        x
            Shape (S, ...): encoded images.
        keys
            uint64, shape (S, 2): theirs.
        slot
            int64, shape (B,): which of the S images.
        increment
            int64, shape (B,): indices of draws; or the parts to evaluate for all of the batch.
        rows
            int64, shape (B,): which of the prepared prompts.

        Returns
        -------
        Nats, float64: shape (B,) for draws, (B, P) for P parts; or what is asked for.

        Raises
        ------
        SynthesightError
            If the model's nats are not finite or of another shape, or not even one evaluation
            fits in memory.
        """
        try:
            return self._evaluate(x, keys, slot, increment, rows)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
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
        usage.batch_size = half = min(usage.batch_size, (size + 1) // 2)
        usage.halvings += 1
        found = []
        for start in range(0, len(slot), half):
            part = slice(start, start + half)
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
    ) -> np.ndarray:
        device, count = self.model.device, len(slot)
        fill = self.usage.batch_size - count if self.usage.compiled else 0
        if fill > 0:
            slot, rows = (np.concatenate([a, np.repeat(a[:1], fill)]) for a in (slot, rows))
        chosen = x.index_select(0, torch.from_numpy(slot).to(x.device))
        row = torch.from_numpy(rows).to(device)
        made = self._increments(keys, slot[:count], increment, x.shape[1:], max(fill, 0))
        started = time.perf_counter()
        with torch.inference_mode():
            ask = self.ask or self.model.nats
            nats = ask(chosen, made, self.conditioning, row)  # type: ignore[arg-type]
            found = nats[:count].double().cpu().numpy()
        self.usage.network_seconds += time.perf_counter() - started
        self.usage.evaluations += count * self._passes(increment)
        self._check(nats, found, increment, len(slot))
        return found

    def _increments(
        self,
        keys: np.ndarray,
        slot: np.ndarray,
        increment: np.ndarray | range,
        shape: torch.Size,
        fill: int,
    ) -> range | tuple[torch.Tensor, ...]:
        """What the model makes of the increments, one row for each of the batch."""
        if isinstance(increment, range):
            return increment
        # One draw serves all of its prompts: make it once.
        pair = slot * 2**32 + increment
        _, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
        draws = self.model.draws(keys[slot[first]], increment[first], shape)  # type: ignore[union-attr]
        take = torch.from_numpy(np.concatenate([inverse, np.repeat(inverse[:1], fill)]))
        take = take.to(self.model.device)
        return tuple(part.to(self.model.device).index_select(0, take) for part in draws)

    def _passes(self, increment: np.ndarray | range) -> float:
        if self.cost is None or not isinstance(increment, range):
            return 1
        return float(self.cost[increment.stop] - self.cost[increment.start])

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
