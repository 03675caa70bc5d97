"""Read a study's file, and know the line of each thing in it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError

LARGEST = 2**20  # bytes; a study is written by hand
MOST = 10_000  # values, once what is named by * stands in its places

_PARAMETER = re.compile(r"`([a-z_]+)(?:=([^`]*))?`")

Keys = tuple[str | int, ...]


@dataclass(frozen=True)
class Origin:
    """Where a study is written, for messages and for paths that are relative to it.

    Attributes
    ----------
    path
        The file; None for a study that is made in Python.
    lines
        The line of each key and value, by the keys and places that lead to it.
    """

    path: Path | None = None
    lines: Mapping[Keys, int] = field(default_factory=dict)

    def error(self, keys: Keys, text: str) -> SynthesightError:
        """Return an error that begins with the place, such as ``study.yaml:7``."""
        if self.path is None:
            return SynthesightError(text)
        known = next((self.lines[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in
                      self.lines), None)  # fmt: skip
        line = "" if known is None else f":{known}"
        # In a file they are keys, and no options of the command line.
        plain = _PARAMETER.sub(lambda found: " ".join(filter(None, found.groups())), text)
        return SynthesightError(f"{self.path}{line}: {plain}")

    def beside(self, text: Any) -> Any:
        """Return the path of a file or folder that lies beside the study's, or the text itself."""
        if self.path is None or not isinstance(text, str) or not text:
            return text
        path = self.path.parent / text
        try:
            return str(path) if path.exists() else text
        except OSError:  # a text that is too long for a name
            return text


def read_file(path: Path) -> tuple[dict[str, Any], Origin]:
    """Return what a study's file holds, and where.

    Parameters
    ----------
    path
        YAML, JSON or, by its suffix, TOML. Of YAML, only plain values are read.

    Raises
    ------
    SynthesightError
        If it cannot be read, names a key twice, or is no mapping.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SynthesightError(
            f"{path} cannot be read ({(error.strerror or 'no file').lower()}): give the file of a "
            "study."
        ) from None
    if len(data) > LARGEST:
        raise SynthesightError(f"{path} is larger than 1 MB: a study is a short file.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SynthesightError(f"{path} is no text in UTF-8: save it as such.") from None
    content: Any
    lines: dict[Keys, int] = {}
    if path.suffix.lower() == ".toml":
        content = _toml(text, path)
    else:
        content, lines = _yaml(text, path)
    if not isinstance(content, dict):
        raise SynthesightError(
            f"{path} holds no keys: begin with `models:` and `stimuli:`, as on "
            "https://synthesight.github.io/synthesight/how-to/studies.html."
        )
    return content, Origin(path, lines)


def _toml(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SynthesightError(f"{path} is no TOML ({error}): correct it there.") from None


def _yaml(text: str, path: Path) -> tuple[Any, dict[Keys, int]]:
    import yaml

    loader = yaml.SafeLoader(text)
    lines: dict[Keys, int] = {}
    count = 0

    def value_of(node: Any, keys: Keys) -> Any:
        nonlocal count
        count += 1
        line = node.start_mark.line + 1
        lines.setdefault(keys, line)
        if count > MOST or len(keys) > 20:
            raise SynthesightError(f"{path}:{line}: this is too much for a study: make it shorter.")
        if not isinstance(node, yaml.ScalarNode) and node.tag not in (
            loader.DEFAULT_SEQUENCE_TAG, loader.DEFAULT_MAPPING_TAG
        ):  # fmt: skip
            raise SynthesightError(f"{path}:{line}: {node.tag!r} is no plain value: leave it out.")
        if isinstance(node, yaml.SequenceNode):
            return [value_of(each, (*keys, n)) for n, each in enumerate(node.value)]
        if not isinstance(node, yaml.MappingNode):
            return loader.construct_object(node)
        content = {}
        for key, each in node.value:
            name = loader.construct_object(key)
            if not isinstance(name, str):
                raise SynthesightError(
                    f"{path}:{key.start_mark.line + 1}: the key {key.value!r} is no text: write "
                    "it in quotes."
                )
            lines[*keys, name] = key.start_mark.line + 1
            if name in content:
                raise SynthesightError(
                    f"{path}:{key.start_mark.line + 1}: {name} is there twice: keep one."
                )
            content[name] = value_of(each, (*keys, name))
        return content

    try:
        node = loader.get_single_node()
        return (None, {}) if node is None else (value_of(node, ()), lines)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SynthesightError(
            f"{path}{line}: this is no YAML ({problem}): correct it there."
        ) from None
    finally:
        loader.dispose()
