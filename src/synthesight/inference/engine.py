"""The batch engine: keeps the device full while images need ever fewer classes.

Elimination leaves ragged work: one image still needs nine classes, another two. The engine pools
the (image, draw, class) triples of many images in one queue and evaluates them in full batches,
starts new images when the queue runs low, and reads and encodes images ahead. What an image's
result depends on (its draws, and when its classes are reviewed) is fixed by the decision rule
alone; the batches only decide when it is computed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from synthesight.errors import SynthesightError
from synthesight.inference.draws import normal_noise, stimulus_key, trend_basis, uniforms
from synthesight.inference.evidence import PairedEvidence, posterior
from synthesight.inference.prefetch import read_ahead
from synthesight.inference.rules import Rule
from synthesight.inference.tuning import is_out_of_memory
from synthesight.observers.generative.protocol import LikelihoodModel
from synthesight.observers.generative.weighting import TimeSampler
from synthesight.stimuli.stimulus import Stimulus

PAIRED_BYTES = 2**29  # ceiling of the paired sums, which bounds the images in work for large K


@dataclass(frozen=True, eq=False)
class Decision:
    """What a generative classifier made of one stimulus.

    Attributes
    ----------
    stimulus
        The stimulus.
    unit
        Index of the winning unit (a class, or one label among those of a class); −1 where the
        stimulus could not be read.
    mean, covariance
        float64, shapes (U,) and (U, U): mean paired error difference of each unit to the winner,
        over the draws that the unit saw, and the covariance of these means.
    draws
        int64, shape (U,): draws that each unit saw.
    stopped
        Why the gathering of evidence ended: ``"decided"`` or ``"draws used up"``.
    error
        The sentence that says why the stimulus could not be read, else None.
    errors
        float64, shape (max_draws, U): the weighted error of each draw, NaN where there was none;
        only from an engine that keeps errors.
    """

    stimulus: Stimulus
    unit: int
    mean: np.ndarray
    covariance: np.ndarray
    draws: np.ndarray
    stopped: str
    error: str | None = None
    errors: np.ndarray | None = None

    @property
    def evaluations(self) -> int:
        """Network evaluations that the decision used."""
        return int(self.draws.sum())

    @property
    def posterior(self) -> tuple[np.ndarray, np.ndarray]:
        """Posterior under a flat prior and its Monte-Carlo standard error, each of shape (U,)."""
        probability, error = posterior(self.mean[None], self.covariance[None])
        return probability[0], error[0]


@dataclass
class Usage:
    """Where the time went: updated while the engine runs."""

    evaluations: int = 0
    network_seconds: float = 0.0
    seconds: float = 0.0
    batch_size: int = 0
    halvings: int = field(default=0)


@dataclass(frozen=True)
class _Triples:
    """Queued work, one entry a network evaluation; int64, shape (B,) each."""

    slot: np.ndarray
    draw: np.ndarray
    unit: np.ndarray

    def __len__(self) -> int:
        return len(self.slot)

    def __getitem__(self, part: slice) -> _Triples:
        return _Triples(self.slot[part], self.draw[part], self.unit[part])


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
    batch_size
        Network evaluations a batch. An out-of-memory error halves it and work goes on.
    one_shape
        Fill up the last batches, so that what is compiled or tuned for one shape is not redone;
        None does so on accelerators.
    keep_errors
        Hand out each draw's errors with the decision, to try other rules on them afterwards
        (:func:`~synthesight.inference.replay.replay`).
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
        batch_size: int = 64,
        one_shape: bool | None = None,
        keep_errors: bool = False,
    ) -> None:
        self.one_shape = model.device.type != "cpu" if one_shape is None else one_shape
        self.keep_errors = keep_errors
        self.model = model
        self.rows = np.asarray(rows, dtype=np.int64)
        self.conditioning = conditioning
        self.rule = rule
        self.sampler = sampler
        self.seed = seed
        self.groups = np.arange(len(self.rows)) if groups is None else np.asarray(groups)
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
        work = _Work(self, read_ahead(stimuli, self.model.resolution))
        try:
            while work.admit():
                yield from work.unreadable()
                batch = work.take(self.usage.batch_size)
                if batch is not None:
                    work.absorb(batch, self._evaluate(work, batch))
                    yield from work.decided()
            yield from work.unreadable()
        finally:
            work.close()
            self.usage.seconds += time.perf_counter() - started

    def _evaluate(self, work: _Work, batch: _Triples) -> np.ndarray:
        """Weighted errors of a batch: float64, shape (B,)."""
        try:
            return self._evaluate_once(work, batch)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        # What was run, which a batch that was filled up is less than.
        size = max(len(batch), self.usage.batch_size) if self.one_shape else len(batch)
        if size == 1:
            raise _too_large(self.model)
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

    def _evaluate_once(self, work: _Work, batch: _Triples) -> np.ndarray:
        count = len(batch)
        # One draw serves all of its units: make its noise once.
        pair = batch.slot * (self.rule.max_draws + 1) + batch.draw
        _, first, inverse = np.unique(pair, return_index=True, return_inverse=True)
        keys, draw = work.keys[batch.slot[first]], batch.draw[first]
        steps = self.sampler.steps(uniforms(keys, draw))
        noise = torch.from_numpy(normal_noise(keys, draw, work.x.shape[1:]))
        rows = self.rows[batch.unit, batch.draw % self.rows.shape[1]]
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


class _Work:
    """The images in work: their draws, evidence and the queue of triples."""

    def __init__(self, engine: Engine, reader: Iterator) -> None:
        units = len(engine.rows)
        most = max(2, PAIRED_BYTES // (16 * units * units))
        slots = int(min(max(engine.usage.batch_size, 2), most))
        self.engine = engine
        self.reader = reader
        self.exhausted = False
        self.evidence = PairedEvidence(slots, units)
        self.stimuli: list[Stimulus | None] = [None] * slots
        self.keys = np.zeros((slots, 2), dtype=np.uint64)
        self.x = torch.empty(0)
        self.free = deque(range(slots))
        self.queue: deque[_Triples] = deque()
        self.queued = 0
        self.missing = np.zeros(slots, dtype=np.int64)
        self.chunk = np.zeros(slots, dtype=np.int64)
        self.errors = np.zeros((slots, 1, units))
        kept = engine.rule.max_draws if engine.keep_errors else 0
        self.kept = np.full((slots, kept, units), np.nan)
        self.failures: list[Decision] = []
        self.finished: list[Decision] = []

    def close(self) -> None:
        self.reader.close()  # type: ignore[attr-defined]

    def admit(self) -> bool:
        """Start images until a batch is full. False when nothing is left to do."""
        while not self.exhausted and self.free and self.queued < self.engine.usage.batch_size:
            # As many images as fill the batch with their first draws, encoded together.
            first = int(self.engine.rule.review_at(np.zeros(1, dtype=np.int64))[0])
            need = self.engine.usage.batch_size - self.queued
            wanted = min(len(self.free), -(-need // (first * len(self.engine.rows))))
            images = []
            for _ in range(wanted):
                item = next(self.reader, None)
                if item is None:
                    self.exhausted = True
                    break
                stimulus, image, error = item
                if error is not None:
                    self.failures.append(self._failure(stimulus, error))
                else:
                    images.append((stimulus, image))
            if images:
                self._start(images)
        return bool(self.queued or self.failures or not self.exhausted)

    def _start(self, images: list[tuple[Stimulus, np.ndarray]]) -> None:
        model = self.engine.model
        pixels = torch.from_numpy(np.stack([image for _, image in images]))
        pixels = pixels.permute(0, 3, 1, 2).to(model.device).float() / 127.5 - 1.0
        x = _encode(model, pixels)
        if len(self.x) == 0:
            self.x = torch.zeros((len(self.stimuli), *x.shape[1:]), dtype=x.dtype, device=x.device)
        slots = np.array([self.free.popleft() for _ in images])
        self.x[torch.from_numpy(slots).to(x.device)] = x
        for slot, (stimulus, _) in zip(slots, images, strict=True):
            self.stimuli[slot] = stimulus
            self.keys[slot] = stimulus_key(self.engine.seed, stimulus.id)
        self.evidence.clear(slots)
        self._enqueue(slots)

    def _enqueue(self, slots: np.ndarray) -> None:
        """Queue the draws of these images up to their next review."""
        n = self.evidence.n_[slots]
        chunk = self.engine.rule.review_at(n) - n
        self.chunk[slots] = chunk
        if chunk.max() > self.errors.shape[1]:
            grown = np.zeros((len(self.stimuli), int(chunk.max()), self.errors.shape[2]))
            grown[:, : self.errors.shape[1]] = self.errors
            self.errors = grown
        ahead = np.arange(chunk.max())[None, :, None] < chunk[:, None, None]
        image, draw, unit = np.nonzero(ahead & self.evidence.alive_[slots][:, None, :])
        triples = _Triples(slots[image], n[image] + draw, unit)
        self.missing[slots] = np.bincount(image, minlength=len(slots))
        self.queue.append(triples)
        self.queued += len(triples)

    def take(self, count: int) -> _Triples | None:
        """The next ``count`` triples, or what is left of them."""
        parts = []
        while self.queue and count:
            head = self.queue.popleft()
            if len(head) > count:
                self.queue.appendleft(head[count:])
                head = head[:count]
            parts.append(head)
            count -= len(head)
        if not parts:
            return None
        batch = _Triples(
            np.concatenate([part.slot for part in parts]),
            np.concatenate([part.draw for part in parts]),
            np.concatenate([part.unit for part in parts]),
        )
        self.queued -= len(batch)
        return batch

    def absorb(self, batch: _Triples, errors: np.ndarray) -> None:
        """Take in a batch's errors, and review the images whose draws are complete."""
        self.errors[batch.slot, batch.draw - self.evidence.n_[batch.slot], batch.unit] = errors
        if self.engine.keep_errors:
            self.kept[batch.slot, batch.draw, batch.unit] = errors
        np.subtract.at(self.missing, batch.slot, 1)
        touched = np.unique(batch.slot)
        ready = touched[self.missing[touched] == 0]
        if not len(ready):
            return
        self.evidence.add(
            ready, self.errors[ready], self.chunk[ready], self._trend(ready, self.errors.shape[1])
        )
        alive = self.engine.rule.review(self.evidence, ready)
        self.evidence.alive_[ready] = alive
        groups = self.engine.groups
        # Decided: every unit left belongs to the class of the first one left.
        first = groups[alive.argmax(axis=1)]
        decided = ~(alive & (groups[None, :] != first[:, None])).any(axis=1)
        spent = self.evidence.n_[ready] >= self.engine.rule.max_draws
        self._finish(ready[decided | spent], spent[decided | spent])
        if not (decided | spent).all():
            self._enqueue(ready[~(decided | spent)])

    def _trend(self, slots: np.ndarray, ahead: int) -> np.ndarray:
        """The trend functions of the next draws of images: float64, shape (B, ahead, F)."""
        most = self.engine.rule.max_draws
        keys = np.repeat(self.keys[slots], most, axis=0)
        position = uniforms(keys, np.tile(np.arange(most), len(slots)))
        index = self.evidence.n_[slots][:, None] + np.arange(ahead)
        return trend_basis(position.reshape(-1, most), np.minimum(index, most - 1))

    def _finish(self, slots: np.ndarray, spent: np.ndarray) -> None:
        if not len(slots):
            return
        leader, mean, covariance = self.evidence.differences(slots)
        for row, slot in enumerate(slots):
            stimulus = self.stimuli[slot]
            assert stimulus is not None
            self.finished.append(
                Decision(
                    stimulus,
                    int(leader[row]),
                    mean[row],
                    covariance[row],
                    self.evidence.draws_[slot].copy(),
                    "draws used up" if spent[row] else "decided",
                    errors=self.kept[slot].copy() if self.engine.keep_errors else None,
                )
            )
            self.kept[slot] = np.nan
            self.stimuli[slot] = None
            self.free.append(int(slot))

    def _failure(self, stimulus: Stimulus, error: str) -> Decision:
        units = len(self.engine.rows)
        nothing = np.full(units, np.nan)
        return Decision(
            stimulus,
            -1,
            nothing,
            np.full((units, units), np.nan),
            np.zeros(units, dtype=np.int64),
            "unreadable",
            error,
        )

    def unreadable(self) -> Iterator[Decision]:
        while self.failures:
            yield self.failures.pop()

    def decided(self) -> Iterator[Decision]:
        while self.finished:
            yield self.finished.pop()


def _encode(model: LikelihoodModel, pixels: torch.Tensor) -> torch.Tensor:
    """Images to x, in ever smaller parts where they do not fit in memory together."""
    try:
        with torch.inference_mode():
            return model.encode(pixels)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
    if len(pixels) == 1:
        raise _too_large(model)
    if model.device.type == "cuda":
        torch.cuda.empty_cache()
    half = (len(pixels) + 1) // 2
    return torch.cat([_encode(model, pixels[:half]), _encode(model, pixels[half:])])


def _too_large(model: LikelihoodModel) -> SynthesightError:
    return SynthesightError(
        f"{model.name}: not even one image fits in memory; use --dtype bfloat16 or a device with "
        "more memory."
    )
