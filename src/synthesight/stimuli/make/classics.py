"""Classic ambiguous pictures, drawn by us from curves and numbers, each with its controls.

Duck and rabbit (Jastrow 1899), vase and faces (Rubin 1915), the square that is not there (Kanizsa
1955), the cube of two depths (Necker 1832), and a face in a rock. A control shows one reading
alone, or has what makes the picture ambiguous taken from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from synthesight.errors import SynthesightError
from synthesight.stimuli.stimulus import Stimulus

ILLUSION = "illusion"  # the variant that is ambiguous
SIZE = 256
_FINE = 3  # pixels drawn for one, in each direction

INK, PAPER, GREY = (25, 25, 25), (250, 250, 248), (168, 168, 165)
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Classic:
    """Describe a classic picture: what people call it, and a prompt for each of its two readings.

    ``neutral`` fits both. ``variants`` can be drawn; each is to give a reading, or None. ``known``
    are classes that may stand for a reading, for models that know few. ``draw`` takes a canvas and
    a variant.
    """

    title: str
    prompts: dict[str, str]
    neutral: str
    variants: dict[str, str | None]
    known: dict[str, tuple[str, ...]]
    draw: Callable[[Canvas, str], None]


class Canvas:
    """A square picture to draw on: coordinates from 0 to 1, x to the right and y down."""

    def __init__(self, size: int, ground: tuple[int, int, int] = PAPER) -> None:
        self.side = size * _FINE
        self.image = Image.new("RGB", (self.side, self.side), ground)
        self.pen = ImageDraw.Draw(self.image)

    def area(self, points: Points | np.ndarray, fill: tuple[int, int, int]) -> None:
        self.pen.polygon(self._pixels(points), fill=fill)

    def line(
        self, points: Points | np.ndarray, width: float = 0.012, colour: tuple[int, ...] = INK
    ) -> None:
        pixels, thick = self._pixels(points), max(1, round(width * self.side))
        self.pen.line(pixels, fill=colour, width=thick, joint="curve")
        for x, y in (pixels[0], pixels[-1]):
            r = thick / 2
            self.pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def disc(
        self, x: float, y: float, radius: float, fill: tuple[int, int, int], high: float = 1.0
    ) -> None:
        box = (x - radius, y - radius * high, x + radius, y + radius * high)
        self.pen.ellipse([self.side * each for each in box], fill=fill)

    def wedge(self, x: float, y: float, radius: float, start: float, stop: float) -> None:
        """Draw a disc's part between two angles, in degrees clockwise from the right."""
        box = (x - radius, y - radius, x + radius, y + radius)
        self.pen.pieslice([self.side * each for each in box], start, stop, fill=INK)

    def _pixels(self, points: Points | np.ndarray) -> list[tuple[float, float]]:
        return [(self.side * x, self.side * y) for x, y in np.asarray(points).tolist()]


def spline(points: Points, *, closed: bool = False, steps: int = 16) -> np.ndarray:
    """Return a Catmull-Rom curve through the points: float64, shape (N, 2)."""
    p = np.array(points, dtype=np.float64)
    ends = (p[-1:], p[:2]) if closed else (p[:1], p[-1:])
    p = np.concatenate([ends[0], p, ends[1]])
    p0, p1, p2, p3 = p[:-3, None], p[1:-2, None], p[2:-1, None], p[3:, None]
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    cubic = 2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2
    curve = ((cubic + (3 * p1 - p0 - 3 * p2 + p3) * t**3) / 2).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, p[-2:-1]])


def draw_classic(name: str, variant: str = ILLUSION, size: int = SIZE) -> Image.Image:
    """Draw a classic picture or one of its controls.

    Parameters
    ----------
    name
        Among :data:`CLASSICS`.
    variant
        ``"illusion"``, or a control among the picture's ``variants``.
    size
        Side in pixels.

    Raises
    ------
    SynthesightError
        If there is no such picture or variant.

    Examples
    --------
    >>> draw_classic("kanizsa", size=64).size
    (64, 64)
    """
    if name not in CLASSICS:
        raise SynthesightError(f"There is no classic {name!r}: choose among {', '.join(CLASSICS)}.")
    classic = CLASSICS[name]
    if variant not in classic.variants:
        raise SynthesightError(
            f"{name} has no variant {variant!r}: choose among {', '.join(classic.variants)}."
        )
    canvas = Canvas(size)
    classic.draw(canvas, variant)
    return canvas.image.resize((size, size), Image.Resampling.LANCZOS)


def classic_stimuli(names: Sequence[str] = (), size: int = SIZE) -> list[Stimulus]:
    """Draw classic pictures with their controls; all of them, if none is named.

    Stimuli have the dataset ``classics``, the picture's name as their condition, the factor
    ``variant``, and no category.
    """
    return [
        Stimulus(
            id=f"classics/{name}/{variant}.png",
            source=draw_classic(name, variant, size),
            dataset="classics",
            condition=name,
            factors={"variant": variant},
        )
        for name in names or CLASSICS
        for variant in (CLASSICS[name].variants if name in CLASSICS else (ILLUSION,))
    ]


def _duck_rabbit(canvas: Canvas, variant: str) -> None:
    upper = [(0.47, 0.33), (0.34, 0.285), (0.20, 0.262), (0.075, 0.268), (0.045, 0.305),
             (0.10, 0.345), (0.22, 0.375), (0.335, 0.415)]  # fmt: skip
    lower = [(0.30, 0.430), (0.20, 0.430), (0.11, 0.425), (0.060, 0.455), (0.085, 0.500),
             (0.19, 0.520), (0.31, 0.520), (0.40, 0.535)]  # fmt: skip
    front = [(0.455, 0.60), (0.46, 0.70), (0.42, 0.82), (0.37, 0.97)]
    back = [(0.88, 0.97), (0.83, 0.85), (0.79, 0.74), (0.785, 0.66), (0.825, 0.60)]
    mouth = [(0.850, 0.545), (0.838, 0.515), (0.812, 0.498), (0.845, 0.478), (0.858, 0.43)]
    if variant == "duck":  # a round back of the head
        mouth = [(0.845, 0.55), (0.855, 0.49), (0.85, 0.43)]
    crown = [(0.835, 0.36), (0.77, 0.275), (0.66, 0.235), (0.55, 0.262)]
    if variant == "duck":
        bill = [(0.47, 0.35), (0.36, 0.37), (0.22, 0.385), (0.08, 0.39), (0.045, 0.425),
                (0.10, 0.465), (0.22, 0.475), (0.33, 0.49), (0.41, 0.53)]  # fmt: skip
        outline = spline([*bill, *front], closed=False)
    else:
        outline = np.concatenate([spline(upper), spline([upper[-1], *lower, *front])])
    rest = spline([*back, *mouth, *crown, (0.47, 0.35 if variant == "duck" else 0.33)])
    outline = np.concatenate([outline, rest])
    canvas.area(outline, GREY)
    if variant == "duck":
        orange = (226, 140, 40)
        canvas.area(spline([*bill, (0.455, 0.44)], closed=True), orange)
        canvas.line(spline([(0.065, 0.432), (0.2, 0.425), (0.36, 0.44)]), 0.008)
        canvas.disc(0.36, 0.402, 0.012, INK)
    if variant == "rabbit":
        for ear in (
            [(0.12, 0.30), (0.25, 0.315), (0.38, 0.365)],
            [(0.13, 0.466), (0.25, 0.476), (0.37, 0.49)],
        ):
            canvas.line(spline(ear), 0.022, (228, 170, 170))
        canvas.disc(0.853, 0.468, 0.024, (200, 110, 110))
        for y in (0.44, 0.50, 0.56):
            canvas.line([(0.80, 0.51), (0.96, y)], 0.005)
    canvas.line(outline, 0.012)
    canvas.disc(0.63, 0.40, 0.034, PAPER)
    canvas.disc(0.63, 0.40, 0.024, INK)
    canvas.disc(0.622, 0.392, 0.007, PAPER)


# Half of the vase's width at each height: a face in profile from its forehead to its neck.
_PROFILE = ((0.32, 0.00), (0.285, 0.05), (0.245, 0.12), (0.222, 0.20), (0.212, 0.28), (0.215, 0.33),
            (0.240, 0.375), (0.222, 0.42), (0.170, 0.475), (0.125, 0.515), (0.128, 0.535),
            (0.185, 0.555), (0.190, 0.575), (0.158, 0.600), (0.160, 0.620), (0.192, 0.638),
            (0.165, 0.662), (0.168, 0.685), (0.205, 0.712), (0.200, 0.745), (0.172, 0.785),
            (0.185, 0.825), (0.25, 0.855), (0.30, 0.885), (0.325, 0.93), (0.33, 1.00))  # fmt: skip


def _vase_faces(canvas: Canvas, variant: str) -> None:
    edge = spline(_PROFILE)
    right, left = edge * [1, 1] + [0.5, 0], edge[::-1] * [-1, 1] + [0.5, 0]
    vase = np.concatenate([right, left])
    if variant == "faces":
        skin = (222, 178, 148)
        canvas.area([(0, 0), (1, 0), (1, 1), (0, 1)], skin)
        canvas.area(vase, (120, 160, 200))
        for side in (-1, 1):

            def across(away: float, side: int = side) -> float:
                return 0.5 + side * away

            hair = [(0.29, 0.0), (0.31, 0.16), (0.42, 0.24), (0.44, 0.42), (0.5, 0.5), (0.52, 0.0)]
            canvas.area(spline([(across(dx), y) for dx, y in hair], closed=True), (70, 45, 30))
            canvas.disc(across(0.275), 0.39, 0.026, PAPER, 0.6)
            canvas.disc(across(0.264), 0.39, 0.013, INK)
            canvas.line(
                spline([(across(0.235), 0.345), (across(0.27), 0.325), (across(0.31), 0.34)]), 0.012
            )
            canvas.line(
                spline([(across(0.192), 0.638), (across(0.225), 0.642), (across(0.25), 0.632)]),
                0.008,
            )
        canvas.line(right, 0.008)
        canvas.line(left, 0.008)
        return
    if variant == "vase":
        canvas.area(vase, (70, 120, 180))
        for y in (0.03, 0.10, 0.90, 0.96):
            wide = np.interp(y, edge[:, 1], edge[:, 0])
            canvas.line([(0.5 - wide, y), (0.5 + wide, y)], 0.02, (225, 200, 90))
        for x, y in ((0.5, 0.24), (0.5, 0.76), (0.42, 0.24), (0.58, 0.24)):
            canvas.disc(x, y, 0.026, (225, 200, 90))
        canvas.line(right, 0.012)
        canvas.line(left, 0.012)
        return
    canvas.area([(0, 0), (1, 0), (1, 1), (0, 1)], INK)
    canvas.area(vase, PAPER)


def _kanizsa(canvas: Canvas, variant: str) -> None:
    near, far, radius = 0.27, 0.73, 0.155
    for x, y, corner in ((near, near, 0), (far, near, 90), (far, far, 180), (near, far, 270)):
        # The quarter that is left out looks to the middle; turned away, no square is seen.
        turn = corner + (180 if variant == "turned" else 0)
        canvas.wedge(x, y, radius, turn + 90, turn + 360)
    if variant == "outlined":
        canvas.line([(near, near), (far, near), (far, far), (near, far), (near, near)], 0.01)


def _necker(canvas: Canvas, variant: str) -> None:
    low, high, shift = 0.16, 0.64, 0.20
    front = np.array([(low, low), (high, low), (high, high), (low, high)]) + np.array([0, shift])
    behind = front + np.array([shift, -shift])
    edges = [(face[i], face[(i + 1) % 4]) for face in (front, behind) for i in range(4)]
    edges += list(zip(front, behind, strict=True))
    if variant != ILLUSION:
        above = variant == "above"
        near, other = (front, behind) if above else (behind, front)
        hidden = 3 if above else 1  # the corner of the far face that no one sees
        edges = [(a, b) for a, b in edges if not any((p == other[hidden]).all() for p in (a, b))]
        tones = ((235, 235, 232), (200, 200, 197), (160, 160, 157))
        sides = ((0, 1), (1, 2)) if above else ((2, 3), (3, 0))
        canvas.area(near, tones[0])
        for (a, b), tone in zip(sides, tones[1:], strict=True):
            canvas.area([near[a], near[b], other[b], other[a]], tone)
    for a, b in edges:
        canvas.line([a, b], 0.014)


# A face's features: where each is, its radius, how high it is beside wide, and how dark.
_FEATURES = ((0.355, 0.40, 0.066, 0.62, 0.62), (0.625, 0.385, 0.070, 0.60, 0.66),
             (0.49, 0.535, 0.030, 1.55, 0.28), (0.445, 0.590, 0.020, 0.8, 0.45),
             (0.535, 0.590, 0.020, 0.8, 0.45), (0.49, 0.705, 0.125, 0.21, 0.60),
             (0.355, 0.325, 0.085, 0.20, 0.30), (0.63, 0.305, 0.090, 0.20, 0.30))  # fmt: skip
_SCATTERED = ((0.30, 0.66), (0.52, 0.30), (0.70, 0.62), (0.40, 0.44), (0.62, 0.78), (0.60, 0.50),
              (0.42, 0.80), (0.34, 0.26))  # fmt: skip


def _rock_face(canvas: Canvas, variant: str) -> None:
    side = canvas.side
    rng = np.random.default_rng(7)
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    fy, fx = np.fft.fftfreq(side)[:, None] * side, np.fft.rfftfreq(side)[None] * side
    radius = np.maximum(np.hypot(fy, fx), 1)

    def rough(power: float) -> np.ndarray:
        waves = rng.normal(size=radius.shape) + 1j * rng.normal(size=radius.shape)
        grain = np.fft.irfft2(waves / radius**power, s=(side, side))
        return grain / grain.std()

    relief = rough(1.9)
    angle = np.arctan2(y - 0.52, x - 0.5)
    away = np.hypot((x - 0.5) / 0.98, (y - 0.52) / 1.06)
    waves = [rng.normal(0, 0.022 / n) * np.cos(n * angle + rng.uniform(0, 6)) for n in range(2, 12)]
    # Waves of the outline fade to the middle, where they would meet in a star.
    inside = 0.405 + np.sum(waves, axis=0) * np.clip(away / 0.35, 0, 1) ** 3 - away
    dome = np.sqrt(np.clip(inside / 0.4, 0, 1))
    height = dome * 0.22 + 0.010 * relief
    features: Sequence[tuple[float, ...]] = _FEATURES
    if variant == "scattered":
        features = tuple(
            (*place, *feature[2:]) for place, feature in zip(_SCATTERED, _FEATURES, strict=True)
        )
    warp = 0.012 * rough(2.2)
    for cx, cy, wide, high, deep in features:
        near = np.hypot((x - cx + warp) / wide, (y - cy + warp[::-1]) / (wide * high))
        height = height - 0.060 * deep * np.exp(-(near**3))
    light = np.gradient(height, axis=0) * 0.85 + np.gradient(height, axis=1) * 0.45
    shade = 0.62 + 0.50 * np.tanh(light * side * 0.55) + 0.05 * rough(1.2)
    hollow = height - gaussian_filter(height, side * 0.06)
    shade = np.clip(shade + np.minimum(hollow, 0) * 16, 0.06, 1)
    stone = shade[:, :, None] * np.array([168, 156, 142.0])
    ground = (218 - 26 * y + 4 * rough(1.0))[:, :, None] * np.array([1.0, 0.985, 0.95])
    edge = np.clip(inside * side / 3, 0, 1)[:, :, None]
    shadow = 1 - 0.45 * np.exp(-(np.hypot((x - 0.5) / 0.42, (y - 0.95) / 0.05) ** 2))[:, :, None]
    pixels = np.clip(edge * stone + (1 - edge) * ground * shadow, 0, 255).astype(np.uint8)
    if variant == "inverted":
        pixels = pixels[::-1]
    canvas.image.paste(Image.fromarray(pixels))


CLASSICS: dict[str, Classic] = {
    "duck-rabbit": Classic(
        "Duck or rabbit",
        {"duck": "a drawing of a duck", "rabbit": "a drawing of a rabbit"},
        "a drawing of an animal",
        {ILLUSION: None, "duck": "duck", "rabbit": "rabbit"},
        {"duck": ("duck", "bird"), "rabbit": ("rabbit", "hare", "deer", "cat")},
        _duck_rabbit,
    ),
    "vase-faces": Classic(
        "Vase or faces",
        {"vase": "a picture of a vase", "faces": "a picture of two faces looking at each other"},
        "a picture in black and white",
        {ILLUSION: None, "vase": "vase", "faces": "faces"},
        {"vase": ("vase", "goblet"), "faces": ("faces", "face", "people")},
        _vase_faces,
    ),
    "kanizsa": Classic(
        "Square or discs",
        {"square": "a white square on top of four black discs",
         "discs": "four black discs, each with a quarter missing"},
        "a pattern of black shapes",
        {ILLUSION: None, "outlined": "square", "turned": "discs"},
        {"square": ("square",), "discs": ("discs", "disc", "circle")},
        _kanizsa,
    ),
    "necker": Classic(
        "Cube from above or below",
        {"above": "a drawing of a cube seen from above",
         "below": "a drawing of a cube seen from below"},
        "a drawing of a cube",
        {ILLUSION: None, "above": "above", "below": "below"},
        {"above": (), "below": ()},
        _necker,
    ),
    "rock-face": Classic(
        "A face in a rock",
        {"face": "a photo of a face", "rock": "a photo of a rock"},
        "a photo",
        {ILLUSION: None, "inverted": None, "scattered": "rock"},
        {"face": ("face", "person"), "rock": ("rock", "stone")},
        _rock_face,
    ),
}  # fmt: skip
