"""The batch engine: keeps the device full while images need ever fewer classes.

Elimination leaves ragged work: one image still needs nine classes, another two. The engine pools
the (image, draw, class) triples of many images in one queue and evaluates them in full batches,
starts new images when the queue runs low, and reads and encodes images ahead. What an image's
result depends on (its draws, and when its classes are reviewed) is fixed by the decision rule
alone; the batches only decide when it is computed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from synthesight.errors import SynthesightError
from synthesight.likelihood.decision import Decision
from synthesight.likelihood.draws import normal_noise, uniforms
from synthesight.likelihood.memory import is_out_of_memory, too_large
from synthesight.likelihood.prefetch import read_ahead
from synthesight.likelihood.protocol import LikelihoodModel
from synthesight.likelihood.queue import Plan, Triples, Work
from synthesight.likelihood.rules import Rule
from synthesight.likelihood.weighting import TimeSampler
from synthesight.stimuli.stimulus import Stimulus


@dataclass
class Usage:
    """Where the time went: updated while the engine runs."""

    evaluations: int = 0
    network_seconds: float = 0.0
    seconds: float = 0.0
    batch_size: int = 0
    halvings: int = field(default=0)


class Engine:
    """Runs a decision rule over many stimuli with one model.

    Parameters
    ----------
    model
        Anything that meets :class:`LikelihoodModel`.
    rows
        For each unit (a class, or a label of one), the rows of the prepared prompts that
        describe it: int64, shape (U, P). Draw n uses prompt n mod P, so that templates are
        averaged at no extra cost and all units change templates together.
    conditioning
        What ``model.prepare`` returned for those prompts.
    rule, sampler, seed
        How draws are taken and when they are enough.
    groups
        int64, shape (U,): the class of each unit. An image is decided when all of the units left
        belong to one class.
    averaged
        Whether a class's likelihood is the mean of its units', so that the rule weighs whole
        classes (:mod:`~synthesight.likelihood.grouped`); else a class is as good as its best unit,
        and the rule weighs units.
    batch_size
        Network evaluations a batch. An out-of-memory error halves it and work goes on.
    one_shape
        Fill up the last batches: a network that was compiled for one shape would be compiled
        again for others.
    keep_errors
        Hand out each draw's errors with the decision, to try other rules on them afterwards
        (:func:`~synthesight.likelihood.replay.replay`).
    """

    def __init__(
        self,
        model: LikelihoodModel,
        rows: np.ndarray,
        conditioning: object,
        rule: Rule,
        sampler: TimeSampler,
        *,
        seed: int = 0,
        groups: Sequence[int] | np.ndarray | None = None,
        averaged: bool = False,
        batch_size: int = 64,
        one_shape: bool = False,
        keep_errors: bool = False,
    ) -> None:
        self.one_shape = one_shape
        self.model = model
        self.conditioning = conditioning
        self.sampler = sampler
        units = np.arange(len(rows))
        self.plan = Plan(
            model=model,
            rows=np.asarray(rows, dtype=np.int64),
            groups=units if groups is None else np.asarray(groups),
            averaged=averaged and groups is not None and len(np.unique(groups)) < len(rows),
            rule=rule,
            seed=seed,
            keep_errors=keep_errors,
        )
        self.usage = Usage(batch_size=batch_size)

    def run(self, stimuli: Iterable[Stimulus]) -> Iterator[Decision]:
        """Decide on each stimulus; decisions come as they are made, in no fixed order.

        Memory is bounded by the images in work, however many stimuli there are. A stimulus that
        cannot be read gives a decision with ``error``.

        Raises
        ------
        SynthesightError
            If the model's errors are not finite or not one a triple, or not even one evaluation
            fits in memory.
        """
        started = time.perf_counter()
        reader = read_ahead(stimuli, self.model.resolution)
        work = Work(self.plan, reader, self.usage.batch_size)
        try:
            while work.admit(self.usage.batch_size):
                yield from work.unreadable()
                batch = work.take(self.usage.batch_size)
                if batch is not None:
                    work.absorb(batch, self._evaluate(work, batch))
                    yield from work.decided()
            yield from work.unreadable()
        finally:
            work.close()
            self.usage.seconds += time.perf_counter() - started

    def _evaluate(self, work: Work, batch: Triples) -> np.ndarray:
        """Weighted errors of a batch: float64, shape (B,)."""
        try:
            return self._evaluate_once(work, batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # What was run, which a batch that was filled up is less than.
        size = max(len(batch), self.usage.batch_size) if self.one_shape else len(batch)
        if size == 1:
            raise too_large(self.model)
        # Outside the except clause: the traceback would keep the failed batch's tensors alive.
        if self.model.device.type == "cuda":
            torch.cuda.empty_cache()
        self.usage.batch_size = min(self.usage.batch_size, (size + 1) // 2)
        self.usage.halvings += 1
        half = self.usage.batch_size
        return np.concatenate(
            [
                self._evaluate(work, batch[start : start + half])
                for start in range(0, len(batch), half)
            ]
        )

    def _evaluate_once(self, work: Work, batch: Triples) -> np.ndarray:
        count = len(batch)
        # One draw serves all of its units: make its noise once.
        pair = batch.slot * (self.plan.rule.max_draws + 1) + batch.draw
        _, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
        keys, draw = work.keys[batch.slot[first]], batch.draw[first]
        steps = self.sampler.steps(uniforms(keys, draw))
        noise = torch.from_numpy(normal_noise(keys, draw, work.x.shape[1:]))
        rows = self.plan.rows[batch.unit, batch.draw % self.plan.rows.shape[1]]
        take = torch.from_numpy(inverse)
        slot = torch.from_numpy(batch.slot)
        full = self.usage.batch_size
        if self.one_shape and count < full:
            fill = torch.zeros(full - count, dtype=torch.int64)
            take, slot = torch.cat([take, fill]), torch.cat([slot, slot[fill]])
            rows = np.concatenate([rows, np.repeat(rows[:1], full - count)])
        device = self.model.device
        x = work.x.index_select(0, slot.to(device))
        noise = noise.to(device).index_select(0, take.to(device))
        step = torch.from_numpy(steps)[take].to(device)
        row = torch.from_numpy(rows).to(device)
        started = time.perf_counter()
        with torch.inference_mode():
            errors = self.model.errors(x, noise, step, self.conditioning, row)
            found = errors[:count].double().cpu().numpy()
        self.usage.network_seconds += time.perf_counter() - started
        self.usage.evaluations += count
        self._check(errors, take, found, steps[inverse])
        return found * self.sampler.factor[steps[inverse]]

    def _check(
        self, errors: torch.Tensor, take: torch.Tensor, found: np.ndarray, steps: np.ndarray
    ) -> None:
        """Refuse what would decide silently: a NaN is the least of all to argmin."""
        if errors.shape != take.shape:
            raise SynthesightError(
                f"{self.model.name} gave errors of shape {tuple(errors.shape)}, not "
                f"{tuple(take.shape)}: sum them over all dimensions of an image."
            )
        if not np.isfinite(found).all():
            at = self.model.schedule.times[steps[~np.isfinite(found)][0]]
            kind = str(getattr(self.model, "dtype", "")).removeprefix("torch.")
            raise SynthesightError(
                f"{self.model.name} gave a non-finite error{kind and f' in {kind}'} at time "
                f"{at:.3f}: run it in float32, and check its weights and what it divides by."
            )
