"""Merge runs that were made alike."""

from __future__ import annotations

import pytest

from builders import command, done, refused
from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials.merging import merge
from synthesight.trials.state import state_of
from synthesight.trials.store import Run

MADE = {"observer": {"model": "m", "seed": 0}, "classes": ["cat", "dog"], "device": "cpu"}
SHOWN = [Stimulus(f"a/{n}.png", b"", "a") for n in range(6)]


def trial(n, response="cat", **more):
    return {"observer": "m", "dataset": "a", "stimulus": f"a/{n}.png", "category": "cat",
            "response": response, "evidence": [0.0, -n], "digest": f"{n:032x}", **more}  # fmt: skip


@pytest.fixture
def shard(tmp_path):
    def make(name, *trials, stimuli=SHOWN, **record):
        run = Run.create_or_resume(tmp_path / name, MADE | record, stimuli=stimuli)
        for each in trials:
            run.append([each])
        return run.folder

    return make


def test_shards_of_several_machines_become_one_run(shard, tmp_path):
    shards = [shard("1", trial(0), trial(3)), shard("2", trial(1), trial(4), device="H100")]
    said = done("merge", *shards, "--out", tmp_path / "all")
    assert f"{tmp_path / 'all'}, of 2 runs: 4 of 6 stimuli have a trial." in said
    run = Run.open(tmp_path / "all")
    assert run.done() == {f"a/{n}.png" for n in (0, 1, 3, 4)}
    assert run.trials()["evidence"].to_list() == [[0.0, -n] for n in (0.0, 1.0, 3.0, 4.0)]
    assert len(run.stimuli()) == 6
    # It is a run as any other: it goes on, and merging again adds what is new.
    Run.open(shards[0]).append([trial(5)])
    merge(shards, tmp_path / "all")
    assert state_of(tmp_path / "all").done == 5
    assert len(list(run.folder.glob("part-*"))) == 3
    Run.create_or_resume(run.folder, MADE, stimuli=SHOWN).append([trial(2)])
    assert state_of(tmp_path / "all").finished


def test_runs_of_different_stimuli_are_united(shard, tmp_path):
    runs = [shard("1", trial(0), stimuli=SHOWN[:3]), shard("2", trial(4), stimuli=SHOWN[3:])]
    run, remarks = merge(runs, tmp_path / "all")
    assert remarks == []
    assert len(run.stimuli()) == 6
    assert len(run) == 2


def test_what_is_twice_the_same_is_there_once(shard, tmp_path):
    unread = trial(2, None, error="not an image", evidence=None, digest=None)
    runs = [shard("1", trial(0), trial(1), unread), shard("2", trial(1), trial(2), unread)]
    run, remarks = merge(runs, tmp_path / "all")
    assert remarks == []
    assert run.done() == {"a/0.png", "a/1.png", "a/2.png"}
    assert len(run.trials()) == 3


def test_other_responses_are_told_and_other_images_refused(shard, tmp_path):
    runs = [shard("1", trial(0), trial(1)), shard("2", trial(0, "dog"), trial(1))]
    result = command("merge", *runs, "--out", tmp_path / "all")
    assert result.returncode == 2
    assert "has other responses to 1 of 2 stimuli, such as dog and not cat to a/0.png" in (
        result.stderr
    )
    assert Run.open(tmp_path / "all").trials()["response"].to_list() == ["cat", "cat"]
    runs.append(shard("3", trial(1, digest="f" * 32)))
    said = refused("merge", *runs, "--out", tmp_path / "other")
    assert "has shown another image as a/1.png" in said
    assert not (tmp_path / "other").exists()


def test_runs_that_were_made_otherwise_are_refused(shard, tmp_path):
    runs = [shard("1", trial(0)), shard("2", trial(1), observer={"model": "m", "seed": 1})]
    said = refused("merge", *runs, "--out", tmp_path / "all")
    assert "observer.seed = 1, not 0" in said
    for given, out, words in (
        ([runs[0]] * 2, "all", "is named twice"),
        (runs[:1], "1", "is one of the runs"),
    ):
        with pytest.raises(SynthesightError, match=words):
            merge(given, tmp_path / out)
    part = next(runs[0].glob("part-*"))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(SynthesightError, match="is damaged"):
        merge(runs[:1], tmp_path / "all")
    assert not (tmp_path / "all").exists()
