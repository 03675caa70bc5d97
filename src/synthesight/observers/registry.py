"""Find models by name: those of the zoo, and those that other packages add.

Adding a model of one's own package, so that ``synthesight models`` lists it and
:func:`~synthesight.load` opens it:

1. Describe it by an :class:`Entry` whose source is ``python:<module>:<function>``. The function is
   called with ``device`` and gives what ``load`` takes: an observer, a likelihood model or a
   diffusers pipeline.
2. Name the entry, or a list of entries, as an entry point of the group ``synthesight.observers``::

       [project.entry-points."synthesight.observers"]
       mine = "my_package:MODELS"

The zoo's own models are data: ``zoo/models.json`` holds those of this project and of those who use
it, ``zoo/model_vs_human.json`` the 52 networks of Geirhos et al. (2021), under the names that their
toolbox gives them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.observers.display import html_facts
from synthesight.plugins import offered

ZOO = Path(__file__).parents[1] / "zoo"
TABLES = ("models.json", "model_vs_human.json")
GROUP = "synthesight.observers"  # of other packages' entry points
PLUGIN = "python:"
# Libraries whose image classifiers are opened by name.
# How a network's published protocol differs, in words.
PROTOCOL = {
    "resolution": "{} pixels",
    "mean": "normalised by the mean {}",
    "std": "and the standard deviation {}",
    "truncated": "bytes pass through floats and back",
    "scaled": "scaled to {} pixels, of which the middle is shown",
    "interpolation": "{} interpolation",
    "imagenet": "ImageNet's 1000 classes in 80 templates each, by the mean rule",
}
LIBRARIES = ("transformers:", "timm:", "torchvision:", "open_clip:")


@dataclass(frozen=True)
class Entry:
    """Describe a model that is known by name.

    Attributes
    ----------
    name
        How options and trials call it.
    kind
        ``"generative"`` or ``"discriminative"``.
    family
        Architecture, and the paper where the name does not tell it.
    source
        Where the weights are: a name on the Hugging Face Hub; a library and a name in it, such as
        ``timm:resnet50``; a URL; ``"bundled"``; ``"package"``, where a Python package holds them;
        or ``python:<module>:<function>``, a function that opens the model.
    parameters
        Number of parameters of the image network, in millions.
    resolution
        Side of the images that it sees, in pixels.
    licence
        Licence of the weights.
    needs
        The machine, or the extra of this package, that it needs.
    text
        Anything else worth knowing.
    images
        What a discriminative network was trained on.
    papers
        BibTeX keys of the papers to cite for it.
    files
        Of a model that ``synthesight convert`` opens: names of its published files, as
        ``owner/model/file`` on the Hugging Face Hub.
    weights
        For a URL: what the file holds, as
        :mod:`~synthesight.observers.discriminative.published` explains.
    increments
        Of a generative model: ``"times"``, draws at times, as diffusion and flow models have them;
        ``"draws"``, of masks or orders; or ``"parts"`` of a sequence, whose likelihood is exact.
    toolbox
        For one of the benchmark's 52: how the toolbox showed it images, where that is otherwise,
        as :mod:`~synthesight.observers.discriminative.toolbox` explains.
    """

    name: str
    kind: str
    family: str
    source: str
    parameters: float
    resolution: int
    licence: str
    needs: str = ""
    text: str = ""
    images: str = ""
    papers: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    weights: dict[str, Any] | None = None
    increments: str = "times"
    toolbox: dict[str, Any] | None = None

    def facts(self) -> dict[str, str]:
        """Return what is known of the model, in words."""
        return {
            "name": self.name,
            "kind": self.kind,
            "family": self.family,
            "weights": self.source,
            "files to convert": ", ".join(self.files),
            "readout": (self.weights or {}).get("head", {}).get("source", ""),
            "trained on": self.images,
            "parameters": f"{self.parameters:g} M",
            "pixels": f"{self.resolution} × {self.resolution}",
            "licence": self.licence,
            "needs": self.needs,
            "note": self.text,
            "published protocol": self._protocol(),
        }

    def _protocol(self) -> str:
        if self.toolbox is None:
            return ""
        said = "; ".join(PROTOCOL[key].format(value) for key, value in self.toolbox.items())
        return said or "as here"

    def __repr__(self) -> str:
        return f"<Entry {self.name}: {self.kind}, {self.family}>"

    def _repr_html_(self) -> str:
        return html_facts(self.facts())

    @property
    def location(self) -> str | Path:
        """Folder of a bundled model, name of a packaged one, else the source."""
        if self.source == "package":
            return self.name
        return ZOO / self.name if self.source == "bundled" else self.source


@cache
def entries() -> dict[str, Entry]:
    """Return all known models by name: the zoo's, then those of other packages."""
    rows = [row for table in TABLES for row in json.loads((ZOO / table).read_text("utf-8"))]
    several = ("papers", "files")
    known = {
        row["name"]: Entry(**row | {key: tuple(row.get(key, ())) for key in several})
        for row in rows
    }
    for found in offered(GROUP, "model"):
        for entry in [found] if isinstance(found, Entry) else found:
            if isinstance(entry, Entry):
                known.setdefault(entry.name, entry)
    return known


def find(pattern: str = "*") -> list[Entry]:
    """Return the known models whose name matches a pattern with wildcards, as ``"stable-*"``."""
    wanted = pattern.lower()
    return [entry for entry in entries().values() if fnmatchcase(entry.name.lower(), wanted)]


def nearest(name: str) -> list[str]:
    """Return at most three known names that resemble a name, the nearest first.

    Examples
    --------
    >>> nearest("SD 1.5")
    ['stable-diffusion-1.5']
    """
    wanted = _letters(name)
    known = {_letters(each): each for each in entries()}
    # What begins alike, or is a part, is near however long it is.
    parts = [each for each in known if len(wanted) > 2 and (wanted in each or each in wanted)]
    if wanted in parts:
        return [known[wanted]]
    close = get_close_matches(wanted, known, n=3, cutoff=0.6)
    if len(wanted) > 5:  # a family, or a typo in its name
        begin = {each[: len(wanted)]: each for each in reversed(known)}
        close += [begin[each] for each in get_close_matches(wanted, begin, n=3, cutoff=0.75)]
    return [known[each] for each in dict.fromkeys([*sorted(parts, key=len)[:3], *close])][:3]


def _letters(name: str) -> str:
    """Return a name of a model as names are compared: letters and digits, abbreviations whole."""
    last = name.lower().rpartition("/")[2].rpartition(":")[2]
    letters = "".join(re.findall(r"[a-z0-9]+", last))
    return re.sub(r"^sd(?=[0-9]|$|turbo)", "stablediffusion", letters).replace("v1", "1")


def resolve(name: str) -> tuple[str | Path, Entry | None]:
    """Return where a model is, and its entry where it is a known one.

    ``name`` is a known one; a folder or file; ``owner/model[@revision]`` on the Hugging Face Hub;
    or for classifiers a library and a name in it: ``transformers:…``, ``timm:…``,
    ``torchvision:…``, ``open_clip:…``.
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
            "the network to synthesight.observers.ImageNetNetwork."
        )
    if name.startswith((".", "/", "~")) or name.endswith(("/", ".safetensors")):
        raise SynthesightError(f"There is no file or folder {name}: check the path of the model.")
    near = nearest(name)
    hint = f"did you mean {' or '.join(near)}" if near else "`synthesight models` lists them"
    raise SynthesightError(
        f"There is no model {name!r}: {hint}; a folder or a Hugging Face name owner/model works "
        "as well."
    )
