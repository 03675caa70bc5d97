"""``synthesight convert``: published checkpoints as folders of safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from synthesight.cli.options import written_to


def convert(
    sources: Annotated[
        list[str], typer.Argument(help="Files of a network and its tokenizer: .pth, .safetensors.")
    ],
    out: Annotated[Path, written_to("Folder of the model, which `--model` then takes.")],
) -> None:
    """Convert a published VAR or RandAR to safetensors; no pickle's code is ever run."""
    from synthesight.likelihood.tokens import convert as convert_files

    family = convert_files(sources, out)
    print(f"The {family} is in {out}.")
