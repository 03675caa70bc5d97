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
from scipy.fft import dctn, idctn
from scipy.ndimage import distance_transform_edt

from synthesight.errors import SynthesightError
from synthesight.stimuli.categories import canonical
from synthesight.stimuli.images import to_array
from synthesight.stimuli.make.manipulations import LUMA
from synthesight.stimuli.make.shapes import SHAPES, silhouette
from synthesight.stimuli.stimulus import Factor, Stimulus

MOST_SIZE = 256  # pixels: larger photographs are scaled down
LEAST_CUTOFF, MOST_CUTOFF = 0.5, 32.0  # cycles an image
WHOLE = "whole"  # the view in which nothing is shrunk or blurred

Pair = tuple[Stimulus, Stimulus]


def low_pass(image: np.ndarray, cutoff: float) -> np.ndarray:
    """Return the low spatial frequencies of an image, by a Gaussian filter.

    Parameters
    ----------
    image
        float64, shape (H, W, 3).
    cutoff
        Frequency of which half of the amplitude passes, in cycles an image (of its shorter side).

    Returns
    -------
    float64, shape (H, W, 3). The image is continued by its mirror image beyond the edges, so that
    opposite edges do not mix.

    Examples
    --------
    >>> bars = np.cos(np.pi * 8 * (np.arange(32) + 0.5) / 32)  # 4 cycles
    >>> image = np.tile(bars[None, :, None], (32, 1, 3))
    >>> np.allclose(low_pass(image, 4.0), image / 2)
    True
    """
    height, width = image.shape[:2]
    # The n-th cosine has n / 2 cycles in its side; in shorter sides, where one is longer.
    short = min(height, width)
    down, right = (np.arange(side) / 2 * (short / side) for side in (height, width))
    power = (down[:, None] ** 2 + right**2) / cutoff**2
    spectrum = dctn(image, axes=(0, 1), norm="ortho") * np.exp(-np.log(2) * power)[:, :, None]
    return idctn(spectrum, axes=(0, 1), norm="ortho")


def hybrid(low: np.ndarray, high: np.ndarray, cutoff: float) -> np.ndarray:
    """Return an image of one image's low frequencies and another's high ones.

    The two filters add up to 1: a hybrid of an image with itself is the image. Values beyond black
    and white are clipped, as little as they are.

    Parameters
    ----------
    low, high
        uint8, shape (H, W, 3), of one shape.
    cutoff
        Of the Gaussian filters, in cycles an image: half of the amplitude is from either image.

    Returns
    -------
    uint8, shape (H, W, 3).

    References
    ----------
    Oliva, Torralba & Schyns (2006), Hybrid images, ACM Transactions on Graphics 25.

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    >>> np.array_equal(hybrid(image, image, 3.0), image)
    True
    """
    own, other = low.astype(np.float64), high.astype(np.float64)
    return _bytes(low_pass(own, cutoff) + other - low_pass(other, cutoff))


def cross_fade(image: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """Return a mixture of two images (uint8, of one shape): ``share`` is that of the first."""
    return _bytes(share * image.astype(np.float64) + (1 - share) * other.astype(np.float64))


def morphed_outline(category: str, other: str, share: float, size: int) -> Image.Image:
    """Draw a silhouette between those of two categories: black on white.

    The distance to the outline, negative inside, is mixed: unlike a cross-fade, each step is one
    whole figure with a sharp outline.

    Parameters
    ----------
    category, other
        Among :data:`~synthesight.stimuli.make.shapes.SHAPES`.
    share
        Share of the first category's distances, from 0 to 1.
    size
        Side in pixels.
    """
    fine = 4 * size
    first, second = (_distance(silhouette(name, fine)) for name in (category, other))
    outside = share * first + (1 - share) * second
    # Half a pixel to either side of the outline is grey: antialiased at the fine size already.
    grey = np.clip(outside + 0.5, 0, 1) * 255
    fitted = Image.fromarray(np.rint(grey).astype(np.uint8)).resize((size, size))
    return fitted.convert("RGB")


def seen(image: np.ndarray, view: str) -> np.ndarray:
    """Return an image as another view shows it, as from further away.

    Parameters
    ----------
    image
        uint8, shape (H, W, 3).
    view
        ``"whole"``; ``"blur-4"``, which halves the amplitude of 4 cycles an image; or
        ``"shrink-2"``, which gives the image half of its sides. (A model enlarges a small image to
        its own size, and with it what is left.)

    Raises
    ------
    SynthesightError
        If there is no such view, or nothing is left of the image.

    Examples
    --------
    >>> seen(np.zeros((32, 32, 3), dtype=np.uint8), "shrink-4").shape
    (8, 8, 3)
    """
    kind, amount = read_view(view)
    if kind == "blur":
        return _bytes(low_pass(image.astype(np.float64), amount))
    if kind == "shrink":
        height, width = (round(side / amount) for side in image.shape[:2])
        if min(height, width) < 2:
            raise SynthesightError(
                f"The view {view} leaves nothing of an image of {min(image.shape[:2])} pixels: "
                "shrink it less."
            )
        small = Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS)
        return np.asarray(small)
    return image


def read_view(view: str) -> tuple[str, float]:
    """Return the kind of a view and its amount; see :func:`seen`."""
    kind, _, text = view.partition("-")
    if view == WHOLE:
        return WHOLE, 1.0
    try:
        amount = float(text)
        if kind not in ("blur", "shrink") or not 0 < amount < 1e4 or amount < (kind == "shrink"):
            raise ValueError(view)
    except ValueError:
        raise SynthesightError(
            f"There is no view {view!r}: write whole, blur-4 (cycles an image) or shrink-2."
        ) from None
    return kind, amount


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
    return _bytes(np.repeat((image @ LUMA)[:, :, None], 3, axis=2)) if grey else image


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


def _distance(mask: Image.Image) -> np.ndarray:
    """Return the distance to a figure's outline in pixels, negative inside; float64, (H, W)."""
    inside = np.asarray(mask) > 127
    return distance_transform_edt(~inside) - distance_transform_edt(inside)


def _bytes(image: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(image, 0.0, 255.0)).astype(np.uint8)


# Of two stimuli, their images, the level and the size: uint8, shape (H, W, 3).
KINDS: dict[str, Callable[..., np.ndarray]] = {
    "hybrid": lambda one, other, a, b, cutoff, size: hybrid(a, b, cutoff),
    "cross-fade": lambda one, other, a, b, share, size: cross_fade(a, b, share),
    "outline": _outline,
}


def named_pair(first: Stimulus, second: Stimulus, classes: tuple[str, str]) -> Pair:
    """Return two images as a pair whose categories are the two classes, in this order."""
    return replace(first, category=classes[0]), replace(second, category=classes[1])
