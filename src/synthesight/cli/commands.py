"""Groups of commands: how help is laid out, what is typed is read, and messages name options."""

from __future__ import annotations

import ast
import re
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from synthesight.cli.mistakes import all_commands, check_once, no_command
from synthesight.cli.words import EXAMPLES, MANY, OPTIONS
from synthesight.encoding import sentence
from synthesight.errors import SynthesightError
from synthesight.stopping import by, code_of

_PARAMETER = re.compile(r"`([a-z_0-9]+)(?:=([^`]*))?`")
_PATH = re.compile(r"[./\\*?:]")  # what a path or a pattern has, and the name of a class has not
_HOME = re.compile(r"~[\w.-]*(/|$)")  # with which a path begins, and no text
_TAG = re.compile(r"(?<!\\)\[(?=[a-z#/@])")  # what panels would take for a style, as in x[extra]
NARROW = 60  # columns of a terminal


@dataclass(frozen=True)
class _Running:
    """The options of the command that runs, and all commands: for messages, wherever from."""

    options: Mapping[str, str] = field(default_factory=dict)
    root: Any = None


NONE = _Running()
_running: ContextVar[_Running] = ContextVar("_running", default=NONE)


class Commands(TyperGroup):
    """Commands whose messages speak of their options, and that say so when they are stopped."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        if command is not None:
            _lay_out(command, f"{ctx.command_path} {cmd_name}".partition(" ")[2], ctx)
        return command

    def make_context(self, *given: Any, **more: Any) -> Any:
        _narrow(self)
        return super().make_context(*given, **more)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise no_command(args, ctx.command_path, list(self.commands))
        name, command, words = super().resolve_command(ctx, args)
        _running.set(_Running(flags(command), ctx.find_root().command))
        if words == ["help"]:
            raise SynthesightError(f"Help is an option: type `{ctx.command_path} {name} -h`.")
        words = understood(command, words)
        check_once(command, words)
        return name, command, words

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            with suppress(OSError):  # of a terminal that is gone
                say(f"Stopped{by(stopped)}.")
            raise typer.Exit(code_of(stopped)) from None


def _narrow(command: Any) -> None:
    """Let a command do without panels, in which words would be cut, on a narrow terminal."""
    if (columns := shutil.get_terminal_size().columns) < NARROW:
        command.rich_markup_mode = None
        command.context_settings["terminal_width"] = columns
        command.short_help = (command.help or "").split("\n\n")[0].replace("\n", " ")


def _lay_out(command: Any, path: str, ctx: Any) -> None:
    """Give a command its example, and its options panels where they are many."""
    if path in EXAMPLES:
        command.epilog = f"Example: synthesight {EXAMPLES[path]}"
    _narrow(command)
    for each in (command, *command.params) if command.rich_markup_mode else ():
        each.help = _TAG.sub(r"\\[", getattr(each, "help", None) or "")
    panels = {name: panel for panel, names in OPTIONS.items() for name in names}
    order = list(OPTIONS)
    if sum(each.param_type_name == "option" for each in command.params) < MANY:
        return
    for each in command.params:
        if each.param_type_name == "option":
            each.rich_help_panel = panels.get(each.name, each.rich_help_panel)
    command.params.sort(  # arguments first, as they were
        key=lambda each: (
            order.index(panels[each.name])
            if each.param_type_name == "option" and each.name in panels
            else -1
        )
    )
    if (about := command.get_help_option(ctx)) is not None:
        about.rich_help_panel = order[-1]


def understood(command: Any, words: Sequence[str]) -> list[str]:
    """Return what is typed after a command as the parser reads it.

    ``--batch_size`` and ``-model`` are ``--batch-size`` and ``--model``; classes may stand between
    blanks.

    Raises
    ------
    SynthesightError
        If a word may be a class or a folder.
    """
    known = {name for each in getattr(command, "params", ()) for name in each.opts} | {"--help"}
    found: list[str] = []
    for place, word in enumerate(words):
        name, sign, value = word.partition("=")
        if name.startswith("-") and _HOME.match(value):  # which shells leave as it is
            word, value = f"{name}={Path(value).expanduser()}", str(Path(value).expanduser())
        _check_blanks(words[place : place + 6])
        meant = f"--{name.lstrip('-').replace('_', '-').lower()}"
        long = len(name.strip("-")) > 1
        if name.startswith("-") and long and name not in known and meant in known:
            word = f"{meant}{sign}{value}"
        found.append(word)
    named = next(
        (each.opts for each in getattr(command, "params", ()) if each.name == "classes"), ()
    )
    for start in [place for place, word in enumerate(found, 1) if word in named][:1]:
        count = _count_classes(found[start:])
        classes = [word.strip(",") for word in found[start : start + count]]
        if count > 1:
            found[start : start + count] = [",".join(classes)]
    return found


def _check_blanks(words: Sequence[str]) -> None:
    """Refuse a path with blanks that lacks quotes."""
    with suppress(OSError):  # of a text that is too long for a name
        if words[0].startswith("-") or Path(words[0]).exists():
            return
        for end in range(2, len(words) + 1):
            if Path(whole := " ".join(words[:end])).exists():
                raise SynthesightError(
                    f"The path {whole} has blanks: write it in quotes, '{whole}'."
                )


def _count_classes(words: Sequence[str]) -> int:
    """Return how many words are the classes: the first, and others that can be nothing else."""
    from synthesight.observers.class_files import is_file
    from synthesight.observers.registry import entries

    first, *others = words or [","]
    if is_file(first) or "," in first.rstrip(","):
        return 1
    for count, word in enumerate(others, 1):
        if word.startswith("-") or _PATH.search(word) or word in entries():
            return count
        if Path(word).exists():
            both = ",".join(each.strip(",") for each in words[: count + 1])
            raise SynthesightError(
                f"{word} is a file or folder here, and may be a class: write commas between the "
                f"classes, as in `classes={both!r}`, or ./{word}."
            )
    return len(words)


def flags(command: Any) -> dict[str, str]:
    """Return a command's options by the names that they have in Python."""
    return {
        each.name: next((name for name in each.opts if name.startswith("--")), each.opts[0])
        for each in getattr(command, "params", ())
        if each.param_type_name == "option"
    }


def given_words(context: typer.Context, left_out: Collection[str]) -> list[str]:
    """Return the options that a command was given, as words of a command line, but for some."""
    written = flags(context.command)
    words = []
    for name, value in context.params.items():
        source = context.get_parameter_source(name)
        if name in left_out or source is None or source.name != "COMMANDLINE":
            continue
        values = value if isinstance(value, list | tuple) else [value]
        words += [word for each in values for word in (written[name], str(each))]
    return words


def translate(message: str, options: Mapping[str, str] | None = None) -> str:
    """Return a message in which parameters in backquotes are written as options.

    Parameters
    ----------
    message
        A sentence with parameters such as `` `max_draws` `` or `` `max_draws=50` ``.
    options
        Of each parameter that is an option, how it is written; the others are left alone. None for
        those of the command that runs; where it lacks one that another command has, that command is
        named.

    Examples
    --------
    >>> translate("leave out `max_draws=50`", {"max_draws": "--max-draws"})
    'leave out --max-draws 50'
    """
    running = _running.get() if options is None else _Running(options)

    def option(match: re.Match[str]) -> str:
        name, text = match.groups()
        value = "" if text is None else f" {_argument(text)}"
        if name in running.options:
            return running.options[name] + value
        elsewhere = _elsewhere(running.root, name)
        return f"`{elsewhere}{value}`" if elsewhere else match[0]

    return _PARAMETER.sub(option, message)


def _elsewhere(root: Any, name: str) -> str | None:
    """Return the first command that has an option, with the option."""
    if root is None:
        return None
    for words, command in all_commands(root):
        if written := flags(command).get(name):
            return f"{words} {written}"
    return None


def _argument(text: str) -> str:
    """Return a value that is written in Python as one writes it on the command line."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    argument = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f'"{argument}"' if " " in argument or not argument else argument


def say(text: str) -> None:
    """Write a message on standard error, on one line, whatever names and errors are in it."""
    print(f"synthesight: {sentence(text)}", file=sys.stderr)
