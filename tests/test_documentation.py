"""What the pages show runs as it is written, and the site can be built.

Blocks of `sh` and `python` run here, offline, page by page in an empty folder. Those of `console`
and `py` need images, weights or machines that are not here: commands are parsed, and no more.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from itertools import takewhile
from pathlib import Path

import pytest

from builders import built_command, done, save_pictures
from synthesight.cli.main import app
from synthesight.trials import SCHEMA

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if not {".venv", "site"} & {*path.relative_to(ROOT).parts}
)
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))
GENERATED = re.compile(r"docs/reference/(command-line|api/\w+)\.md")
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
REPOSITORY, SITE = URLS["Repository"] + "/", URLS["Documentation"]
OWN = re.compile(r"https://(?:github\.com/[\w.-]+|[\w.-]+\.github\.io)/synthesight[^\s\"')>]*")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *languages: str) -> list[tuple[str, str]]:
    """Return the language and text of those blocks of a page."""
    return [each for each in BLOCK.findall(page.read_text("utf-8")) if each[0] in languages]


def commands(text: str) -> list[list[str]]:
    """Return the commands of some lines, without what the shell does with their output."""
    words = (shlex.split(line, comments=True) for line in text.replace("\\\n", " ").splitlines())
    return [[*takewhile(lambda word: word not in (">", "|"), each)] for each in words if each]


def mentioned(page: Path) -> list[list[str]]:
    """Return the commands of a page: those of its blocks, and those within a line."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    inline = [each.replace("\n", " ") for each in re.findall(r"`(synthesight\s[^`]+)`", text)]
    shown = [code for _, code in blocks(page, "sh", "console")]
    return [each for code in [*shown, *inline] for each in commands(code)]


def parse(arguments: list[str]) -> None:
    """Parse a command as the command line does; one without options may be only a mention."""
    command = built_command(app)
    while arguments and hasattr(command, "commands") and not arguments[0].startswith("-"):
        name, *arguments = arguments
        command = command.commands[name]
    if any(argument.startswith("--") for argument in arguments):
        command.make_context("synthesight", arguments)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_commands_of_the_pages_are_those_of_the_command_line(page):
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for program, *arguments in mentioned(page):
        if program == "make":
            assert {each for each in arguments if "=" not in each} <= set(targets)
        elif program == "synthesight":
            parse(arguments)
        elif program.endswith("python") and arguments[0].endswith(".py"):
            assert (ROOT / arguments[0]).is_file()


NUMBER = re.compile(r"-?\d+\.\d+")


@pytest.mark.usefixtures("metrics_as_before")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "sh", "python")], ids=name_of
)
def test_what_the_pages_show_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SYNTHESIGHT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, colour in (("a.png", "brown"), ("b.png", "blue")):
        save_pictures(tmp_path, name, size=(40, 32), colour=colour)
    values: dict = {}
    shown: list[str] = []
    for language, code in blocks(page, "sh", "python", "text"):
        if language == "python":
            exec(compile(code, page.name, "exec"), values)
        elif language == "sh":
            for program, *arguments in commands(code):
                assert program == "synthesight"
                shown = done(*arguments).splitlines()
        else:
            # What the last command printed: name, answer, head and winner; the rest differs a
            # little between machines.
            for line, other in zip(shown[:5], code.splitlines()[:5], strict=True):
                assert NUMBER.sub("#", line).split() == NUMBER.sub("#", other).split()


def place_of(target: str, page: Path) -> Path | None:
    """Return the file that a link leads to; None for a page of others."""
    path = target.split("#")[0]
    if path.startswith(REPOSITORY):
        return ROOT / path.removeprefix(REPOSITORY).split("/main/", 1)[1]
    if path.startswith(SITE):
        page_of_site = path.removeprefix(SITE) or "index.html"
        return ROOT / "docs" / re.sub(r"\.html$", ".md", page_of_site)
    return None if path.startswith("http") else page.parent / path if path else page


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_links_of_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        place = place_of(target, page)
        if place is not None and not GENERATED.fullmatch(
            place.resolve().relative_to(ROOT).as_posix()
        ):
            assert place.exists() or place.with_suffix(".ipynb").exists(), target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_files_that_pages_include_are_there(page):
    for line in re.findall(r"^--8.*$", page.read_text("utf-8"), re.MULTILINE):
        (path,) = re.findall(r'^--8<-- "(\S+)"$', line)  # a formatter may have taken it for code
        assert (ROOT / path).is_file()


def test_the_addresses_of_repository_and_site_are_those_of_the_package():
    others = ("mkdocs.yml", "CITATION.cff", "pyproject.toml", ".github/ISSUE_TEMPLATE/config.yml")
    files = [*PAGES, *(ROOT / name for name in others), *(ROOT / "src").rglob("*.py")]
    found = [each for path in files for each in OWN.findall(path.read_text("utf-8"))]
    assert len(found) > 30
    assert {each for each in found if not f"{each}/".startswith((REPOSITORY, SITE))} == set()


def test_the_readme_is_short_and_its_links_are_whole():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.split()) <= 600
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    assert targets
    assert all(target.startswith("https://") for target in targets)
    assert (ROOT / "docs" / "demo.png").stat().st_size <= 400_000
    table = (ROOT / "docs/reference/models.md").read_text("utf-8").split("| refused |")[0]
    opened = {*re.findall(r"^\| (\w+Pipeline)\b", table, re.MULTILINE)}
    assert f"| {len(opened)} [pipeline classes]" in text


def test_ci_runs_the_command_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
    assert script[-1] == "make test"
    assert ["make", "test"] in mentioned(ROOT / "README.md")


def test_there_is_one_version():
    from synthesight import __version__

    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text("utf-8")
    # The package is told by the same line.
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_every_python_that_is_promised_is_tested():
    promised = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    workflow = (ROOT / ".github" / "workflows" / "check.yml").read_text("utf-8")
    (tested,) = re.findall(r"python: \[(.*)\]", workflow)
    assert re.findall(r"3\.\d+", tested) == promised


def test_the_columns_of_trials_are_all_described():
    text = (ROOT / "docs" / "reference" / "formats.md").read_text("utf-8")
    table = text.split("## Trials")[1].split("\n\n")[2]
    first = (line.split("|")[1] for line in table.splitlines()[2:])
    assert {name for cell in first for name in re.findall(r"`(\w+)`", cell)} == set(SCHEMA)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_notebooks_are_kept_with_what_they_printed(path):
    text = path.read_text("utf-8")
    assert len(text) < 200_000
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"execute_result", "stream"}
    assert any("image/svg+xml" in output.get("data", ()) for output in outputs)
    assert "/home/" not in text
    assert "/tmp/" not in text


@pytest.mark.stress
@pytest.mark.parametrize("path", NOTEBOOKS, ids=name_of)
def test_notebooks_run(path, data_folder, monkeypatch):
    pytest.importorskip("nbclient")
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(data_folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import notebooks

    kept = json.loads(path.read_text("utf-8"))["cells"]
    for before, after in zip(kept, notebooks.executed(path).cells, strict=True):
        told = [
            [each["output_type"] for each in cell.get("outputs", [])] for cell in (before, after)
        ]
        assert told[0] == told[1]


@pytest.mark.stress
def test_the_site_can_be_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("nbconvert")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        check=True,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
    )
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        # Nothing is fetched from elsewhere when a page is read.
        text = page.read_text("utf-8")
        assert not re.search(r"<(script|img|iframe)[^>]*\ssrc=\"?https?:", text), page
        assert not re.search(r"<link[^>]*rel=\"?(stylesheet|preconnect)[^>]*https?:", text), page
    for page in (tmp_path / "site" / "reference" / "api").iterdir():
        shown = {
            each.split(".")[-1] for each in re.findall(r'id="([\w.]+)"', page.read_text("utf-8"))
        }
        room = page.stem if page.stem == "synthesight" else f"synthesight.{page.stem}"
        offered = {each for each in import_module(room).__all__ if not each.startswith("_")}
        assert offered <= shown, page
    index = (tmp_path / "site" / "search" / "search_index.js").read_text("utf-8")
    assert "error_consistency" in index
    assert "--keep-draws" in index


def test_the_dockerfile_names_what_there_is():
    """Each file that it copies is here and let in, each argument is used, each extra exists."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    let_in = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = [name for line in re.findall(r"^COPY (.+)$", text, re.M) for name in line.split()[:-1]]
    assert set(copied) == let_in
    assert all((ROOT / name).exists() for name in copied)
    arguments = re.findall(r"^ARG (\w+)=", text, re.M)
    assert all(re.search(rf"\$\{{?{name}\b", text) for name in arguments)
    assert set(re.findall(r"--build-arg (\w+)", text)) <= set(arguments)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (entry,) = re.findall(r'^ENTRYPOINT \["(\S+)"\]$', text, re.M)
    assert entry in project["scripts"]
    extras = {each for found in re.findall(r"\[([\w,]+)\]", text) for each in found.split(",")}
    assert extras <= set(project["optional-dependencies"])
