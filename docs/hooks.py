"""Pages of the site that are made from other files: the command line, the rooms, the notebooks."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter
from typer.cli import get_docs_for_click

from synthesight.cli.main import app
from synthesight.observers.registry import entries

SOURCE = Path(__file__).parents[1] / "src" / "synthesight"
INSIDE = {"cli", "files", "reproduction", "sheets", "zoo"}  # rooms that Python users do not enter


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {
        "reference/command-line.md": command_line(),
        "reference/api/synthesight.md": page_of("synthesight"),
    }
    for folder in sorted(SOURCE.iterdir()):
        if (folder / "__init__.py").is_file() and folder.name not in INSIDE:
            pages[f"reference/api/{folder.name}.md"] = page_of(f"synthesight.{folder.name}")
    for notebook in sorted(Path(config.docs_dir).rglob("*.ipynb")):
        place = notebook.relative_to(config.docs_dir)
        text, resources = MarkdownExporter().from_filename(str(notebook))
        link = f"[Download this notebook]({notebook.name}){{ .md-button download }}"
        pages[str(place.with_suffix(".md"))] = _named(text, notebook.stem) + link + "\n"
        for name, content in resources["outputs"].items():
            pages[str(place.parent / f"{notebook.stem}_{name}")] = content
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def _named(text: str, notebook: str) -> str:
    """Return a notebook's page, whose pictures are named after it and whose outputs are code."""
    text = re.sub(r"!\[\w*\]\((output_\S+)\)", rf"![Output of the cell above]({notebook}_\1)", text)
    # Printed text is indented by four spaces; as a fence it is set apart from what a cell is.
    return re.sub(
        r"(?ms)^```.*?^```$|^ {4}\S.*?(?=\n+^\S|\Z)",
        lambda found: (
            found[0] if found[0].startswith("`") else f"```text\n{dedent(found[0]).strip()}\n```"
        ),
        text,
    )


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of known models in its place."""
    return markdown.replace("<!-- known models -->", models())


def models() -> str:
    """Return the table of the models that have a name."""
    head = "| name | kind | family | million parameters | pixels | licence | needs |"
    rows = [
        f"| `{model.name}` | {model.kind} | {model.family} | {model.parameters:g} "
        f"| {model.resolution} | {model.licence} | {model.needs} |"
        for model in entries().values()
    ]
    return "\n".join([head, "|---|---|---|---:|---:|---|---|", *rows])


def command_line() -> str:
    """Return the help of every command as Markdown."""
    command = typer.main.get_command(app)
    whole_summaries(command)
    context = command.make_context("synthesight", [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name="synthesight", title="Command line")
    return "---\nhide: [navigation]\n---\n" + text


def whole_summaries(command: Any) -> None:
    """Give each command its first sentence as its summary, which is else cut after some words."""
    if command.help and not command.short_help:
        command.short_help = " ".join(command.help.split("\n\n")[0].split())
    for each in getattr(command, "commands", {}).values():
        whole_summaries(each)


def page_of(module: str) -> str:
    """Return the page of a package: what its docstring says, then each name that it offers."""
    package = import_module(module)
    names = [name for name in package.__all__ if not name.startswith("_")]
    # A function that is called as its file, such as accuracy, would be taken for the module.
    homes = {name: getattr(getattr(package, name), "__module__", "") for name in names}
    alike = {name: home for name, home in homes.items() if home.endswith(f".{name}")}
    others = [name for name in names if name not in alike]
    page = f"# {module}\n\n::: {module}\n    options:\n      members: {others}\n"
    for name, home in alike.items():
        page += f"\n::: {home}.{name}\n    options:\n      show_root_heading: true\n"
        page += "      show_root_toc_entry: true\n      show_root_full_path: false\n"
    return page
