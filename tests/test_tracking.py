"""Trackers: lines of JSON, and two libraries of one interface."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pytest

from builders import day_and_night, done, refused
from synthesight.errors import SynthesightError
from synthesight.tracking import JsonLines, open_tracker


class Library(SimpleNamespace):
    """What trackio and wandb have in common; it keeps what it is told."""

    def __init__(self) -> None:
        super().__init__(calls=[], logged=[], finished=0)

    def init(self, **options):
        self.calls.append(options)
        if options["project"] == "no/name":
            raise ValueError("project names have no slash")
        return self

    def log(self, numbers, step=None):
        self.logged.append((step, dict(numbers)))

    def finish(self):
        self.finished += 1


@pytest.fixture(params=["trackio", "wandb"])
def library(request, monkeypatch):
    fake = Library()
    monkeypatch.setitem(sys.modules, request.param, fake)
    return request.param, fake


def test_libraries_go_on_with_the_run_of_a_folder(library, tmp_path):
    name, fake = library
    for _ in range(2):
        with open_tracker(f"{name}:shapes", tmp_path / "study", {"seed": 1}) as tracker:
            tracker.log({"accuracy": 0.5}, step=3)
    assert fake.calls[0] == fake.calls[1]
    assert fake.calls[0]["project"] == "shapes"
    assert fake.calls[0]["resume"] == "allow"
    assert fake.calls[0]["config"] == {"seed": 1}
    with open_tracker(f"{name}:shapes", tmp_path / "other" / "study", {}):
        pass
    assert fake.calls[2] | {"config": {"seed": 1}} != fake.calls[0]
    assert fake.logged == [(3, {"accuracy": 0.5})] * 2
    assert fake.finished == 3


def test_a_library_is_closed_whatever_happens(library, tmp_path):
    name, fake = library
    with pytest.raises(KeyboardInterrupt), open_tracker(f"{name}:shapes", tmp_path, {}):
        raise KeyboardInterrupt
    assert fake.finished == 1


def test_what_a_library_refuses_is_one_sentence(library, tmp_path):
    name, _ = library
    with (
        pytest.raises(SynthesightError, match="project names have no slash"),
        open_tracker(f"{name}:no/name", tmp_path, {}),
    ):
        pass


def test_a_library_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with (
        pytest.raises(SynthesightError, match=r"pip install 'synthesight\[tracking\]'"),
        open_tracker("wandb:shapes", tmp_path, {}),
    ):
        pass


def test_lines_are_json_whatever_the_numbers(tmp_path):
    lines = JsonLines(tmp_path / "log.jsonl")
    lines.log({"loss": float("nan"), "name": "ü"}, step=1)
    lines.log({"loss": 1.0})
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    with lines.path.open("a") as file:  # by another program, and one that a crash cut
        file.write('[1]\n3\n{"loss": 2}\n{"step": "x"}\n' + "[" * 10**5 + '\n{"step": 9')
    assert lines.read("step") == rows[:1]
    assert rows == [{"step": 1, "loss": None, "name": "ü"}, {"loss": 1.0}]


def test_a_training_logs_its_loss(tmp_path):
    data = day_and_night(tmp_path / "data.parquet")
    train = ("train", "discriminative", "--data", data, "--out", tmp_path / "net", "--epochs", 1,
             "--batch-size", 20, "--device", "cpu")  # fmt: skip
    assert "did you mean jsonl" in refused(*train, "--track", "json:log")
    assert "names no place" in refused(*train, "--track", "trackio:")
    done(*train, "--track", f"jsonl:{tmp_path / 'log.jsonl'}")
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert all(row["run"] == "net" and row["loss"] > 0 for row in rows)
