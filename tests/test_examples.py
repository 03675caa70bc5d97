"""What the documentation shows runs as it is written."""

from __future__ import annotations

import doctest
import importlib
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from builders import save_pictures
from synthesight.likelihood.rules import RULES
from synthesight.stimuli.make.drawn import drawn_objects, save

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
MODULES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
    for path in SOURCE.rglob("*.py")
    if ">>>" in path.read_text(encoding="utf-8")
)


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


def test_the_benchmark_of_decision_rules(tmp_path, monkeypatch, capsys):
    save(drawn_objects(shapes=("car", "cat"), per_category=2, size=32), tmp_path)
    options = ["--stimuli", str(tmp_path), "--limit", "4", "--draws", "8"]
    monkeypatch.setattr(sys, "argv", ["decision_rules.py", *options])
    with pytest.raises(SystemExit, match=r"^0$"):
        runpy.run_path(str(ROOT / "benchmarks" / "decision_rules.py"), run_name="__main__")
    shown = capsys.readouterr().out
    assert "natural-32, 4 images, 2 classes, 8 draws" in shown
    for rule in RULES:
        assert f"│ {rule}" in shown


def test_the_python_of_the_readme(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for name, colour in (("a.png", "brown"), ("b.png", "blue")):
        save_pictures(tmp_path, name, size=(40, 32), colour=colour)
    values: dict = {}
    exec(compile(code, "README.md", "exec"), values)
    result = values["result"]
    assert result.posterior.shape == result.posterior_se.shape == (2, 3)
    np.testing.assert_allclose(result.posterior.sum(axis=1), 1)
    assert set(result.labels) <= {"cat", "dog", "car"}
    assert result.evaluations > 0
