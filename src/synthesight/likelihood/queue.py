"""The images in work, and the queue of what is to be evaluated for them.

The book-keeping of the batch engine: which image sits in which slot, what its classes have seen,
and which triples come next. Nothing here runs a network, but for encoding the images that start.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from synthesight.likelihood.decision import Decision
from synthesight.likelihood.draws import TREND, stimulus_key, trend_basis, uniforms
from synthesight.likelihood.evidence import PairedEvidence, blocks
from synthesight.likelihood.grouped import of_classes
from synthesight.likelihood.keeping import Keeper, as_table
from synthesight.likelihood.memory import encode
from synthesight.likelihood.protocol import DrawModel, PartModel
from synthesight.likelihood.rules import Rule
from synthesight.stimuli.stimulus import Stimulus

CHUNK = 32  # draws that are queued at a time, if the rule does not look again before
# Ceiling of the paired sums, which bounds the images in work for large K. What is worked out from
# them goes by blocks of images, and takes little beside it.
PAIRED_BYTES = 2**29


@dataclass(frozen=True)
class Plan:
    """What a run does to every image; see :class:`~synthesight.likelihood.engine.Engine`."""

    model: DrawModel | PartModel
    cost: np.ndarray | None
    rows: np.ndarray
    groups: np.ndarray
    averaged: bool
    rule: Rule
    seed: int
    reproducible: bool
    own_rows: Mapping[str, np.ndarray] | None = None


@dataclass(frozen=True)
class Triples:
    """Queued work, one entry a network evaluation; int64, shape (B,) each.

    ``draw`` is the index of a draw, or of the first of the parts that are evaluated together.
    """

    slot: np.ndarray
    draw: np.ndarray
    unit: np.ndarray

    def __len__(self) -> int:
        return len(self.slot)

    def __getitem__(self, part: slice) -> Triples:
        return Triples(self.slot[part], self.draw[part], self.unit[part])

    def increment(self, rule: Rule, *, parts: bool) -> np.ndarray | range:
        """Return the draws, or the parts up to the next review, that are to be evaluated."""
        return range(self.draw[0], int(rule.review_at(self.draw[:1])[0])) if parts else self.draw


def chunk_after(plan: Plan, n: np.ndarray) -> np.ndarray:
    """How many of the next draws or parts to queue together, after n of them."""
    ahead = plan.rule.review_at(n) - n
    return np.minimum(ahead, CHUNK) if plan.cost is None else ahead


def images_a_batch(plan: Plan, batch_size: int) -> int:
    """How many images fill a batch with their first draws, or parts."""
    first = int(chunk_after(plan, np.zeros(1, dtype=np.int64))[0]) if plan.cost is None else 1
    return -(-batch_size // (first * len(plan.rows)))


class Work:
    """The images in work: their draws or parts, evidence, and the queue of triples.

    At most ``batch_size`` images are in work, and fewer where there are very many classes.
    """

    def __init__(
        self, plan: Plan, reader: Iterator, batch_size: int, keeper: Keeper | None = None
    ) -> None:
        units = len(plan.rows)
        most = max(2, PAIRED_BYTES // (16 * units * units))
        slots = int(min(max(batch_size, 2), most))
        self.plan = plan
        self.parts = plan.cost is not None
        self.reader = reader
        self.keeper = keeper
        # Where an image is called what by the keeper; what an earlier attempt found out about it.
        self.numbers = np.zeros(slots, dtype=np.int64)
        self.known: dict[int, np.ndarray] = {}
        self.exhausted = False
        self.evidence = PairedEvidence(slots, units, parts=self.parts)
        self.stimuli: list[Stimulus | None] = [None] * slots
        self.own_rows = np.zeros((slots, units if plan.own_rows else 0), dtype=np.int64)
        self.keys = np.zeros((slots, 2), dtype=np.uint64)
        self.waves = np.zeros((slots, 0 if self.parts else plan.rule.max_draws, TREND))
        self.x = torch.empty(0)
        self.free = deque(range(slots))
        # Parts of one batch are the same for all of it, so each beginning has a queue; draws, one.
        self.queues: dict[int, deque[Triples]] = defaultdict(deque)
        self.queued: dict[int, int] = defaultdict(int)
        self.missing = np.zeros(slots, dtype=np.int64)
        self.chunk = np.zeros(slots, dtype=np.int64)
        self.review = np.zeros(slots, dtype=np.int64)
        self.errors = np.zeros((slots, 1, units))
        self.failures: list[Decision] = []
        self.finished: list[int] = []

    def close(self) -> None:
        self.reader.close()  # type: ignore[attr-defined]

    def admit(self, batch_size: int) -> bool:
        """Start images until a batch is full. False when nothing is left to do."""
        while not self.exhausted and self.free and self._longest() < batch_size:
            # As many images as fill the batch with their first draws, encoded together.
            wanted = images_a_batch(self.plan, batch_size - self.queued[0])
            wanted = min(len(self.free), wanted)
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
        return bool(self._longest() or self.failures or self.finished or not self.exhausted)

    def is_full(self, batch_size: int) -> bool:
        """Tell whether a whole batch is queued."""
        return self._longest() >= batch_size

    def _longest(self) -> int:
        return max(self.queued.values(), default=0)

    def _start(self, images: list[tuple[Stimulus, np.ndarray]]) -> None:
        model = self.plan.model
        pixels = torch.from_numpy(np.stack([image for _, image in images]))
        pixels = pixels.permute(0, 3, 1, 2).to(model.device).float() / 127.5 - 1.0
        # Of several together, the last digits depend on how many they are.
        size = 1 if self.plan.reproducible else len(pixels)
        keys = np.stack([stimulus_key(self.plan.seed, stimulus.id) for stimulus, _ in images])
        x = torch.cat(
            [
                encode(model, part, keys[row * size : (row + 1) * size])
                for row, part in enumerate(pixels.split(size))
            ]
        )
        if len(self.x) == 0:
            self.x = torch.zeros((len(self.stimuli), *x.shape[1:]), dtype=x.dtype, device=x.device)
        slots = np.array([self.free.popleft() for _ in images])
        self.keys[slots] = keys
        self.x[torch.from_numpy(slots).to(x.device)] = x
        for slot, (stimulus, _) in zip(slots, images, strict=True):
            self.stimuli[slot] = stimulus
            if self.plan.own_rows is not None:
                self.own_rows[slot] = self.plan.own_rows[stimulus.id]
            if self.keeper is not None:
                self.numbers[slot], kept = self.keeper.begin(stimulus)
                if kept is not None and len(kept):
                    most, units = self.plan.rule.max_draws, len(self.plan.rows)
                    self.known[int(slot)] = as_table(kept, most, units)
        if not self.parts:
            most = self.plan.rule.max_draws
            draws = np.tile(np.arange(most), len(slots))
            positions = uniforms(np.repeat(self.keys[slots], most, axis=0), draws)
            self.waves[slots] = trend_basis(positions.reshape(-1, most))
        self.evidence.clear(slots)
        self.review[slots] = 0
        self._go_on(self._enqueue(slots))

    def _enqueue(self, slots: np.ndarray) -> np.ndarray:
        """Queue the next draws of these images, at most up to their next review.

        Returns
        -------
        Those images of which all of these draws are known already.
        """
        n = self.evidence.n_[slots]
        self.review[slots] = self.plan.rule.review_at(n)
        chunk = self.chunk[slots] = chunk_after(self.plan, n)
        # Several parts are one evaluation, of which the sum counts.
        width = np.ones_like(chunk) if self.parts else chunk
        most = int(width.max())
        if most > self.errors.shape[1]:
            grown = np.zeros((len(self.stimuli), most, self.errors.shape[2]))
            grown[:, : self.errors.shape[1]] = self.errors
            self.errors = grown
        ahead = np.arange(most)[None, :, None] < width[:, None, None]
        wanted = ahead & self.evidence.alive_[slots][:, None, :]
        if self.known:
            self._recall(slots, wanted)
        image, draw, unit = np.nonzero(wanted)
        triples = Triples(slots[image], n[image] + draw, unit)
        self.missing[slots] = np.bincount(image, minlength=len(slots))
        for start in np.unique(n) if self.parts else [0]:
            some = triples
            if self.parts:
                which = triples.draw == start
                some = Triples(triples.slot[which], triples.draw[which], triples.unit[which])
            if not len(some):
                continue
            self.queues[int(start)].append(some)
            self.queued[int(start)] += len(some)
        return slots[self.missing[slots] == 0]

    def _recall(self, slots: np.ndarray, wanted: np.ndarray) -> None:
        """Take from what is known; ``wanted``, bool (B, C, U), keeps what is to be computed."""
        for row, slot in enumerate(slots.tolist()):
            if slot not in self.known:
                continue
            start = int(self.evidence.n_[slot])
            known = self.known[slot][start : start + wanted.shape[1]]
            found = wanted[row, : len(known)] & ~np.isnan(known)
            self.errors[slot, : len(known)][found] = -known[found]
            wanted[row, : len(known)] &= ~found

    def take(self, count: int) -> Triples | None:
        """The next ``count`` triples, or what is left of them, of the longest queue."""
        if not self._longest():
            return None
        start = max(self.queued, key=lambda key: self.queued[key])
        queue = self.queues[start]
        parts = []
        while queue and count:
            head = queue.popleft()
            if len(head) > count:
                queue.appendleft(head[count:])
                head = head[:count]
            parts.append(head)
            count -= len(head)
        batch = Triples(
            np.concatenate([part.slot for part in parts]),
            np.concatenate([part.draw for part in parts]),
            np.concatenate([part.unit for part in parts]),
        )
        self.queued[start] -= len(batch)
        return batch

    def prompts_of(self, batch: Triples) -> np.ndarray:
        """Return the rows of the prompts that triples are of: int64, shape (B,)."""
        if self.plan.own_rows is not None:
            return self.own_rows[batch.slot, batch.unit]
        return self.plan.rows[batch.unit, batch.draw % self.plan.rows.shape[1]]

    def absorb(self, batch: Triples, nats: np.ndarray) -> None:
        """Take in a batch's nats, and review the images that have all that is to be reviewed."""
        if self.keeper is not None:
            self.keeper.keep(self.numbers[batch.slot], batch.draw, batch.unit, nats)
        self.errors[batch.slot, batch.draw - self.evidence.n_[batch.slot], batch.unit] = -nats
        np.subtract.at(self.missing, batch.slot, 1)
        touched = np.unique(batch.slot)
        self._go_on(touched[self.missing[touched] == 0])

    def _go_on(self, ready: np.ndarray) -> None:
        """Review these images, of which all draws that were queued are there, and queue more."""
        while len(ready):
            chunk = self.chunk[ready]
            ahead = 1 if self.parts else int(chunk.max())
            trend = None if self.parts else self._trend(ready, ahead)
            self.evidence.add(ready, self.errors[ready, :ahead], chunk, trend)
            due = self.evidence.n_[ready] == self.review[ready]
            over = np.zeros(len(ready), dtype=bool)
            if due.any():
                over[due] = self._over(ready[due])
            self.finished.extend(ready[over].tolist())
            ready = self._enqueue(ready[~over]) if not over.all() else ready[:0]

    def _over(self, slots: np.ndarray) -> np.ndarray:
        """Review images: whether no more evidence is to be gathered, bool, shape (B,)."""
        alive = self._running(slots)
        self.evidence.alive_[slots] = alive
        groups = self.plan.groups
        # Decided: every unit left belongs to the class of the first one left.
        first = groups[alive.argmax(axis=1)]
        decided = ~(alive & (groups[None, :] != first[:, None])).any(axis=1)
        return decided | (self.evidence.n_[slots] >= self.plan.rule.max_draws)

    def _running(self, slots: np.ndarray) -> np.ndarray:
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
            0,
            "unreadable",
            error,
        )

    def unreadable(self) -> Iterator[Decision]:
        while self.failures:
            yield self.failures.pop()

    def decided(self) -> Iterator[Decision]:
        """Decisions on the images that are finished, whose places become free."""
        slots, self.finished = np.array(self.finished[::-1], dtype=np.int64), []
        for block in blocks(slots, len(self.plan.rows)):
            leader, difference, covariance = self.evidence.differences(block)
            for row, slot in enumerate(block):
                stimulus = self.stimuli[slot]
                assert stimulus is not None
                draws = self.evidence.draws_[slot].copy()
                decision = Decision(
                    stimulus,
                    int(leader[row]),
                    difference[row],
                    covariance[row],
                    draws,
                    self._passes(draws),
                    self._why(slot),
                )
                self.stimuli[slot] = None
                self.known.pop(int(slot), None)
                self.free.append(int(slot))
                yield decision

    def _passes(self, draws: np.ndarray) -> float:
        cost = self.plan.cost
        return int(draws.sum()) if cost is None else float(cost[draws].sum())

    def _why(self, slot: int) -> str:
        """Why no more evidence was gathered about an image."""
        n, cost = self.evidence.n_[slot], self.plan.cost
        if cost is not None and n == len(cost) - 1:
            return "all parts seen"
        return "draws used up" if n >= self.plan.rule.max_draws else "decided"
