"""The zoo: known models, as data, and the folders of the small ones that ship.

``models.json`` holds the models of this project and of those who use it; ``model_vs_human.json``
the 52 networks of Geirhos et al. (2021), under the names that their toolbox gives them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError

FOLDER = Path(__file__).parent
TABLES = ("models.json", "model_vs_human.json")
# Whose ImageNet classifiers are opened by name.
LIBRARIES = ("transformers:", "timm:", "torchvision:", "open_clip:")


@dataclass(frozen=True)
class Entry:
    """What is known of a model.

    Attributes
    ----------
    name, kind, family
        As shown; ``kind`` is ``"generative"`` or ``"discriminative"``.
    source
        A name on the Hugging Face Hub, the name of a library and in it, such as ``timm:resnet50``,
        a URL, ``"bundled"``, or ``"package"``: a Python package has it.
    parameters
        Of the image network, in millions.
    resolution
        Side of the images that it sees, in pixels.
    licence, needs, text
        Licence of the weights, the machine that it needs, and anything else worth knowing.
    images
        What a discriminative network was trained on.
    weights
        For a URL: what the file holds, as
        :mod:`~synthesight.observers.discriminative.published` explains.
    """

    name: str
    kind: str
    family: str
    source: str
    parameters: float
    resolution: int
    licence: str
    needs: str
    text: str
    images: str = ""
    weights: dict[str, Any] | None = None

    @property
    def location(self) -> str | Path:
        """The folder of a bundled model, the name of a packaged one, else the name on the Hub."""
        if self.source == "package":
            return self.name
        return FOLDER / self.name if self.source == "bundled" else self.source


@cache
def entries() -> dict[str, Entry]:
    """All known models by name."""
    rows = [row for table in TABLES for row in json.loads((FOLDER / table).read_text("utf-8"))]
    return {row["name"]: Entry(**row) for row in rows}


def find(pattern: str = "*") -> list[Entry]:
    """Known models whose name matches a pattern with wildcards, such as ``"stable-*"``."""
    wanted = pattern.lower()
    return [entry for entry in entries().values() if fnmatchcase(entry.name.lower(), wanted)]


def nearest(name: str) -> list[str]:
    """Known names that are like a name, the likest first; at most three."""
    known = {each.lower(): each for each in entries()}
    return [known[each] for each in get_close_matches(name.lower(), known, n=3, cutoff=0.4)]


def resolve(name: str) -> tuple[str | Path, Entry | None]:
    """Where a model is.

    A known name, a folder, ``owner/model[@revision]`` on the Hub, or for classifiers a library and
    a name in it: ``transformers:…``, ``timm:…``, ``torchvision:…``, ``open_clip:…``.

    Raises
    ------
    SynthesightError
        If it is none of these; the sentence gives the nearest known names.
    """
    if not name:
        raise SynthesightError(
            "The name of a model is empty: `synthesight models` lists the known ones."
        )
    if name in entries():
        return entries()[name].location, entries()[name]
    path = Path(name).expanduser()
    if path.exists():
        return path, None
    if name.startswith(LIBRARIES):
        return name, None
    owned = name.split("@")[0].count("/") == 1
    if owned and not name.startswith((".", "/", "~")) and not name.endswith("/"):
        return name, None
    if name.startswith(("http://", "https://")):
        raise SynthesightError(
            f"The URL {name} does not tell what the weights fit: open them with torch, and give "
            "the network to synthesight.observers.discriminative.imagenet.ImageNetNetwork."
        )
    near = nearest(name)
    hint = f"did you mean {' or '.join(near)}" if near else "`synthesight models` lists them"
    raise SynthesightError(
        f"There is no model {name!r}: {hint}; a folder or a Hugging Face name owner/model works "
        "as well."
    )
