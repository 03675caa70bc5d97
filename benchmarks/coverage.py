"""Whether intervals and tests keep what they promise, on simulated studies whose truth is known.

    python benchmarks/coverage.py --studies 1000
    python benchmarks/coverage.py --measure accuracy --sizes 20 --sizes 80

Of 95 % intervals, 92 to 98 % should hold the truth; of tests of a true null hypothesis at 5 %, no
more than 7 % should reject it. ± is the Monte-Carlo standard error. Designs are in ``designs/``.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from designs import DESIGNS, Design, Found
from rich.console import Console
from rich.table import Table

MODULES = ("agreement", "shares", "people", "times")
BATCH = 200_000  # simulated images at a time
COLUMNS = ("measure", "design", "population", "n", "coverage", "too low", "too high", "withheld",
           "width", "type I")  # fmt: skip


def joined(parts: list[Found]) -> Found:
    """Put batches of studies together."""
    truth = [np.broadcast_to(np.asarray(part.truth, dtype=float), part.low.shape) for part in parts]
    p = [part.p for part in parts if part.p is not None]
    return Found(
        np.concatenate([part.low for part in parts]),
        np.concatenate([part.high for part in parts]),
        np.concatenate(truth),
        np.concatenate(p) if p else None,
    )


def run(design: Design, n: int, studies: int, seed: int) -> Found:
    """Simulate studies of a size, in batches that fit into memory."""
    rng = np.random.default_rng([seed, n, *map(ord, design.measure + design.name)])
    step = max(1, min(studies, BATCH // n))
    counts = [min(step, studies - start) for start in range(0, studies, step)]
    return joined([design.simulate(n, count, rng) for count in counts])


def row(design: Design, n: int, found: Found) -> dict[str, object]:
    """Return a row of the table: shares of studies, and their Monte-Carlo errors."""
    given = ~np.isnan(found.low)
    low, high = found.low[given], found.high[given]
    truth = np.asarray(found.truth)[given]
    inside = (low <= truth + 1e-9) & (truth - 1e-9 <= high)
    held = float(inside.mean()) if inside.size else None
    rejected = None if found.p is None else float((found.p < 0.05).mean())
    return {
        "measure": design.measure,
        "design": design.name,
        "population": design.population,
        "n": n,
        "studies": len(given),
        "coverage": held,
        "coverage error": None if held is None else error(held, inside.size),
        "too low": float((high < truth - 1e-9).mean()) if inside.size else None,
        "too high": float((low > truth + 1e-9).mean()) if inside.size else None,
        "withheld": float(1 - given.mean()),
        "width": float((high - low).mean()) if inside.size else None,
        "type I": rejected,
        "type I error": None if rejected is None else error(rejected, len(given)),
    }


def error(share: float, count: int) -> float:
    """Return the standard error of a share of so many studies."""
    return float(np.sqrt(share * (1 - share) / count))


def cells(figures: dict[str, object]) -> list[str]:
    """Return a row as it is printed."""

    def percent(name: str) -> str:
        value = figures[name]
        if value is None:
            return "–"
        spread = figures.get(f"{name} error")
        text = f"{100 * float(str(value)):.1f}"
        return text if spread is None else f"{text} ± {100 * float(str(spread)):.1f}"

    width = figures["width"]
    return [
        *(str(figures[name]) for name in COLUMNS[:4]),
        *(percent(name) for name in COLUMNS[4:8]),
        "–" if width is None else f"{float(str(width)):.3f}",
        percent("type I"),
    ]


def main(
    studies: Annotated[int, typer.Option(min=1, help="Simulated studies for each row.")] = 1000,
    measure: Annotated[list[str] | None, typer.Option(help="Only these measures.")] = None,
    sizes: Annotated[list[int] | None, typer.Option(help="Only these n.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulation.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Also write the figures as JSON.")] = None,
) -> None:
    for module in MODULES:
        import_module(f"designs.{module}")
    chosen = [each for each in DESIGNS if not measure or each.measure in measure]
    if not chosen:
        raise typer.BadParameter(f"choose among {sorted({each.measure for each in DESIGNS})}")
    table = Table(title=f"95 % intervals, {studies} studies a row; figures in % but for the width")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in COLUMNS[:3] else "right")
    rows, started = [], time.process_time()
    for each in chosen:
        for n in each.sizes:
            if sizes and n not in sizes:
                continue
            rows.append(row(each, n, run(each, n, studies, seed)))
            table.add_row(*cells(rows[-1]))
            print(*cells(rows[-1]), sep="  ", file=sys.stderr, flush=True)
    Console(width=140).print(table)
    print(f"{time.process_time() - started:.0f} s of CPU")
    if out:
        out.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    typer.run(main)
