"""Watch: evidence creeps apart draw by draw, classes are struck out, and the cost counts up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from scipy.special import softmax

from synthesight.app.html import figure, render, waiting
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
    models: Models, stimulus: Stimulus, model: str, classes: str, stop: threading.Event
) -> Iterator[str]:
    """Answer an image, and yield the state of the race as HTML while it goes on.

    Parameters
    ----------
    models, model, classes
        Where models are, and the names of a model and of classes.
    stimulus
        What is shown.
    stop
        Ends the work when somebody sets it, with what is known by then.

    Raises
    ------
    SynthesightError
        If there is no such model, the classes are no choice, or the image cannot be read.
    """
    states: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def tell(race: Race) -> None:
        states.put(race)
        if stop.is_set():
            raise Halted

    def work() -> None:
        try:
            with models.opened(model) as observer:
                chosen = classes_of(classes, observer)
                states.put(time.perf_counter())
                response, race = watch(observer, stimulus, chosen, tell)
                if response.error is not None:
                    raise SynthesightError(response.error)
                states.put((observer, chosen, response, race))
        except BaseException as error:
            states.put(error)

    threading.Thread(target=work, name="watch", daemon=True).start()
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
                        waiting("Stopped.")
                        if race is None
                        else racing(race, seconds, chart, "Stopped.")
                    )
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


def racing(race: Race, seconds: float, chart: str, why: str = "") -> str:
    """Return the state of a race as HTML, above a chart of it."""
    last, running = race.evidence[-1], race.running[-1]
    rows = _rows(race.classes, softmax(last), None, last, race.running.sum(axis=0), ~running)
    return render(
        "answer.html", answer=None, leader=race.leader, left=int(running.sum()), rows=rows,
        evaluations=race.evaluations, seconds=seconds, why=why, calibrated=False,
        parts=race.parts, chart=chart, note=None,
    )  # fmt: skip


def answered(
    observer: Observer,
    classes: Sequence[str],
    response: Response,
    race: Race | None,
    seconds: float,
) -> str:
    """Return an answer as HTML."""
    parts = race is not None and race.parts
    note = NETWORK if race is None else PARTS if parts else ""
    calibrated = response.probability is not None
    sure = response.score if response.probability is None else response.probability
    # The last of the others are struck out at the draw that ends the race.
    other = np.array([name != response.response for name in classes])
    out = other if response.stopped == "decided" else response.draws < response.draws.max()
    error = None if calibrated else response.score_se
    return render(
        "answer.html", answer=response.response, calibrated=calibrated, parts=parts,
        evaluations=response.evaluations, seconds=seconds, why=WHY.get(response.stopped, ""),
        rows=_rows(classes, sure, error, response.evidence, response.draws, out),
        chart=_chart(race), note=note.format(observer.name),
    )  # fmt: skip


def _rows(name: Sequence[str], score: Any, error: Any, evidence: Any, draws: Any, out: Any) -> Any:
    """Return a dictionary a class, from a column each."""
    columns = {"name": list(name), "score": score, "evidence": evidence, "draws": draws, "out": out}
    table = pl.DataFrame(columns).with_columns(
        error=pl.Series(error, dtype=pl.Float64).fill_nan(None) if error is not None else None,
        first=pl.int_range(pl.len()) == int(np.where(out, -np.inf, evidence).argmax()),
    )
    return table.to_dicts()


def _chart(race: Race | None) -> str:
    if race is None or len(race.nats) < 2:
        return ""
    text = (
        f"Evidence of each class by draw, from 1 to {len(race.nats)}, less that of {race.leader}, "
        "which leads; a line ends where its class is struck out."
    )
    return figure(race_chart(race.frame()), text)
