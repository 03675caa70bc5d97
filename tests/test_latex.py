"""Tables in LaTeX: what they say, and that LaTeX sets them within the line."""

from __future__ import annotations

import re
import shutil
import subprocess

import polars as pl
import pytest

from synthesight.encoding import latex
from synthesight.report.tables import to_latex

HOSTILE = [
    "<!--<script>", r"_ & % $ # { } ~ ^ \ ' ` \" - -- --- ,, << >> ?` !`",
    "nul\0here", "[1pt]", "*",
    "👩‍🔬" * 12, "猫と犬", "x" * 120, "Überfluß, œuvre, ŠŽ, żółć", r"\input{/etc/passwd}", "%",
    "κ ≈ −0.1 ≤ ∞", "العربية", "e\u0301 combining", "a  b", "",
]  # fmt: skip
pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex is here")


def wide(rows: int) -> pl.DataFrame:
    """A table as the benchmark's: a long name, and many figures with intervals."""
    table = pl.DataFrame({"observer": [f"simclr_resnet50x1 (harvard-visionlab) {n}"
                                       for n in range(rows)]})  # fmt: skip
    for name in ("squared_accuracy_difference", "observed_consistency", "error_consistency",
                 "mean_rank", "ood_accuracy"):  # fmt: skip
        table = table.with_columns(
            pl.lit(0.512).alias(name), pl.lit(0.48).alias(f"{name}_low"),
            pl.lit(0.544).alias(f"{name}_high"),
        )  # fmt: skip
    return table.with_columns(source=pl.lit("Geirhos et al. (2021), the toolbox's README"))


def compiled(tables: list[str], folder, *options: str) -> str:
    """What LaTeX logs about an article of these tables."""
    document = (
        "\\documentclass{article}\n\\usepackage[T1]{fontenc}\n"
        "\\usepackage{array,booktabs,longtable}\n\\begin{document}\n"
        + "\n\n".join(tables)
        + "\\end{document}\n"
    )
    (folder / "t.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", *options, "t.tex"]
    for _ in range(2):  # longtable learns its widths in the first
        run = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    log = (folder / "t.log").read_text(encoding="utf-8", errors="replace")
    assert run.returncode == 0, log[-3000:]
    return log


@pdflatex
def test_latex_knows_the_letters_that_are_kept(tmp_path):
    letters = [chr(code) for code in range(0x20, 0x17F) if chr(code).isprintable()]
    greek = [*"−∞≤≥≈αβδεκσρμΔ–—‘’“”„…•†‡€™"]
    log = compiled([to_latex(pl.DataFrame({"letter": letters + greek}))], tmp_path)
    assert not re.findall(r"Overfull.*|.*[Mm]issing character.*|LaTeX Warning.*", log)


@pdflatex
def test_latex_sets_every_table_within_the_line(tmp_path):
    """Hostile names, more rows than a page has, and more columns than a line has."""
    names = pl.DataFrame({"observer": HOSTILE, "category": HOSTILE[::-1], "n": 1})
    tables = [
        to_latex(names, "Names: <b>&_", "tab:names"),
        to_latex(wide(70), "Benchmark", "tab:benchmark"),
        to_latex(wide(2).select("observer", r"^mean_rank.*$"), "Small", "tab:small"),
        to_latex(pl.DataFrame({"a": ["b"]})),
        to_latex(pl.DataFrame({"c" * 120: ["d" * 120], "e": ["f" * 120]}), "Long", "tab:long"),
        to_latex(pl.DataFrame({f"name {n}": ["words and words"] * 2 for n in range(12)}), "Words"),
    ]
    log = compiled(tables, tmp_path)
    assert not re.findall(r"Overfull.*|.*[Mm]issing character.*|LaTeX Warning: (?!Lab).*", log)


def test_the_largest_type_that_fits_is_taken_and_what_is_too_wide_is_shared():
    small = to_latex(wide(2).select("observer", r"^mean_rank.*$"), "Ranks", "tab:ranks")
    assert "\\normalsize" in small
    assert small.count("\\begin{longtable}") == 1
    assert "\\caption{Ranks}\\label{tab:ranks}" in small
    assert "\\endhead" in small
    shared = to_latex(wide(2), "All", "tab:all")
    assert "\\scriptsize" in shared
    assert shared.count("\\begin{longtable}") > 1
    # Every figure is in one of them, and the label is one.
    assert shared.count("0.512 [0.480, 0.544]") == 2 * 5
    assert shared.count("\\label{") == shared.count("\\caption{") == 1


def test_a_population_of_all_rows_is_in_the_caption():
    table = pl.DataFrame({"observer": ["a", "b"], "population": ["new stimuli"] * 2})
    text = to_latex(table, "Accuracy.", "tab:accuracy")
    assert "\\caption{Accuracy. Intervals are for new stimuli.}" in text
    assert text.count("new stimuli") == 1


def test_other_letters_are_kept_or_named():
    assert latex("für") == "für"
    assert latex("a🐱猫") == "a[cat face][U+732B]"
    assert latex("a--b") == "a-{}-b"
    assert latex("[x]") == "{}[x]"
    assert latex("nul\0") == r"nul\textbackslash{}x00"
