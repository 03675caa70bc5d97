"""Make a command's options from a dataclass of them, and its messages from Python's."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import MISSING, fields
from inspect import Parameter, signature
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup

from synthesight.cli.mistakes import check_once, no_command
from synthesight.encoding import sentence
from synthesight.errors import SynthesightError
from synthesight.observers.class_files import is_file
from synthesight.observers.options import MOST_SEED, ModelOptions
from synthesight.stopping import by, code_of

Device = Annotated[
    str | None, typer.Option(help="cpu, cuda or cuda:1. Default: the GPU if there is one.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the datasets. Default: SYNTHESIGHT_DATA, else the cache."),
]


def written_to(help: str) -> Any:
    """Return the option of a place to write to, which other programs call by other names."""
    return typer.Option("--out", "--output", "-o", help=help)


_PARAMETER = re.compile(r"`([a-z_0-9]+)(?:=([^`]*))?`")


# The options of the command that runs: for messages, wherever they come from.
_options: ContextVar[Mapping[str, str]] = ContextVar("_options", default=MappingProxyType({}))


class Commands(TyperGroup):
    """Commands whose messages speak of their options, and that say so when they are stopped."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            raise no_command(args[0], ctx.command_path, list(self.commands))
        found = super().resolve_command(ctx, args)
        check_once(found[1], found[2])
        _options.set(flags(found[1]))
        return found

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stopped:
            with suppress(OSError):  # of a terminal that is gone
                say(f"Stopped{by(stopped)}.")
            raise typer.Exit(code_of(stopped)) from None


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
        those of the command that runs.

    Examples
    --------
    >>> translate("leave out `max_draws=50`", {"max_draws": "--max-draws"})
    'leave out --max-draws 50'
    """
    written = _options.get() if options is None else options

    def option(match: re.Match[str]) -> str:
        name, text = match.groups()
        if name not in written:
            return match[0]
        return written[name] if text is None else f"{written[name]} {_argument(text)}"

    return _PARAMETER.sub(option, message)


def _argument(text: str) -> str:
    """Return a value that is written in Python as one writes it on the command line."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    argument = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f'"{argument}"' if " " in argument or not argument else argument


def with_options(kind: type[ModelOptions]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command the options of a dataclass.

    The command takes them as one keyword, ``options``; they come before its own options with a
    default, after those without.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = [
            parameter.replace(annotation=hints[name])
            for name, parameter in signature(command).parameters.items()
            if name != "options"
        ]

        def run(**given: Any) -> None:
            taken = {name: given.pop(name) for name in _parameters(kind)}
            command(**given, options=kind(**_values(kind, taken)))

        made = [*own, *_parameters(kind).values()]
        run.__signature__ = signature(command).replace(  # type: ignore[attr-defined]
            parameters=[each.replace(kind=Parameter.KEYWORD_ONLY) for each in made]
        )
        run.__annotations__ = {each.name: each.annotation for each in made}
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        return run

    return decorate


def _parameters(kind: type[ModelOptions]) -> dict[str, Parameter]:
    made = {}
    for each in fields(kind):
        facts = each.metadata
        text = str if facts["text"] is list else facts["text"]
        annotation = list[text] if facts["many"] else text  # type: ignore[valid-type]
        if each.default is None or each.default is MISSING:
            annotation = annotation | None
        # Without a name of its own, a switch would have a second one, to be switched off.
        names = [f"--{each.name.replace('_', '-')}"] if text is bool else []
        about = typer.Option(*names, help=facts["help"], min=facts["least"], max=facts["most"])
        made[each.name] = Parameter(
            each.name,
            Parameter.KEYWORD_ONLY,
            default=each.default,
            annotation=Annotated[annotation, about],
        )
    return made


def _values(kind: type[ModelOptions], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that Python would be given: no empty lists, and names between commas."""
    lists = {each.name for each in fields(kind) if each.metadata["text"] is list}
    return {
        name: _split(value) if name in lists else (value if value != [] else None)
        for name, value in given.items()
    }


def split(names: str | None) -> list[str] | None:
    """Return names that are given between commas."""
    return None if names is None else names.split(",")


def _split(names: str | None) -> list[str] | Path | None:
    """Return names that are given between commas, or the file that has them."""
    return Path(names) if names is not None and is_file(names) else split(names)


def say(text: str) -> None:
    """Write a message on standard error, on one line, whatever names and errors are in it."""
    print(f"synthesight: {sentence(text)}", file=sys.stderr)


def pairs(text: str | None, name: str) -> dict[str, str]:
    """Return what is given as ``a=b,c=d``.

    Raises
    ------
    SynthesightError
        If it is given otherwise; the message names the option.

    Examples
    --------
    >>> pairs("f=face,j=house", "keys")
    {'f': 'face', 'j': 'house'}
    """
    each = [pair.partition("=") for pair in text.split(",")] if text else []
    if wrong := [first for first, sign, _ in each if not sign]:
        raise SynthesightError(f"`{name}`: {wrong[0]!r} is no pair: write it as a=b,c=d.")
    return {first.strip(): second.strip() for first, _, second in each}


def end(failures: list[str], count: int) -> None:
    """List what could not be read; the exit code says that there was something."""
    if not failures:
        return
    if len(failures) < count or count > 1:
        print(f"{len(failures)} of {count} images could not be read:", file=sys.stderr)
    for failure in failures:
        say(failure)
    raise typer.Exit(2)


__all__ = [
    "MOST_SEED",
    "Commands",
    "Data",
    "Device",
    "end",
    "flags",
    "given_words",
    "pairs",
    "say",
    "split",
    "translate",
    "with_options",
    "written_to",
]
