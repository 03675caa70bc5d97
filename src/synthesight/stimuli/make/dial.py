"""Ambiguous images on a dial from one image to another: hybrids, cross-fades, morphed outlines.

A hybrid has the low spatial frequencies of one image and the high ones of another (Oliva, Torralba
& Schyns 2006). Its dial is the cut-off: the lower, the more of the other image. Frequencies are in
cycles an image, so that they do not depend on the number of pixels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from PIL import Image

from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import canonical
from synthesight.stimuli.images import to_array
from synthesight.stimuli.make.blends import (
    WHOLE,
    as_bytes,
    cross_fade,
    hybrid,
    morphed_outline,
    seen,
)
from synthesight.stimuli.make.manipulations import LUMA
from synthesight.stimuli.make.shapes import SHAPES
from synthesight.stimuli.stimulus import Factor, Stimulus

MOST_SIZE = 256  # pixels: larger photographs are scaled down
LEAST_CUTOFF, MOST_CUTOFF = 0.5, 32.0  # cycles an image
Pair = tuple[Stimulus, Stimulus]


def pairs_of(
    stimuli: Sequence[Stimulus],
    classes: tuple[str, str],
    *,
    pairs: int = 1,
    seed: int = 0,
    both_ways: bool = True,
) -> list[Pair]:
    """Pair images of two classes at random; each image is in one pair.

    Parameters
    ----------
    stimuli
        Images with categories.
    classes
        The two classes.
    pairs
        Number of pairs.
    seed
        Seed of the choice, which depends on ids and not on order.
    both_ways
        Whether each pair comes a second time with its images exchanged.

    Raises
    ------
    SynthesightError
        If there are not so many images of either class.
    """
    chosen = []
    for name in classes:
        own = sorted(
            (
                replace(one, category=name)
                for one in stimuli
                if one.category is not None and canonical(one.category) == canonical(name)
            ),
            key=lambda one: one.id,
        )
        if len(own) < pairs:
            raise SynthesightError(
                f"There are {len(own)} images of {name}, too few for `pairs={pairs}`: take fewer "
                "pairs, or give more images."
            )
        order = np.random.default_rng(seed).permutation(len(own))
        chosen.append([own[place] for place in order[:pairs]])
    made = list(zip(*chosen, strict=True))
    return [*made, *((other, one) for one, other in made)] if both_ways else made


def dial_stimuli(
    pairs: Sequence[Pair],
    kind: str = "hybrid",
    *,
    steps: int = 9,
    span: tuple[float, float] | None = None,
    views: Sequence[str] = (WHOLE,),
    size: int | None = None,
    grey: bool = False,
) -> list[Stimulus]:
    """Make the images of a dial: each pair at each step, in each view.

    Parameters
    ----------
    pairs
        Two images each. The dial turns towards the first: that gives the low frequencies of
        hybrids, and its share rises in cross-fades and outlines.
    kind
        ``"hybrid"``; ``"cross-fade"``; or ``"outline"``, which takes of a pair only the categories
        and draws them.
    steps
        Number of steps. Cut-offs are at equal ratios, shares at equal distances.
    span
        First and last cut-off or share. None: cut-offs from 0.5 to 32 cycles an image, or to what
        its pixels can hold; shares from 0 to 1.
    views
        How each image is seen; see :func:`seen`. It is the stimulus's condition.
    size
        Side in pixels, to which images are scaled and cut. None: that of the smallest image, at
        most 256.
    grey
        Whether colours are left out, which are low frequencies too.

    Returns
    -------
    Stimuli without a category, as neither is the right one, and with the factors ``dial`` (log2 of
    the cut-off, or the share), ``cutoff`` (of hybrids, in cycles an image), ``toward`` and
    ``other`` (categories) and ``pair``. Their dataset is ``kind``.

    Raises
    ------
    SynthesightError
        If the kind, the span or a view cannot be, or an image cannot be read.
    """
    if kind not in KINDS:
        raise SynthesightError(f"There is no `kind={kind!r}`: choose among {', '.join(KINDS)}.")
    if steps < 2:
        raise SynthesightError(f"`steps={steps}` is no dial: give 2 or more.")
    if size is None:
        opened = [] if kind == "outline" else [s.open().size for pair in pairs for s in pair]
        size = min(MOST_SIZE, *(side for sides in opened for side in sides)) if opened else 224
    images = [[_read(one, size, grey, kind) for one in pair] for pair in pairs]
    levels = _levels(kind, steps, span, size)
    made = []
    names = _pair_names(pairs)
    for view, (place, (one, other)), level in product(views, enumerate(pairs), levels):
        pixels = KINDS[kind](one, other, *images[place], level, size)
        name = f"{names[place]}-{level:.3g}.png"
        factors: dict[str, Factor] = {
            "dial": float(np.log2(level)) if kind == "hybrid" else level,
            **({"cutoff": level} if kind == "hybrid" else {}),
            "toward": str(one.category),
            "other": str(other.category),
            # The same two images in either order vary together.
            "pair": "+".join(sorted(names[place].rsplit("-over-", 1))),
        }
        made.append(
            Stimulus(
                id=f"{kind}/{view}/{name}",
                source=Image.fromarray(seen(pixels, view)),
                dataset=kind,
                condition=view,
                factors=factors,
            )
        )
    return made


def _levels(kind: str, steps: int, span: tuple[float, float] | None, size: int) -> list[float]:
    least, most = (LEAST_CUTOFF, min(MOST_CUTOFF, size / 2)) if kind == "hybrid" else (0.0, 1.0)
    first, last = span or (least, most)
    lowest, highest = (1e-3, size / 2) if kind == "hybrid" else (0.0, 1.0)
    if not lowest <= first < last <= highest:
        limits = (
            f"cut-offs above 0 and up to {highest:g} cycles, of images of {size} pixels"
            if kind == "hybrid"
            else "shares from 0 to 1"
        )
        raise SynthesightError(f"`span={first:g},{last:g}` cannot be: give two {limits}.")
    spaced = np.geomspace if kind == "hybrid" else np.linspace
    return [float(level) for level in spaced(first, last, steps)]


def _read(stimulus: Stimulus, size: int, grey: bool, kind: str) -> np.ndarray:
    if kind == "outline":
        return np.zeros(0)
    image = to_array(stimulus.open(), size)
    return as_bytes(np.repeat((image @ LUMA)[:, :, None], 3, axis=2)) if grey else image


def _pair_names(pairs: Sequence[Pair]) -> list[str]:
    """Return a file's name for each pair, such as cat-0459-over-dog-0012."""
    named = {
        s.id: f"{s.category}-{s.id.rsplit('/', 1)[-1].rsplit('.', 1)[0]}" for p in pairs for s in p
    }
    if len(set(named.values())) < len(named):
        named = {name: f"{stem}-{n}" for n, (name, stem) in enumerate(named.items())}
    return [f"{named[one.id]}-over-{named[other.id]}" for one, other in pairs]


def _outline(
    one: Stimulus, other: Stimulus, _: np.ndarray, __: np.ndarray, share: float, size: int
) -> np.ndarray:
    for name in (one.category, other.category):
        if name not in SHAPES:
            raise SynthesightError(
                f"There is no drawn {name!r}: choose two of {', '.join(SHAPES)}."
            )
    return np.asarray(morphed_outline(str(one.category), str(other.category), share, size))


# Of two stimuli, their images, the level and the size: uint8, shape (H, W, 3).
KINDS: dict[str, Callable[..., np.ndarray]] = {
    "hybrid": lambda one, other, a, b, cutoff, size: hybrid(a, b, cutoff),
    "cross-fade": lambda one, other, a, b, share, size: cross_fade(a, b, share),
    "outline": _outline,
}


def named_pair(first: Stimulus, second: Stimulus, classes: tuple[str, str]) -> Pair:
    """Return two images as a pair whose categories are the two classes, in this order."""
    return replace(first, category=classes[0]), replace(second, category=classes[1])
