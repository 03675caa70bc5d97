"""Train a discriminative network on labelled images, on one processor or on many.

The default is the recipe of ``natural-32-cnn``: the same images and mirroring as for the generative
model, plus shifts of up to two pixels; SGD with Nesterov momentum, label smoothing and a one-cycle
learning rate. Recipes for other networks are in ``recipes/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from math import cos, pi
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from synthesight.errors import SynthesightError
from synthesight.evaluation import answerable
from synthesight.experiments.checkpoint import Checkpoint
from synthesight.experiments.images import LabelledImages
from synthesight.experiments.stage import GPU_REPORTS, quick_bfloat16
from synthesight.experiments.streamed import StreamedImages
from synthesight.observers.discriminative.imagenet import OUTPUTS, ImageNetNetwork
from synthesight.observers.discriminative.network import (
    HALF,
    DiscriminativeNetwork,
    Network,
    normalised,
)
from synthesight.observers.discriminative.noise import (
    NONE,
    Augmentation,
    WithNoise,
    read_augmentation,
)
from synthesight.observers.discriminative.trained import build, open_trained, write
from synthesight.stimuli.categories import canonical
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.synsets import synsets
from synthesight.stopping import held_back

SCHEDULES = ("linear", "cosine", "step")
PRECISIONS = ("bf16", "no")
# Options that may change when a training goes on.
RESUME_FREE = {"save_every", "workers"}


@dataclass(frozen=True)
class DiscriminativeOptions:
    """What defines a training of a discriminative network.

    Attributes
    ----------
    architecture
        ``SmallCNN``, ``ResNet50``, ``timm:NAME`` or ``transformers:NAME``, as
        :func:`~synthesight.observers.discriminative.trained.build` takes them.
    pretrained
        Whether to start from a library's weights.
    augmentation
        What is done to each image, in [0, 1], after all else: ``none``, ``diffusion-noise``,
        ``gaussian-noise:SIGMA`` or ``blur:SIGMA``.
    epochs, batch_size
        Length of the training; images a step, of all processes together.
    resolution
        Side of the images, in pixels; None for that of the images.
    crop
        Whether to take a random part of each image (8 to 100 % of its area), scaled.
    shift
        Largest random shift, in pixels, of images that are not cropped (reflected at the border).
    mean, std
        Of each channel, for pixels in [0, 1]: what the network sees is normalised by them.
    widths, blocks
        Of :class:`~synthesight.observers.discriminative.small_cnn.SmallCNN`.
    learning_rate, schedule, warmup
        Peak, reached linearly over the share ``warmup`` of the steps; it then falls to zero,
        linearly or as a cosine, or by ten after each 30 epochs (``step``).
    momentum, nesterov, weight_decay, decay_all, smoothing
        Of SGD and of the labels. ``decay_all``: biases and normalisation decay too.
    precision
        ``bf16``, where the processor has it, or ``no`` for float32 throughout.
    workers
        Processes that read images which are not kept in memory.
    save_every
        Steps between checkpoints.
    seed
        Seed of the weights, the order and the noise.
    """

    epochs: int = 9
    batch_size: int = 128
    architecture: str = "SmallCNN"
    pretrained: bool = False
    augmentation: str = NONE
    resolution: int | None = None
    crop: bool = False
    shift: int = 2
    mean: tuple[float, ...] = HALF
    std: tuple[float, ...] = HALF
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: int = 1
    learning_rate: float = 0.1
    schedule: str = "linear"
    warmup: float = 0.2
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    decay_all: bool = False
    smoothing: float = 0.05
    precision: str = "bf16"
    workers: int = 8
    save_every: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        read_augmentation(self.augmentation)
        for name, known in (("schedule", SCHEDULES), ("precision", PRECISIONS)):
            if getattr(self, name) not in known:
                raise SynthesightError(
                    f"There is no `{name}={getattr(self, name)!r}`: choose {' or '.join(known)}."
                )
        if self.epochs < 1 or self.batch_size < 1 or not self.learning_rate > 0:
            raise SynthesightError(
                "`epochs` and `batch_size` must be 1 or more, and `learning_rate` above 0."
            )

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> DiscriminativeOptions:
        """Return options from a table, such as that of a TOML file.

        Raises
        ------
        SynthesightError
            If there is no such option, or its value is of another type.
        """
        types = {each.name: type(each.default) for each in fields(cls)} | {"resolution": int}
        for name, value in given.items():
            if name not in types:
                raise SynthesightError(
                    f"A training has no option {name!r}: choose among {', '.join(types)}."
                )
            wanted = {float: (int, float), tuple: (list, tuple)}.get(types[name], types[name])
            if not isinstance(value, wanted) or (types[name] is not bool and value is True):
                raise SynthesightError(
                    f"The option {name} is {value!r}: give a value of type {types[name].__name__}."
                )
        values: dict[str, Any] = {
            key: tuple(v) if isinstance(v, list) else v for key, v in given.items()
        }
        return cls(**values)

    def rate(self, done: float) -> float:
        """Return the learning rate as a share of its peak, when a share of the steps is done.

        A function of the step needs no state in a checkpoint. torch's ``SequentialLR`` resumes
        exactly only if its state and the rates are kept too, and is off by rounding otherwise.
        """
        if done < self.warmup:
            return done / self.warmup
        if self.schedule == "step":
            return 0.1 ** int(done * self.epochs / 30)
        left = (1 - done) / (1 - self.warmup)
        return left if self.schedule == "linear" else (1 - cos(pi * left)) / 2


def train(
    images: LabelledImages | StreamedImages,
    out: Path,
    options: DiscriminativeOptions,
    *,
    device: torch.device,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> Path:
    """Train, or go on with a training that was stopped, and write the network to ``out/model``.

    Under ``accelerate launch``, several processes share each batch. An interruption is heard
    between steps, and a checkpoint written. Parameters and errors are otherwise those of
    :func:`synthesight.experiments.generative.train`.
    """
    accelerator = accelerate(options, device)
    device, rank, world = accelerator.device, accelerator.process_index, accelerator.num_processes
    if options.batch_size % world:
        raise SynthesightError(
            f"`batch_size={options.batch_size}` cannot be shared by {world} processes: make it a "
            f"multiple of {world}."
        )
    torch.manual_seed(options.seed)
    out.mkdir(parents=True, exist_ok=True)
    settings = settings_of(images, options)
    network = build(settings, pretrained=options.pretrained).to(device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(network, options)
    fixed = {key: value for key, value in asdict(options).items() if key not in RESUME_FREE}
    fixed["data"] = images.hash()
    kept = Checkpoint(
        out / "checkpoint.safetensors", out / "log.jsonl", fixed, model=network, optimizer=optimizer
    )
    step = kept.load()
    steps = steps_of(images, options)
    model = accelerator.prepare(network)
    model.train()
    noise = read_augmentation(options.augmentation)
    smooth: torch.Tensor | None = None
    every = 1 if device.type == "cpu" else GPU_REPORTS

    def keep() -> None:
        if accelerator.is_main_process and smooth is not None:
            kept.save(step, float(smooth))

    batches = images.to(device).batches(
        options.seed, range(step, steps), options.batch_size, rank, world
    )
    try:
        for x, labels in batches:
            with held_back():  # a step is done whole, or not at all
                x = _shown(x.to(device, non_blocking=True), noise, options, step, rank)
                rate = options.rate(step / steps) + (options.schedule == "linear") / steps
                for group in optimizer.param_groups:
                    group["lr"] = options.learning_rate * rate
                with accelerator.autocast():
                    output = model(x)
                logits = getattr(output, "logits", output)
                loss = functional.cross_entropy(
                    logits.float(), labels.to(device), label_smoothing=options.smoothing
                )
                optimizer.zero_grad(set_to_none=True)
                accelerator.backward(loss)
                optimizer.step()
                step += 1
                smooth = loss.detach() if smooth is None else smooth.lerp(loss.detach(), 0.05)
            if step % options.save_every == 0 or step == steps:
                with held_back():
                    keep()
            if step % every == 0 or step == steps:
                report(step, float(smooth))
    except KeyboardInterrupt:
        keep()
        raise
    if accelerator.is_main_process:
        write(network, settings, out / "model")
    accelerator.wait_for_everyone()
    return out / "model"


def accelerate(options: DiscriminativeOptions, device: torch.device) -> Any:
    """Return accelerate's view of this process: its device, and the others beside it."""
    from accelerate import Accelerator

    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)
    precision = options.precision if quick_bfloat16(device) else "no"
    try:
        return Accelerator(mixed_precision=precision, cpu=device.type == "cpu")
    except ValueError as error:  # one process, one precision
        raise SynthesightError(
            "accelerate has another precision or device in this process already: train in a new "
            "process."
        ) from error


def settings_of(
    images: LabelledImages | StreamedImages, options: DiscriminativeOptions
) -> dict[str, Any]:
    """Return what ``config.json`` of the network holds."""
    small: dict[str, Any] = {"widths": list(options.widths), "blocks": options.blocks}
    settings: dict[str, Any] = {"architecture": options.architecture}
    settings |= small if options.architecture == "SmallCNN" else {}
    settings |= {"resolution": images.resolution, "labels": images.names}
    if (options.mean, options.std) != (HALF, HALF):
        settings |= {"mean": list(options.mean), "std": list(options.std)}
    if options.augmentation != NONE:
        settings["augmentation"] = options.augmentation
    return settings


def steps_of(images: LabelledImages | StreamedImages, options: DiscriminativeOptions) -> int:
    """Return the number of steps of a training.

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


def accuracies(
    folder: Path, test: str, options: DiscriminativeOptions, device: torch.device
) -> Iterator[tuple[str, float, int]]:
    """Yield what was shown, the share of right answers and the number of images.

    Images are shown as they are, and, to a network that was trained on changed images, changed too.

    Raises
    ------
    SynthesightError
        If the test images cannot be found, or have other labels.
    """
    observer = open_trained(folder, device=device)
    if isinstance(observer, ImageNetNetwork):  # by its 1000 classes here, not by 16 categories
        colours: dict[str, Any] = {key: observer.pixels[key] for key in ("mean", "std")}
        observer = DiscriminativeNetwork(
            observer.network,
            list(synsets().values())[:OUTPUTS],
            observer.resolution,
            name=observer.name,
            device=device,
            **colours,
        )
    stimuli = answerable(find_stimuli(test), observer.choose(None))
    noise = read_augmentation(options.augmentation)
    shown: list[tuple[str, Network]] = [("as they are", observer)]
    if noise is not None:
        shown.append((f"with {options.augmentation}", WithNoise(observer, noise)))
    for name, network in shown:
        right = [
            canonical(str(answer.response)) == canonical(str(answer.stimulus.category))
            for answer in network.respond(stimuli)
        ]
        yield name, float(np.mean(right)), len(right)


def shifted(x: torch.Tensor, shift: int, chance: np.random.Generator) -> torch.Tensor:
    """Return each image moved by up to ``shift`` pixels each way, reflected at the border."""
    if shift == 0:
        return x
    count, _, side, _ = x.shape
    padded = functional.pad(x, (shift,) * 4, mode="reflect")
    move = torch.from_numpy(chance.integers(0, 2 * shift + 1, size=(2, count))).to(x.device)
    at = torch.arange(side, device=x.device)
    row = (move[0][:, None] + at)[:, None, :, None]
    column = (move[1][:, None] + at)[:, None, None, :]
    image = torch.arange(count, device=x.device)[:, None, None, None]
    channel = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    return padded[image, channel, row, column]


def _shown(
    x: torch.Tensor,
    noise: Augmentation | None,
    options: DiscriminativeOptions,
    step: int,
    rank: int,
) -> torch.Tensor:
    """Return what the network is shown of images in [-1, 1]: moved, changed, normalised."""
    if not options.crop:
        x = shifted(x, options.shift, np.random.default_rng([options.seed, step, 3, *_of(rank)]))
    if noise is not None or (options.mean, options.std) != (HALF, HALF):
        x = (x + 1) / 2
        if noise is not None:
            seed = np.random.default_rng([options.seed, step, 5, *_of(rank)]).integers(2**62)
            x = noise(x, torch.Generator(x.device).manual_seed(int(seed)))
        x = normalised(255 * x, options.mean, options.std)
    return x.contiguous(memory_format=torch.channels_last)


def _of(rank: int) -> list[int]:
    return [rank] if rank else []


def _optimizer(network: torch.nn.Module, options: DiscriminativeOptions) -> torch.optim.SGD:
    decayed = [p for p in network.parameters() if p.ndim > 1 or options.decay_all]
    others = [p for p in network.parameters() if p.ndim <= 1 and not options.decay_all]
    groups = [
        {"params": decayed, "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.SGD(
        groups, lr=options.learning_rate, momentum=options.momentum, nesterov=options.nesterov
    )
