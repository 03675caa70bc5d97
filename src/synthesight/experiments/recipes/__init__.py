"""Recipes of trainings: one TOML file each, of the options of ``synthesight train``."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError, suggestion


def recipes() -> list[str]:
    """Return the names of the recipes that ship.

    Examples
    --------
    >>> "resnet50-imagenet" in recipes()
    True
    """
    places = resources.files(__package__ or "").iterdir()
    return sorted(each.name.removesuffix(".toml") for each in places if each.name.endswith(".toml"))


def read_recipe(name: str) -> dict[str, Any]:
    """Return the options of a recipe that ships, or of a TOML file.

    Raises
    ------
    SynthesightError
        If there is no such recipe or file, or it is no TOML.
    """
    path = Path(name).expanduser()
    if not name.endswith(".toml") and name not in recipes():
        raise SynthesightError(f"There is no recipe {name!r}: {suggestion(name, recipes())}.")
    try:
        if name.endswith(".toml"):
            return tomllib.loads(path.read_text("utf-8"))
        return tomllib.loads(
            (resources.files(__package__ or "") / f"{name}.toml").read_text("utf-8")
        )
    except OSError as error:
        raise SynthesightError(
            f"`config={name!r}` cannot be read: give a TOML file, or one of {', '.join(recipes())}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SynthesightError(f"{path} is no TOML ({error}): correct it.") from error
