"""What tests are made of: trial tables, images, and runs of the command line."""

from __future__ import annotations

import functools
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import typer.main
from PIL import Image

from synthesight.cli.main import main
from synthesight.stimuli.stimulus import Stimulus

COMMAND = [sys.executable, "-m", "synthesight"]
built_command = functools.cache(typer.main.get_command)
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "COLUMNS": "120"}


def trial_table(
    responses: Sequence[Any],
    observer: str = "m",
    dataset: Any = "d",
    condition: Any = "0",
    **columns: Any,
) -> pl.DataFrame:
    """Make trials of one observer, one row a response.

    Parameters
    ----------
    responses
        Categories, None for no response; or bool, which stands for right ("cat") or wrong ("dog").
    dataset, condition, columns
        One value for all rows, or a list with one value a row.
    """
    if len(responses) and isinstance(responses[0], bool | np.bool_):
        responses = np.where(responses, "cat", "dog").tolist()
    table = pl.DataFrame(
        {
            "observer": observer,
            "dataset": dataset,
            "condition": condition,
            "stimulus": [f"{n}.png" for n in range(len(responses))],
            "category": "cat",
            "response": pl.Series(responses, dtype=pl.String),
            "kind": "discriminative",
        }
        | columns
    )
    if "stimulus" in columns:
        return table
    return table.with_columns(
        stimulus=pl.concat_str("dataset", "condition", "stimulus", separator="/")
    )


def picture(size: int | tuple[int, int] = 8, colour: Any = "black") -> Image.Image:
    """Make a plain RGB image."""
    return Image.new("RGB", (size, size) if isinstance(size, int) else size, colour)


def noise(rng: np.random.Generator, size: int = 32, low: int = 0, high: int = 256) -> Image.Image:
    """Make an RGB image of random pixels."""
    return Image.fromarray(rng.integers(low, high, (size, size, 3), dtype=np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def save_pictures(folder: Path, *names: str, **look: Any) -> Path:
    """Write plain images below a folder, and return the first one's path."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(**look).save(folder / name)
    return folder / names[0]


def stimuli_of(images: Iterable[Image.Image]) -> list[Stimulus]:
    """Make stimuli with the ids s0.png, s1.png, …"""
    return [Stimulus(id=f"s{n}.png", source=image) for n, image in enumerate(images)]


def noise_stimuli(rng: np.random.Generator, count: int, **look: int) -> list[Stimulus]:
    """Make stimuli of random pixels, two by two unless a size is given."""
    return stimuli_of(noise(rng, **{"size": 2, **look}) for _ in range(count))


def day_and_night(path: Path, count: int = 40) -> Path:
    """Write a Parquet file of training images: 16 pixels a side, "day" bright, "night" dark."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(count):
        level, label = ((60, "night"), (190, "day"))[number % 2]
        pixels = np.clip(rng.normal(level, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
        rows.append({"image": encoded(Image.fromarray(pixels)), "label": label})
    pl.DataFrame(rows).write_parquet(path)
    return path


def command(*arguments: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in this process, which is quick."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    words = [*map(str, arguments)]
    # To build all commands takes a tenth of a second. Help is laid out in the building.
    build = typer.main.get_command if not words or {"-h", "--help"} & {*words} else built_command
    with (
        patch.object(typer.main, "get_command", build),
        patch.object(sys, "argv", ["synthesight", *words]),
        patch.object(warnings, "formatwarning", warnings.formatwarning),
        patch.dict(os.environ, ENVIRONMENT),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return subprocess.CompletedProcess(list(arguments), code, out.getvalue(), err.getvalue())


def process(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own: for what depends on being one."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": os.environ | ENVIRONMENT}
        | options,
        text=True,
        timeout=240,
        check=False,
    )


def done(*arguments: Any) -> str:
    """Run a command that succeeds, and return its standard output."""
    result = command(*arguments)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


def refused(*arguments: Any) -> str:
    """Run a command that is refused, and return the one sentence that says why."""
    result = command(*arguments)
    assert result.returncode == 2, result.stderr + result.stdout
    return sentence(result.stderr)


def sentence(errors: str) -> str:
    """Return what a command wrote on standard error, which must be one line of its own."""
    lines = [line for line in errors.splitlines() if line.strip()]
    assert len(lines) == 1, errors
    assert lines[0].startswith("synthesight: ")
    return lines[0]
