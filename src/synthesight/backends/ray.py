"""Let a Ray cluster answer: one worker a GPU, and stimuli to whoever is free.

What is shipped is the observer's name and options; every worker opens the model itself. Stimuli go
out as the bytes of their files, so that machines share no disk. Draws are functions of seed,
stimulus and index, so that it does not matter who answers, nor how often.

Machines may come and go: each gets its workers when it joins, and what a lost one had not yet
answered is given to others.
"""

from __future__ import annotations

import math
import os
import signal
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthesight.backends.hands import Hand, Supply
from synthesight.backends.worker import Worker
from synthesight.errors import SynthesightError, SynthesightWarning, first_line
from synthesight.observers.given import read_given
from synthesight.observers.observer import Observer
from synthesight.observers.options import ModelOptions
from synthesight.observers.response import Response
from synthesight.stimuli.images import UnreadableImage
from synthesight.stimuli.stimulus import Stimulus

CORES = 4  # of a worker without a GPU, unless the number of workers is given
MOST_BYTES = 2**25
QUEUED = 2  # messages that a worker has: one in work, one waiting
SURVEY = 2.0  # seconds between two looks at the machines
PATIENCE = 60.0  # seconds without any worker after which a warning says so
LOSSES = 3  # workers that one machine may lose in each place, without an answer in between
STORE = 2**29  # bytes of a local cluster's object store


class RayObserver(Observer):
    """An observer that answers on the machines of a Ray cluster.

    Parameters
    ----------
    model
        Name, file or folder of the model, which every machine must be able to open.
    options
        How it is opened.
    address
        ``host:port`` of a cluster, or ``"auto"`` for the one that this machine belongs to. None
        starts one on this machine, unless there is a connection already or the environment
        variable RAY_ADDRESS names one.
    jobs
        Workers at most; None for one a GPU or, without GPUs, one for each four cores. Without
        GPUs the cores are shared among them.

    Raises
    ------
    SynthesightError
        If Ray is missing, no cluster is there, or a worker cannot open the model.
    """

    def __init__(
        self,
        model: str | Path,
        options: ModelOptions,
        *,
        address: str | None = None,
        jobs: int | None = None,
    ) -> None:
        if options.device not in (None, "cpu", "cuda"):
            raise SynthesightError(
                f"`device={str(options.device)!r}` is one of many: with `backend='ray'`, give cpu "
                "or cuda, and Ray gives each worker its own."
            )
        given = read_given(options)
        self.ray = _connect(address)
        self.model, self.jobs = str(model), jobs
        machines = self._machines().values()
        self.device_kind = str(options.device) if options.device else (
            "cuda" if any(each.get("GPU", 0) >= 1 for each in machines) else "cpu"
        )  # fmt: skip
        self.given = given | {"device": self.device_kind}
        self.cores = CORES
        if jobs is not None:
            self.cores = max(1, int(sum(each.get("CPU", 0) for each in machines)) // jobs)
        self.hands: list[Hand] = []
        self.facts: dict[str, Any] | None = None
        self.places: dict[str, int] = {}
        self.losses: Counter[str] = Counter()
        self.surveyed = -math.inf
        started = time.monotonic()
        while self.facts is None:
            self._staff()
            self._listen([hand.opened for hand in self.hands])
            if time.monotonic() - started > PATIENCE:
                started = math.inf
                self._say_that_nobody_works()
        self.name, self.kind = self.facts["name"], self.facts["kind"]
        self.classes = self.facts["classes"]

    @property
    def device_name(self) -> str | None:
        return self.facts["device"] if self.facts else None

    def describe(self) -> dict[str, Any]:
        return self.facts["description"] if self.facts else {}

    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        # No classes: each stimulus has captions of its own.
        chosen = [] if classes is not None and not classes else self.choose(classes)
        todo = Supply(stimuli)
        try:
            while todo.more() or any(hand.chunks for hand in self.hands):
                self._staff()
                ready = [hand for hand in self.hands if hand.opened is None]
                for hand in ready:
                    while len(hand.chunks) < QUEUED and todo.more():
                        self._send(hand, todo, chosen, len(ready))
                opening = [hand.opened for hand in self.hands if hand.opened is not None]
                answers = [chunk for hand in self.hands for chunk in hand.chunks]
                yield from self._listen([*opening, *answers], todo)
        except BaseException:
            for hand in self.hands:  # whose answers nobody waits for any more
                self._dismiss(hand)
            raise

    def _machines(self) -> dict[str, Mapping[str, float]]:
        return {each["NodeID"]: each["Resources"] for each in self.ray.nodes() if each["Alive"]}

    def _staff(self) -> None:
        """Give every machine its workers, also one that has just joined."""
        if time.monotonic() - self.surveyed < SURVEY:
            return
        self.surveyed = time.monotonic()
        for node, has in self._machines().items():
            cores, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
            if self.device_kind == "cuda":
                count, cores = gpus, max(1, min(CORES, cores // max(gpus, 1)))
            else:
                count, cores = min(cores, max(1, cores // self.cores)), min(cores, self.cores)
            self.places[node] = count
            for _ in range(count - sum(hand.node == node for hand in self.hands)):
                if self.jobs is None or len(self.hands) < self.jobs:
                    self.hands.append(self._hire(node, cores))

    def _hire(self, node: str, cores: int) -> Hand:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        on_gpu = self.device_kind == "cuda"
        actor = (
            self.ray.remote(Worker)
            .options(
                num_cpus=cores,
                num_gpus=1 if on_gpu else 0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            )
            .remote(None if on_gpu else cores)
        )
        return Hand(actor, node, actor.open.remote(self.model, self.given))

    def _send(self, hand: Hand, todo: Supply, classes: list[str], among: int) -> None:
        """Send a worker about ten seconds of work; near the end, a share of what is left."""
        count = min(hand.size(), math.ceil(len(todo) / (QUEUED * among)))
        sent: dict[str, Stimulus] = {}
        shipped: list[Stimulus] = []
        size = 0
        while len(shipped) < count and size < MOST_BYTES and todo.more():
            stimulus = todo.take()
            sent[stimulus.id] = stimulus
            shipped.append(_ship(stimulus))
            size += _size(shipped[-1].source)
        if not hand.chunks:
            hand.since = time.monotonic()
        answers = hand.actor.answer.options(num_returns="streaming").remote(shipped, classes)
        hand.chunks[answers] = sent

    def _listen(self, promises: list[Any], todo: Supply | None = None) -> list[Response]:
        """Wait for the next messages of workers, for a second at most; return their answers."""
        if not promises:
            time.sleep(SURVEY / 4)
            return []
        here, _ = self.ray.wait(promises, num_returns=1, timeout=SURVEY / 2)
        made: list[Response] = []
        for promise in here:
            for hand in list(self.hands):
                if promise is hand.opened or promise in hand.chunks:
                    made += self._take(hand, promise, todo or Supply([]))
        return made

    def _take(self, hand: Hand, promise: Any, todo: Supply) -> list[Response]:
        from ray.exceptions import RayError, RayTaskError

        try:
            if promise is hand.opened:
                self._check(self.ray.get(promise))
                hand.opened = None
                return []
            responses = self.ray.get(next(promise))
        except StopIteration:
            todo.back.extend(hand.chunks.pop(promise).values())
            if not hand.chunks:
                hand.busy += time.monotonic() - hand.since
            return []
        except RayTaskError as error:
            if isinstance(error.cause, SynthesightError):
                raise error.cause from None
            raise
        except RayError as error:
            self._lose(hand, todo, error)
            return []
        sent = hand.chunks[promise]
        hand.answered += len(responses)
        self.losses[hand.node] = 0
        return [_own(response, sent.pop(response.stimulus.id)) for response in responses]

    def _check(self, facts: dict[str, Any]) -> None:
        """Refuse a worker that opened something else: another file of the same name, say."""
        first = self.facts = self.facts or facts
        for what, was, now in (
            ("synthesight", first["version"], facts["version"]),
            *((key, first["description"].get(key), facts["description"].get(key))
              for key in first["description"] if key != "pipeline"),
        ):  # fmt: skip
            if was != now:
                raise SynthesightError(
                    f"The machines of the cluster differ in {what} ({was} and {now}): install the "
                    "same version and the same model on each."
                )

    def _lose(self, hand: Hand, todo: Supply, error: Exception) -> None:
        """Take back what a lost worker has not answered; its machine gets another one."""
        for sent in hand.chunks.values():
            todo.back.extend(sent.values())
        self._dismiss(hand)
        self.losses[hand.node] += 1
        if self.losses[hand.node] >= LOSSES * self.places[hand.node]:
            raise SynthesightError(
                f"{self.losses[hand.node]} workers of one machine ended without an answer "
                f"({first_line(error)}): check its memory and Ray's logs; the same command goes on."
            )

    def _dismiss(self, hand: Hand) -> None:
        self.hands = [each for each in self.hands if each is not hand]
        if self.ray.is_initialized():  # else Ray would start anew
            with suppress(Exception):  # most likely it is gone
                self.ray.kill(hand.actor)

    def _say_that_nobody_works(self) -> None:
        free = self.ray.available_resources()
        warnings.warn(
            f"No worker has opened the model after {PATIENCE:.0f} s: the cluster has "
            f"{free.get('CPU', 0):g} cores and {free.get('GPU', 0):g} GPUs free. Waiting.",
            SynthesightWarning,
            stacklevel=2,
        )


def _ship(stimulus: Stimulus) -> Stimulus:
    """Return the stimulus with its file's bytes; one that cannot be read is shipped empty."""
    try:
        return stimulus.loaded()
    except UnreadableImage:  # said by the driver, when the empty one comes back
        return replace(stimulus, source=b"")


def _size(source: Any) -> int:
    """Return about how many bytes an image, or the bytes of one, takes."""
    return len(source) if isinstance(source, bytes) else 3 * source.width * source.height


def _own(response: Response, stimulus: Stimulus) -> Response:
    """Return a response to the driver's own stimulus, with the words that the driver has."""
    error = response.error
    object.__setattr__(stimulus, "digest", response.stimulus.digest)
    if error is not None:
        try:
            stimulus.open()
        except SynthesightError as own:
            error = str(own)
    return replace(response, stimulus=stimulus, error=error)


def _connect(address: str | None) -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise SynthesightError(
            "`backend='ray'` needs the package ray: pip install 'synthesight[cluster]'."
        ) from None
    if ray.is_initialized():
        return ray
    if address is not None and address.startswith("ray://"):
        raise SynthesightError(
            f"`address={address!r}` is that of a Ray client: run this on a machine of the "
            "cluster, with `address=auto`."
        )
    place = address or os.environ.get("RAY_ADDRESS")
    how: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if place is None:
        how |= {"include_dashboard": False, "object_store_memory": STORE}
    heard = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(address=place or "local", **how)
        if threading.current_thread() is threading.main_thread():
            # Ray ends a process at SIGTERM; who listens to it already keeps what there is first.
            signal.signal(signal.SIGTERM, heard)
    except Exception as error:  # whatever the network, the versions or the system refuse
        raise SynthesightError(
            f"There is no Ray cluster at {place or 'this machine'} ({first_line(error)}): check "
            "`address`, and that `ray status` works."
        ) from None
    return ray
