"""Share the stimuli of a run among the processes that work on it."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from synthesight import files
from synthesight.stimuli.stimulus import Stimulus
from synthesight.stopping import check_stopped, held_back
from synthesight.trials.claims import (
    ACTIVE,
    CLAIM,
    DIGESTS,
    EVALUATIONS,
    FREE,
    NATS,
    STALE,
    Claim,
    OwnClaim,
    place_of_claims,
)
from synthesight.trials.store import Run

KEEP = 2.0  # seconds between two times of keeping what is not decided yet
BEAT = 10.0  # seconds between two signs of life
PAUSE = 1.0  # seconds between two looks whether others are done
AT_A_TIME = 5.0  # seconds of work that are claimed together
SIGN = ".alive"  # tells that a process works on the run
FEWEST, MOST = 4, 512  # stimuli that are


class Shared:
    """The stimuli that a run lacks, each shown by one of the processes that work on it.

    It can be iterated over, while it claims stimuli, and has a length: how many are left. It is a
    :class:`~synthesight.likelihood.keeping.Keeper`: what is found out about images that are not
    decided yet is kept, at most ``KEEP`` seconds late, and survives the process. With ``every``,
    all network evaluations are held until :meth:`evaluated` asks for them. Observers without draws
    have nothing to keep, which ``keeps`` tells.
    """

    def __init__(self, run: Run, stimuli: Iterable[Stimulus], *, every: bool = False) -> None:
        self.run = run
        self.folder = place_of_claims(run.folder)
        self._token = secrets.token_hex(8)
        ACTIVE.add(self._token)
        self._done = run.done()
        self._left = {each.id: each for each in stimuli if each.id not in self._done}
        self._queue = deque(self._left)
        self._claims: list[OwnClaim] = []
        self._claimed: dict[str, OwnClaim] = {}  # what is not answered yet
        self._count = 0
        self._answered = 0
        self._alone = True
        self.keeps = False
        self._known: dict[str, tuple[str | None, np.ndarray]] = {}
        # Of each image that has started: its claim, and its place there.
        self._started: list[tuple[OwnClaim, int]] = []
        self._waiting: list[tuple[np.ndarray, ...]] = []
        self._every = every
        self._numbers: dict[str, int] = {}  # of images whose evaluations are held
        self._held: list[tuple[np.ndarray, ...]] = []
        self._kept = self._begun = time.monotonic()
        self._over = threading.Event()
        self._sign = self.folder / f"{self._token}{SIGN}"
        if self._left:
            with files.writing(run.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
                now = self._now()
                for sign in self.folder.glob(f"*{SIGN}"):
                    with suppress(OSError):
                        if now - sign.stat().st_mtime > STALE:
                            sign.unlink()
            threading.Thread(target=self._beat, name="claims", daemon=True).start()

    def __len__(self) -> int:
        """How many stimuli have neither a trial nor an answer of this process, as far as known."""
        return len(self._left) + len(self._claimed)

    def __iter__(self) -> Iterator[Stimulus]:
        """Claim stimuli and yield them, until all others are done or claimed."""
        taken: list[Stimulus] = []
        while self._left:
            with held_back():
                taken = self._take()
            if not taken:
                return
            yield from taken

    def begin(self, stimulus: Stimulus) -> tuple[int, np.ndarray | None]:
        self.keeps = True
        own = self._claimed[stimulus.id]
        place = own.places[stimulus.id]
        self._started.append((own, place))
        digest, kept = self._known.pop(stimulus.id, (None, None))
        if digest != stimulus.digest:  # another image, of the same name
            kept = None
        if stimulus.digest is not None:
            own.append(DIGESTS, json.dumps({place: stimulus.digest}).encode())
        number = len(self._started) - 1
        if self._every:
            self._numbers[stimulus.id] = number
            if kept is not None:
                same = np.full(len(kept), number)
                self._held.append((same, kept["draw"], kept["unit"], kept["nats"]))
        return number, kept

    def keep(
        self, number: np.ndarray, draw: np.ndarray, unit: np.ndarray, nats: np.ndarray
    ) -> None:
        self._waiting.append((number, draw, unit, nats))
        if self._every:
            self._held.append((number, draw, unit, nats))
        check_stopped()
        if time.monotonic() - self._kept > KEEP:
            with held_back():
                self.flush()

    def flush(self) -> None:
        """Write down what is known about images that are not decided yet."""
        waiting, self._waiting = self._waiting, []
        self._kept = time.monotonic()
        if not waiting:
            return
        number, draw, unit, nats = map(np.concatenate, zip(*waiting, strict=True))
        found, row = np.unique(number, return_inverse=True)
        started = [self._started[each] for each in found.tolist()]
        table = np.empty(len(number), EVALUATIONS)
        table["draw"], table["unit"], table["nats"] = draw, unit, nats
        table["stimulus"] = np.array([place for _, place in started])[row]
        with files.writing(self.run.folder):
            for own in {id(own): own for own, _ in started}.values():
                mine = np.array([each is own for each, _ in started])[row]
                own.append(NATS, table[mine].tobytes())

    def evaluated(
        self, stimuli: Iterable[str]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Give away all network evaluations of images that are decided.

        Returns
        -------
        Of each: the place of its image among ``stimuli``, the index of its draw, its unit, and its
        nats, sorted by these three.
        """
        place_of = np.full(len(self._started), -1)
        for place, stimulus in enumerate(stimuli):
            if (began := self._numbers.pop(stimulus, None)) is not None:
                place_of[began] = place
        nothing = tuple(np.zeros(0, kind) for kind in (np.int64, np.int64, np.int64, np.float64))
        held = [np.concatenate(each) for each in zip(nothing, *self._held, strict=True)]
        place_of_each = place_of[held[0]]
        waits = np.isin(held[0], list(self._numbers.values()))
        self._held = [tuple(each[waits] for each in held)]
        own = np.flatnonzero(place_of_each >= 0)
        own = own[np.lexsort((held[2][own], held[1][own], place_of_each[own]))]
        return place_of_each[own], held[1][own], held[2][own], held[3][own]

    def answered(self, stimuli: Iterable[str]) -> None:
        """Give up the claims to stimuli whose trials are in the run."""
        for stimulus in stimuli:
            if own := self._claimed.pop(stimulus, None):
                own.left.discard(stimulus)
                self._done.add(stimulus)
                self._answered += 1
                if not own.left:
                    own.close(keep=False)
                    self._claims.remove(own)

    def more(self) -> bool:
        """Wait for what other processes are at; whether there is something to show after all.

        Where a process has ended without being done, there is.
        """
        while self._left:
            self._forget(self.run.done())
            busy = {each for claim in self._others() if claim.lives(self._now())
                    for each in claim.stimuli}  # fmt: skip
            self._queue = deque(each for each in self._left if each not in busy)
            if self._queue:
                return True
            if self._left:
                check_stopped()
                time.sleep(PAUSE)
        return False

    def close(self) -> None:
        """Keep what there is, and leave what is not done to others, or to the next time."""
        self._over.set()
        try:
            self.flush()
        finally:
            for own in self._claims:
                own.close(keep=True)
            self._claims.clear()
            ACTIVE.discard(self._token)
            if self.folder.exists():
                self._tidy(self._others())
                with suppress(OSError):
                    self._sign.unlink()
                    self.folder.rmdir()  # only if it is empty

    def _take(self) -> list[Stimulus]:
        """Claim the next stimuli: what others have left, else those that nobody is at."""
        with files.writing(self.run.folder), files.alone(self.folder / "claims"):
            others = self._others()
            if others or not self._alone:
                self._forget(self.run.done())
            now = self._now()
            living = [claim for claim in others if claim.lives(now)]
            busy = {stimulus for claim in living for stimulus in claim.stimuli}
            left = [claim for claim in others if claim not in living]
            chosen: dict[str, None] = {}
            for claim in left:
                known = None
                for stimulus in claim.stimuli:
                    if stimulus in self._left and stimulus not in busy:
                        known = claim.known() if known is None else known
                        chosen[stimulus] = None
                        if stimulus in known:
                            self._learn(stimulus, *known[stimulus])
            most = self._most(len(living))
            while self._queue and len(chosen) < most:
                stimulus = self._queue.popleft()
                if stimulus in self._left and stimulus not in busy:
                    chosen[stimulus] = None
            if not chosen:
                return []
            own = OwnClaim(self.folder / f"{self._token}-{self._count:06d}{CLAIM}", list(chosen))
            for stimulus in chosen:
                if stimulus in self._known:
                    digest, table = self._known[stimulus]
                    own.recall(stimulus, digest, table)
            own.open()
            self._claims.append(own)
            self._claimed |= dict.fromkeys(chosen, own)
            self._count += 1
            taken = [self._left.pop(stimulus) for stimulus in chosen]
            self._tidy(left)
        return taken

    def _most(self, others: int) -> int:
        """How many stimuli to claim: so many as take a few seconds, and fewer towards the end."""
        rate = self._answered / (time.monotonic() - self._begun + 1e-9)
        share = len(self._left) // (2 * (others + 1))
        most = int(np.clip(min(rate * AT_A_TIME, share), FEWEST, MOST))
        # Who asks for many before any is answered, as a cluster does, gets many.
        return max(most, len(self._claimed) // 4)

    def _forget(self, done: set[str]) -> None:
        self._done |= done
        for stimulus in [each for each in self._left if each in done]:
            del self._left[stimulus]

    def _others(self) -> list[Claim]:
        """Return the claims of other processes, living or dead."""
        found = []
        for path in self.folder.iterdir():
            if path.name.startswith(self._token):
                continue
            self._alone &= path.suffix not in (CLAIM, SIGN)
            if path.suffix in (CLAIM, FREE) and (claim := Claim.read(path)):
                found.append(claim)
        return found

    def _learn(self, stimulus: str, digest: str | None, table: np.ndarray) -> None:
        """Add to what is known of a stimulus, which several processes may have begun."""
        before, found = self._known.get(stimulus, (digest, table[:0]))
        if before == digest:
            self._known[stimulus] = digest, np.concatenate([found, table])

    def _tidy(self, claims: Sequence[Claim]) -> None:
        """Remove what other processes have left, of which nothing is to be done any more."""
        now = self._now()
        for claim in claims:
            if not claim.lives(now) and all(
                e in self._done or e in self._claimed for e in claim.stimuli
            ):
                claim.path.unlink(missing_ok=True)

    def _now(self) -> float:
        """The time, by the clock of the file system: that of another machine may differ."""
        self._sign.touch()
        return self._sign.stat().st_mtime

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            for path in [self._sign, *(own.path for own in self._claims)]:
                with suppress(OSError):
                    os.utime(path)
