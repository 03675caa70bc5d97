"""``synthesight train``: small generative models, and discriminative networks of any size."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from synthesight.cli.commands import Commands
from synthesight.cli.options import Device, seeded, written_to
from synthesight.errors import SynthesightError
from synthesight.stopping import code_of

TrainingSeed = Annotated[int, seeded("Of first weights, order and noise.")]

Track = Annotated[
    str | None, typer.Option(help="Log the loss to jsonl:FILE, trackio:PROJECT or wandb:PROJECT.")
]

training = typer.Typer(
    name="train",
    cls=Commands,
    help="Train models, such as the small ones that ship.",
    no_args_is_help=True,
)


@training.command("generative")
def train_generative(
    data: Annotated[Path, typer.Option(help="Parquet file with columns image and label.")],
    out: Annotated[Path, written_to("Folder of the training; the same command resumes it.")],
    steps: Annotated[int, typer.Option(help="Length of the training.")] = 6000,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 64,
    width: Annotated[int, typer.Option(help="Width of the transformer, a multiple of 64.")] = 128,
    seed: TrainingSeed = 0,
    track: Track = None,
    device: Device = None,
) -> None:
    """Train a text-conditional flow model such as natural-32, and fit its time weighting."""
    from synthesight.experiments import generative, weighting
    from synthesight.experiments.images import LabelledImages
    from synthesight.progress import Progress

    if steps < 1 or batch_size < 1 or width < 64 or width % 64:
        raise SynthesightError(
            "`steps` and `batch_size` must be 1 or more, and `width` a multiple of 64."
        )
    options = generative.GenerativeOptions(
        steps=steps, batch_size=batch_size, width=width, heads=width // 64, seed=seed
    )
    place, images = chosen_device(device), LabelledImages.from_parquet(data, progress=True)
    folder = _train(generative, images, out, options, steps, place, track)
    total = weighting.evaluations(images)
    with Progress("Fitting its time weighting", total, show=True) as progress:
        right = weighting.measure(
            images, folder, device=place, report=lambda done: progress.at(done)
        )
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in right.items())
    print(f"Right on training images that its own weighting was not fitted to: {shares}.")
    print(f"The model is in {folder}.")


@training.command("tokens")
def train_tokens(
    data: Annotated[Path, typer.Option(help="Parquet file with columns image and label.")],
    out: Annotated[Path, written_to("Folder of the training; the same command resumes it.")],
    minutes: Annotated[
        float | None, typer.Option(help="Time of all stages together; the default is all steps.")
    ] = None,
    feature_steps: Annotated[int, typer.Option(help="Of learning features.")] = 6000,
    token_steps: Annotated[int, typer.Option(help="Of learning to paint from tokens.")] = 2000,
    steps: Annotated[int, typer.Option(help="Of learning how likely tokens are.")] = 6000,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 512,
    seed: TrainingSeed = 0,
    track: Track = None,
    device: Device = None,
) -> None:
    """Train a model of image tokens such as natural-32-ar, and fit its weight of each token."""
    from synthesight.experiments import tokens
    from synthesight.experiments.images import LabelledImages

    if min(feature_steps, token_steps, steps) < 1 or batch_size < 2:
        raise SynthesightError(
            "`feature_steps`, `token_steps` and `steps` must be 1 or more, and `batch_size` 2 or "
            "more."
        )
    if minutes is not None and not 0 < minutes < 1e6:
        raise SynthesightError(f"`minutes={minutes}` cannot be: give a number above 0.")
    options = tokens.TokenOptions(
        steps=(feature_steps, token_steps, steps),
        batch_sizes=(batch_size, max(2, batch_size // 2), batch_size),
        seed=seed,
    )
    seconds = None if minutes is None else 60 * minutes
    place, images = chosen_device(device), LabelledImages.from_parquet(data, progress=True)
    total = tokens.steps_of(images, options)
    folder = _train(tokens, images, out, options, total, place, track, seconds=seconds)
    print(tokens.summary(folder))
    print(f"The model is in {folder}.")


@training.command("discriminative")
def train_discriminative(
    data: Annotated[
        str,
        typer.Option(help="Images with labels: Parquet, folders (train/ in them), hf:owner/name."),
    ],
    out: Annotated[
        Path | None,
        written_to("Folder of the training; the same command resumes it. Default: the recipe's."),
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="A TOML file of options, or a recipe: resnet50-imagenet, ….")
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(help="SmallCNN (default), ResNet50, timm:NAME or transformers:NAME."),
    ] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="Start from the library's weights.")
    ] = False,
    augmentation: Annotated[
        str | None,
        typer.Option(help="none (default), diffusion-noise, gaussian-noise:SIGMA, blur:SIGMA."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the images. Default: 9.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Images a step, of all processes. Default: 128.")
    ] = None,
    resolution: Annotated[
        int | None, typer.Option(help="Side of the images. Default: as they are.")
    ] = None,
    crop: Annotated[
        bool, typer.Option("--crop", help="Take a random part of each image, each time.")
    ] = False,
    learning_rate: Annotated[float | None, typer.Option(help="Peak. Default: 0.1.")] = None,
    schedule: Annotated[str | None, typer.Option(help="linear (default), cosine or step.")] = None,
    precision: Annotated[str | None, typer.Option(help="bf16 (default) or no.")] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that read images, with --crop. Default: 8.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Images with labels, to measure the accuracy on at the end.")
    ] = None,
    seed: Annotated[int | None, seeded("Of first weights, order and noise.")] = None,
    track: Track = None,
    device: Device = None,
) -> None:
    """Train a network: the recipe of natural-32-cnn, or another; alone or by accelerate launch."""
    from synthesight.experiments import discriminative
    from synthesight.experiments.labelled import open_images
    from synthesight.experiments.recipes import read_recipe

    given = {
        "architecture": architecture, "pretrained": pretrained or None, "crop": crop or None,
        "augmentation": augmentation, "epochs": epochs, "batch_size": batch_size,
        "resolution": resolution, "learning_rate": learning_rate, "schedule": schedule,
        "precision": precision, "workers": workers, "seed": seed,
    }  # fmt: skip
    recipe = read_recipe(config) if config is not None else {}
    options = discriminative.DiscriminativeOptions.read(
        recipe | {key: value for key, value in given.items() if value is not None}
    )
    if out is None:
        if config is None:
            raise SynthesightError("Say where the training goes: give `out`.")
        out = Path("trained") / Path(config).stem
    place = chosen_device(device)
    accelerator = discriminative.accelerate(options, place)
    first = accelerator.is_main_process
    images = open_images(
        data,
        resolution=options.resolution,
        crop=options.crop,
        workers=options.workers,
        progress=bool(first),
    )
    total = discriminative.steps_of(images, options)
    track = track if first else None
    folder = _train(discriminative, images, out, options, total, place, track, show=first)
    if not first:
        return
    print(f"The model is in {folder}.")
    if test is not None:
        for name, right, count in discriminative.accuracies(folder, test, options, place):
            print(f"{name}: {100 * right:.1f} % of {count} images right.")


def chosen_device(device: str | None) -> Any:
    """Return the device of a training: the one that is named, else the GPU if there is one."""
    from synthesight.likelihood.device import best_device, check_device

    return check_device(device or best_device())


def _train(
    recipe: Any,
    images: Any,
    out: Path,
    options: Any,
    total: int,
    place: Any,
    track: str | None,
    *,
    show: bool = True,
    **limits: Any,
) -> Path:
    """Train with progress, and return the folder of the model."""
    from synthesight.progress import Progress
    from synthesight.tracking import open_tracker

    try:
        with (
            open_tracker(track, out, asdict(options)) as tracker,
            Progress("Training", total, show=show) as progress,
        ):

            def report(step: int, loss: float) -> None:
                progress.at(step, f"loss {loss:.4f}")
                tracker.log({"loss": loss}, step=step)

            return recipe.train(
                images,
                out,
                options,
                device=place,
                report=report,
                **limits,
            )
    except KeyboardInterrupt as stopped:
        print(f"Stopped; the same command goes on from the last checkpoint in {out}.")
        raise typer.Exit(code_of(stopped)) from None
