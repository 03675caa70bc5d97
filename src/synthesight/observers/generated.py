"""Let a model make images of its classes: stimuli whose labels it knows without anybody's help."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image

from synthesight.errors import SynthesightError
from synthesight.likelihood import memory
from synthesight.likelihood.draws import normal_noise, stimulus_key
from synthesight.likelihood.sampling import STEPS, sample
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.observer import Observer
from synthesight.stimuli.stimulus import Stimulus

DATASET = "generated"
BATCH = 50


def generate(
    observer: Observer,
    count: int,
    classes: Sequence[str] | None = None,
    *,
    steps: int = STEPS,
    seed: int = 0,
    batch_size: int = BATCH,
    report: Callable[[int], None] = lambda done: None,
) -> list[Stimulus]:
    """Return images that a model makes of its classes, in turn, without guidance.

    Parameters
    ----------
    observer
        A classifier by a diffusion or flow model.
    count
        Number of images.
    classes
        Class names; None for the observer's own.
    steps
        Network evaluations of each image, by :func:`synthesight.likelihood.sampling.sample`.
    seed
        Seed of the noise that they begin with.
    batch_size
        Images made at a time.
    report
        Called with the number of images made.

    Raises
    ------
    SynthesightError
        If the model cannot make images.

    Examples
    --------
    >>> import synthesight
    >>> observer = synthesight.load("natural-32", device="cpu")
    >>> [image.category for image in generate(observer, 2, ["cat", "dog"], steps=2)]
    ['cat', 'dog']
    """
    if count < 1:
        raise SynthesightError(f"`count={count}` makes no images: give 1 or more.")
    model = observer.model if isinstance(observer, GenerativeClassifier) else None
    if not (hasattr(model, "estimate") and hasattr(model, "decode")):
        raise SynthesightError(
            f"{observer.name} makes no images of its classes here, as diffusion and flow models do:"
            " give labelled images instead."
        )
    assert isinstance(observer, GenerativeClassifier)
    chosen = observer.choose(classes)
    prompts, rows, groups = observer.units(chosen)
    conditioning = memory.prepare(observer.likelihood, prompts)
    height, width = np.broadcast_to(model.resolution, 2)  # type: ignore[union-attr]
    blank = torch.zeros(1, 3, int(height), int(width), device=model.device)  # type: ignore[union-attr]
    shape = memory.encode(observer.likelihood, blank).shape[1:]
    made = []
    for start in range(0, count, batch_size):
        number = np.arange(start, min(start + batch_size, count))
        own, turn = number % len(chosen), number // len(chosen)
        # A class of several labels, or prompts, takes them in turn.
        unit = [
            np.flatnonzero(groups == k)[n % (groups == k).sum()]
            for k, n in zip(own, turn, strict=True)
        ]
        row = torch.from_numpy(rows[unit, turn % rows.shape[1]])
        names = [f"{chosen[k]}/{n}.png" for k, n in zip(own, turn, strict=True)]
        keys = np.stack([stimulus_key(seed, name) for name in names])
        noise = torch.from_numpy(normal_noise(keys, np.zeros(len(keys), np.int64), shape))
        x = sample(model, noise, conditioning, row, steps=steps)  # type: ignore[arg-type]
        with torch.no_grad():
            images = model.decode(x)  # type: ignore[union-attr]
        pixels = ((images.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu()
        made += [
            Stimulus(f"{DATASET}/{name}", Image.fromarray(image), DATASET, category=chosen[k])
            for name, image, k in zip(names, pixels.numpy(), own, strict=True)
        ]
        report(len(made))
    return made


__all__ = ["generate"]
