"""Try the door on a tiny pipeline of every class, and write what came out into docs/models.md.

Run it as ``python tests/pipeline_table.py``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.likelihood.pipeline import PipelineDenoiser
from tiny_pipelines import PIPELINES, REFUSED, TinyPipeline

PAGE = Path(__file__).parents[1] / "docs" / "models.md"
BEGIN, END = "<!-- pipelines -->", "<!-- end of pipelines -->"


def disagreement(model: PipelineDenoiser, tiny: TinyPipeline) -> float:
    """Return by how much x̂ of a mixed batch differs from the pipeline's own, one by one.

    Returns
    -------
    The largest difference, relative to the largest value.
    """
    generator = torch.Generator().manual_seed(7)
    z = torch.randn(6, *model.reference.layout.shape, generator=generator)
    steps = torch.randint(20, len(model.schedule) - 20, (6,), generator=generator)
    rows = torch.arange(6) % 3
    prompts = tiny.prompts[:3]
    found = model.denoise(z, steps, model.prepare(list(map(str, prompts))), rows)
    captured, model.door = model.door, model.reference
    try:
        expected = model.denoise(z, steps, prompts, rows)
    finally:
        model.door = captured
    return float((found - expected).abs().max() / expected.abs().max())


def table() -> str:
    """Return the table in Markdown."""
    lines = [
        "| pipeline | network | predicts | door | difference | guidance off |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for key, tiny in PIPELINES.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SynthesightWarning)
            model = PipelineDenoiser(tiny.build(), name=key, resolution=tiny.resolution)
        own = model.door is model.reference
        name, _, variant = key.partition(":")
        cells = [
            f"{name} ({variant})" if variant else name,
            type(model.network).__name__,
            model.prediction.removesuffix("_prediction"),
            "pipeline's own call" if own else repr(model.door),
            "" if own else f"{disagreement(model, tiny):.0e}",
            str(model.describe()["arguments"].get("guidance_scale", "")),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| refused | because |", "| --- | --- |"]
    for key, (build, _) in REFUSED.items():
        try:
            PipelineDenoiser(build(), name=key)
        except SynthesightError as error:
            reason = str(error).partition("cannot be scored: ")[2].rpartition(". ")[0]
            lines.append(f"| {key} | {reason} |")
    return "\n".join(lines)


if __name__ == "__main__":
    made = table()
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    page = f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"
    PAGE.write_text(page, encoding="utf-8")
    print(made)
