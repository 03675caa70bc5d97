"""The experiment on cues: the same images for all learners, and a test that tells cues apart."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from builders import done
from synthesight.experiments import cues
from synthesight.stimuli.categories import SIXTEEN


@pytest.fixture(scope="module")
def drawn():
    """The test's stimuli, smaller, which is quicker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cues, "DRAWN_SIDE", 24)
        return list(cues.test_stimuli())


def test_the_test_has_conflicts_and_either_cue_alone(drawn):
    count = {name: sum(each.dataset == name for each in drawn) for name in cues.TESTS}
    assert count == {cues.AGREE: 80, cues.DATASET: 240, cues.SHAPE: 80, cues.TEXTURE: 80}
    assert len({each.id for each in drawn}) == len(drawn)
    shape = next(each for each in drawn if each.dataset == cues.SHAPE)
    colours = np.unique(np.asarray(shape.open()).reshape(-1, 3), axis=0)
    # One colour on the ground, and what lies between them at the outline: on a line.
    line = colours - np.array(cues.BACKGROUND)
    assert np.linalg.matrix_rank(line, tol=40) == 1


def test_learners_see_equally_many_images():
    options = cues.CuesOptions()
    one = options.discriminative(0, "none")
    per_epoch = len(SIXTEEN) * options.per_category // one.batch_size * one.batch_size
    assert abs(one.epochs * per_epoch / (options.steps * options.batch_size) - 1) < 0.05


def test_one_command_from_drawings_to_a_table(drawn, tmp_path, monkeypatch):
    every = [one for test in cues.TESTS for one in [s for s in drawn if s.dataset == test][::40]]
    monkeypatch.setattr(cues, "test_stimuli", lambda: iter(every))
    command = [
        "experiment", "cues", "--out", tmp_path, "--steps", 2, "--batch-size", 8, "--depth", 1,
        "--per-category", 2, "--draws", 2, "--fitted", 2, "--device", "cpu",
    ]  # fmt: skip
    done(*command)
    trials = pl.read_parquet(tmp_path / "trials.parquet")
    assert trials.group_by("learner").len()["len"].to_list() == [len(every)] * 3
    assert set(trials["learner"]) == set(cues.LEARNERS)
    table = pl.read_csv(tmp_path / "cues.csv")
    assert set(table["dataset"]) == set(cues.TESTS)
    assert (tmp_path / "cues.svg").is_file()
