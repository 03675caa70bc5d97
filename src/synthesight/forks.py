"""Forked processes: threads are not copied into them, and who waits for one waits for ever.

Measured: to have imported torch and polars is harmless. A child hangs where its parent had let
them compute before the fork. torch can do without its threads; the pool of polars cannot.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from synthesight.errors import SynthesightError

POOL = "polars-0"  # how polars calls the first of its threads
_pool = {"begun": False, "lost": False}


def watch() -> None:
    """Let every process that is forked from this one know what it lacks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def check_threads() -> None:
    """Refuse to wait for threads that were lost in a fork.

    Raises
    ------
    SynthesightError
        If this process was forked from one in which polars had computed.
    """
    if _pool["lost"]:
        raise SynthesightError(
            "This process was forked from one in which polars had computed, and lacks its threads: "
            "start processes by `multiprocessing.get_context('spawn')`."
        )


def _before_fork() -> None:
    if "polars" not in sys.modules or _pool["begun"]:
        return
    try:
        names = [name.read_text().strip() for name in Path("/proc/self/task").glob("*/comm")]
    except OSError:  # a thread has just ended
        names = []
    # Where there is no such folder, nobody can tell.
    _pool["begun"] = POOL in names or not names


def _after_fork() -> None:
    _pool["lost"] |= _pool["begun"]
    with suppress(AttributeError):  # while torch is being imported
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
