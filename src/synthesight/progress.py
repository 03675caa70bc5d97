"""Show how far a piece of work is: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

logger = logging.getLogger("synthesight")

EVERY = 60.0  # seconds between two lines


class Progress:
    """Tell how many of a number of steps are done, with their rate and the time left.

    On a terminal or in a notebook this is a bar, on standard error. Elsewhere it is a line in the
    log (logger ``synthesight``, level INFO) at the start, every minute and at the end.

    Parameters
    ----------
    text
        What is going on, such as ``"Evaluating"``.
    total
        Number of steps.
    show
        True writes the lines to standard error where logging is not set up; None leaves it to the
        logger; False shows nothing.

    Examples
    --------
    >>> with Progress("Counting", 3, show=False) as progress:
    ...     for _ in range(3):
    ...         progress.advance()
    >>> progress.done
    3
    """

    def __init__(self, text: str, total: int, *, show: bool | None = None) -> None:
        self.text = text
        self.total = total
        self.show = show
        self.done = 0
        self.before: int | None = None  # steps of an earlier process, which took no time here
        self.note = ""
        self.bar: Any = None
        self.lines = False
        self._exit = ExitStack()

    def __enter__(self) -> Progress:
        self.started = self.said = time.monotonic()
        if self.show is False:
            return self
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_interactive or console.is_jupyter:
            self.bar = self._exit.enter_context(_bar(console))
            self.task = self.bar.add_task(self.text, total=self.total, note="")
        else:
            self.lines = True
            if self.show:
                self._exit.enter_context(_lines_on_standard_error())
            logger.info("%s: %d to do.", self.text, self.total)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.lines:
            taken = duration(time.monotonic() - self.started)
            how = "in" if kind is None else "stopped after"
            logger.info("%s: %d of %d, %s %s.", self.text, self.done, self.total, how, taken)
        self._exit.close()

    def advance(self) -> None:
        """Count one step more."""
        self.at(self.done + 1)

    def at(self, done: int, note: str = "") -> None:
        """Say how many steps are done, with a note such as the loss of a training."""
        if self.before is None:
            self.before = max(done - 1, 0)
        self.done, self.note = done, note
        if self.bar is not None:
            self.bar.update(self.task, completed=done, note=note)
        elif self.lines and (now := time.monotonic()) - self.said >= EVERY:
            self.said = now
            logger.info("%s", self.line(now - self.started))

    def line(self, seconds: float) -> str:
        """Return the line of the log after so many seconds of work."""
        rate = (self.done - (self.before or 0)) / seconds
        speed = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"
        left = duration((self.total - self.done) / rate) if rate else "unknown time"
        share = 100 * self.done / max(self.total, 1)
        note = f", {self.note}" if self.note else ""
        return (
            f"{self.text}: {self.done} of {self.total} ({share:.0f} %), {speed}, {left} left{note}."
        )


def _bar(console: Console) -> Any:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    return Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
        transient=True,
    )


@contextmanager
def _lines_on_standard_error() -> Iterator[None]:
    """Let the log's lines be seen, where the program that we are in has not set logging up."""
    level, handler = logger.level, None
    if not logger.hasHandlers():
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        logger.addHandler(handler)
    if not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        if handler is not None:
            logger.removeHandler(handler)


def duration(seconds: float) -> str:
    """Return a time in words, such as ``"12 min"``."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
