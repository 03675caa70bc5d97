"""What the documentation shows runs as it is written."""

from __future__ import annotations

import doctest
import importlib
import re
import runpy
import shlex
import sys
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from typer.main import get_command

from builders import done, save_pictures
from synthesight.cli.main import app
from synthesight.likelihood.rules import RULES
from synthesight.stimuli.make.drawn import drawn_objects, save

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", "site"} & {*path.relative_to(ROOT).parts}
)
SOURCE = ROOT / "src"
REPOSITORY = "https://github.com/synthesight/synthesight/"
SITE = "https://synthesight.github.io/synthesight/"
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


def commands(text: str) -> list[list[str]]:
    """Return the commands of a page: those of its sh blocks, and those within a line."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    inline = re.findall(r"`(synthesight\s[^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    words = [shlex.split(line, comments=True) for line in [*lines, *inline]]
    # What the shell does with the output is not the command's.
    return [[*takewhile(lambda word: word not in (">", "|"), each)] for each in words if each]


def parse(arguments: list[str]) -> None:
    """Parse a command as the command line does; one without options may be only a mention."""
    command = get_command(app)
    while arguments and hasattr(command, "commands"):
        name, *arguments = arguments
        command = command.commands[name]
    if any(argument.startswith("--") for argument in arguments):
        command.make_context("synthesight", arguments)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_the_pages_are_those_of_the_command_line(page):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for program, *arguments in commands(page.read_text("utf-8")):
        if program == "make":
            assert set(arguments) <= set(targets)
        elif program == "synthesight":
            parse(arguments)
        elif program.endswith("python") and arguments[0].endswith(".py"):
            assert (ROOT / arguments[0]).is_file()


def test_what_the_readme_shows_is_what_the_commands_print(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "README.md").read_text("utf-8")
    first, second, *_ = (each[1:] for each in commands(text) if each[0] == "synthesight")
    done(*first)
    shown = done(*second, "--device", "cpu").splitlines()
    (printed,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    for line, other in zip(shown[:5], printed.splitlines()[:5], strict=True):
        # Name, answer, head and winner; the rest differs a little between machines.
        assert line.split("│")[:2] == other.split("│")[:2] or line.strip() == other


def place_of(target: str, page: Path) -> Path | None:
    """Return the file that a link leads to; None for a page of others."""
    path = target.split("#")[0]
    if path.startswith(REPOSITORY):
        return ROOT / path.removeprefix(REPOSITORY).split("/main/", 1)[1]
    if path.startswith(SITE):
        page_of_site = path.removeprefix(SITE) or "index.html"
        return ROOT / "docs" / re.sub(r"\.html$", ".md", page_of_site)
    return None if path.startswith("http") else page.parent / path if path else page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_links_of_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        place = place_of(target, page)
        if place is not None and not place.is_relative_to(ROOT / "docs" / "reference"):
            assert place.exists(), target


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "```python" in page.read_text("utf-8")],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_the_python_of_the_pages(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, colour in (("a.png", "brown"), ("b.png", "blue")):
        save_pictures(tmp_path, name, size=(40, 32), colour=colour)
    values: dict = {}
    for code in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        exec(compile(code, page.name, "exec"), values)
    if page.name == "README.md":
        result = values["result"]
        assert result.score.shape == result.score_se.shape == (2, 3)
        np.testing.assert_allclose(result.score.sum(axis=1), 1)
        assert set(result.labels) <= {"cat", "dog", "car"}
        assert result.evaluations > 0
