"""Make a command's options from a dataclass of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from synthesight.cli.commands import say
from synthesight.errors import SynthesightError
from synthesight.observers.options import MOST_SEED, ModelOptions


def names_of_models(incomplete: str) -> list[str]:
    """Return the known models whose names begin so, for the shell to complete."""
    from synthesight.observers.registry import entries

    return [name for name in entries() if name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        help="A name of `synthesight models`, a folder or file, or owner/model.",
        autocompletion=names_of_models,
    ),
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1 or mps. Default: the GPU if there is one.")
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the datasets. Default: SYNTHESIGHT_DATA, else the cache."),
]


SHORT = {"classes": "-c"}  # of the options that dataclasses describe
Population = Annotated[
    str,
    typer.Option(
        help="Whom and what intervals speak of: these (images and people), new-stimuli, new-people "
        "or new-people-and-stimuli.",
        metavar="POPULATION",
    ),
]


def written_to(help: str) -> Any:
    """Return the option of a place to write to, which other programs call by other names."""
    return typer.Option("--out", "--output", "-o", help=help)


def seeded(help: str) -> Any:
    """Return the option of a seed, whose bounds help does not spell out."""
    return typer.Option("--seed", help=help, callback=_check_seed)


def _check_seed(seed: int | None) -> int | None:
    if seed is not None and not 0 <= seed <= MOST_SEED:
        raise SynthesightError(f"`seed={seed}` cannot be: give 0 to {MOST_SEED}.")
    return seed


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
        if each.name in SHORT:
            names = [f"--{each.name}", SHORT[each.name]]
        about = typer.Option(*names, help=facts["help"])
        if each.name == "seed":
            about = seeded(facts["help"])
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
        name: split_or_file(value) if name in lists else (value if value != [] else None)
        for name, value in given.items()
    }


def split(names: str | None) -> list[str] | None:
    """Return names that are given between commas."""
    return None if names is None else names.split(",")


def split_or_file(names: str | None) -> list[str] | Path | None:
    """Return names that are given between commas, or the file that has them."""
    from synthesight.observers.class_files import is_file  # numpy, which help does without

    if names is None or is_file(names):
        return None if names is None else Path(names)
    if listed := re.fullmatch(r"\s*[\[(](.*)[\])]\s*", names):  # as Python writes a list
        names = ",".join(name.strip().strip("'\"") for name in listed[1].split(","))
    return split(names)


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
