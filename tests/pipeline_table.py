"""Try the door on a tiny pipeline of every class, and write the table of docs/reference/models.md.

Run it as ``python tests/pipeline_table.py``.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.likelihood.pipeline import PipelineDenoiser
from tiny_pipelines import PIPELINES, REFUSED, TinyPipeline

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "models.md"
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
    opened = [
        "| pipeline | network | predicts | door | difference | guidance off |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    refused = ["| refused | because |", "| --- | --- |"]
    builders = {key: tiny.build for key, tiny in PIPELINES.items()}
    builders |= {key: build for key, (build, _) in REFUSED.items()}
    for key, build in builders.items():
        tiny = PIPELINES.get(key)
        name, _, variant = key.partition(":")
        shown = f"{name} ({variant})" if variant else name
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SynthesightWarning)
            try:
                model = PipelineDenoiser(
                    build(), name="it", resolution=tiny.resolution if tiny else None
                )
            except SynthesightError as error:
                reason = str(error).partition(": ")[2].rpartition(". Choose")[0]
                refused.append(f"| {shown} | {reason} |")
                continue
        assert tiny is not None
        own = model.door is model.reference
        cells = [
            shown,
            type(model.network).__name__,
            model.prediction.removesuffix("_prediction").replace("reversed_flow", "flow, reversed"),
            repr(model.door),
            "0" if own else f"{disagreement(model, tiny):.0e}",
            str(model.describe()["arguments"].get("guidance_scale", "")),
        ]
        opened.append(f"| {' | '.join(cells)} |")
    return "\n".join([*opened, "", *refused])


if __name__ == "__main__":
    made = table()
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    page = f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"
    PAGE.write_text(page, encoding="utf-8")
    print(made)
