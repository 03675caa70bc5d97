"""Train a small discriminative network on labelled images: the recipe of ``natural-32-cnn``.

The same images and mirroring as for the generative model, plus shifts of up to two pixels; SGD
with Nesterov momentum, label smoothing and a one-cycle learning rate.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.experiments import checkpoint
from synthesight.experiments.images import LabelledImages
from synthesight.observers.discriminative.small_cnn import SmallCNN


@dataclass(frozen=True)
class DiscriminativeOptions:
    """What defines a training of the small discriminative network.

    Attributes
    ----------
    epochs, batch_size
        Length of the training.
    widths, blocks
        Of :class:`~synthesight.observers.discriminative.small_cnn.SmallCNN`.
    learning_rate
        Peak, reached after ``warmup`` of the steps; it then falls linearly to zero.
    shift
        Largest random shift, in pixels, of the images (reflected at the border).
    """

    epochs: int = 9
    batch_size: int = 128
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: int = 1
    learning_rate: float = 0.1
    warmup: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    smoothing: float = 0.05
    shift: int = 2
    save_every: int = 100
    seed: int = 0


def train(
    images: LabelledImages,
    out: Path,
    options: DiscriminativeOptions,
    *,
    device: torch.device,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Path:
    """Train, or go on with a training that was stopped, and write the network to ``out/model``.

    Parameters and errors are those of :func:`synthesight.experiments.generative.train`.
    """
    torch.manual_seed(options.seed)
    out.mkdir(parents=True, exist_ok=True)
    model = SmallCNN(len(images.names), options.widths, options.blocks).to(device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.1, momentum=options.momentum, nesterov=True)
    parts = {"model": model, "optimizer": optimizer}
    fixed = json.loads(json.dumps(asdict(options))) | {"data": images.hash()}
    saved = out / "checkpoint.safetensors"
    step = checkpoint.load(saved, fixed, **parts) if saved.exists() else 0
    steps = steps_of(images, options)
    smooth: float | None = None
    while step < steps:
        x, labels = images.batch(options.seed, step, options.batch_size)
        x = shifted(x, options.shift, np.random.default_rng([options.seed, step, 3]))
        x = x.to(device, memory_format=torch.channels_last)
        done = step / steps
        rate = min(done / options.warmup, (1 - done) / (1 - options.warmup)) + 1 / steps
        for group in optimizer.param_groups:
            group["lr"] = options.learning_rate * rate
        with torch.autocast(device.type, torch.bfloat16):
            logits = model(x)
        loss = functional.cross_entropy(
            logits.float(), labels.to(device), label_smoothing=options.smoothing
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
        value = loss.item()
        smooth = value if smooth is None else 0.95 * smooth + 0.05 * value
        report(step, smooth)
        if step % options.save_every == 0 or step == steps:
            checkpoint.check(step, smooth)
            checkpoint.save(saved, step, fixed, **parts)
    write_network(model, images, options, out / "model")
    return out / "model"


def steps_of(images: LabelledImages, options: DiscriminativeOptions) -> int:
    """Steps of a training.

    Raises
    ------
    SynthesightError
        If there are not enough images for one step.
    """
    steps = options.epochs * (len(images.labels) // options.batch_size)
    if steps < 1:
        raise SynthesightError(
            f"{len(images.labels)} training images and {options.epochs} epochs make no step of "
            f"{options.batch_size} images: give more images, and `epochs` of 1 or more."
        )
    return steps


def shifted(x: torch.Tensor, shift: int, chance: np.random.Generator) -> torch.Tensor:
    """Each image moved by up to ``shift`` pixels each way, reflected at the border."""
    if shift == 0:
        return x
    count, _, side, _ = x.shape
    padded = functional.pad(x, (shift,) * 4, mode="reflect")
    rows, columns = chance.integers(0, 2 * shift + 1, size=(2, count))
    at = torch.arange(side)
    row = (torch.from_numpy(rows)[:, None] + at)[:, None, :, None]
    column = (torch.from_numpy(columns)[:, None] + at)[:, None, None, :]
    image = torch.arange(count)[:, None, None, None]
    return padded[image, torch.arange(x.shape[1])[None, :, None, None], row, column]


def write_network(
    model: SmallCNN, images: LabelledImages, options: DiscriminativeOptions, folder: Path
) -> None:
    """Write a network as a folder: configuration, and weights as float16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = {
        "architecture": "SmallCNN",
        "widths": list(options.widths),
        "blocks": options.blocks,
        "resolution": images.pixels.shape[-1],
        "labels": images.names,
    }
    files.write(folder / "config.json", json.dumps(configuration, indent=2) + "\n")
    weights = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in model.state_dict().items()
    }
    with files.whole(folder / "model.safetensors") as unfinished:
        save_file(weights, unfinished)
