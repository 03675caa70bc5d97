"""Answer a command that cannot be understood by one sentence that says what to type."""

from __future__ import annotations

import errno
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from typing import Any

from synthesight.cli.words import (
    ALONE,
    EXAMPLES,
    NO_COMMANDS,
    NO_OPTIONS,
    OF_COMMANDS,
    OTHER_COMMANDS,
    OTHER_OPTIONS,
    WITH_PATHS,
)
from synthesight.errors import SynthesightError, first_line

# What the library that checks numbers says, and what we say.
_NUMBERS = (
    (r"a valid integer.*", "a whole number"),
    (r"a valid number.*", "a number"),
    (r"greater than or equal to (\S+)", r"\1 or more"),
    (r"less than or equal to (\S+)", r"\1 or less"),
)
STUDIES = (".yaml", ".yml")
_LONGEST = 100  # characters of a command that an answer repeats


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

    Parameters
    ----------
    error
        A usage error of the library that reads the command line.
    """
    command = error.ctx.command if error.ctx else None
    path = error.ctx.command_path if error.ctx else "synthesight"
    text = error.format_message().strip().removesuffix(".")
    look = f"`{path} -h` lists what it takes"
    place = path.partition(" ")[2]
    if hasattr(error, "possibilities"):
        name = error.option_name
        hint = _option(name, place, command, error.ctx.find_root().command) or look
        return f"synthesight: There is no option {name}: {hint}."
    param = getattr(error, "param", None)
    if param is not None and text.startswith("Missing"):
        option = param.opts[0].startswith("-")
        needs = [each.opts[0] for each in error.ctx.command.params if each.required]
        text = f"{param.opts[0]} is missing" if option else f"`{path}` needs {' and '.join(needs)}"
        example = _completed(place, param, error.ctx.command) if option else EXAMPLES.get(place)
        hint = f"type, for example, `synthesight {example}`"
        return f"synthesight: {text}: {hint if place in EXAMPLES else look}."
    if extra := re.search(r"unexpected extra argument.*\((.*)\)", text):
        text = f"`{path}` takes no {extra[1]!r}"
    if param is not None and "Input should be" in text:
        wrong = text.partition("Input should be ")[2]
        for pattern, words in _NUMBERS:
            wrong = re.sub(pattern, words, wrong)
        return f"synthesight: {param.opts[0]} should be {wrong}: correct it, or leave it out."
    hint = f"type, for example, `synthesight {EXAMPLES[place]}`" if place in EXAMPLES else look
    return f"synthesight: {text}: {hint}."


def _typed(words: Sequence[str]) -> str:
    return " ".join(
        word if re.fullmatch(r"[\w./,:=*-]+", word) else shlex.quote(word) for word in words
    )


def _completed(place: str, param: Any, command: Any) -> str:
    """Return what was typed with the options that are missing, or else the example."""
    example = EXAMPLES.get(place, "")
    words, typed, start = shlex.split(example), sys.argv[1:], len(place.split())
    takes = any(each.param_type_name == "argument" for each in command.params)
    if not takes and typed[start:] and not typed[start].startswith("-"):
        if param.name == "out":  # of which it is not known whether the word was meant for it
            return example
        typed.insert(start, param.opts[0])
    for names in [each.opts for each in command.params if each.required]:
        if names[0].startswith("-") and not any(word.split("=")[0] in names for word in typed):
            if words.count(names[0]) != 1 or len(typed) == start:
                return example
            typed += words[words.index(names[0]) :][:2]
    completed = _typed(typed)
    return completed if len(completed) <= _LONGEST else example


def _values(name: str) -> str:
    """Return the values that were typed after an option that there is not."""
    values = []
    for at, word in enumerate(sys.argv):
        if word.startswith(f"{name}="):
            values.append(word.partition("=")[2])
        elif word == name and sys.argv[at + 1 : at + 2] and sys.argv[at + 1][0:1] not in ("-", ""):
            values.append(sys.argv[at + 1])
    return _typed([",".join(values)]) if values else ""


def _option(unknown: str, place: str, command: Any, root: Any) -> str | None:
    """Return what to do about an option that a command has not."""
    names = _names(command)
    known = [name for name in names if name.startswith("-")] + ["--help"]
    value = _values(unknown)
    plain = unknown.replace("_", "-").lower()
    own = [name for name, others in OTHER_OPTIONS.items() if plain in others]
    for name in (plain, *own):
        if (said := OF_COMMANDS.get(f"{place} {name}".strip())) is not None:
            return said.format(value=value or "map.png")
    for meant, others in OTHER_OPTIONS.items():
        if plain in others and meant.split()[0] in known:
            return f"type {meant}" + ("" if " " in meant or not value else f" {value}")
    near = get_close_matches(plain, known, n=1, cutoff=0.75)
    if near and not _of(NO_OPTIONS, plain):
        return f"did you mean {near[0]}"
    bare = [name for name in names if not name.startswith("-")]
    if bare and plain in (*OTHER_OPTIONS["--stimuli"], *OTHER_OPTIONS["--model"]):
        return f"give {value or bare[0]} without an option before it"
    if said := _of(NO_OPTIONS, plain):
        return said
    if get_close_matches(plain.strip("-"), bare, n=1, cutoff=0.75):
        return f"give {value or bare[0]} without an option before it"
    typed = [word for word in sys.argv[1:] if word in getattr(command, "commands", ())]
    every = list(all_commands(command, place)) if hasattr(command, "commands") else []
    after = [words for words, one in every if plain in _names(one)]
    if after and len(plain) > 2:
        first = next((words for words in after if words.split()[-1] in typed), after[0])
        return f"give it after a command, as in `synthesight {first} {_typed([plain])}`"
    elsewhere = [words for words, one in all_commands(root) if plain in _names(one)]
    if elsewhere and len(plain) > 2:
        return f"it is an option of `synthesight {elsewhere[0]}`"
    return None


def _names(command: Any) -> list[str]:
    return [name for each in getattr(command, "params", ()) for name in each.opts]


def all_commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every command below a group, with its words, in the order of help."""
    for name, each in group.commands.items():
        words = f"{path} {name}".strip()
        if hasattr(each, "commands"):
            yield from all_commands(each, words)
        else:
            yield words, each


def _of(answers: Mapping[str, Sequence[str]], word: str) -> str | None:
    return next((answer for answer, words in answers.items() if word in words), None)


def no_command(typed: Sequence[str], path: str, known: Sequence[str]) -> SynthesightError:
    """Return the error of a command that there is not.

    Parameters
    ----------
    typed
        What was typed for a command, and after it.
    path
        The command that it was typed after.
    known
        The commands there.
    """
    from synthesight.stimuli.datasets import datasets

    word, *rest = typed
    place = path.partition(" ")[2]
    full = f"{place} {word}".strip().lower().replace("_", "-")
    near = get_close_matches(full.split(" ")[-1], known, n=1, cutoff=0.75)
    if full == "help" and rest and rest[0] in known:
        hint = f"type `{path} {rest[0]} -h`"
    elif full in NO_COMMANDS:
        hint = NO_COMMANDS[full]
    elif meant := _of(OTHER_COMMANDS, full):
        if rest and rest[0].endswith(STUDIES):
            meant = "study"
        rest = rest[1:] if rest[:1] == meant.split()[-1:] else rest
        if meant == "evaluate" and rest and (Path(rest[0]).exists() or rest[0] in datasets()):
            rest.insert(0, "--stimuli")
        bare = meant if meant in ALONE else EXAMPLES.get(meant, meant)
        hint = f"type `synthesight {_typed([*meant.split(), *rest]) if rest else bare}`"
    elif near:
        hint = f"did you mean `{path} {near[0]}`"
    elif said := _thing(word, rest, place):
        hint = f"type `synthesight {said}`"
    else:
        shown = ", ".join(known) if len(known) < 10 else ""
        hint = f"choose one of {shown}" if shown else f"`{path} -h` lists them all"
    return SynthesightError(f"There is no command `{path} {word}`: {hint}.")


def _thing(word: str, rest: Sequence[str], place: str) -> str | None:
    """Return what to type where a file, a folder, a model or a dataset stands for a command."""
    from synthesight.observers.registry import entries
    from synthesight.stimuli.datasets import datasets

    if place:
        known = Path(word).exists() or (place in ("data", "experiment") and word in datasets())
        paths = [word, *takewhile(lambda each: Path(each).exists(), rest)]
        return WITH_PATHS[place].format(_typed(paths)) if known else None
    if word in entries():
        # Of what follows, the first word is what is shown to the model.
        image = rest[:1] if rest and not rest[0].startswith("-") else ["cat.jpg"]
        return _typed(["classify", *image, "--model", word, *rest[1:]])
    if word.endswith(STUDIES):
        return _typed(["study", word])
    if (Path(word) / "run.json").is_file():
        return _typed(["report", word])
    if re.search(r"[.*/\\]", word) or Path(word).exists():
        return _typed(["classify", word, *rest])
    return _typed(["evaluate", "--stimuli", word, *rest]) if word in datasets() else None


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
            way = "and run the command again for another value"
            if each.name == "classes":
                way = "with commas between the classes, as in `classes='cat,dog'`"
            raise SynthesightError(f"{each.opts[0]} is given {times} times: give it once, {way}.")
