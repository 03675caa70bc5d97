"""What docstrings, examples and benchmarks show runs as it is written."""

from __future__ import annotations

import doctest
import importlib
import runpy
import sys
from pathlib import Path

import pytest

from builders import done
from synthesight.likelihood.rules import RULES
from synthesight.stimuli.make.drawn import drawn_objects, save

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


@pytest.mark.usefixtures("metrics_as_before")
@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted
    assert not found.failed


def test_a_model_of_ones_own(capsys):
    runpy.run_path(str(ROOT / "examples" / "own_model.py"), run_name="__main__")
    lines = [line for line in capsys.readouterr().out.splitlines() if "image-" in line]
    assert len(lines) == 3
    assert all("┆ red      ┆" in line for line in lines)


def test_an_exact_model_of_ones_own(capsys):
    runpy.run_path(str(ROOT / "examples" / "own_exact_model.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert shown.count("┆ sunset   ┆") == 2
    assert "2.0 passes" in shown


def test_the_benchmark_of_decision_rules(tmp_path, monkeypatch, capsys):
    save(drawn_objects(shapes=("car", "cat"), per_category=2, size=32), tmp_path / "drawn")
    done(
        "evaluate", "--stimuli", tmp_path / "drawn", "--classes", "car,cat", "--device", "cpu",
        "--rule", "exhaustive", "--max-draws", "24", "--keep-draws", "--out", tmp_path / "run",
    )  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["decision_rules.py", str(tmp_path / "run"), "--worst", "0"])
    capsys.readouterr()
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(str(ROOT / "benchmarks" / "decision_rules.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert "run: 4 images, 24 draws" in shown
    for rule in RULES:
        assert f"│ {rule}" in shown
