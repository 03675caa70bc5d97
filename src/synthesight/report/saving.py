"""Write figures as SVG, PNG or PDF: one by one, or many at once in processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import vl_convert

from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.report.layout import POINTS, Spec, drawing
from synthesight.report.style import Style

DOTS = 300  # an inch, of PNG
MANY = 12  # figures of a process: with fewer, it takes longer to begin than it saves
WORKERS = 4  # each takes some 200 MB
FORMATS = (".svg", ".pdf", ".png")


def save_figure(figure: Any, *paths: Path, style: Style | None = None) -> None:
    """Write a figure as SVG, PNG or PDF, by each file's suffix.

    SVG and PDF have the style's width to a thousandth of a millimetre, PNG to a dot of 1/300 inch.

    Parameters
    ----------
    figure
        An Altair chart, or a chart as Vega-Lite has it.
    paths
        Files to write; their folders are made if need be.
    style
        Width, font size and ground. None: as on the screen, and PNG with two dots a pixel.

    Raises
    ------
    SynthesightError
        If a suffix is none of these.
    """
    for path in paths:
        if path.suffix not in FORMATS:
            raise SynthesightError(f"{path}: figures are written as .svg, .png or .pdf.")
    spec = _untruncated(figure if isinstance(figure, dict) else figure.to_dict(validate=False))
    if style is None:
        svg = vl_convert.vegalite_to_svg(spec)
    else:
        svg, width, height = drawing(spec, style, vl_convert.vegalite_to_svg)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".pdf":
            files.write(path, vl_convert.svg_to_pdf(svg))
        elif style is None:
            is_svg = path.suffix == ".svg"
            files.write(path, svg if is_svg else vl_convert.svg_to_png(svg, scale=2))
        elif path.suffix == ".svg":
            files.write(path, _sized(svg, f"{width / POINTS:.3f}mm", f"{height / POINTS:.3f}mm"))
        else:
            # Whole pixels, as the converter cuts off what is less.
            size = ((round(each * DOTS / 72) + 0.01) * 72 / DOTS for each in (width, height))
            exact = _sized(svg, *(f"{each:.5f}" for each in size))
            files.write(path, vl_convert.svg_to_png(exact, scale=1, ppi=DOTS))


def svg_of(figure: Any) -> str:
    """Return an Altair chart as SVG, as on the screen."""
    return vl_convert.vegalite_to_svg(_untruncated(figure.to_dict(validate=False)))


def save_figures(
    figures: Sequence[tuple[Spec, Sequence[Path]]],
    style: Style | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> None:
    """Write many figures, on several processors.

    Parameters
    ----------
    figures
        Charts as Vega-Lite has them, each with its files.
    style
        As :func:`save_figure` takes it.
    report
        Called with the number of figures that are written, after each.

    Raises
    ------
    SynthesightError
        If a figure cannot be drawn.
    """
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else
                  os.cpu_count() or 1, WORKERS, len(figures) // MANY)  # fmt: skip
    if workers < 2:
        for done, (spec, paths) in enumerate(figures, 1):
            save_figure(spec, *paths, style=style)
            report(done)
        return
    # The largest first, so that no worker ends with it while others wait.
    jobs = [
        json.dumps([spec, list(map(str, paths)), style and asdict(style)]) + "\n"
        for spec, paths in figures
    ]
    jobs.sort(key=len)
    written = 0

    def work(_: int) -> None:
        nonlocal written
        command = [sys.executable, "-c", f"from {__name__} import serve; serve()"]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUTF8": "1"},
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                while jobs:
                    process.stdin.write(jobs.pop())
                    process.stdin.flush()
                    if (answer := process.stdout.readline()) != "\n":
                        raise SynthesightError(
                            f"A figure cannot be drawn: {answer.strip() or 'its process ended'}."
                        )
                    written += 1
                    report(written)
            finally:
                process.kill()

    with ThreadPoolExecutor(workers) as pool:
        try:
            list(pool.map(work, range(workers)))
        except BaseException:
            jobs.clear()
            raise


def serve() -> None:
    """Write the figures that come in, a line of JSON each, and answer each by a line."""
    for line in sys.stdin:
        spec, paths, style = json.loads(line)
        try:
            save_figure(spec, *map(Path, paths), style=style and Style(**style))
        except Exception as error:
            print(str(error).replace("\n", " ") or type(error).__name__, flush=True)
        else:
            print(flush=True)


def _sized(svg: str, width: str, height: str) -> str:
    """Return an SVG of another size."""
    size = f'width="{width}" height="{height}"'
    return re.sub(r'width="[^"]*" height="[^"]*"', size, svg, count=1)


def _untruncated(spec: Spec) -> Spec:
    """Return a figure in which Vega cuts no label: it cuts emoji in halves, and fails on them."""
    if all(character <= "\uffff" for character in json.dumps(spec, ensure_ascii=False)):
        return spec
    config: Spec = {key: {"labelLimit": 0, "titleLimit": 0} for key in ("axis", "legend", "header")}
    config["title"] = {"limit": 0}
    own = spec.get("config", {})
    changed = _unlimited(spec)
    changed["config"] = own | {key: own.get(key, {}) | config[key] for key in config}
    return changed


def _unlimited(part: Any) -> Any:
    if isinstance(part, dict):
        return {k: 0 if k in ("labelLimit", "limit") else _unlimited(v) for k, v in part.items()}
    return [_unlimited(each) for each in part] if isinstance(part, list) else part
