"""``synthesight train``: the recipes of the small models that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from synthesight.cli.options import MOST_SEED, Commands, Device, written_to
from synthesight.errors import SynthesightError

TrainingSeed = Annotated[
    int, typer.Option(min=0, max=MOST_SEED, help="Of first weights, order and noise.")
]

training = typer.Typer(cls=Commands, help="Train the small models that ship.", no_args_is_help=True)


@training.command("generative")
def train_generative(
    data: Annotated[Path, typer.Option(help="Parquet file with columns image and label.")],
    out: Annotated[Path, written_to("Folder of the training; the same command resumes it.")],
    steps: Annotated[int, typer.Option(help="Length of the training.")] = 6000,
    batch_size: Annotated[int, typer.Option(help="Images a step.")] = 64,
    width: Annotated[int, typer.Option(help="Of the transformer, a multiple of 64.")] = 128,
    seed: TrainingSeed = 0,
    device: Device = None,
) -> None:
    """Train a text-conditional flow model such as natural-32, and fit its time weighting."""
    from synthesight.experiments import generative, weighting
    from synthesight.progress import Progress

    if steps < 1 or batch_size < 1 or width < 64 or width % 64:
        raise SynthesightError(
            "`steps` and `batch_size` must be 1 or more, and `width` a multiple of 64."
        )
    options = generative.GenerativeOptions(
        steps=steps, batch_size=batch_size, width=width, heads=width // 64, seed=seed
    )
    images, folder, place = _train(generative, data, out, options, steps, device)
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
    device: Device = None,
) -> None:
    """Train a model of image tokens such as natural-32-ar, and fit its weight of each token."""
    from synthesight.experiments import tokens

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
    _, folder, _ = _train(tokens, data, out, options, None, device, seconds=seconds)
    print(tokens.summary(folder))
    print(f"The model is in {folder}.")


@training.command("discriminative")
def train_discriminative(
    data: Annotated[Path, typer.Option(help="Parquet file with columns image and label.")],
    out: Annotated[Path, written_to("Folder of the training; the same command resumes it.")],
    epochs: Annotated[int, typer.Option(help="Passes over the images.")] = 9,
    seed: TrainingSeed = 0,
    device: Device = None,
) -> None:
    """Train a network such as natural-32-cnn."""
    from synthesight.experiments import discriminative

    options = discriminative.DiscriminativeOptions(epochs=epochs, seed=seed)
    _, folder, _ = _train(discriminative, data, out, options, None, device)
    print(f"The model is in {folder}.")


def _train(
    recipe: Any,
    data: Path,
    out: Path,
    options: Any,
    steps: int | None,
    device: str | None,
    **limits: Any,
) -> tuple[Any, Path, Any]:
    """Train with progress: the images, the folder of the model, and the device."""
    import torch

    from synthesight.experiments.images import LabelledImages
    from synthesight.likelihood.device import check_device
    from synthesight.progress import Progress

    place = check_device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    images = LabelledImages.from_parquet(data, progress=True)
    total = steps if steps is not None else recipe.steps_of(images, options)
    try:
        with Progress("Training", total, show=True) as progress:
            folder = recipe.train(
                images,
                out,
                options,
                device=place,
                report=lambda step, loss: progress.at(step, f"loss {loss:.4f}"),
                **limits,
            )
    except KeyboardInterrupt:
        print(f"Stopped; the same command goes on from the last checkpoint in {out}.")
        raise typer.Exit(130) from None
    return images, folder, place
