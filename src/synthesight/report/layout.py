"""Lay figures out for paper: panels as wide as the page allows, on a light or a dark ground.

Panels get wider or narrower and move to fewer columns, while text and marks keep their size. Then
the drawing is scaled as a whole, so that axis labels have the size that was asked for.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape

from synthesight.report.style import Style

LABEL = 10  # px, of axis labels in Vega-Lite
POINTS = 72 / 25.4  # points a millimetre
CHARACTER = 5.6  # px, mean width at the size of labels
LEAST = 95  # px, the narrowest panel
MOST = 1.6  # times wider than on the screen
CROWDED = 22  # px, a label of an axis that needs less stands upright
LONGEST = 3  # names beside a panel that are measured: the longest has not always the most letters
DARK = "#1b1b1b"
LOOKUP = "[datum.value]"  # after the words of an axis, by its values
# On a dark ground: indigo is too faint there, but not Okabe and Ito's yellow, which is so on white;
# matrices get lighter, not darker; greys change places.
_ON_DARK = {"#332288": "#F0E442", "#08254d": "#d6e6ff"}
_NAMED = {"black": "#000000", "white": "#ffffff"}
_SHADES = {
    "background", "color", "fill", "gridColor", "labelColor", "range", "stroke", "subtitleColor",
    "symbolFillColor", "value",
}  # fmt: skip

Spec = dict[str, Any]


def drawing(spec: Spec, style: Style, to_svg: Callable[[Spec], str]) -> tuple[str, float, float]:
    """Return a figure as SVG, its width and its height in points.

    Parameters
    ----------
    spec
        A chart as Vega-Lite has it.
    style
        Its width, font size and ground.
    to_svg
        Draws what Vega-Lite has.
    """
    width = style.width_mm * POINTS
    target = width * LABEL / style.points
    ground = DARK if style.dark else "#ffffff"
    spec = _plain(spec)
    config = spec.get("config", {})
    spec |= {"background": None, "config": config | {"aria": False}}
    if style.dark:
        spec = recoloured(spec, on_dark)
    if not _has_images(spec):
        spec = _fitted(spec, target, lambda part: size_of(to_svg(part))[0])
    svg = to_svg(spec)
    own_width, own_height = size_of(svg)
    # What is narrower stays as it is, in the middle; what is wider gets smaller.
    canvas = max(target, own_width)
    left = (own_width - canvas) / 2
    height = own_height * width / canvas
    frame = f'x="{left:.3f}" y="0" width="{canvas:.3f}" height="{own_height:.3f}"'
    told = f"<desc>{escape(spec['description'])}</desc>" if "description" in spec else ""
    head = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'version="1.1" preserveAspectRatio="none" width="{width:.3f}" height="{height:.3f}" '
        f'viewBox="{left:.3f} 0 {canvas:.3f} {own_height:.3f}"><rect {frame} fill="{ground}"/>'
    )
    return head + told + svg[svg.index(">") + 1 :], width, height


def size_of(svg: str) -> tuple[float, float]:
    """Return the width and height that an SVG says that it has."""
    sizes = re.search(r'width="([\d.]+)(?:mm)?" height="([\d.]+)', svg)
    assert sizes is not None
    return float(sizes[1]), float(sizes[2])


def _plain(part: Any) -> Any:
    """Return a figure without what only a screen has: what marks say, and columns by its width."""
    if isinstance(part, dict):
        return {key: _plain(value) for key, value in part.items() if key != "tooltip"}
    return [_plain(each) for each in part] if isinstance(part, list) else part


def _fitted(spec: Spec, target: float, width_of: Callable[[Spec], float]) -> Spec:
    """Return a figure whose panels are as wide as a page of ``target`` px allows."""
    views = list(_views(spec))
    widths = [view["width"] for view in views if isinstance(view.get("width"), (int, float))]
    for legend in _legends(spec):
        _fold(legend, target)
    if not widths:
        return spec
    wide = max(widths)
    names = max((len(places) for view in views for _, places in _axes(view)), default=0)
    least = max(LEAST, LABEL * names)
    columns = _columns(spec)
    while True:
        if "columns" in spec:
            spec["columns"] = columns
        factor = 1 + (target - width_of(_skeleton(spec))) / (columns * wide)
        if wide * factor >= least or columns == 1 or "columns" not in spec:
            break
        columns -= 1
    factor = min(max(factor, least / wide), MOST)
    for view in views:
        _resize(view, factor)
    return spec


def _resize(view: Spec, factor: float) -> None:
    """Change the width of a panel; a matrix, or a square, keeps its shape."""
    width, height = view.get("width"), view.get("height")
    if not isinstance(width, (int, float)):
        return
    view["width"] = width * factor
    in_rows = _of_names(view, "y") and not _of_names(view, "x")
    if isinstance(height, (int, float)) and not in_rows:
        keeps_shape = 0.8 < height / width < 1.25
        view["height"] = height * (factor if keeps_shape else min(max(factor, 0.75), 1.2))
    for axis, places in _axes(view):
        each = view["width"] / max(len(places), 1)
        longest = max((len(str(place)) for place in places), default=0) * CHARACTER
        if axis.get("labelAngle", 0) != -90 and each < max(longest + 4, CROWDED / 2):
            axis["labelAngle"] = -90 if each < CROWDED else -40
    cell = view["width"] / max((len(places) for _, places in _axes(view)), default=1)
    if "layer" in view and cell < CROWDED:
        # Numbers in cells need room.
        view["layer"] = [layer for layer in view["layer"] if _mark(layer) != "text"]


def _of_names(view: Spec, channel: str) -> bool:
    parts = (view, *view.get("layer", []))
    return any(_is_named(part.get("encoding", {}).get(channel)) for part in parts)


def _mark(view: Any) -> str | None:
    mark = view.get("mark") if isinstance(view, dict) else None
    return mark["type"] if isinstance(mark, dict) else mark


def _views(spec: Spec) -> Iterator[Spec]:
    """Return the panels of a figure."""
    parts = [each for key in ("concat", "hconcat", "vconcat") for each in spec.get(key, [])]
    if "facet" in spec:
        parts = [spec["spec"]]
    if not parts:
        yield spec
    for part in parts:
        yield from _views(part)


def _columns(spec: Spec) -> int:
    """Return the panels that stand side by side."""
    if "hconcat" in spec:
        return len(spec["hconcat"])
    number = len(spec["concat"]) if "concat" in spec else len(_faceted(spec)) or 1
    return max(1, min(spec.get("columns", 1), number))


def _faceted(spec: Spec) -> list[Any]:
    facet = spec.get("facet")
    return facet.get("sort", []) if isinstance(facet, dict) else []


def _axes(view: Spec) -> Iterator[tuple[Spec, list[Any]]]:
    """Return the horizontal axes of names of a panel, and the names."""
    for part in (view, *view.get("layer", [])):
        x = part.get("encoding", {}).get("x", {})
        places = (x.get("scale") or {}).get("domain")
        if _is_named(x) and isinstance(places, list) and x.get("axis"):
            shown = x["axis"].get("labelExpr")
            yield (
                x["axis"],
                list(json.loads(shown.removesuffix(LOOKUP)).values()) if shown else places,
            )


def _encodings(part: Any) -> Iterator[Spec]:
    if isinstance(part, dict):
        if isinstance(part.get("encoding"), dict):
            yield part["encoding"]
        for key, each in part.items():
            if key not in ("data", "encoding"):
                yield from _encodings(each)
    elif isinstance(part, list):
        for each in part:
            yield from _encodings(each)


def _legends(spec: Spec) -> Iterator[tuple[Spec, Spec]]:
    """Return the legends above a figure, each with the channel that it is of."""
    for encoding in _encodings(spec):
        for channel in encoding.values():
            if isinstance(channel, dict) and isinstance(channel.get("legend"), dict):
                yield channel["legend"], channel


def _fold(of: tuple[Spec, Spec], target: float) -> None:
    """Give a legend as many columns as a page has room for."""
    legend, channel = of
    names = (channel.get("scale") or {}).get("domain")
    if legend.get("orient") != "top" or not isinstance(names, list):
        return
    longest = max(map(len, map(str, names)), default=0) * CHARACTER + 26
    legend["columns"] = max(1, min(math.floor(target / longest), len(names)))
    legend["labelLimit"] = 0


def _skeleton(spec: Any) -> Any:
    """Return a figure of the same width, or nearly, that is drawn in a fraction of the time.

    Most of that time goes into measuring words: those above and below panels are left out, and of
    those beside them all but the longest. Panels of a second row are left out too.
    """
    if isinstance(spec, list):
        return [_skeleton(each) for each in spec if _mark(each) != "text"]
    if not isinstance(spec, dict):
        return spec
    made: Spec = {}
    for key, value in spec.items():
        if key == "data" and isinstance(value, dict) and "values" in value:
            rows = value["values"]
            names = [row.get("label") or row.get("observer") for row in rows]
            first = dict(zip(reversed(names), reversed(rows), strict=True))
            made[key] = {"values": list(first.values())}
        elif key == "legend" and isinstance(value, dict) and value.get("orient") == "top":
            made[key] = None
        elif key == "concat":
            made[key] = _skeleton(value[: _columns(spec)])
        elif key == "x" and _is_named(value) and value.get("axis"):
            made[key] = value | {"axis": value["axis"] | {"labels": False}, "title": None}
        elif key == "y" and _is_named(value) and (value.get("scale") or {}).get("domain"):
            longest = sorted(map(str, value["scale"]["domain"]), key=len)[-LONGEST:]
            made[key] = value | {"scale": {"domain": longest}, "sort": longest}
        elif key not in ("title", "header") or not isinstance(value, dict):
            made[key] = _skeleton(value)
    return made


def _is_named(channel: Any) -> bool:
    return isinstance(channel, dict) and channel.get("type") in ("nominal", "ordinal")


def _has_images(part: Any) -> bool:
    if isinstance(part, dict):
        if _mark(part) == "image":
            return True
        return any(_has_images(each) for key, each in part.items() if key != "data")
    return isinstance(part, list) and any(map(_has_images, part))


def recoloured(spec: Spec, colour: Callable[[str], str]) -> Spec:
    """Return a figure for another ground.

    Parameters
    ----------
    spec
        A chart as Vega-Lite has it, for white paper.
    colour
        Returns what is drawn instead of a colour: :func:`on_dark`, or :func:`on_either`.
    """
    light, quiet = colour("#000000"), colour("#dddddd")
    text = {"labelColor": light, "titleColor": light}
    lines = {"domainColor": colour("#888888"), "tickColor": colour("#888888")}
    ground: Spec = {
        "axis": text | lines | {"gridColor": quiet},
        "legend": text,
        "header": text,
        "title": {"color": light, "subtitleColor": colour("#595959")},
        "view": {"stroke": quiet},
        "rule": {"color": light},
        "text": {"color": light},
        "style": {"cell": {"stroke": quiet}},
    }
    changed: Spec = _shaded(spec, colour)
    own = changed.get("config", {})
    return changed | {"config": own | {key: ground[key] | own.get(key, {}) for key in ground}}


def on_either(colour: str) -> str:
    """Return a colour as CSS chooses it by the reader's light or dark ground.

    Examples
    --------
    >>> on_either("black"), on_either("#D55E00")
    ('light-dark(#000000, #ffffff)', '#D55E00')
    """
    light, dark = _NAMED.get(colour, colour), on_dark(colour)
    return colour if light == dark else f"light-dark({light}, {dark})"


def on_dark(colour: str) -> str:
    """Return a colour as a dark ground needs it.

    Examples
    --------
    >>> on_dark("black"), on_dark("white"), on_dark("#D55E00")
    ('#ffffff', '#1b1b1b', '#D55E00')
    """
    code = _NAMED.get(colour, colour)
    if colour in _ON_DARK or len(code) != 7 or not code[1:3] == code[3:5] == code[5:7]:
        return _ON_DARK.get(colour, colour)
    try:
        shade = int(code[1:3], 16)
    except ValueError:  # a name of seven letters
        return colour
    return "#" + f"{round(255 - shade * 228 / 255):02x}" * 3


def _domain(scale: Spec) -> list[Any]:
    domain = scale.get("domain")
    return domain if isinstance(domain, list) and domain else [None]


def _shaded(part: Any, colour: Callable[[str], str], key: str = "") -> Any:
    if isinstance(part, dict):
        # Data, and names that may sound like colours, stay; and what is drawn between colours
        # needs numbers.
        kept = {"data", "domain", "sort", "params"}
        names = part.get("domain")
        if colour is not on_dark and not (
            isinstance(names, list) and names and isinstance(names[0], str)
        ):
            kept.add("range")
        return {
            name: value if name in kept else _shaded(value, colour, name)
            for name, value in part.items()
        }
    if isinstance(part, list):
        return [_shaded(each, colour, key) for each in part]
    return colour(part) if isinstance(part, str) and key in _SHADES else part
