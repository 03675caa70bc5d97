"""Watch: evidence creeps apart draw by draw, classes are struck out, and the cost counts up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from synthesight.app.html import figure, mistake, render, waiting
from synthesight.app.models import Models, classes_of
from synthesight.errors import SynthesightError
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.observers.watching import Race, watch
from synthesight.probes.pictures import race_chart
from synthesight.stimuli.stimulus import Stimulus

EVERY = 0.3  # seconds between two states of the race
CHART = 2.0  # seconds between two drawings of its chart, which take a tenth of that
PARTS = "{} gives log p of the whole image in one pass a class: there are no draws to wait for."
NETWORK = "{} is a discriminative network: one pass answers, and there are no draws to watch."
WHY = {
    "decided": "All other classes are struck out.",
    "draws used up": "The draws are used up, and classes are left: read the score with care.",
}


class Halted(Exception):
    """Somebody pressed Stop."""


def watched(
    models: Models,
    make: Callable[[], Stimulus],
    model: str,
    classes: str,
    stop: threading.Event,
) -> Iterator[str]:
    """Answer an image, and yield the state of the race as HTML while it goes on.

    Parameters
    ----------
    models, model, classes
        Where models are, and the names of a model and of classes.
    make
        Makes what is shown; a mistake that it raises is the answer.
    stop
        Ends the work when somebody sets it, with what is known by then.
    """
    states: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def tell(race: Race) -> None:
        states.put(race)
        if stop.is_set():
            raise Halted

    def work() -> None:
        try:
            stimulus = make()
            with models.opened(model) as observer:
                chosen = classes_of(classes, observer)
                states.put(time.perf_counter())
                response, race = watch(observer, stimulus, chosen, tell)
                if response.error is not None:
                    raise SynthesightError(response.error)
                states.put((observer, chosen, response, race))
        except BaseException as error:
            states.put(error)

    worker = threading.Thread(target=work, name="watch", daemon=True)
    worker.start()
    yield waiting(f"{model or 'The model'} is being opened.")
    started = time.perf_counter()
    race: Race | None = None
    chart, drawn = "", 0.0
    try:
        while True:
            state = _latest(states)
            seconds = time.perf_counter() - started
            match state:
                case float():
                    started = state
                    yield waiting("The first draws are on their way.")
                case Race():
                    race = state
                    if seconds > drawn + CHART:
                        chart, drawn = _chart(race), seconds
                    yield racing(race, seconds, chart)
                    time.sleep(max(0.0, EVERY - (time.perf_counter() - started - seconds)))
                case Halted():
                    yield (
                        racing(race, seconds, chart, stopped=True) if race else waiting("Stopped.")
                    )
                    return
                case SynthesightError():
                    yield mistake(state)
                    return
                case BaseException():
                    raise state
                case (observer, chosen, response, race):
                    yield answered(observer, chosen, response, race, seconds)
                    return
    finally:
        stop.set()  # also when the page is closed


def _latest(states: queue.SimpleQueue[Any]) -> Any:
    """Wait for a state; of several races, take the last one."""
    state = states.get()
    while isinstance(state, Race) and not states.empty():
        state = states.get()
    return state


def racing(race: Race, seconds: float, chart: str = "", *, stopped: bool = False) -> str:
    """Return the state of a race as HTML, above a chart of it."""
    last, running = race.evidence[-1], race.running[-1]
    return render(
        "answer.html",
        answer=None,
        leader=race.leader,
        stopped=stopped,
        left=int(running.sum()),
        evaluations=race.evaluations,
        seconds=seconds,
        why=None,
        calibrated=False,
        draws_are="parts" if race.parts else "draws",
        rows=_rows(race.classes, softmax(last), None, last, race.running.sum(axis=0), ~running),
        chart=chart,
        note=None,
    )


def answered(
    observer: Observer,
    classes: Sequence[str],
    response: Response,
    race: Race | None = None,
    seconds: float = 0.0,
) -> str:
    """Return an answer as HTML."""
    note = ""
    if race is None:
        note = NETWORK.format(observer.name)
    elif race.parts:
        note = PARTS.format(observer.name)
    calibrated = response.probability is not None
    sure = response.score if response.probability is None else response.probability
    error = None if calibrated else response.score_se
    # The last of the others are struck out at the draw that ends the race.
    other = np.array([name != response.response for name in classes])
    out = other if response.stopped == "decided" else response.draws < response.draws.max()
    return render(
        "answer.html",
        answer=response.response,
        leader=response.response,
        stopped=False,
        left=None,
        evaluations=response.evaluations,
        seconds=seconds,
        why=WHY.get(response.stopped),
        calibrated=calibrated,
        draws_are="parts" if race is not None and race.parts else "draws",
        rows=_rows(classes, sure, error, response.evidence, response.draws, out),
        chart=_chart(race),
        note=note,
    )


def _rows(
    classes: Sequence[str],
    score: np.ndarray,
    error: np.ndarray | None,
    evidence: np.ndarray,
    draws: np.ndarray,
    out: np.ndarray,
) -> list[dict[str, Any]]:
    first = int(np.where(out, -np.inf, evidence).argmax())
    return [
        {
            "name": name,
            "score": float(score[n]),
            "error": None if error is None or np.isnan(error[n]) else float(error[n]),
            "evidence": float(evidence[n]),
            "draws": int(draws[n]),
            "out": bool(out[n]),
            "first": n == first,
        }
        for n, name in enumerate(classes)
    ]


def _chart(race: Race | None) -> str:
    if race is None or len(race.nats) < 2:
        return ""
    text = (
        f"Evidence of each class by draw, from 1 to {len(race.nats)}, less that of {race.leader}, "
        "which leads; a line ends where its class is struck out."
    )
    return figure(race_chart(race.frame()), text)
