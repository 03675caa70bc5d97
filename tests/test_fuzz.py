"""A fuzz job with a time bound: ``make fuzz``, or ``pytest -m stress tests/test_fuzz.py``.

The seconds are those of the environment's ``FUZZ_SECONDS``; what an earlier job tried is left out
with ``FUZZ_FIRST``. See fuzzing.py for the rule, and for how one try is repeated.
"""

from __future__ import annotations

import os
import sys

import pytest

import fuzzing


@pytest.mark.stress
@pytest.mark.skipif(sys.platform != "linux", reason="reads a process's memory from /proc")
def test_whatever_comes_is_read_or_refused_in_one_sentence(capsys):
    seconds = float(os.environ.get("FUZZ_SECONDS", "300"))
    made = fuzzing.fuzz(seconds, list(fuzzing.KINDS), int(os.environ.get("FUZZ_FIRST", "0")))
    with capsys.disabled():
        print("", made.summary(), sep="\n")
    assert not made.found
    assert all(made.tries[kind] for kind in fuzzing.KINDS)
