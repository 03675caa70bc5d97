"""What the commands share: options, and how a command ends."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[
    str, typer.Option(help="A name of `synthesight models`, a folder, or owner/model.")
]
Classes = Annotated[str | None, typer.Option(help="Categories to choose among: cat,dog,…")]
Prompts = Annotated[
    list[str] | None,
    typer.Option("--prompt", help='Template, may be repeated. Default "A bad photo of a {class}".'),
]
RuleName = Annotated[
    str | None,
    typer.Option("--rule", help="sequential (default), exhaustive, staged or repeated-t."),
]
Delta = Annotated[
    float | None,
    typer.Option(
        help="Probability that `sequential` drops what `exhaustive` would choose; default 0.01."
    ),
]
MaxDraws = Annotated[int | None, typer.Option(help="Draws a class at most; default 200.")]
Weighting = Annotated[
    str | None, typer.Option(help="jaini, epsilon, elbo or uniform; default: the model's own.")
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="JSON file of class → list of labels, or of whole prompts for models that read text."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="Folder of the datasets; default: SYNTHESIGHT_DATA, else the cache."),
]
Combine = Annotated[
    str | None, typer.Option(help="How labels make a class: logsumexp (default) or best.")
]
MOST_SEED = 2**32 - 1  # what every generator takes
Seed = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Of draws and samples.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, …; default: the GPU if there is one.")]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")]
BatchSize = Annotated[
    int | None, typer.Option(help="Network evaluations a batch; default: found by measurement.")
]


def split(classes: str | None) -> list[str] | None:
    """The classes of ``--classes``."""
    return None if classes is None else classes.split(",")


def end(failures: list[str], count: int) -> None:
    """List what could not be read; the exit code says that there was something."""
    if not failures:
        return
    if len(failures) < count or count > 1:
        print(f"{len(failures)} of {count} images could not be read:", file=sys.stderr)
    for failure in failures:
        print(f"synthesight: {failure}", file=sys.stderr)
    raise typer.Exit(2)
