"""Read classes and prompts from files: a list, a table or JSON, as the field writes them."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.observers.prompts import check_classes, check_prompts

SUFFIXES = (".txt", ".csv", ".tsv", ".json")
# What columns and keys are called, in lower case.
NAME = ("name", "class", "classname", "class_name", "label", "category")
PHRASE = ("phrase", "text", "words")
SYNONYMS = ("synonyms", "synonym", "aliases")
PROMPTS = ("prompts", "prompt", "captions", "caption")
INDEX = ("classidx", "class_idx", "index")  # as in the tables of Li et al. (2023)

Prompts = list[str] | dict[str, list[str]]


@dataclass(frozen=True)
class Classes:
    """Classes to choose among, and how they are put into words.

    Attributes
    ----------
    names
        K class names.
    words
        For some classes, what stands for the class in prompts: a phrase, and synonyms.
    prompts
        For some classes, whole prompts.
    """

    names: list[str]
    words: dict[str, list[str]] = field(default_factory=dict)
    prompts: dict[str, list[str]] = field(default_factory=dict)

    def wording(self, prompt: Prompts | None) -> dict[str, Any]:
        """Return the classes' words and prompts as an observer's keywords.

        Parameters
        ----------
        prompt
            Prompts that were given beside the classes; None if there were none.

        Raises
        ------
        SynthesightError
            If both have prompts, or only some classes have.
        """
        if not self.prompts:
            return ({"names": self.words} if self.words else {}) | (
                {"prompt": prompt} if prompt is not None else {}
            )
        if prompt is not None:
            raise SynthesightError(
                "`classes` has prompts of its own, and `prompt` others: leave out one of them."
            )
        if missing := [name for name in self.names if name not in self.prompts]:
            raise SynthesightError(
                f"Of `classes`, some have prompts and {missing[0]!r} has none: give it one, or "
                "leave them all out."
            )
        return {"prompt": self.prompts} | ({"names": self.words} if self.words else {})


def names_only(given: Mapping[str, Any], why: str) -> dict[str, Any]:
    """Return an observer's keywords without ``names`` and whole prompts, which warns ``why``.

    One file of classes serves all observers, so that this is a warning and no mistake.
    """
    wording = [key for key in ("names", "prompt") if isinstance(given.get(key), Mapping)]
    if wording:
        warnings.warn(
            f"{why}: of the classes only the names are used, not their phrases and prompts.",
            SynthesightWarning,
            stacklevel=4,
        )
    return {key: value for key, value in given.items() if key not in wording}


def is_file(value: Any) -> bool:
    """Say whether a value is the name of a file of classes or prompts."""
    return isinstance(value, Path) or (
        isinstance(value, str) and value.lower().endswith(SUFFIXES) and "\n" not in value
    )


def read_classes(classes: Any) -> Classes:
    """Return classes from a list, a mapping of their words, or a file.

    Parameters
    ----------
    classes
        Names; a mapping as in a JSON file; or a file:

        - text: one name a line;
        - CSV or TSV with a column ``name`` (or ``class``, ``classname``, ``label``) and, where
          wanted, ``phrase`` (what stands for the class in prompts), ``synonyms`` (between ``;``
          or ``|``) and ``prompt`` (several rows of a class: several prompts);
        - JSON: names; or name → phrase, name → whole prompts, or name → an object of ``phrase``,
          ``synonyms`` and ``prompts``; or index → name.

    Raises
    ------
    SynthesightError
        If they are no choice, or the file cannot be read as classes.

    Examples
    --------
    >>> read_classes({"cat": "house cat", "car": {"synonyms": ["automobile"]}}).words
    {'cat': ['house cat'], 'car': ['car', 'automobile']}
    """
    if is_file(classes):
        content, origin = _content(Path(classes)), f"`classes={str(classes)!r}`"
    elif isinstance(classes, Mapping):
        content, origin = classes, "`classes`"
    else:
        return Classes(check_classes(classes))
    entries = _entries(content, origin)
    names = check_classes([entry["name"] for entry in entries])
    words = {n: entry["words"] for n, entry in zip(names, entries, strict=True) if entry["words"]}
    own = {n: entry["prompts"] for n, entry in zip(names, entries, strict=True) if entry["prompts"]}
    return Classes(names, words, check_prompts(own) if own else {})  # type: ignore[arg-type]


def read_prompts(prompt: Any) -> tuple[Prompts, list[str] | None]:
    """Return prompts from texts, a mapping, or files; and the classes, where they tell them.

    Parameters
    ----------
    prompt
        One or several templates with ``{class}`` or ``{}``; a mapping of each class to its whole
        prompts; or files: a text or JSON list of templates, or a JSON object (Pratt et al. 2023)
        or table with a column ``prompt`` (Li et al. 2023) of each class's whole prompts.

    Raises
    ------
    SynthesightError
        If they are no prompts, or a file cannot be read as such.

    Examples
    --------
    >>> read_prompts("a photo of a {}.")
    (['a photo of a {class}.'], None)
    >>> read_prompts({"cat": "A cat purrs.", "dog": ["A dog barks."]})
    ({'cat': ['A cat purrs.'], 'dog': ['A dog barks.']}, ['cat', 'dog'])
    """
    given = [prompt] if is_file(prompt) or isinstance(prompt, str | Mapping) else prompt
    if not isinstance(given, Sequence):
        return check_prompts(given), None
    parts = [_content(Path(each)) if is_file(each) else each for each in given]
    if all(isinstance(part, str) for part in parts):
        return check_prompts(parts), None
    whole = [part for part in parts if _is_whole(part)]
    if whole and len(parts) > 1:
        raise SynthesightError(
            "`prompt` names whole prompts of classes and others beside them: give the one file "
            "alone."
        )
    if whole:
        content = whole[0]
        if isinstance(content, Mapping):  # one text is a prompt here, and not a phrase
            content = {k: [v] if isinstance(v, str) else v for k, v in content.items()}
        entries = _entries(content, f"`prompt={str(given[0])!r}`")
        return check_prompts({entry["name"]: entry["prompts"] for entry in entries}), [
            entry["name"] for entry in entries
        ]
    templates = [text for part in parts for text in ([part] if isinstance(part, str) else part)]
    return check_prompts(templates), None


def _is_whole(content: Any) -> bool:
    """Whether content gives prompts by class: a mapping, or rows."""
    return isinstance(content, Mapping) or (
        isinstance(content, list) and bool(content) and isinstance(content[0], Mapping)
    )


def _content(path: Path) -> Any:
    """Return what a file holds: a list of texts, rows, or what JSON gives."""
    path = path.expanduser()
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return _rows(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except OSError as error:
        reason = (error.strerror or "the system refuses").lower()
        raise SynthesightError(f"{path} cannot be read ({reason}): check its path.") from None
    except UnicodeError:
        raise SynthesightError(f"{path} is not text in UTF-8: save it as such.") from None
    if suffix == ".json":
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SynthesightError(f"{path} is not JSON ({error}): correct it.") from None
    lines = [line for line in map(str.strip, text.splitlines()) if line and line[0] != "#"]
    return lines[0].split(",") if len(lines) == 1 and "{" not in lines[0] else lines


def _rows(path: Path) -> list[dict[str, Any]]:
    from synthesight.sheets import read_sheet  # polars, which help and errors do without

    table = read_sheet(path, known=[_plain(name) for name in (*NAME, *PROMPTS)]).table
    if not any(_plain(column) in map(_plain, NAME) for column in table.columns):
        raise SynthesightError(
            f"{path} needs a column 'name' (or 'class' or 'label') of the classes; it has "
            f"{', '.join(table.columns)}."
        )
    return table.to_dicts()


def _entries(content: Any, origin: str) -> list[dict[str, Any]]:
    """Return name, words and prompts of each class, in order."""
    wrong = SynthesightError(
        f"{origin} holds no classes: give names one a line, a table with a column 'name', or JSON "
        'such as {"cat": "house cat"}.'
    )
    if isinstance(content, Mapping):
        keys = list(content)
        if keys and all(str(key).isdecimal() for key in keys):
            # Index → name, or ImageNet's index → [synset, name].
            keys.sort(key=int)
            content = [v[-1] if isinstance(v := content[key], list) and v else v for key in keys]
        else:
            content = [_named(key, content[key]) for key in keys]
    if not isinstance(content, list) or not content:
        raise wrong
    rows = [{"name": row} if isinstance(row, str) else row for row in content]
    if not all(isinstance(row, Mapping) for row in rows):
        raise wrong
    entries: dict[str, dict[str, Any]] = {}
    for row in rows:
        keyed = {_plain(str(key)): value for key, value in row.items()}
        name = _first(keyed, NAME)
        if not isinstance(name, str):
            raise wrong
        _add(entries, name.strip(), keyed, origin)
    ordered = list(entries.values())
    if all(entry["index"] for entry in ordered) and all(e["index"].isdecimal() for e in ordered):
        ordered.sort(key=lambda entry: int(entry["index"]))
    return ordered


def _named(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {**value, "name": name}
    if isinstance(value, str) or value is None:
        return {"name": name, "phrase": value}
    return {"name": name, "prompts": value}


def _add(
    entries: dict[str, dict[str, Any]], name: str, row: Mapping[str, Any], origin: str
) -> None:
    """Add a row to its class: another prompt, or another word."""
    number = _first(row, INDEX)
    index = "" if number is None else str(number).strip()
    prompts = _texts(_first(row, PROMPTS), origin)
    if name in entries and not prompts:
        raise SynthesightError(f"{origin} has the class {name!r} twice: name each class once.")
    empty = {"name": name, "words": [], "prompts": [], "index": index}
    entry = entries.setdefault(name, empty)
    if entry["index"] != index:
        raise SynthesightError(
            f"{origin} has the class {name!r} twice, as number {entry['index']} and {index}: give "
            "each a name of its own."
        )
    phrase = _first(row, PHRASE)
    synonyms = _texts(_first(row, SYNONYMS), origin, split=True)
    for word in [*_texts(phrase, origin), *([] if phrase or not synonyms else [name]), *synonyms]:
        if word not in entry["words"]:
            entry["words"].append(word)
    entry["prompts"] += prompts


def _first(row: Mapping[str, Any], keys: Sequence[str]) -> Any:
    return next((row[k] for k in map(_plain, keys) if row.get(k) not in (None, "")), None)


def _texts(value: Any, origin: str, *, split: bool = False) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        value = re.split(r"[;|]", value) if split else [value]
    if not isinstance(value, Sequence) or not all(isinstance(text, str) for text in value):
        raise SynthesightError(f"{origin} has {str(value)[:60]!r} where texts belong: correct it.")
    return [text.strip() for text in value if text.strip()]


def _plain(key: str) -> str:
    return "".join(letter for letter in key.lower() if letter.isalnum())
