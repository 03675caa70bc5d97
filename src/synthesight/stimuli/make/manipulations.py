"""The twelve parametric manipulations of Geirhos et al. (2018), for any photographs.

Each takes an image, a published condition such as ``c10``, and a random generator. The published
images were made by other programs; ours follow the papers' descriptions, and are not equal to
theirs pixel by pixel. Those that are random are new images in any case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from scipy.ndimage import gaussian_filter

from synthesight.errors import SynthesightError
from synthesight.stimuli.make.corruptions import corruptions, severity
from synthesight.stimuli.make.eidolon import partially_coherent_disarray

LUMA = np.array([0.2125, 0.7154, 0.0721])  # ITU-R BT.709, as Geirhos et al. (2018) make greys
MEAN_GREY = 0.4423  # of their training images, which stands beyond the image's edge
GRAIN = 10.0  # of the eidolons

# Linear sRGB to XYZ (IEC 61966-2-1), and XYZ to cone responses (Hunt, Pointer & Estévez).
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_LMS = (
    np.array([[0.38971, 0.68898, -0.07868], [-0.22981, 1.18340, 0.04641], [0.0, 0.0, 1.0]]) @ _XYZ
)

Amplitude = np.ndarray  # float64, shape (H, W): a mean amplitude spectrum


@dataclass(frozen=True)
class Manipulation:
    """Describe one way to make images harder.

    ``apply`` takes an image (float64, (H, W, 3), in [0, 1]), a parameter and a random generator,
    and returns an image. ``parse`` makes the parameter of a published condition; ValueError if it
    is none. ``example`` is a condition, for messages.
    """

    apply: Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
    parse: Callable[[str], float]
    example: str


def manipulate(
    image: np.ndarray,
    manipulation: str,
    condition: str,
    *,
    rng: np.random.Generator | None = None,
    amplitude: Amplitude | None = None,
) -> np.ndarray:
    """Return an image, manipulated by a named manipulation.

    Parameters
    ----------
    image
        uint8, shape (H, W, 3).
    manipulation
        A name among :data:`MANIPULATIONS` or :data:`CORRUPTIONS`.
    condition
        As published: colour cr bw; contrast c10 (per cent); high-pass and low-pass the standard
        deviation of the Gaussian in pixels (high-pass inf: unchanged); phase-scrambling and
        rotation degrees; power-equalisation 0 pow; false-colour True (true colours) False;
        eidolonI, II, III reach-coherence-grain such as 8-10-10; uniform-noise the noise's
        half-width. Of ImageNet-C's corruptions, the severity: 1 to 5.
    rng
        Random generator of noise, phases and eidolons; None for a fixed one.
    amplitude
        Mean amplitude spectrum from :func:`mean_amplitude`, which power-equalisation needs.

    Returns
    -------
    uint8, shape (H, W, 3).

    Raises
    ------
    SynthesightError
        If there is no such manipulation, or it has no such condition.
    """
    known = named(manipulation)
    level = level_of(manipulation, condition)
    pixels = image.astype(np.float64) / 255.0
    if manipulation == "power-equalisation" and level:
        if amplitude is None:
            raise SynthesightError(
                "power-equalisation needs the mean spectrum of all images: give `amplitude`."
            )
        changed = _power_equalised(pixels, amplitude)
    else:
        changed = known.apply(pixels, level, rng or np.random.default_rng(0))
    return np.rint(np.clip(changed, 0.0, 1.0) * 255.0).astype(np.uint8)


def named(manipulation: str) -> Manipulation:
    """Return the manipulation of a name, or raise with a list of them."""
    known = MANIPULATIONS | CORRUPTIONS
    if manipulation not in known:
        last = {name.rpartition(":")[2]: name for name in reversed(known)}
        near = [last[each] for each in get_close_matches(manipulation.lower(), last)]
        every = f"{', '.join(MANIPULATIONS)}; or, of ImageNet-C, {', '.join(CORRUPTIONS)}"
        hint = f"did you mean {' or '.join(near)}" if near else f"choose among {every}"
        raise SynthesightError(f"There is no `manipulation={manipulation!r}`: {hint}.")
    return known[manipulation]


def level_of(manipulation: str, condition: str) -> float:
    """Return the parameter that a condition stands for, or raise with an example."""
    known = named(manipulation)
    try:
        if "_" in condition:  # a number to Python, but what parts the published names of images
            raise ValueError(condition)
        return known.parse(condition)
    except ValueError:
        raise SynthesightError(
            f"{manipulation} has no condition {condition!r}: give one such as {known.example}."
        ) from None


def random_of(seed: int, stimulus_id: str) -> np.random.Generator:
    """Return the random generator of an image, which depends on seed and id alone."""
    digest = hashlib.blake2b(f"{seed}\0{stimulus_id}".encode(), digest_size=16).digest()
    return np.random.default_rng(list(digest))


def mean_amplitude(images: Iterable[np.ndarray]) -> Amplitude:
    """Return the mean amplitude spectrum of the greys of images (uint8, shape (H, W, 3))."""
    total, count = np.zeros(()), 0
    for image in images:
        total = total + np.abs(np.fft.fft2(_grey(image.astype(np.float64) / 255.0)))
        count += 1
    if not count:
        raise SynthesightError("There are no images to take a mean spectrum of: give one or more.")
    return total / count


def _grey(image: np.ndarray) -> np.ndarray:
    return image @ LUMA


def _three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _colour(image: np.ndarray, level: float, _: np.random.Generator) -> np.ndarray:
    return _three(_grey(image)) if level else image


def _contrast(image: np.ndarray, level: float, _: np.random.Generator) -> np.ndarray:
    """Draw greys towards mid grey, so that contrast is ``level`` of what it was."""
    return _three(0.5 + level * (_grey(image) - 0.5))


def _high_pass(image: np.ndarray, deviation: float, _: np.random.Generator) -> np.ndarray:
    """Subtract their blur from greys, and set them on the mean grey."""
    grey = _grey(image)
    if np.isinf(deviation):
        return _three(grey)
    fine = grey - gaussian_filter(grey, deviation, mode="constant", cval=MEAN_GREY)
    return _three(fine - fine.mean() + MEAN_GREY)


def _low_pass(image: np.ndarray, deviation: float, _: np.random.Generator) -> np.ndarray:
    """Blur greys."""
    grey = _grey(image)
    return _three(gaussian_filter(grey, deviation, mode="constant", cval=MEAN_GREY))


def _phase_scrambled(image: np.ndarray, width: float, rng: np.random.Generator) -> np.ndarray:
    """Turn each frequency's phase by a uniform random angle of at most ``width`` degrees."""
    grey = _grey(image)
    angle = rng.uniform(-1.0, 1.0, grey.shape) * np.deg2rad(width)
    # Opposite frequencies turn oppositely, or the image would not stay real.
    opposite = np.roll(angle[::-1, ::-1], 1, axis=(0, 1))
    later = np.arange(angle.size).reshape(angle.shape)
    first = later < np.roll(later[::-1, ::-1], 1, axis=(0, 1))
    own = later == np.roll(later[::-1, ::-1], 1, axis=(0, 1))
    angle = np.where(own, 0.0, np.where(first, angle, -opposite))
    return _three(np.fft.ifft2(np.fft.fft2(grey) * np.exp(1j * angle)).real)


def _power_equalised(image: np.ndarray, amplitude: Amplitude) -> np.ndarray:
    """Combine the image's phases with the mean amplitudes of all images."""
    spectrum = np.fft.fft2(_grey(image))
    if spectrum.shape != amplitude.shape:
        raise SynthesightError("power-equalisation needs images of one size: scale them first.")
    return _three(np.fft.ifft2(amplitude * np.exp(1j * np.angle(spectrum))).real)


def _false_colour(image: np.ndarray, level: float, _: np.random.Generator) -> np.ndarray:
    """Reverse both chromatic axes of Derrington, Krauskopf & Lennie (1984); keep luminance."""
    if not level:
        return image
    linear = np.where(image <= 0.04045, image / 12.92, ((image + 0.055) / 1.055) ** 2.4)
    white = _LMS.sum(axis=1)
    opponent = np.array([
        [1.0, 1.0, 0.0],
        [1 / white[0], -1 / white[1], 0.0],
        [-1 / (white[0] + white[1]), -1 / (white[0] + white[1]), 1 / white[2]],
    ])  # fmt: skip
    reverse = np.linalg.inv(opponent) @ np.diag([1.0, -1.0, -1.0]) @ opponent
    turned = np.clip(linear @ (np.linalg.inv(_LMS) @ reverse @ _LMS).T, 0.0, 1.0)
    return np.where(turned <= 0.0031308, turned * 12.92, 1.055 * turned ** (1 / 2.4) - 0.055)


def _rotated(image: np.ndarray, degrees: float, _: np.random.Generator) -> np.ndarray:
    """Turn greys counter-clockwise by quarter turns, as published."""
    return _three(np.rot90(_grey(image), int(degrees) // 90))


def _uniform_noise(image: np.ndarray, width: float, rng: np.random.Generator) -> np.ndarray:
    """Add independent uniform noise in [−width, width] to greys at 30 % contrast."""
    grey = 0.5 + 0.3 * (_grey(image) - 0.5)
    return _three(grey + rng.uniform(-width, width, grey.shape))


def _eidolon(coherence: float) -> Manipulation:
    def apply(image: np.ndarray, reach: float, rng: np.random.Generator) -> np.ndarray:
        return _three(partially_coherent_disarray(_grey(image), reach, coherence, GRAIN, rng))

    name = f"{round(10 * coherence)}-{round(GRAIN)}"

    def parse(condition: str) -> float:
        reach, _, rest = condition.partition("-")
        if rest != name:
            raise ValueError(condition)
        return _number(0.0, 1e4)(reach)

    return Manipulation(apply, parse, f"8-{name}")


def _number(
    low: float, high: float, *, prefix: str = "", scale: float = 1.0
) -> Callable[[str], float]:
    def parse(condition: str) -> float:
        if not condition.startswith(prefix):
            raise ValueError(condition)
        value = float(condition.removeprefix(prefix)) * scale
        if not low <= value <= high:
            raise ValueError(condition)
        return value

    return parse


def _one_of(**levels: float) -> Callable[[str], float]:
    def parse(condition: str) -> float:
        if condition not in levels:
            raise ValueError(condition)
        return levels[condition]

    return parse


def _quarter(condition: str) -> float:
    value = float(condition)
    if value % 90 or not 0 <= value < 360:
        raise ValueError(condition)
    return value


def _positive(condition: str) -> float:
    value = float(condition)
    if not value > 0:
        raise ValueError(condition)
    return value


MANIPULATIONS: dict[str, Manipulation] = {
    "colour": Manipulation(_colour, _one_of(cr=0, bw=1), "cr or bw"),
    "contrast": Manipulation(_contrast, _number(0, 1, prefix="c", scale=0.01), "c10"),
    "high-pass": Manipulation(_high_pass, _positive, "0.7 or inf"),
    "low-pass": Manipulation(_low_pass, _number(0, 1e4), "10"),
    "phase-scrambling": Manipulation(_phase_scrambled, _number(0, 180), "90"),
    # With the mean amplitudes, `manipulate` itself does the work.
    "power-equalisation": Manipulation(
        lambda image, *_: _three(_grey(image)), _one_of(**{"0": 0, "pow": 1}), "0 or pow"
    ),
    "false-colour": Manipulation(
        _false_colour, _one_of(**{"True": 0, "False": 1}), "True or False"
    ),
    "rotation": Manipulation(_rotated, _quarter, "90"),
    "eidolonI": _eidolon(1.0),
    "eidolonII": _eidolon(0.3),
    "eidolonIII": _eidolon(0.0),
    "uniform-noise": Manipulation(_uniform_noise, _number(0, 1), "0.2"),
}
CORRUPTIONS: dict[str, Manipulation] = {
    name: Manipulation(apply, severity, "3") for name, apply in corruptions().items()
}
