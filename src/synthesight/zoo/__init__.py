"""The zoo: known models, as data (``models.json``), and the folders of the small ones that ship."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from synthesight.errors import SynthesightError

FOLDER = Path(__file__).parent
LIBRARIES = ("transformers:", "timm:")  # whose ImageNet classifiers are opened by name


@dataclass(frozen=True)
class Entry:
    """What is known of a model.

    Attributes
    ----------
    name, kind, family
        As shown; ``kind`` is ``"generative"`` or ``"discriminative"``.
    source
        A name on the Hugging Face Hub, ``"bundled"``, or ``"package"``: a Python package has it.
    parameters
        Of the image network, in millions.
    resolution
        Side of the images that it sees, in pixels.
    licence, needs, text
        Licence of the weights, the machine that it needs, and anything else worth knowing.
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

    @property
    def location(self) -> str | Path:
        """The folder of a bundled model, the name of a packaged one, else the name on the Hub."""
        if self.source == "package":
            return self.name
        return FOLDER / self.name if self.source == "bundled" else self.source


@cache
def entries() -> dict[str, Entry]:
    """All known models by name."""
    rows = json.loads((FOLDER / "models.json").read_text(encoding="utf-8"))
    return {row["name"]: Entry(**row) for row in rows}


def find(pattern: str = "*") -> list[Entry]:
    """Known models whose name matches a pattern with wildcards, such as ``"stable-*"``."""
    return [entry for entry in entries().values() if fnmatch(entry.name, pattern)]


def resolve(name: str) -> tuple[str | Path, Entry | None]:
    """Where a model is.

    A known name, a folder, ``owner/model[@revision]`` on the Hub, or ``transformers:…`` and
    ``timm:…`` for ImageNet classifiers.

    Raises
    ------
    SynthesightError
        If it is none of these; the sentence gives the nearest known names.
    """
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
    near = get_close_matches(name, entries(), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}" if near else "`synthesight models` lists them"
    raise SynthesightError(
        f"There is no model {name!r}: {hint}; a folder or a Hugging Face name owner/model works "
        "as well."
    )
