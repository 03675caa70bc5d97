"""Answer a command that cannot be understood by one sentence that says what to type."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError, first_line

# What other programs call our commands, and what to type instead.
COMMANDS = {
    "version": "--version",
    "help": "-h",
    "list-models": "models",
    "list": "models",
    "run": "evaluate --stimuli photos/ --out runs/1",
    "predict": "classify cat.jpg",
    "results": "report RUN",
    "accuracy": "report RUN",
    "plot": "report RUN",
    "compare": "report RUN RUN",
    "download": "data get NAME",
    "datasets": "data list",
    "data download": "data get NAME",
    "data ls": "data list",
}
# What other programs call our options.
OPTIONS = {
    "--class": "--classes cat,dog",
    "--dataset": "--stimuli NAME",
    "--draws": "--max-draws",
    "--steps": "--max-draws",
    "--num-samples": "--max-draws",
    "--samples": "--max-draws",
    "--n": "--limit",
    "--csv": "--json",
}
# What a command needs, where something is missing.
EXAMPLES = {
    "classify": "classify cat.jpg --classes cat,dog",
    "evaluate": "evaluate --model natural-32 --stimuli photos/ --out runs/1",
    "export": "export runs/1 --out csv",
    "reproduce": "reproduce jaini2024 --out reproduction",
    "analyse weighting": "analyse weighting runs/1",
    "calibrate": "calibrate --self-generated 200 --out calibration.json",
    "fit-weighting": "fit-weighting --self-generated 200 --out weighting.json",
    "power": "power --accuracy 0.8 --accuracy 0.7 --kappa 0.3",
    "data get": "data get cue-conflict",
    "data import": "data import results.csv --out people --kind human",
    "data make": "data make --from photos/ --manipulation contrast --out made",
    "data draw": "data draw --out drawn",
    "experiment people": "experiment people edge --out site",
    "experiment serve": "experiment serve site",
    "experiment augmentation": "experiment augmentation --train train.parquet --test test.parquet "
    "--out augmentation",
    "experiment cues": "experiment cues --out cues",
    "train generative": "train generative --data cifar10.parquet --out trained",
    "train discriminative": "train discriminative --data cifar10.parquet --out trained",
}


def is_usage(error: Exception) -> bool:
    """Say whether an error is of the library that reads the command line."""
    return hasattr(error, "format_message") and hasattr(error, "ctx")


def in_words(error: Exception) -> str | None:
    """Return what to say of an error that is none of the program's: None where it may be one."""
    if isinstance(error, SynthesightError):
        return str(error)
    if isinstance(error, MemoryError):
        return "Memory ran out: free some, or choose smaller inputs or a smaller model."
    if isinstance(error, OSError):
        if error.filename is not None:
            reason = (error.strerror or "the system refuses").lower()
            return (
                f"{error.filename} cannot be used ({reason}): check the path, its permissions and "
                "the room on its disk."
            )
        if error.errno == errno.ENOSPC:
            return (
                "No space is left on the device that was written to: make room, or write elsewhere."
            )
        return (
            f"The system refuses to read or write a file ({first_line(error).lower()}): check the "
            "disk and its limits."
        )
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return "A path begins with ~ and the name of no user here: write the path out."
    return None


def sentence(error: Any) -> str:
    """Return what is wrong with a command that was typed, and what to type.

    A command of which nothing was typed but its name is answered by its help.

    Parameters
    ----------
    error
        A usage error of the library that reads the command line.
    """
    command = error.ctx.command if error.ctx else None
    path = error.ctx.command_path if error.ctx else "synthesight"
    text = error.format_message().strip()
    if text.startswith("Usage:"):
        return text
    text = text.removesuffix(".")
    look = f"`{path} -h` lists what it takes"
    example = EXAMPLES.get(path.removeprefix("synthesight "))
    if hasattr(error, "possibilities"):
        wrong = f"There is no option {error.option_name}"
        return f"synthesight: {wrong}: {_option(error.option_name, command) or look}."
    param = getattr(error, "param", None)
    if param is not None and text.startswith("Missing"):
        text = f"{param.opts[0] if param.opts[0].startswith('-') else param.name} is missing"
    hint = f"type, for example, `synthesight {example}`" if example else look
    return f"synthesight: {text}: {hint}."


def _option(unknown: str, command: Any) -> str | None:
    names = [name for each in getattr(command, "params", ()) for name in each.opts]
    known = [name for name in names if name.startswith("-")]
    meant = OPTIONS.get(unknown, "")
    if meant.split(" ")[0] in known:
        return f"type {meant}"
    near = get_close_matches(unknown, known, n=1, cutoff=0.75)
    if near:
        return f"did you mean {near[0]}"
    bare = get_close_matches(unknown.strip("-"), set(names) - set(known), n=1, cutoff=0.75)
    return f"give {bare[0]} without an option before them" if bare else None


def no_command(typed: str, path: str, known: Sequence[str]) -> SynthesightError:
    """Return the error of a command that there is not.

    Parameters
    ----------
    typed
        What was typed for a command.
    path
        The command that it was typed after.
    known
        The commands there.
    """
    place = path.removeprefix("synthesight").strip()
    near = get_close_matches(typed, known, n=1, cutoff=0.75)
    if meant := COMMANDS.get(f"{place} {typed}".strip()):
        hint = f"type `synthesight {meant}`"
    elif near:
        hint = f"did you mean `{path} {near[0]}`"
    else:
        hint = f"choose one of {', '.join(known)}"
    return SynthesightError(f"There is no command `{path} {typed}`: {hint}.")


def check_once(command: Any, arguments: Sequence[str]) -> None:
    """Refuse an option that is given twice where only its last value would count.

    Raises
    ------
    SynthesightError
        With the option.
    """
    names = [argument.split("=")[0] for argument in arguments]
    for each in getattr(command, "params", ()):
        times = sum(names.count(name) for name in each.opts)
        if each.param_type_name == "option" and not each.multiple and each.nargs == 1 and times > 1:
            raise SynthesightError(
                f"{each.opts[0]} is given {times} times: give it once, and run the command again "
                "for another value."
            )


def check_no_classes(images: Sequence[str], classes: Any) -> None:
    """Refuse classes that are given between blanks and so are taken for images.

    Raises
    ------
    SynthesightError
        With the classes between commas.
    """
    strays = [name for name in images if name.isalpha() and not Path(name).exists()]
    if strays and isinstance(classes, list):
        raise SynthesightError(
            f"There is no file or folder {strays[0]}: write commas between the classes, as in "
            f"`classes={[*classes, *strays]}`."
        )
