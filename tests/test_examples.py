"""What the documentation shows runs as it is written."""

from __future__ import annotations

import doctest
import importlib
import re
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

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


def test_the_python_of_the_readme(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for name, colour in (("a.png", "brown"), ("b.png", "blue")):
        Image.new("RGB", (40, 32), colour).save(name)
    values: dict = {}
    exec(compile(code, "README.md", "exec"), values)
    result = values["result"]
    assert result.posterior.shape == result.posterior_se.shape == (2, 3)
    np.testing.assert_allclose(result.posterior.sum(axis=1), 1)
    assert set(result.labels) <= {"cat", "dog", "car"}
    assert result.evaluations > 0
