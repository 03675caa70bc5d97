"""Runs: atomic parts, resumption, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from contextlib import suppress

import polars as pl
import pytest

from builders import trial_table
from synthesight import files
from synthesight.analysis import accuracy, confusion
from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Stimulus
from synthesight.trials import parts
from synthesight.trials.parts import Parts
from synthesight.trials.schema import SCHEMA, conform, factors
from synthesight.trials.store import Run

MANIFEST = {"observer": {"name": "m", "rule": {"delta": 0.01}}, "classes": ["cat", "dog"], "v": 1}


def row(stimulus: str, observer: str = "m", **more):
    return {
        "observer": observer, "kind": "generative", "dataset": "d", "condition": "0", "session": 1,
        "stimulus": stimulus, "category": "cat", "response": "cat", "evidence": [0.5, -1.0],
        "draws": 20, "evaluations": 40, "stopped": "decided", "seed": 0, **more,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", MANIFEST)


def test_a_run_gives_back_what_it_was_given(run):
    assert run.trials().is_empty()
    assert run.done() == set()
    run.append([row("d/b.png"), row("d/a.png", response=None, error="not an image")])
    run.append(conform(pl.DataFrame([row("d/c.png")])))
    run.append([])
    again = Run.open(run.folder)
    trials = again.trials()
    assert trials.schema == pl.Schema(SCHEMA)
    assert trials["stimulus"].to_list() == ["d/a.png", "d/b.png", "d/c.png"]
    assert trials["evidence"].to_list()[0] == [0.5, -1.0]
    assert again.done() == {"d/b.png", "d/c.png"}
    assert again.manifest == MANIFEST
    assert again.lazy().select("response").collect()["response"].to_list() == [None, "cat", "cat"]
    assert not list(run.folder.glob("*.tmp"))
    assert len(list(run.folder.glob("part-0000[01]-*.parquet"))) == 2


def test_a_run_has_a_length_and_gives_its_trials_one_by_one(run):
    assert len(run) == 0
    assert run
    run.append([row("d/b.png"), row("d/a.png", response=None, error="not an image")])
    run.append([row("d/a.png")])
    assert len(run) == len(run.trials()) == 2
    assert [trial["stimulus"] for trial in run] == ["d/a.png", "d/b.png"]
    assert run[0] == next(iter(run))
    assert run[-1]["stimulus"] == "d/b.png"
    with pytest.raises(IndexError):
        run[2]


def test_a_run_says_in_a_line_what_it_is(tmp_path):
    made = {"observer": {"model": "<m>"}, "classes": ["cat", "dog"], "datasets": ["edge", "mine"]}
    run = Run.create(str(tmp_path / "run"), made)
    run.append([row("d/a.png")])
    assert repr(run) == f"<Run {tmp_path / 'run'}: 1 trial of <m> on edge, mine>"
    page = Run(str(run.folder))._repr_html_()
    assert "<th>classes</th><td>cat, dog</td>" in page
    assert "&lt;m&gt;" in page
    assert "0 trials of an observer" in repr(Run.create(tmp_path / "other", {}))
    with pytest.raises(SynthesightError, match="is not a run but holds runs: name them, as "):
        Run.open(tmp_path)


def test_a_stimulus_that_was_shown_twice_counts_once(run):
    run.append([row("d/a.png"), row("d/a.png", observer="other"), row("d/a.png", session=2)])
    run.append([row("d/a.png")])
    assert len(run.trials()) == 3


def test_a_stimulus_that_could_be_read_at_last_counts_as_read(run):
    run.append([row("d/a.png", response=None, error="not an image")])
    run.append([row("d/a.png")])
    run.append([row("d/a.png", response=None, error="not an image")])
    assert run.done() == {"d/a.png"}
    assert run.trials()["error"].to_list() == [None]


def test_a_path_may_look_like_a_pattern(tmp_path):
    run = Run.create(tmp_path / "a[1]*" / "run?", MANIFEST)
    run.append([row("d/a.png")])
    assert run.done() == {"d/a.png"}
    assert len(run.trials()) == run.lazy().collect().height == 1


def test_a_column_of_nothing_keeps_its_type(run):
    run.append([row("d/a.png", evidence=None, seed=None, texture=None)])
    run.append([row("d/b.png", texture="dog")])
    assert run.trials().schema == pl.Schema(SCHEMA)


def test_the_same_options_resume_and_others_are_named(run):
    run.append([row("d/a.png")])
    again = Run.create_or_resume(run.folder, {**MANIFEST, "v": 2}, ignore=("v",))
    assert again.done() == {"d/a.png"}
    assert again.manifest["v"] == 1
    changed = {**MANIFEST, "observer": {"name": "m", "rule": {"delta": 0.05}}}
    with pytest.raises(
        SynthesightError, match=r"observer\.rule\.delta = 0\.01, not 0\.05.*another `out`"
    ):
        Run.create_or_resume(run.folder, changed)
    Run.create_or_resume(run.folder, changed, ignore=("observer.rule.delta",))
    with pytest.raises(SynthesightError, match=r"v = 1, not None"):
        Run.create_or_resume(run.folder, {k: v for k, v in MANIFEST.items() if k != "v"})
    with pytest.raises(SynthesightError, match="holds a run already"):
        Run.create(run.folder, MANIFEST)


def test_other_weights_are_named_and_not_their_hashes(tmp_path):
    made = {"observer": {"name": "m", "weights": "3fa1"}}
    Run.create(tmp_path / "run", made)
    other = {"observer": {"name": "m", "weights": "77b0"}}
    with pytest.raises(SynthesightError, match="holds a run of other weights: use the same"):
        Run.create_or_resume(tmp_path / "run", other)


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped"])
def test_a_damaged_part_is_named(run, damage):
    run.append([row("d/a.png")])
    run.append([row(f"d/{n}.png") for n in range(200)])
    part = sorted(run.folder.glob("part-*"))[1]
    data = part.read_bytes()
    if damage == "flipped":
        part.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
    else:
        part.write_bytes(data[: len(data) // 2] if damage == "cut" else b"")
    for read in (run.trials, run.done):
        with pytest.raises(SynthesightError, match=rf"{part.name} is damaged .*`synthesight check"):
            read()
    part.unlink()
    assert run.done() == {"d/a.png"}


def test_what_a_killed_process_left_is_ignored_and_cleared(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json.00001111.tmp").write_bytes(b"{")
    run = Run.create_or_resume(folder, MANIFEST)
    run.append([row("d/a.png")])
    old = folder / "part-00001-a.parquet.00001111.tmp"
    young = folder / "part-00002-b.parquet.00002222.tmp"
    users = folder / "notes.tmp"
    then = time.time() - files.STALE - 60
    for path in (old, young, users):
        path.write_bytes(b"PAR1")
    for path in (old, users):
        os.utime(path, (then, then))
    assert Run.create_or_resume(folder, MANIFEST).done() == {"d/a.png"}
    assert not old.exists()
    assert users.exists()
    assert young.exists(), "another shard may be writing it"


def test_a_failed_write_leaves_nothing(run, monkeypatch):
    monkeypatch.setattr(os, "fsync", _no_space)
    with pytest.raises(SynthesightError, match="No space left"):
        run.append([row("d/a.png")])
    assert [path.name for path in run.folder.iterdir()] == ["run.json"]


def _no_space(_):
    raise OSError(28, "No space left on device")


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SynthesightError, match="is not a run"):
        Run.create_or_resume(tmp_path, MANIFEST)
    with pytest.raises(SynthesightError, match="is not a run"):
        Run.create_or_resume(tmp_path / "thesis.tex", MANIFEST)
    with pytest.raises(SynthesightError, match="is not a run"):
        Run.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    with pytest.raises(SynthesightError, match="not valid JSON"):
        Run.open(tmp_path / "broken")


def test_shards_that_start_at_once_share_one_run(tmp_path):
    folder, shards, failures = tmp_path / "run", 8, []
    gate = threading.Barrier(shards)

    def work(shard: int) -> None:
        try:
            gate.wait()
            run = Run.create_or_resume(folder, MANIFEST)
            for part in range(5):
                run.append([row(f"d/{shard}-{part}.png")])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(shard,)) for shard in range(shards)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(Run.open(folder).done()) == 40
    assert Run.open(folder).manifest == MANIFEST


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"observer": ["m"], "stimulus": ["a"]}, "lacks the column 'response'"),
        ({"observer": [None], "stimulus": ["a"], "response": ["cat"]}, "no observer in row 0"),
        (
            {"observer": ["m"], "stimulus": ["a"], "response": ["cat"], "session": ["x"]},
            "fits no trial.*session",
        ),
        (
            {"observer": ["m"], "stimulus": ["a"], "response": ["cat"], "kind": ["robot"]},
            "kind 'robot'",
        ),
    ],
)
def test_what_is_no_trial_is_refused_in_one_sentence(frame, message):
    with pytest.raises(SynthesightError, match=message) as caught:
        conform(pl.DataFrame(frame), "t.parquet")
    assert str(caught.value).startswith("t.parquet")
    assert "\n" not in str(caught.value)


def test_conform_fills_in_and_spells_conditions_as_published():
    frame = pl.DataFrame(
        {
            "observer": "m",
            "stimulus": ["uniform-noise/x/a.png", "false-colour/x/a.png", "mine/x/a.png"],
            "response": "cat",
            "dataset": ["uniform-noise", "false-colour", "mine"],
            "condition": ["0.90", "true", "0.90"],
        }
    )
    trials = conform(frame)
    assert trials["condition"].to_list() == ["0.9", "True", "0.90"]
    assert trials["image"].to_list() == ["a.png"] * 3
    assert trials["session"].to_list() == [1] * 3
    assert conform(trials).equals(trials)
    short = conform(frame.select("observer", "stimulus", "response"))
    assert short.select("dataset", "condition").row(0) == ("", "0")


def older(run: Run) -> None:
    """Make the one part of a run what format 1 wrote: a random name, whole evaluations."""
    (part,) = run.folder.glob("part-*.parquet")
    table = (
        pl.read_parquet(part)
        .drop("digest")
        .with_columns(
            pl.col("evaluations").cast(pl.Int64),
            pl.col("evidence").cast(pl.Array(pl.Float32, 2)),
            pl.col("kind").cast(pl.Categorical),
        )
    )
    table.write_parquet(run.folder / "part-00000-0123456789abcdef.parquet")
    part.unlink()
    (run.folder / "run.json").write_text(json.dumps(MANIFEST))


def test_runs_of_format_1_stay_readable_and_go_on(run):
    run.append([row("d/a.png")])
    older(run)
    again = Run.create_or_resume(run.folder, MANIFEST)
    again.append([row("d/b.png", evaluations=12.5)])
    assert (again.format, run.format) == (1, 2)
    assert again.trials()["evaluations"].to_list() == [40.0, 12.5]
    assert again.lazy().select("evaluations").collect().schema == {"evaluations": pl.Float64}
    assert again.trials()["evidence"].to_list() == [[0.5, -1.0]] * 2
    assert again.done() == {"d/a.png", "d/b.png"}


@pytest.mark.parametrize("seed", range(3))
def test_a_damaged_part_of_format_1_is_named_without_a_panic(run, seed, capfd):
    run.append([row(f"d/{n}.png") for n in range(40)])
    older(run)
    (part,) = run.folder.glob("part-*.parquet")
    rng, whole = random.Random(seed), part.read_bytes()
    for _ in range(60):
        found = bytearray(whole)
        for _ in range(4):
            found[rng.randrange(len(found) - 2000, len(found))] = rng.randrange(256)
        part.write_bytes(found)
        with suppress(SynthesightError):
            Run.open(run.folder).trials()
    assert capfd.readouterr().err == ""


def test_a_byte_that_changed_anywhere_is_found(run):
    run.append([row(f"d/{n}.png") for n in range(3)])
    (part,) = run.folder.glob("part-*.parquet")
    whole = part.read_bytes()
    for place in range(0, len(whole), 37):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        part.write_bytes(changed)
        with pytest.raises(SynthesightError, match="is damaged"):
            run.done()


def test_parts_may_have_more_or_fewer_columns(run):
    run.append([row("d/a.png", size=1, viewpoint="left")])
    run.append([row("d/b.png", size=2.5)])
    run.append(pl.DataFrame([row("d/c.png")]).drop("texture", "digest", strict=False))
    trials = run.trials()
    assert trials.columns == [*SCHEMA, "size", "viewpoint"]
    assert trials["size"].to_list() == [1.0, 2.5, None]
    assert trials["viewpoint"].to_list() == ["left", None, None]
    assert run.lazy().collect().equals(trials)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[1, 2]", "not a JSON object"),
        (b"{", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        ('{"classes": ["\u00e9"]}'.encode("latin-1"), "not valid JSON"),
        (b'{"format": "new"}', "has no format that can be"),
        (b'{"format": 3, "versions": {"synthesight": "9.1"}}', r"the format 3.*with 9\.1 or newer"),
        (b'{"format": 2, "classes": ["cat"]}', "was changed after"),
        (b'{"observer": "m"}', "has no observer that can be"),
    ],
)
def test_a_record_that_is_none_is_refused_in_one_sentence(run, text, words):
    (run.folder / "run.json").write_bytes(text)
    for read in (Run.open, lambda folder: Run.create_or_resume(folder, MANIFEST)):
        with pytest.raises(SynthesightError, match=words) as caught:
            read(run.folder)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def test_a_newer_minor_format_is_read(run):
    run.append([row("d/a.png")])
    record = json.loads((run.folder / "run.json").read_text())
    del record["sha256"]
    record |= {"format": 2.1, "more": True}
    text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    record["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (run.folder / "run.json").write_text(json.dumps(record))
    assert Run.open(run.folder).manifest == {**MANIFEST, "more": True}
    assert Run.open(run.folder).done() == {"d/a.png"}


def test_a_record_too_large_or_no_file_is_refused(run):
    with (run.folder / "run.json").open("ab") as file:
        file.truncate(2**40)  # of which the disk holds nothing
    with pytest.raises(SynthesightError, match="which no settings are"):
        Run.open(run.folder)
    (run.folder / "run.json").unlink()
    os.mkfifo(run.folder / "run.json")
    with pytest.raises(SynthesightError, match="is no file"):
        Run.open(run.folder)


def test_many_small_parts_are_joined(run, monkeypatch):
    monkeypatch.setattr(parts, "MANY", 8)
    run = Run.open(run.folder)
    for n in range(20):
        run.append([row(f"d/{n:02d}.png", response=None if n % 2 else "cat", size=n)])
    before = run.trials()
    joined = Run.create_or_resume(run.folder, MANIFEST)
    joined.grow([Stimulus(f"d/{n:02d}.png", b"") for n in range(20)])
    assert len(list(run.folder.glob("part-*.parquet"))) == 1
    assert joined.trials().equals(before)
    assert json.loads(pl.read_parquet_metadata(next(run.folder.glob("part-*")))["synthesight"])


def test_parts_that_are_joined_while_they_are_read_are_read_anew(run, monkeypatch):
    run.append([row("d/a.png")])
    run.append([row("d/b.png")])
    scan, tries = Parts.scan, []

    def joined_meanwhile(self, damaged=None):
        found = scan(self, damaged)
        if not tries:
            tries.append(1)
            run.append(scan(self).collect())
            for path in sorted(run.folder.glob("part-*"))[:2]:
                path.unlink()
        return found

    monkeypatch.setattr(Parts, "scan", joined_meanwhile)
    assert run.done() == {"d/a.png", "d/b.png"}


def test_further_columns_are_factors_of_the_study_and_group_its_trials():
    trials = trial_table(["cat", "dog", "cat", "cat"], viewpoint=[0, 0, 45, 45]).with_columns(
        size=pl.Series(["s", "l", "s", "l"], dtype=pl.Categorical)
    )
    kept = conform(trials)
    assert factors(kept) == ["viewpoint", "size"]
    assert kept["viewpoint"].to_list() == [0, 0, 45, 45]
    assert kept.schema["size"] == pl.String
    assert accuracy(kept, by="viewpoint").select("viewpoint", "estimate").rows() == [
        (0, 0.5),
        (45, 1.0),
    ]
    assert len(confusion(kept, by=["size", "viewpoint"])["size"].unique()) == 2
