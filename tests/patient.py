"""The real command with an observer that takes its time: a process to be killed by tests.

It needs no torch, so that it starts quickly. Run as a script; the arguments are those of
``synthesight``. The ids of stimuli are written, as they are shown, to the file SHOWN_LOG.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from synthesight import evaluation, showing
from synthesight.cli.main import main
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.stimuli.stimulus import Stimulus

EACH = 0.02  # seconds an image
OFTEN = 0.4  # seconds between two parts


class Patient(Observer):
    """Answers by the first letter of the image's digest."""

    name, kind, classes = "patient", "discriminative", None

    def __init__(self, each: float = EACH) -> None:
        self.each = each

    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        chosen = self.choose(classes)
        with Path(os.environ["SHOWN_LOG"]).open("a") as log:
            for stimulus in stimuli:
                time.sleep(self.each)
                stimulus.open()
                print(stimulus.id, file=log, flush=True)
                evidence = np.zeros(len(chosen))
                evidence[int((stimulus.digest or "0")[0], 16) % len(chosen)] = 1.0
                answer = chosen[int(evidence.argmax())]
                ones = np.ones(len(chosen), dtype=np.int64)
                yield Response(
                    stimulus, answer, evidence - 1, evidence, evidence, ones, 1, "decided"
                )

    def describe(self) -> dict[str, Any]:
        return {"model": self.name}


if __name__ == "__main__":
    evaluation.resolve = lambda name: None  # type: ignore[assignment]
    evaluation.open_observer = lambda *_: Patient()  # type: ignore[assignment]
    showing.SOON = OFTEN
    sys.argv[0] = "synthesight"
    main()
