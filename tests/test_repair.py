"""Check runs: what is damaged is set aside, and the record is restored."""

from __future__ import annotations

import json

import pytest

from builders import command, done, refused, save_pictures
from synthesight.errors import SynthesightError
from synthesight.stimuli.find import find_stimuli
from synthesight.trials.repair import check
from synthesight.trials.store import Run

MADE = {"observer": {"model": "m"}, "classes": ["cat", "dog"], "datasets": ["pets"]}


@pytest.fixture
def stimuli(tmp_path):
    save_pictures(tmp_path / "pets", *(f"cat/{n}.png" for n in range(8)))
    return find_stimuli(tmp_path / "pets")


def answers(stimuli, **more):
    for stimulus in stimuli:
        stimulus.open()
    return [
        {"observer": "m", "dataset": "pets", "stimulus": s.id, "category": "cat", "response": "cat",
         "digest": s.digest, **more}
        for s in stimuli
    ]  # fmt: skip


@pytest.fixture
def run(tmp_path, stimuli):
    run = Run.create_or_resume(tmp_path / "run", MADE, stimuli=stimuli)
    for part in (stimuli[:3], stimuli[3:6], stimuli[6:]):
        run.append(answers(part))
    return run


def parts(run):
    return sorted(run.folder.glob("part-*.parquet"))


def test_a_sound_run_is_left_as_it_is(run):
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    assert check(run.folder) == []
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before
    assert "sound, 8 of 8 stimuli have a trial." in done("check", run.folder)


def test_damaged_parts_are_set_aside_and_made_anew(run, stimuli):
    whole, first, second = run.trials(), *parts(run)[:2]
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(b"")
    (plan,) = (run.folder / "planned-stimuli").iterdir()
    plan.write_bytes(b"PAR1" + plan.read_bytes()[4:-1] + b"!")
    for read in (run.trials, run.done, run.lazy, run.__len__):
        with pytest.raises(SynthesightError, match=r"is damaged .*`synthesight check .*run`"):
            read()
    with pytest.raises(SynthesightError, match="is damaged"):
        Run.create_or_resume(run.folder, MADE, stimuli=stimuli)
    result = command("check", run.folder)
    assert result.returncode == 2
    assert result.stderr.count("it was set aside in") == 3
    assert "2 stimuli have a trial" in result.stdout
    aside = {path.name for path in (run.folder / "damaged").iterdir()}
    assert aside == {first.name, second.name, plan.name}
    again = Run.create_or_resume(run.folder, MADE, stimuli=stimuli)
    again.append(answers([s for s in stimuli if s.id not in again.done()]))
    assert again.trials().equals(whole)
    assert check(run.folder) == []


@pytest.mark.parametrize("record", ["[]", '{"format": 2, "classes": ["yak"]}', None])
def test_the_record_is_restored_from_the_trials(run, record):
    path = run.folder / "run.json"
    before = path.read_text()
    if record is None:
        path.unlink()
    else:
        path.write_text(record)
    with pytest.raises(SynthesightError, match="`synthesight check"):
        Run.open(run.folder)
    assert "`synthesight check" in refused("export", run.folder, "--out", run.folder / "out")
    (found,) = check(run.folder)
    assert "it was restored from the trials" in found
    assert path.read_text() == before
    assert (run.folder / "damaged" / "run.json").exists() is (record is not None)
    assert check(run.folder) == []
    assert Run.open(run.folder).trials().equals(run.trials())


def test_a_record_that_nothing_tells_stays_lost(run, tmp_path):
    table = run.trials().drop("digest")
    for path in parts(run):
        path.unlink()
    table.write_parquet(run.folder / "part-00000-0123456789abcdef.parquet")
    (run.folder / "run.json").unlink()
    assert "no part of it tells what made them: put the record back" in refused("check", run.folder)
    with pytest.raises(SynthesightError, match=r"holds trials, but run\.json"):
        Run.create_or_resume(run.folder, MADE)
    assert "is not a run" in refused("check", tmp_path / "pets")


def test_a_run_without_trials_begins_anew_where_its_record_is_damaged(tmp_path, stimuli):
    run = Run.create_or_resume(tmp_path / "run", MADE, stimuli=stimuli)
    (run.folder / "run.json").write_text("{")
    assert "there are no trials to restore it" in command("check", run.folder).stderr
    again = Run.create_or_resume(run.folder, MADE, stimuli=stimuli)
    assert len(again.stimuli()) == 8


def test_parts_of_another_run_are_set_aside(run, tmp_path):
    other = Run.create(tmp_path / "other", MADE | {"classes": ["cat", "dog", "yak"]})
    other.append([{"observer": "m", "stimulus": "pets/cat/9.png", "response": "yak"}])
    (part,) = parts(other)
    part.rename(run.folder / part.name)
    (found,) = check(run.folder)
    assert "is of another run, that chose among cat, dog, yak, not cat, dog" in found
    assert len(run.trials()) == 8


def test_a_record_of_a_later_format_is_left_alone(run):
    path = run.folder / "run.json"
    path.write_text(json.dumps({"format": 3}))
    assert "read it with the newest" in refused("check", run.folder)
    assert json.loads(path.read_text()) == {"format": 3}


def test_every_image_can_be_compared(run, tmp_path):
    pets = tmp_path / "pets"
    assert "sound" in done("check", run.folder, "--stimuli", pets)
    save_pictures(pets, "cat/3.png", colour="red")
    said = command("check", run.folder, "--stimuli", pets)
    assert said.returncode == 2
    assert "pets/cat/3.png is another image than the one of its trial" in said.stderr
