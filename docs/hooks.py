"""Pages of the site that are made from the code: the command line, and a page for each room."""

from __future__ import annotations

import ast
from pathlib import Path

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.cli import get_docs_for_click

from synthesight.cli.main import app

SOURCE = Path(__file__).parents[1] / "src" / "synthesight"
INSIDE = {"cli", "files", "reproduction", "sheets", "zoo"}  # rooms that Python users do not enter


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    pages = {"reference/command-line.md": command_line(), "reference/api/synthesight.md": package()}
    for folder in sorted(SOURCE.iterdir()):
        if (folder / "__init__.py").is_file() and folder.name not in INSIDE:
            pages[f"reference/api/{folder.name}.md"] = room(folder.name)
    for path, content in pages.items():
        files.append(File.generated(config, path, content=content))
    return files


def command_line() -> str:
    """Return the help of every command as Markdown."""
    command = typer.main.get_command(app)
    context = command.make_context("synthesight", [], resilient_parsing=True)
    text = get_docs_for_click(obj=command, ctx=context, name="synthesight", title="Command line")
    return "---\nhide: [navigation]\n---\n" + text


def package() -> str:
    """Return the page of the names that `import synthesight` offers, without the rooms."""
    return _page("synthesight", "synthesight", "\n      show_submodules: false")


def room(name: str) -> str:
    """Return the page of one room."""
    return _page(f"synthesight.{name}", f"synthesight.{name}")


def _page(title: str, module: str, more: str = "") -> str:
    return f"# {title}\n\n::: {module}\n    options:\n      members: {offered(module)}{more}\n"


def offered(module: str) -> list[str]:
    """Return the names in a module's `__all__`, without importing it."""
    path = SOURCE.parent.joinpath(*module.split("."), "__init__.py")
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [name for name in ast.literal_eval(node.value) if not name.startswith("_")]
    raise ValueError(f"{module} offers nothing")
