"""Write the pictures of an experiment: stimuli under names that tell nothing, masks and icons."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synthesight import files
from synthesight.people.order import balanced_order
from synthesight.stimuli.categories import SIXTEEN, Vocabulary, canonical
from synthesight.stimuli.images import UnreadableImage, to_array
from synthesight.stimuli.make.shapes import silhouette
from synthesight.stimuli.names import Shown
from synthesight.stimuli.stimulus import Stimulus

LARGEST = 512  # pixels of a side
MASKS = 24
ICON = 96  # pixels


def write_images(
    stimuli: Sequence[Stimulus],
    classes: Sequence[str],
    out: Path,
    seed: int,
    report: Callable[[], None],
) -> tuple[list[dict[str, Any]], list[str], float]:
    """Write images, and return their facts in balanced order, failures, and the mean grey."""
    spelled = Vocabulary(classes).spelled
    (out / "images").mkdir(exist_ok=True)

    def write(stimulus: Stimulus) -> tuple[str, float] | str:
        try:
            image = stimulus.open()
        except UnreadableImage as error:
            return str(error)
        pixels = to_array(image, min(*image.size, LARGEST))
        key = f"{seed}/{stimulus.id}/".encode()
        name = hashlib.blake2b(key + pixels.tobytes(), digest_size=10).hexdigest()
        (out / "images" / f"{name}.png").write_bytes(_png(Image.fromarray(pixels)))
        return f"images/{name}.png", float(pixels.mean())

    ordered = [stimuli[index] for index in balanced_order(stimuli, seed)] if stimuli else []
    names = _names(ordered)
    entries, failures, levels = [], [], []
    with ThreadPoolExecutor(4) as pool:
        for stimulus, name, written in zip(ordered, names, pool.map(write, ordered), strict=True):
            report()
            if isinstance(written, str):
                failures.append(written)
                continue
            levels.append(written[1])
            entries.append(
                {
                    "image": written[0],
                    "category": classes.index(spelled(str(stimulus.category))),
                    "dataset": stimulus.dataset,
                    "condition": stimulus.condition,
                    "name": name,
                    "factors": {name: str(value) for name, value in stimulus.factors.items()},
                }
            )
    return entries, failures, float(np.mean(levels)) if levels else 128.0


def _names(stimuli: Sequence[Stimulus]) -> list[str]:
    """Return the name of each image in trials: the file's, by which models' trials pair with it.

    Where images of a condition share one, each gets a published name, of which it is a part.
    """
    places = [(each.dataset, each.condition, each.id.rsplit("/", 1)[-1]) for each in stimuli]
    times = Counter(places)
    return [
        place[2]
        if times[place] == 1
        else str(
            Shown(
                number,
                "web",
                "people",
                each.condition.replace("_", "-"),
                str(each.category).replace("_", "-"),
                0,
                place[2],
            )
        )
        for number, (each, place) in enumerate(zip(stimuli, places, strict=True), 1)
    ]


def write_masks(out: Path, seed: int) -> list[str]:
    """Write masks, and return their places below the site."""
    (out / "masks").mkdir(exist_ok=True)
    names = [f"masks/{seed}-{number:02}.png" for number in range(MASKS)]
    for number, name in enumerate(names):
        if not (out / name).exists():
            noise = pink_noise(256, np.random.default_rng([seed, number]))
            files.write(out / name, _png(Image.fromarray(noise)))
    return names


def pink_noise(side: int, rng: np.random.Generator) -> np.ndarray:
    """Return the mask of Geirhos et al. (2018): noise whose power falls as 1/f, at high contrast.

    It is uint8, (side, side): scaled to its range, then four times its contrast around the middle.
    """
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None])
    frequency[0, 0] = np.inf  # no mean
    phase = np.exp(2j * np.pi * rng.random((side, side)))
    noise = np.fft.ifft2(phase / np.sqrt(frequency)).real
    noise = (noise - noise.min()) / np.ptp(noise)
    return np.rint(255 * np.clip(4 * (noise - 0.5) + 0.5, 0, 1)).astype(np.uint8)


def write_icon(out: Path, name: str) -> str | None:
    """Draw the icon of one of the 16 categories, in our own silhouettes; None for others."""
    if canonical(name) not in SIXTEEN:
        return None
    place = f"icons/{canonical(name)}.png"
    if not (out / place).exists():
        (out / "icons").mkdir(exist_ok=True)
        image = Image.new("RGBA", (ICON, ICON), (0, 0, 0, 0))
        image.putalpha(silhouette(canonical(name), ICON, scale=0.96))
        files.write(out / place, _png(image))
    return place


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
