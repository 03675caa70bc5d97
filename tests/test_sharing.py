"""Runs that several processes share, and that are killed: nothing that was done is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

import synthesight
from builders import ENVIRONMENT, command, encoded, noise, noise_stimuli
from gaussian_mixture import GaussianMixtures
from patient import EACH, OFTEN, Patient
from synthesight import evaluation
from synthesight.errors import SynthesightError
from synthesight.evaluation import evaluate
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.reproducible import BATCH
from synthesight.likelihood.rules import Exhaustive, RepeatedTTest, Rule, Sequential, Staged
from synthesight.likelihood.tuning import Tuner
from synthesight.observers.generative import GenerativeClassifier
from synthesight.stimuli.make.drawn import drawn_objects
from synthesight.stimuli.stimulus import Stimulus
from synthesight.stopping import Stopped, held_back, stoppable
from synthesight.trials.computing import computed
from synthesight.trials.merging import merge
from synthesight.trials.store import Run

CLASSES = list("01234")
ANSWER = ["stimulus", "response", "evidence", "draws", "evaluations", "stopped"]
CODES = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129, "SIGUSR1": 138, "SIGKILL": -9}
posix = pytest.mark.skipif(os.name == "nt", reason="signals")


@pytest.fixture
def stimuli() -> list[Stimulus]:
    shown = noise_stimuli(np.random.default_rng(3), 12)
    return [replace(each, category=CLASSES[n % 5]) for n, each in enumerate(shown)]


class Interrupted(GaussianMixtures):
    """Is stopped after a number of batches, as by Ctrl-C."""

    def __init__(self, after: int | None = None) -> None:
        super().__init__(np.random.default_rng(0).normal(0, 0.6, (5, 2, 12)))
        self.after = after

    def errors(self, *triples):
        if self.after is not None:
            self.after -= 1
            if self.after < 0:
                raise KeyboardInterrupt
        return super().errors(*triples)


def observer(rule: Rule, after: int | None = None, batch_size: int = 16) -> GenerativeClassifier:
    return GenerativeClassifier(
        Interrupted(after), classes=CLASSES, rule=rule, batch_size=batch_size
    )


@pytest.mark.parametrize(
    "rule", [Exhaustive(40), Sequential(60), Staged(60), RepeatedTTest(40)], ids=lambda r: r.name
)
def test_draws_of_undecided_images_are_kept_and_change_nothing(rule, stimuli, tmp_path):
    whole = evaluate(observer(rule), stimuli, tmp_path / "whole").trials()
    rng, spent, notes = random.Random(0), 0.0, []
    for _ in range(100):
        asked = observer(rule, after=rng.randint(10, 40))
        try:
            run = evaluate(asked, stimuli, tmp_path / "run")
            break
        except KeyboardInterrupt as interrupted:
            notes += interrupted.__notes__
        finally:
            spent += asked.usage_.evaluations
    assert len(notes) >= 2
    assert all("of 12 trials are in" in note for note in notes)
    assert run.trials().select(ANSWER).equals(whole.select(ANSWER))
    # Not one network evaluation was done twice.
    assert spent == whole["evaluations"].sum()
    assert not [path for path in (run.folder / "processes").iterdir() if path.suffix != ".json"]


def test_draws_of_an_image_that_was_replaced_are_forgotten(stimuli, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        evaluate(observer(Exhaustive(40), after=4), stimuli[:2], tmp_path / "run")
    other = [replace(each, source=stimuli[5 + n].source) for n, each in enumerate(stimuli[:2])]
    asked = observer(Exhaustive(40))
    found = evaluate(asked, other, tmp_path / "run").trials()
    assert asked.usage_.evaluations == 2 * 40 * 2  # images, draws, categories
    anew = evaluate(observer(Exhaustive(40)), other, tmp_path / "anew").trials()
    assert found.select(ANSWER).equals(anew.select(ANSWER))


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "nonsense"])
def test_kept_draws_that_are_damaged_cost_work_and_no_more(damage, stimuli, tmp_path):
    rule = Exhaustive(40)
    with pytest.raises(KeyboardInterrupt):
        evaluate(observer(rule, after=20), stimuli, tmp_path / "run")
    (kept,) = (tmp_path / "run" / "processes").glob("*.kept")
    content = kept.read_bytes()
    middle = len(content) // 2
    kept.write_bytes(
        {
            "cut": content[:-7],
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "emptied": b"",
            "nonsense": b'{"owner": [], "stimuli": 3}\n' + bytes(40),
        }[damage]
    )
    found = evaluate(observer(rule), stimuli, tmp_path / "run").trials()
    whole = evaluate(observer(rule), stimuli, tmp_path / "whole").trials()
    assert found.select(ANSWER).equals(whole.select(ANSWER))


def test_a_run_records_what_computed_it(stimuli, tmp_path):
    for size in (16, 16, 8):
        evaluate(observer(Exhaustive(8), batch_size=size), stimuli, tmp_path / f"run-{size}")
    run, remarks = merge([tmp_path / "run-16", tmp_path / "run-8"], tmp_path / "both")
    found = computed(run.folder)
    assert remarks == []
    assert sorted(each["batch_size"] for each in found) == [8, 16]
    assert all(each["device"] == "cpu" and each["compiled"] is False for each in found)
    assert found[0]["versions"]["torch"]


def folder_of_images(folder: Path, count: int) -> Path:
    rng = np.random.default_rng(0)
    for number in range(count):
        place = folder / CLASSES[number % 5]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number:03d}.png").write_bytes(encoded(noise(rng, 4)))
    return folder


class Work:
    """A run of the command by processes that can be killed."""

    def __init__(self, folder: Path, count: int) -> None:
        self.images = folder_of_images(folder / "images", count)
        self.log, self.out = folder / "shown.txt", folder / "run"
        self.log.touch()

    def start(self) -> subprocess.Popen[str]:
        script = Path(__file__).with_name("patient.py")
        return subprocess.Popen(
            [sys.executable, str(script), "evaluate", "--stimuli", str(self.images), "--out",
             str(self.out)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | ENVIRONMENT | {"SHOWN_LOG": str(self.log)},
        )  # fmt: skip

    def shown(self) -> list[str]:
        return self.log.read_text().split()

    def wait_for(self, count: int, process: subprocess.Popen[str]) -> None:
        """Wait until so many images were shown, or the process has ended."""
        while len(self.shown()) < count and process.poll() is None:
            time.sleep(0.01)

    def trials(self) -> pl.DataFrame:
        return Run.open(self.out).trials().select("stimulus", "response", "evidence")


@posix
def test_a_run_that_is_killed_again_and_again_goes_on(tmp_path):
    killed(Work(tmp_path, 100), [(name, 20) for name in ("SIGINT", "SIGTERM", "SIGKILL")])


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_keeps_what_there_is_and_has_its_exit_code(name, tmp_path, monkeypatch):
    work = Work(tmp_path, 10)

    class Signalled(Patient):
        def respond(self, *given):
            for number, response in enumerate(super().respond(*given)):
                if number == 4:
                    signal.raise_signal(getattr(signal, name))
                yield response

    monkeypatch.setattr(evaluation, "resolve", lambda name: None)
    monkeypatch.setattr(evaluation, "open_observer", lambda *_: Signalled())
    before = signal.signal(getattr(signal, name), signal.SIG_DFL)
    ended = command("evaluate", "--stimuli", work.images, "--out", work.out)
    assert signal.signal(getattr(signal, name), before) == signal.SIG_DFL
    assert ended.returncode == CODES[name]
    (line,) = ended.stdout.splitlines()
    by = "" if name == "SIGINT" else f" by {name}"
    assert line.startswith(f"Stopped{by}: 4 of 10 trials")
    assert "the same command goes on" in line
    assert len(work.trials()) == 4


@posix
def test_a_signal_that_comes_in_a_destructor_is_not_lost(capsys):
    class Destroyed:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    @stoppable()
    def work():
        destroyed = Destroyed()
        del destroyed
        for _ in range(500):
            time.sleep(0.01)

    with pytest.raises(Stopped, match="15"):
        work()
    assert capsys.readouterr().err == ""


@posix
def test_in_a_thread_a_run_is_made_without_signals(stimuli, tmp_path):
    with ThreadPoolExecutor(1) as pool:
        asked = observer(Exhaustive(8))
        run = pool.submit(evaluate, asked, stimuli, tmp_path / "run").result(timeout=60)
    assert len(run) == len(stimuli)


@posix
def test_what_is_held_back_comes_at_the_end():
    done = []

    @held_back()
    def work():
        signal.raise_signal(signal.SIGINT)
        done.append("whole")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        signal.signal(signal.SIGINT, before)
    assert done == ["whole"]


@posix
@pytest.mark.stress
def test_fifty_kills_lose_nothing(tmp_path):
    rng = random.Random(os.environ.get("SEED"))
    names = [rng.choice(list(CODES)) for _ in range(50)]
    killed(Work(tmp_path, 1500), [(name, rng.randint(1, 60)) for name in names])


@pytest.fixture(autouse=True)
def log_of_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOWN_LOG", str(tmp_path / "shown-here.txt"))


def killed(work: Work, kills: list[tuple[str, int]]) -> None:
    """Kill the command, by each signal once so many images more were shown."""
    before = pl.DataFrame()
    allowed = 0
    for name, count in kills:
        process = work.start()
        work.wait_for(len(work.shown()) + count, process)
        process.send_signal(getattr(signal, name))
        if name == "SIGINT":
            process.send_signal(signal.SIGINT)  # people are impatient
        out, errors = process.communicate(timeout=60)
        assert process.returncode == CODES[name], errors
        assert "Traceback" not in errors
        trials = work.trials()
        if len(before):  # no row that was there is gone or has changed
            assert len(before.join(trials, on=before.columns, how="semi")) == len(before)
        if name == "SIGKILL":
            allowed += int(2 * OFTEN / EACH) + 2
        else:
            allowed += 1  # the one that was being shown
            assert f"{len(trials)} of" in out
            assert "the same command goes on" in out
        before = trials
    process = work.start()
    assert process.communicate(timeout=240)
    assert process.returncode == 0
    counts = Counter(work.shown())
    assert len(work.trials()) == len(counts)
    assert sum(counts.values()) - len(counts) <= allowed
    undisturbed = evaluate(Patient(0.0), work.images, work.out.with_name("whole")).trials()
    assert undisturbed.select(work.trials().columns).equals(work.trials())
    left = [p.name for p in (work.out / "processes").iterdir() if p.suffix == ".kept"]
    assert not left


@posix
def test_processes_share_a_run_and_take_over_what_a_killed_one_leaves(tmp_path):
    work = Work(tmp_path, 150)
    first, second = work.start(), work.start()
    work.wait_for(50, first)
    first.kill()
    first.communicate()
    _, errors = second.communicate(timeout=120)
    assert second.returncode == 0, errors
    counts = Counter(work.shown())
    assert len(counts) == len(work.trials()) == 150
    # Only what the killed process had shown and not written was shown again.
    assert sum(counts.values()) - 150 <= 2 * OFTEN / EACH + 2
    assert first.returncode == -9


@pytest.mark.slow
def test_reproducible_evidence_is_the_same_to_the_last_bit(tmp_path, monkeypatch):
    shown = drawn_objects(shapes=["car", "cat"], per_category=2, size=32)
    asked = synthesight.load("natural-32", classes=["car", "cat"], device="cpu", max_draws=12)
    whole, batches, stop = PipelineDenoiser.errors, [], []

    def errors(self, *triples):
        batches.append(len(triples[0]))
        if stop and len(batches) == stop[0]:
            raise KeyboardInterrupt
        return whole(self, *triples)

    monkeypatch.setattr(PipelineDenoiser, "errors", errors)

    def answers(name, size, **how):
        asked.tuner = Tuner(size)
        given = {"progress": False, "reproducible": True} | how
        run = evaluate(asked, shown, tmp_path / name, **given)
        return run.trials().select("stimulus", "evidence", "draws")

    expected = answers("whole", 16)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    answers("run", 5, shard="2/2")
    stop.append(len(batches) + 3)
    with pytest.raises(KeyboardInterrupt):
        answers("run", 5)
    assert answers("run", 64).equals(expected)
    assert set(batches) == {BATCH}
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    with pytest.raises(SynthesightError, match="reproducible"):
        answers("run", 5, reproducible=False)
