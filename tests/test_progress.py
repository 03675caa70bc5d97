"""Progress where there is no terminal: lines in the log."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from synthesight import progress
from synthesight.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_the_log_says_every_minute_how_far_it_is(clock, caplog):
    caplog.set_level(logging.INFO, logger="synthesight")
    with Progress("Evaluating", 1280) as far:
        for done in range(1280):
            clock[0] = done / 4
            far.advance()
    first, *minutes, last = caplog.messages
    assert first == "Evaluating: 1280 to do."
    assert minutes == [
        "Evaluating: 241 of 1280 (19 %), 4.0 a second, 4 min left.",
        "Evaluating: 481 of 1280 (38 %), 4.0 a second, 3 min left.",
        "Evaluating: 721 of 1280 (56 %), 4.0 a second, 2 min left.",
        "Evaluating: 961 of 1280 (75 %), 4.0 a second, 80 s left.",
        "Evaluating: 1201 of 1280 (94 %), 4.0 a second, 20 s left.",
    ]
    assert last == "Evaluating: 1280 of 1280, in 5 min."


def test_slow_work_and_what_is_stopped(clock, caplog):
    caplog.set_level(logging.INFO, logger="synthesight")
    far = Progress("Training", 3)
    far.__enter__()
    clock[0] = 90.0
    far.at(1, "loss 0.5")
    far.__exit__(KeyboardInterrupt)
    assert caplog.messages[1:] == [
        "Training: 1 of 3 (33 %), 0.7 a minute, 3 min left, loss 0.5.",
        "Training: 1 of 3, stopped after 90 s.",
    ]


def test_steps_of_an_earlier_process_took_no_time_here(clock, caplog):
    caplog.set_level(logging.INFO, logger="synthesight")
    with Progress("Training", 10_000) as far:
        for step in range(61):
            clock[0] = step + 1.0
            far.at(9_001 + step)
    assert "Training: 9060 of 10000 (91 %), 1.0 a second, 16 min left." in caplog.messages


@pytest.mark.parametrize(("show", "lines"), [(True, 2), (None, 0), (False, 0)])
def test_lines_are_seen_where_logging_is_not_set_up_if_they_are_asked_for(show, lines):
    code = (
        "from synthesight.progress import Progress\n"
        f"with Progress('Counting', 2, show={show}) as far:\n    far.advance()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == lines
