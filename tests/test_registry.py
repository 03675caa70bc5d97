"""Known models: the zoo's, and those of other packages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import synthesight.observers
from synthesight.observers import registry

PLUGIN = """
from synthesight.observers import Entry

MODELS = [
    Entry(
        name="grey-matter", kind="discriminative", family="brightness",
        source="python:grey_model:open_grey", parameters=0.0, resolution=4, licence="MIT",
    ),
    Entry(
        name="natural-32", kind="discriminative", family="taken", source="python:no:no",
        parameters=0.0, resolution=4, licence="MIT",
    ),
]
"""
MODEL = """
import torch
from synthesight.observers import ImageNetNetwork

class Brightness(torch.nn.Module):
    def forward(self, images):
        light = images.mean(dim=(1, 2, 3))
        return torch.stack([light, -light] + [torch.full_like(light, -9.0)] * 998, dim=1)

def open_grey(device):
    return ImageNetNetwork(
        Brightness(), name="grey-matter", resolution=4, device=device,
        categories={"day": [0], "night": [1]},
    )
"""


@pytest.fixture
def installed(tmp_path: Path):
    """Install a package below a folder as pip would; gives a function that runs Python with it."""

    def install(entry_point: str) -> None:
        (tmp_path / "grey_plugin.py").write_text(PLUGIN)
        (tmp_path / "grey_model.py").write_text(MODEL)
        info = tmp_path / "grey-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: grey\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[synthesight.observers]\ngrey = {entry_point}\n")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        source = Path(synthesight.__file__).parents[1]
        code = f"import sys; sys.path[:0] = [{str(source)!r}, {str(tmp_path)!r}]; "
        return subprocess.run(
            [sys.executable, "-c", code + arguments[0], *arguments[1:]],
            capture_output=True,
            text=True,
            check=False,
        )

    return install, run


COMMAND = "from synthesight.cli.main import main; main()"


def test_another_package_adds_a_model(installed):
    install, run = installed
    install("grey_plugin:MODELS")
    listed = run(COMMAND, "models", "grey*")
    assert listed.returncode == 0, listed.stderr
    assert "brightness" in listed.stdout
    assert (
        "did you mean grey-matter" in run(COMMAND, "classify", "x", "--model", "gray-matter").stderr
    )
    opened = run(
        "import numpy as np, synthesight; "
        "observer = synthesight.load('grey-matter', classes=['night', 'day'], device='cpu'); "
        "print(observer.predict(np.full((2, 8, 8, 3), [[[[0]]], [[[255]]]], dtype=np.uint8)), "
        "synthesight.load('natural-32', device='cpu').kind)"
    )
    assert opened.stdout.strip() == "['night' 'day'] generative", opened.stderr


def test_a_package_that_cannot_be_imported_only_warns(installed):
    install, run = installed
    install("missing_module:MODELS")
    listed = run(COMMAND, "models", "natural-*")
    assert listed.returncode == 0
    assert "natural-32-cnn" in listed.stdout
    (said,) = listed.stderr.splitlines()
    assert said.startswith("synthesight: The model 'grey' of the package grey cannot be imported")


def test_the_room_lists_what_it_offers():
    for name in synthesight.observers.__all__:
        assert getattr(synthesight.observers, name).__name__ == name
    assert synthesight.observers.__all__ == sorted(synthesight.observers.__all__)
    assert dir(synthesight.observers) == synthesight.observers.__all__


def test_sources_are_of_a_kind_that_can_be_opened():
    for entry in registry.entries().values():
        assert entry.kind in ("generative", "discriminative")
        assert entry.licence
