"""Tell how far runs are, and refuse to report those that are not done."""

from __future__ import annotations

import json
import os
import time

import pytest

from builders import command, done, refused, save_pictures
from synthesight.errors import SynthesightError
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.state import check_finished, state_of
from synthesight.trials.store import Run

MADE = {"observer": {"model": "m", "kind": "generative"}, "classes": ["cat", "dog"]}
SHOWN = [
    Stimulus(f"{dataset}/{condition}/{n}.png", b"", dataset, condition, "cat")
    for dataset, condition, count in (("a", "x", 3), ("a", "y", 2), ("b", "0", 3))
    for n in range(count)
]


def trial(stimulus, error=None):
    return {
        "observer": "m", "dataset": stimulus.dataset, "condition": stimulus.condition,
        "stimulus": stimulus.id, "category": "cat", "response": None if error else "cat",
        "kind": "generative", "error": error,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path):
    return Run.create_or_resume(tmp_path / "run", MADE, stimuli=SHOWN)


def test_a_state_tells_what_is_done_by_dataset_and_condition(run):
    assert state_of(run.folder).done == 0
    run.append([trial(SHOWN[0]), trial(SHOWN[3], "not an image")])
    run.append([trial(SHOWN[1]), trial(SHOWN[3], "not an image")])
    state = state_of(run.folder)
    assert state.table.rows() == [("a", "x", 3, 2, 0), ("a", "y", 2, 1, 1), ("b", "0", 3, 0, 0)]
    assert (state.total, state.done, state.errors, state.finished) == (8, 3, 1, False)
    said = json.loads(done("status", run.folder, "--json"))
    assert said["done"], said["total"] == (3, 8)
    assert said["conditions"][1] == {
        "dataset": "a", "condition": "y", "total": 2, "done": 1, "errors": 1
    }  # fmt: skip
    assert "3 of 8 stimuli have a trial. 1 images could not be read" in done("status", run.folder)


def test_the_time_that_is_left_is_told_while_it_runs(run):
    for stimulus in SHOWN[:3]:
        run.append([trial(stimulus)])
    now = time.time()
    for ago, part in zip((20, 10, 0), sorted(run.folder.glob("part-*")), strict=True):
        os.utime(part, (now - ago, now - ago))
    state = state_of(run.folder)
    assert state.rate == pytest.approx(0.1)
    assert state.seconds_left == pytest.approx(50)
    assert "50 s left" in done("status", run.folder)
    for part in run.folder.glob("part-*"):
        os.utime(part, (now - 9000, now - 9000))
    assert state_of(run.folder).rate is None


def test_damaged_parts_are_told(run):
    run.append([trial(SHOWN[0])])
    run.append([trial(SHOWN[1])])
    part = min(run.folder.glob("part-*"))
    part.write_bytes(part.read_bytes()[:-9])
    result = command("status", run.folder)
    assert result.returncode == 2
    assert f"{part} is damaged" in result.stderr
    assert "1 of 8" in result.stdout
    assert json.loads(command("status", run.folder, "--json").stdout)["damaged"] == [str(part)]


def test_runs_of_format_1_tell_how_many_there_are(run):
    run.append([trial(SHOWN[0])])
    (run.folder / "run.json").write_text(json.dumps({**MADE, "stimuli": 8}))
    for path in (run.folder / "planned-stimuli").iterdir():
        path.unlink()
    state = state_of(run.folder)
    assert (state.run.format, state.total, state.done) == (1, 8, 1)
    assert state.table.rows() == [("a", "x", None, 1, 0)]
    assert "1 of 8" in done("status", run.folder)


def test_a_run_that_is_not_done_is_reported_only_if_told(run, tmp_path):
    run.append([trial(each) for each in SHOWN[:2]])
    out = tmp_path / "out"
    for what in ("report", "export"):
        said = refused(what, run.folder, "--out", out)
        assert f"{run.folder} holds 2 of 8 stimuli" in said
        assert "--unfinished" in said
        assert not out.exists()
    result = command("export", run.folder, "--out", out, "--unfinished")
    assert result.returncode == 0
    assert f"{run.folder} holds 2 of 8 stimuli." in result.stderr
    assert "2 trials are in 1 files" in result.stdout
    run.append([trial(each, "broken" if each is SHOWN[4] else None) for each in SHOWN[2:]])
    assert check_finished([run.folder]) == []


def test_folders_of_other_trials_are_no_unfinished_runs(tmp_path):
    save_pictures(tmp_path / "pets", "cat/1.png")
    assert check_finished([tmp_path / "pets"]) == []
    with pytest.raises(SynthesightError, match="is not a run"):
        state_of(tmp_path / "pets")
    assert find_stimuli(tmp_path / "pets")
