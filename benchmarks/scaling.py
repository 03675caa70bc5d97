"""What a large study costs, and whether the book-keeping of one bears a million images.

    python benchmarks/scaling.py plan
    python benchmarks/scaling.py count
    python benchmarks/scaling.py simulate --stimuli 1000000

`plan` multiplies images, evaluations an image, operations an evaluation and the speed of a GPU.
Of these, the images are the published ones, the operations are counted by `count` on networks of
the published sizes, and the peaks are those of NVIDIA's data sheets (dense bfloat16). The share of
the peak that a network reaches, and the price, are assumptions: give your own.

`simulate` evaluates a model that answers at once, so that all of the time and memory is ours.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from synthesight import Run, evaluate
from synthesight.observers.observer import Observer
from synthesight.observers.response import Response
from synthesight.stimuli import SIXTEEN, Stimulus
from synthesight.stimuli.datasets import datasets

# Operations (10^12, a multiplication and an addition are two) of one evaluation, by `count`.
TERAFLOP = {
    "Stable Diffusion 1.5, 512²": 0.803,
    "PixArt-Σ, 512²": 1.289,
    "Stable Diffusion 3 medium, 512²": 2.107,
    "SDXL, 1024²": 6.761,
}
# Dense bfloat16 with tensor cores, in 10^12 operations a second (NVIDIA's data sheets).
PEAKS = {"A100": 312.0, "L40S": 362.0, "H100 SXM": 989.0}
STEPS = 10

app = typer.Typer(add_completion=False, rich_markup_mode=None)
console = Console(width=110)


@app.command()
def plan(
    evaluations: Annotated[
        float, typer.Option(help="Network evaluations an image and class, on average.")
    ] = 37.6,
    classes: Annotated[int, typer.Option(help="Classes to choose among.")] = 16,
    utilisation: Annotated[float, typer.Option(help="Share of the GPU's peak (assumed).")] = 0.4,
    price: Annotated[float, typer.Option(help="Dollars a GPU-hour (assumed).")] = 2.5,
    gpu: Annotated[str, typer.Option(help=" or ".join(PEAKS))] = "H100 SXM",
) -> None:
    """Print what all published datasets and four models take."""
    images = sum(each.images or 0 for each in datasets().values())
    trial = _bytes_a_trial(classes)
    table = Table(title=f"{len(datasets())} datasets, {images:,} images, {classes} classes, {gpu}")
    for column in ("model", "TFLOP/evaluation", "evaluations/s", "evaluations", "GPU-hours", "$"):
        table.add_column(column, justify="left" if column == "model" else "right")
    hours = 0.0
    for name, cost in TERAFLOP.items():
        rate = PEAKS[gpu] * utilisation / cost
        count = images * classes * evaluations
        hours += count / rate / 3600
        table.add_row(
            name, f"{cost:.2f}", f"{rate:.0f}", f"{count / 1e6:.1f} M",
            f"{count / rate / 3600:.0f}", f"{price * count / rate / 3600:,.0f}",
        )  # fmt: skip
    console.print(table)
    megabytes = trial * images * len(TERAFLOP) / 1e6
    console.print(
        f"in all {hours:.0f} GPU-hours and ${price * hours:,.0f}; the runs take {megabytes:.0f} MB "
        f"({trial:.0f} bytes a trial)"
    )


@app.command()
def count() -> None:
    """Count the operations of one evaluation, on networks without weights."""
    import torch
    from diffusers import (
        PixArtTransformer2DModel,
        SD3Transformer2DModel,
        UNet2DConditionModel,
    )
    from torch.utils.flop_counter import FlopCounterMode

    attention = "CrossAttnDownBlock2D"
    with torch.device("meta"):
        t = torch.empty(1)
        cases: dict[str, tuple[Any, dict[str, Any]]] = {
            "Stable Diffusion 1.5, 512²": (
                UNet2DConditionModel(64, cross_attention_dim=768, attention_head_dim=8),
                {
                    "sample": torch.empty(1, 4, 64, 64),
                    "encoder_hidden_states": torch.empty(1, 77, 768),
                },
            ),
            "PixArt-Σ, 512²": (
                PixArtTransformer2DModel(sample_size=64, caption_channels=4096),
                {
                    "hidden_states": torch.empty(1, 4, 64, 64),
                    "encoder_hidden_states": torch.empty(1, 300, 4096),
                    "added_cond_kwargs": {"resolution": None, "aspect_ratio": None},
                },
            ),
            "Stable Diffusion 3 medium, 512²": (
                SD3Transformer2DModel(
                    num_layers=24, num_attention_heads=24, caption_projection_dim=1536,
                    pos_embed_max_size=192,
                ),
                {
                    "hidden_states": torch.empty(1, 16, 64, 64),
                    "encoder_hidden_states": torch.empty(1, 333, 4096),
                    "pooled_projections": torch.empty(1, 2048),
                },
            ),
            "SDXL, 1024²": (
                UNet2DConditionModel(
                    128, block_out_channels=(320, 640, 1280), cross_attention_dim=2048,
                    down_block_types=("DownBlock2D", attention, attention),
                    up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                    transformer_layers_per_block=(1, 2, 10), attention_head_dim=(5, 10, 20),
                    use_linear_projection=True, addition_embed_type="text_time",
                    addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
                ),
                {
                    "sample": torch.empty(1, 4, 128, 128),
                    "encoder_hidden_states": torch.empty(1, 77, 2048),
                    "added_cond_kwargs": {
                        "text_embeds": torch.empty(1, 1280), "time_ids": torch.empty(1, 6),
                    },
                },
            ),
        }  # fmt: skip
        for name, (network, inputs) in cases.items():
            with FlopCounterMode(display=False) as counted, torch.no_grad():
                network(timestep=t, **inputs)
            millions = sum(part.numel() for part in network.parameters()) / 1e6
            teraflop = counted.get_total_flops() / 1e12
            console.print(f"{name}: {millions:.0f} M parameters, {teraflop:.3f} TFLOP")


@app.command()
def simulate(
    stimuli: Annotated[int, typer.Option(help="Number of images.")] = 100_000,
) -> None:
    """Evaluate a model that answers at once, and print time and memory."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        shown = [
            Stimulus(f"drawn/{SIXTEEN[n % 16]}/{n:07d}.png", b"", "drawn", category=SIXTEEN[n % 16])
            for n in range(stimuli)
        ]
        console.print(f"{stimuli:,} stimuli listed in {time.monotonic() - started:.1f} s")
        answers = Immediate(stimuli)
        started = time.monotonic()
        run = evaluate(answers, shown, Path(folder) / "run", progress=False)
        seconds = time.monotonic() - started
        parts = [part for part in run.folder.iterdir() if part.suffix == ".parquet"]
        size = sum(part.stat().st_size for part in parts)
        console.print(
            f"evaluated in {seconds:.0f} s, {1000 * seconds / stimuli:.2f} ms an image; "
            f"{len(parts)} parts, {size / 1e6:.0f} MB, {size / stimuli:.0f} bytes a trial"
        )
        started = time.monotonic()
        assert run.trials().height == stimuli
        console.print(f"read and sorted in {time.monotonic() - started:.1f} s")
        started = time.monotonic()
        evaluate(answers, shown, run.folder, progress=False)
        console.print(f"opened again, nothing to do, in {time.monotonic() - started:.1f} s")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    console.print(f"largest resident size {most:.0f} MB")


class Immediate(Observer):
    """Answers at once, at random, and prints how much memory is in use meanwhile."""

    name, kind, classes = "immediate", "generative", list(SIXTEEN)

    def __init__(self, stimuli: int) -> None:
        self.every = max(1, stimuli // STEPS)

    def describe(self) -> dict[str, Any]:
        return {"model": self.name}

    def respond(
        self, stimuli: Iterable[Stimulus], classes: Sequence[str] | None = None
    ) -> Iterator[Response]:
        chosen = self.choose(classes)
        rng = np.random.default_rng(0)
        draws = np.full(len(chosen), 40)
        started = time.monotonic()
        for number, stimulus in enumerate(stimuli, 1):
            evidence = -rng.exponential(size=len(chosen))
            best = int(evidence.argmax())
            score = np.full(len(chosen), 1 / len(chosen))
            yield Response(
                stimulus, chosen[best], evidence - evidence[best], score, score, draws,
                640, "decided",
            )  # fmt: skip
            if number % self.every == 0:
                console.print(
                    f"{number:>9,} answered, {1000 * (time.monotonic() - started) / number:.2f} ms "
                    f"an image, {_resident():.0f} MB in use"
                )


def _resident() -> float:
    """Return the memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _bytes_a_trial(classes: int) -> float:
    """Return what a trial takes on disk, of a run of 5,000."""
    with tempfile.TemporaryDirectory() as folder:
        rng = np.random.default_rng(0)
        rows = [
            {
                "observer": "a model", "kind": "generative", "dataset": "contrast",
                "stimulus": f"contrast/cat/{n}.png", "category": "cat", "response": "dog",
                "evidence": (-rng.exponential(size=classes)).tolist(), "draws": 40,
                "evaluations": 640.0, "stopped": "decided", "seed": 0,
                "digest": rng.bytes(16).hex(),
            }
            for n in range(5000)
        ]  # fmt: skip
        run = Run.create(Path(folder) / "run", {"classes": list(SIXTEEN[:classes])})
        run.append(rows)
        return sum(part.stat().st_size for part in run.folder.glob("part-*")) / len(rows)


if __name__ == "__main__":
    app()
