"""The images in work, and the queue of what is to be evaluated for them.

The book-keeping of the batch engine: which image sits in which slot, what its classes have seen,
and which triples come next. Nothing here runs a network, but for encoding the images that start.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from synthesight.likelihood.decision import Decision
from synthesight.likelihood.draws import TREND, stimulus_key, trend_basis, uniforms
from synthesight.likelihood.evidence import PairedEvidence, blocks
from synthesight.likelihood.grouped import of_classes
from synthesight.likelihood.memory import encode
from synthesight.likelihood.protocol import LikelihoodModel
from synthesight.likelihood.rules import Rule
from synthesight.stimuli.stimulus import Stimulus

# Ceiling of the paired sums, which bounds the images in work for large K. What is worked out from
# them goes by blocks of images, and takes little beside it.
PAIRED_BYTES = 2**29


@dataclass(frozen=True)
class Plan:
    """What a run does to every image; see :class:`~synthesight.likelihood.engine.Engine`."""

    model: LikelihoodModel
    rows: np.ndarray
    groups: np.ndarray
    averaged: bool
    rule: Rule
    seed: int
    keep_errors: bool


@dataclass(frozen=True)
class Triples:
    """Queued work, one entry a network evaluation; int64, shape (B,) each."""

    slot: np.ndarray
    draw: np.ndarray
    unit: np.ndarray

    def __len__(self) -> int:
        return len(self.slot)

    def __getitem__(self, part: slice) -> Triples:
        return Triples(self.slot[part], self.draw[part], self.unit[part])


class Work:
    """The images in work: their draws, evidence and the queue of triples.

    At most ``batch_size`` images are in work, and fewer where there are very many classes.
    """

    def __init__(self, plan: Plan, reader: Iterator, batch_size: int) -> None:
        units = len(plan.rows)
        most = max(2, PAIRED_BYTES // (16 * units * units))
        slots = int(min(max(batch_size, 2), most))
        self.plan = plan
        self.reader = reader
        self.exhausted = False
        self.evidence = PairedEvidence(slots, units)
        self.stimuli: list[Stimulus | None] = [None] * slots
        self.keys = np.zeros((slots, 2), dtype=np.uint64)
        self.waves = np.zeros((slots, plan.rule.max_draws, TREND))
        self.x = torch.empty(0)
        self.free = deque(range(slots))
        self.queue: deque[Triples] = deque()
        self.queued = 0
        self.missing = np.zeros(slots, dtype=np.int64)
        self.chunk = np.zeros(slots, dtype=np.int64)
        self.errors = np.zeros((slots, 1, units))
        kept = plan.rule.max_draws if plan.keep_errors else 0
        self.kept = np.full((slots, kept, units), np.nan)
        self.failures: list[Decision] = []
        self.finished: list[int] = []

    def close(self) -> None:
        self.reader.close()  # type: ignore[attr-defined]

    def admit(self, batch_size: int) -> bool:
        """Start images until a batch is full. False when nothing is left to do."""
        while not self.exhausted and self.free and self.queued < batch_size:
            # As many images as fill the batch with their first draws, encoded together.
            first = int(self.plan.rule.review_at(np.zeros(1, dtype=np.int64))[0])
            need = batch_size - self.queued
            wanted = min(len(self.free), -(-need // (first * len(self.plan.rows))))
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
        model = self.plan.model
        pixels = torch.from_numpy(np.stack([image for _, image in images]))
        pixels = pixels.permute(0, 3, 1, 2).to(model.device).float() / 127.5 - 1.0
        x = encode(model, pixels)
        if len(self.x) == 0:
            self.x = torch.zeros((len(self.stimuli), *x.shape[1:]), dtype=x.dtype, device=x.device)
        slots = np.array([self.free.popleft() for _ in images])
        self.x[torch.from_numpy(slots).to(x.device)] = x
        for slot, (stimulus, _) in zip(slots, images, strict=True):
            self.stimuli[slot] = stimulus
            self.keys[slot] = stimulus_key(self.plan.seed, stimulus.id)
        most = self.plan.rule.max_draws
        draws = np.tile(np.arange(most), len(slots))
        positions = uniforms(np.repeat(self.keys[slots], most, axis=0), draws)
        self.waves[slots] = trend_basis(positions.reshape(-1, most))
        self.evidence.clear(slots)
        self._enqueue(slots)

    def _enqueue(self, slots: np.ndarray) -> None:
        """Queue the draws of these images up to their next review."""
        n = self.evidence.n_[slots]
        chunk = self.plan.rule.review_at(n) - n
        self.chunk[slots] = chunk
        if chunk.max() > self.errors.shape[1]:
            grown = np.zeros((len(self.stimuli), int(chunk.max()), self.errors.shape[2]))
            grown[:, : self.errors.shape[1]] = self.errors
            self.errors = grown
        ahead = np.arange(chunk.max())[None, :, None] < chunk[:, None, None]
        image, draw, unit = np.nonzero(ahead & self.evidence.alive_[slots][:, None, :])
        triples = Triples(slots[image], n[image] + draw, unit)
        self.missing[slots] = np.bincount(image, minlength=len(slots))
        self.queue.append(triples)
        self.queued += len(triples)

    def take(self, count: int) -> Triples | None:
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
        batch = Triples(
            np.concatenate([part.slot for part in parts]),
            np.concatenate([part.draw for part in parts]),
            np.concatenate([part.unit for part in parts]),
        )
        self.queued -= len(batch)
        return batch

    def absorb(self, batch: Triples, errors: np.ndarray) -> None:
        """Take in a batch's errors, and review the images whose draws are complete."""
        self.errors[batch.slot, batch.draw - self.evidence.n_[batch.slot], batch.unit] = errors
        if self.plan.keep_errors:
            self.kept[batch.slot, batch.draw, batch.unit] = errors
        np.subtract.at(self.missing, batch.slot, 1)
        touched = np.unique(batch.slot)
        ready = touched[self.missing[touched] == 0]
        if not len(ready):
            return
        chunk = self.chunk[ready]
        ahead = int(chunk.max())
        self.evidence.add(ready, self.errors[ready, :ahead], chunk, self._trend(ready, ahead))
        alive = self._review(ready)
        self.evidence.alive_[ready] = alive
        groups = self.plan.groups
        # Decided: every unit left belongs to the class of the first one left.
        first = groups[alive.argmax(axis=1)]
        decided = ~(alive & (groups[None, :] != first[:, None])).any(axis=1)
        spent = self.evidence.n_[ready] >= self.plan.rule.max_draws
        over = decided | spent
        self.finished.extend(ready[over].tolist())
        if not over.all():
            self._enqueue(ready[~over])

    def _review(self, slots: np.ndarray) -> np.ndarray:
        """Units that stay in the running: bool, shape (B, U)."""
        groups = self.plan.groups
        if not self.plan.averaged:
            return self.plan.rule.review(self.evidence, slots)
        kept = []
        for part in blocks(slots, len(groups)):
            classes = of_classes(self.evidence, part, groups)
            kept.append(self.plan.rule.review(classes, np.arange(len(part))))
        return self.evidence.alive_[slots] & np.concatenate(kept)[:, groups]

    def _trend(self, slots: np.ndarray, ahead: int) -> np.ndarray:
        """The trend functions of the next draws of images: float64, shape (B, ahead, F)."""
        index = self.evidence.n_[slots][:, None] + np.arange(ahead)
        return self.waves[slots[:, None], np.minimum(index, self.waves.shape[1] - 1)]

    def _failure(self, stimulus: Stimulus, error: str) -> Decision:
        units = len(self.plan.rows)
        nothing = np.full(units, np.nan)
        return Decision(
            stimulus,
            -1,
            nothing,
            np.broadcast_to(nothing, (units, units)),
            np.zeros(units, dtype=np.int64),
            "unreadable",
            error,
        )

    def unreadable(self) -> Iterator[Decision]:
        while self.failures:
            yield self.failures.pop()

    def decided(self) -> Iterator[Decision]:
        """Decisions on the images that are finished, whose places become free."""
        slots, self.finished = np.array(self.finished[::-1], dtype=np.int64), []
        for part in blocks(slots, len(self.plan.rows)):
            leader, mean, covariance = self.evidence.differences(part)
            spent = self.evidence.n_[part] >= self.plan.rule.max_draws
            for row, slot in enumerate(part):
                stimulus = self.stimuli[slot]
                assert stimulus is not None
                decision = Decision(
                    stimulus,
                    int(leader[row]),
                    mean[row],
                    covariance[row],
                    self.evidence.draws_[slot].copy(),
                    "draws used up" if spent[row] else "decided",
                    errors=self.kept[slot].copy() if self.plan.keep_errors else None,
                )
                self.kept[slot] = np.nan
                self.stimuli[slot] = None
                self.free.append(int(slot))
                yield decision
