"""Processes that are forked: they compute, or say at once why they cannot."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import multiprocessing, warnings
warnings.simplefilter("ignore")
import polars as pl, torch
import synthesight
from synthesight.analysis import accuracy

def multiply():
    return float((torch.ones(400, 400) @ torch.ones(400, 400)).sum())

def in_child(answers, trials):
    answers.put(multiply())
    try:
        answers.put(float(accuracy(trials)["estimate"][0]))
    except synthesight.SynthesightError as error:
        answers.put(str(error))

def fork(trials):
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    process = context.Process(target=in_child, args=(answers, trials))
    process.start()
    print(answers.get(timeout=60))
    print(answers.get(timeout=60))
    process.join(60)

torch.set_num_threads(2)
multiply()
trials = pl.DataFrame([{"observer": "m", "kind": "discriminative", "dataset": "d",
    "condition": "c", "stimulus": "a", "category": "cat", "response": "cat"}])
fork(trials)
pl.DataFrame({"a": range(1000)}).lazy().group_by("a").len().collect()
fork(trials)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="fork, and /proc")
def test_a_forked_process_computes_or_says_what_it_lacks():
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=240
    )
    product, accuracy, again, refusal = ended.stdout.splitlines()
    assert float(product) == float(again) == 400.0**3, ended.stderr
    assert float(accuracy) == 1.0
    assert "get_context('spawn')" in refusal
