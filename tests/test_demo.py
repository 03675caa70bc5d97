"""What the demo prints; the whole of it is run by ``make demo``."""

from __future__ import annotations

import polars as pl
from rich.console import Console

from synthesight.demo import MODELS, result_table


def test_the_table_is_whole_in_a_narrow_terminal():
    right = pl.DataFrame({"observer": MODELS, "estimate": [0.43, 0.71]})
    bias = right.with_columns(low=pl.lit(0.33), high=pl.lit(1.0), n=pl.lit(42))
    console = Console(width=80)
    with console.capture() as captured:
        console.print(result_table(right, bias, {MODELS[0]: 219.4, MODELS[1]: 1.0}))
    assert "…" not in captured.get()
    for word in ("objects", "right", "bias", "interval", "evaluations", "33-100 %"):
        assert word in captured.get()
    lines = captured.get().splitlines()
    for name, cost in zip(MODELS, ("219", "1"), strict=True):
        cells = next(line.split("│") for line in lines if f" {name} " in line)
        assert cells[-2].strip() == cost
    for name in ("people", "Imagen", "Stable Diffusion", "Parti", "ResNet-50"):
        assert any(f"{name} (published)" in line for line in lines)
