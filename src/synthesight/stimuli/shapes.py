"""Silhouettes of seven categories, drawn by us as polygons and ellipses.

Coordinates run from 0 to 1, x to the right and y down; the objects face left.
"""

from __future__ import annotations

from PIL import Image, ImageDraw

Polygon = tuple[tuple[float, float], ...]
Ellipse = tuple[float, float, float, float]  # left, top, right, bottom

# Each shape: filled polygons, filled ellipses, then ellipses cut out.
_SHAPES: dict[str, tuple[tuple[Polygon, ...], tuple[Ellipse, ...], tuple[Ellipse, ...]]] = {
    "airplane": (
        (
            ((0.06, 0.50), (0.12, 0.45), (0.80, 0.44), (0.97, 0.47), (0.97, 0.51), (0.80, 0.56),
             (0.14, 0.57)),
            ((0.36, 0.52), (0.50, 0.52), (0.76, 0.84), (0.66, 0.84)),
            ((0.38, 0.47), (0.50, 0.47), (0.68, 0.22), (0.60, 0.22)),
            ((0.80, 0.47), (0.88, 0.24), (0.97, 0.24), (0.95, 0.50)),
            ((0.82, 0.51), (0.90, 0.51), (0.98, 0.62), (0.92, 0.62)),
        ),
        ((0.03, 0.445, 0.25, 0.575),),
        (),
    ),
    "bird": (
        (
            ((0.06, 0.30), (0.17, 0.26), (0.17, 0.35)),
            ((0.70, 0.50), (0.97, 0.62), (0.93, 0.70), (0.62, 0.68)),
            ((0.30, 0.42), (0.22, 0.34), (0.30, 0.24), (0.42, 0.34)),
            ((0.44, 0.74), (0.47, 0.74), (0.46, 0.92), (0.52, 0.95), (0.38, 0.95), (0.43, 0.91)),
            ((0.56, 0.72), (0.59, 0.72), (0.60, 0.91), (0.66, 0.95), (0.52, 0.95), (0.57, 0.91)),
        ),
        ((0.14, 0.20, 0.36, 0.42), (0.24, 0.32, 0.80, 0.78)),
        ((0.205, 0.265, 0.24, 0.30),),
    ),
    "boat": (
        (
            ((0.04, 0.66), (0.96, 0.66), (0.82, 0.88), (0.18, 0.88)),
            ((0.47, 0.06), (0.50, 0.06), (0.50, 0.67), (0.47, 0.67)),
            ((0.45, 0.12), (0.45, 0.62), (0.10, 0.62)),
            ((0.52, 0.08), (0.52, 0.62), (0.90, 0.62)),
        ),
        (),
        (),
    ),
    "car": (
        (
            ((0.03, 0.56), (0.08, 0.50), (0.26, 0.47), (0.38, 0.31), (0.68, 0.31), (0.82, 0.47),
             (0.95, 0.51), (0.97, 0.68), (0.03, 0.68)),
        ),
        ((0.13, 0.57, 0.33, 0.77), (0.68, 0.57, 0.88, 0.77)),
        ((0.19, 0.63, 0.27, 0.71), (0.74, 0.63, 0.82, 0.71)),
    ),
    "cat": (
        (
            ((0.20, 0.24), (0.20, 0.02), (0.36, 0.14)),
            ((0.52, 0.24), (0.52, 0.02), (0.36, 0.14)),
            ((0.26, 0.40), (0.46, 0.40), (0.66, 0.62), (0.68, 0.94), (0.22, 0.94)),
            ((0.62, 0.90), (0.86, 0.86), (0.90, 0.62), (0.84, 0.46), (0.90, 0.43), (0.98, 0.62),
             (0.92, 0.92), (0.66, 0.97)),
        ),
        ((0.17, 0.11, 0.55, 0.45), (0.28, 0.52, 0.74, 0.97), (0.20, 0.86, 0.40, 0.97)),
        ((0.25, 0.23, 0.31, 0.29), (0.41, 0.23, 0.47, 0.29)),
    ),
    "dog": (
        (
            ((0.04, 0.33), (0.20, 0.24), (0.34, 0.26), (0.32, 0.42), (0.08, 0.42)),
            ((0.26, 0.20), (0.36, 0.20), (0.42, 0.44), (0.32, 0.46)),
            ((0.28, 0.28), (0.40, 0.40), (0.80, 0.42), (0.84, 0.66), (0.36, 0.68), (0.26, 0.42)),
            ((0.32, 0.60), (0.42, 0.60), (0.40, 0.94), (0.32, 0.94)),
            ((0.46, 0.62), (0.54, 0.62), (0.52, 0.94), (0.45, 0.94)),
            ((0.68, 0.60), (0.78, 0.60), (0.76, 0.94), (0.68, 0.94)),
            ((0.78, 0.56), (0.86, 0.54), (0.90, 0.94), (0.82, 0.94)),
            ((0.78, 0.46), (0.90, 0.24), (0.96, 0.22), (0.88, 0.48)),
        ),
        ((0.14, 0.20, 0.38, 0.42),),
        ((0.195, 0.265, 0.23, 0.30),),
    ),
    "truck": (
        (
            ((0.33, 0.20), (0.97, 0.20), (0.97, 0.70), (0.33, 0.70)),
            ((0.04, 0.72), (0.04, 0.54), (0.12, 0.34), (0.31, 0.34), (0.31, 0.72)),
            ((0.04, 0.66), (0.97, 0.66), (0.97, 0.74), (0.04, 0.74)),
        ),
        ((0.09, 0.63, 0.27, 0.81), (0.58, 0.63, 0.76, 0.81), (0.77, 0.63, 0.95, 0.81)),
        ((0.145, 0.685, 0.215, 0.755), (0.635, 0.685, 0.705, 0.755), (0.825, 0.685, 0.895, 0.755)),
    ),
}  # fmt: skip

SHAPES = tuple(_SHAPES)


def silhouette(
    category: str, size: int, *, scale: float = 0.9, angle: float = 0.0, mirrored: bool = False
) -> Image.Image:
    """Where the object is: mode L, 255 inside, antialiased.

    Parameters
    ----------
    category
        One of :data:`SHAPES`.
    size
        Side of the image, in pixels.
    scale
        Side of the object, as a share of the image's.
    angle
        Turn, in degrees, anticlockwise.
    mirrored
        Face right instead of left.
    """
    fine = 4 * size
    image = Image.new("L", (fine, fine))
    draw = ImageDraw.Draw(image)
    polygons, ellipses, holes = _SHAPES[category]

    def at(value: float) -> float:
        return fine * (0.5 + scale * (value - 0.5))

    for polygon in polygons:
        draw.polygon([(at(x), at(y)) for x, y in polygon], fill=255)
    for ellipse in ellipses:
        draw.ellipse([at(value) for value in ellipse], fill=255)
    for hole in holes:
        draw.ellipse([at(value) for value in hole], fill=0)
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = image.rotate(angle, Image.Resampling.BICUBIC)
    return image.resize((size, size), Image.Resampling.LANCZOS)
