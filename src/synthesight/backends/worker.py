"""What runs on the machines of a Ray cluster: one opened model, which answers what it is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import synthesight
from synthesight.observers.loading import open_given
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.stimuli.stimulus import Stimulus

PAUSE = 0.5  # seconds between two messages with answers


class Worker:
    """Hold an observer on one GPU, or on some cores.

    Parameters
    ----------
    threads
        Threads of torch; None where a GPU computes.
    """

    def __init__(self, threads: int | None) -> None:
        import torch

        if threads is not None:
            torch.set_num_threads(threads)
        self.observer: Observer

    def open(self, model: str, given: dict[str, Any]) -> dict[str, Any]:
        """Open the model, and return what the driver has to know about it."""
        observer = self.observer = open_given(model, given)
        return {
            "name": observer.name,
            "kind": observer.kind,
            "classes": observer.classes,
            "device": observer.device_name,
            "description": observer.describe(),
            "version": synthesight.__version__,
        }

    def answer(self, stimuli: list[Stimulus], classes: list[str]) -> Iterator[list[Response]]:
        """Yield answers as they are made, several together; without the images."""
        made: list[Response] = []
        sent = time.monotonic()
        for response in self.observer.respond(stimuli, classes):
            shown = response.stimulus
            made.append(replace(response, stimulus=Stimulus(shown.id, b"", digest=shown.digest)))
            if time.monotonic() - sent > PAUSE:
                yield made
                made, sent = [], time.monotonic()
        yield made
