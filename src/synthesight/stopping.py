"""Stop in good order: what a signal interrupts is kept, and the exit code says which it was.

Batch systems announce that a process is to make room by SIGTERM, SIGHUP or SIGUSR1, people by
Ctrl-C. Only the command line listens to them (:func:`stoppable`): a library has no business with
the signals of the program that it is used in, and in a script or notebook, Ctrl-C raises
``KeyboardInterrupt`` as ever. What must not be cut in two is done with signals
:func:`held_back`, in either case.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
]
BOUND = 20.0  # seconds to keep what there is; Slurm kills 30 s after it has announced to do so
AGAIN = 0.05  # seconds until a signal is tried again that came where no exception can pass

_unheard: list[Stopped] = []


class Stopped(KeyboardInterrupt):
    """A signal has asked the process to stop.

    Attributes
    ----------
    number
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def code_of(stopped: BaseException) -> int:
    """Return what a process exits with that was stopped, as shells have it: 128 + n.

    That is 130 after SIGINT (Ctrl-C), 143 after SIGTERM, 129 after SIGHUP and 138 after SIGUSR1.
    """
    return 128 + (stopped.number if isinstance(stopped, Stopped) else signal.SIGINT)


def by(stopped: BaseException) -> str:
    """Return by which signal, for a message; of Ctrl-C, the user knows."""
    number = code_of(stopped) - 128
    return "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"


@contextmanager
def stoppable(*, last: bool = False) -> Iterator[None]:
    """Raise :class:`Stopped` where the main thread is, at the first of ``SIGNALS``.

    Further signals change nothing: what there is, is being kept. Where that takes longer than
    ``BOUND`` seconds, the process ends. A signal that the caller ignores stays ignored, as
    ``nohup`` asks; in other threads, which hear no signals, nothing is done.

    Parameters
    ----------
    last
        Whether the process ends afterwards: after a first signal, none interrupts its end.
    """
    if not _in_main_thread():
        yield
        return
    heard: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        if heard:
            return
        heard.append(number)
        stopped = Stopped(number)
        _unheard.append(stopped)
        if not timers:
            later(BOUND, _end, code_of(stopped))
        raise stopped

    def swallowed(what: sys.UnraisableHookArgs) -> None:
        # In a destructor, Python lets no exception pass; libraries are full of them.
        if isinstance(what.exc_value, Stopped):
            heard.clear()
            later(AGAIN, signal.raise_signal, what.exc_value.number)
        else:
            unraisable(what)

    def later(seconds: float, call: Callable[[int], object], number: int) -> None:
        timer = threading.Timer(seconds, call, [number])
        timer.daemon = True
        timer.start()
        timers.append(timer)

    timers: list[threading.Timer] = []
    unraisable = sys.unraisablehook
    sys.unraisablehook = swallowed
    listened = [each for each in SIGNALS if signal.getsignal(each) is not signal.SIG_IGN]
    before = {each: signal.signal(each, stop) for each in listened}
    try:
        yield
    finally:
        _unheard.clear()
        sys.unraisablehook = unraisable
        for timer in timers:
            timer.cancel()
        _restore(dict.fromkeys(before, signal.SIG_IGN) if last and heard else before)


def check_stopped() -> None:
    """Stop here, if a signal came where a library lets no exception pass.

    Raises
    ------
    Stopped
        If the signal has not been heard yet.
    """
    if _unheard:
        raise _unheard.pop()


@contextmanager
def held_back() -> Iterator[None]:
    """Hold signals back, and deliver them at the end.

    In other threads than the main one, nothing is done: they are not interrupted.
    """
    if not _in_main_thread():
        yield
        return
    came: list[int] = []
    before = {
        each: signal.signal(each, lambda number, _: came.append(number))
        for each in SIGNALS
        # None: a handler that was not set by Python, and that it could not set again.
        if signal.getsignal(each) not in (signal.SIG_IGN, None)
    }
    try:
        yield
    finally:
        _restore(before)
        for number in dict.fromkeys(came):
            signal.raise_signal(number)


def _restore(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _end(code: int) -> None:
    try:
        print(
            f"synthesight: What there was could not be kept within {BOUND:.0f} s.",
            file=sys.stderr,
            flush=True,
        )
    finally:
        os._exit(code)
