"""Lay tables out in LaTeX, within the width of a line of an article."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from synthesight.encoding import latex

LINE = 345.0  # points, of LaTeX's article; two columns of most journals have more
# Sizes of ten-point documents, with half the space between columns: none is smaller in print.
# The second is the width of ten digits in points, which shrinks less than their height.
SIZES = (("normalsize", 10.0, 6.0), ("small", 9.3, 5.0), ("footnotesize", 8.5, 4.0),
         ("scriptsize", 8.0, 3.0))  # fmt: skip
KEYS = 0.55  # of the line, at most, for the columns that say what a row is of
RUN = 8  # characters without a place to break, in cells of several lines
# Widths of Computer Modern in parts of the font size, and what is wider than most letters.
USUAL, WIDE, NARROW = 0.5, 0.79, 0.29
PACKAGES = "% \\usepackage[T1]{fontenc} \\usepackage{array, booktabs, longtable}\n"


@dataclass(frozen=True)
class Column:
    """A column as text: its name, its cells, and whether they are numbers."""

    name: str
    cells: Sequence[str]
    number: bool

    def width(self, size: float) -> float:
        """Return its width in points: that of its widest cell, or word of its name."""
        return size * max([self.widest, *map(em, self.head())])

    @cached_property
    def widest(self) -> float:
        """Width of its widest cell in parts of the font size."""
        return max(map(em, set(self.cells)), default=0.0)

    def head(self) -> list[str]:
        """Return its name in lines that are no longer than its cells, where words allow it."""
        limit = max([self.widest, *map(em, self.name.split())])
        lines = [""]
        for word in self.name.split():
            longer = f"{lines[-1]} {word}".strip()
            if em(longer) <= limit or not lines[-1]:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines


def figures_in_latex(captions: Iterable[tuple[str, str]]) -> str:
    """Return LaTeX that places figures, by name, with their captions and labels."""
    return "% \\usepackage{graphicx}\n" + "\n".join(
        "\\begin{figure}\n\\centering\n"
        f"\\includegraphics[width=\\linewidth]{{figures/{name}.pdf}}\n"
        f"\\caption{{{latex(caption)}}}\\label{{fig:{name}}}\n\\end{{figure}}\n"
        for name, caption in captions
    )


def em(text: str) -> float:
    """Return the width of a text in parts of the font size, or a little more."""
    return sum(map(_em, text))


@cache
def _em(each: str) -> float:
    return (
        NARROW if each in "iljtfI.,:;!()[]|' " else
        WIDE if each in "mwMW%@—" or each.isupper() else
        USUAL if each.isascii() else 10 * USUAL if latex(each).startswith("[") else 0.7
    )  # fmt: skip


def long_tables(columns: Sequence[Column], caption: str, label: str) -> str:
    """Return a table as one ``longtable`` or several, none wider than a line.

    The largest size of type in which all columns fit is taken. Where none is small enough, names
    get lines of their own, and numbers are shared among several tables that repeat the names.

    Parameters
    ----------
    columns
        Those that say what a row is of first.
    caption, label
        Of the first table; those that go on with it have neither number nor label.
    """
    for name, size, gap in SIZES:
        if sum(column.width(size) + gap for column in columns) - gap <= LINE:
            return PACKAGES + _table(columns, name, gap, [None] * len(columns), caption, label)
    name, size, gap = SIZES[-1]
    count = next((n for n, each in enumerate(columns) if each.number), len(columns))
    keys, values = columns[: count or 1], columns[count or 1 :]
    texts = [each for each in values if not each.number]
    share = KEYS if values else 1.0
    widths = _wrapped(keys, size, share * LINE - gap * len(keys))
    room = LINE - sum(widths) - gap * len(keys)
    parts: list[list[Column]] = [[]]
    for column in values:
        taken = sum(min(each.width(size), room) + gap for each in parts[-1])
        if parts[-1] and taken + min(column.width(size), room) > room:
            parts.append([])
        parts[-1].append(column)
    made = []
    for number, part in enumerate(parts):
        own = [room - gap if each in texts and each.width(size) > room - gap else None
               for each in part]  # fmt: skip
        fixed = [width if width < key.width(size) else None
                 for width, key in zip(widths, keys, strict=True)]  # fmt: skip
        told = caption if number == 0 else ""
        made.append(_table([*keys, *part], name, gap, [*fixed, *own], told, label))
    return PACKAGES + "\n".join(made)


def _wrapped(columns: Sequence[Column], size: float, room: float) -> list[float]:
    """Return widths that fit: the widest columns give way first."""
    widths = [column.width(size) for column in columns]
    limit = max(widths)
    while sum(min(width, limit) for width in widths) > room and limit > size:
        limit -= 1
    return [min(width, limit) for width in widths]


def _table(
    columns: Sequence[Column],
    size: str,
    gap: float,
    widths: Sequence[float | None],
    caption: str,
    label: str,
) -> str:
    sides = "".join(
        f">{{\\raggedright\\arraybackslash}}p{{{width:.1f}pt}}"
        if width is not None
        else ("r" if column.number else "l")
        for column, width in zip(columns, widths, strict=True)
    )
    heads = [
        _head(column) if width is None else _breakable(column.name)
        for column, width in zip(columns, widths, strict=True)
    ]
    cells = [
        [latex(cell) if width is None else _breakable(cell) for cell in column.cells]
        for column, width in zip(columns, widths, strict=True)
    ]
    head = " & ".join(heads) + " \\\\\n"
    body = "".join(" & ".join(row) + " \\\\\n" for row in zip(*cells, strict=True))
    title = f"\\caption{{{latex(caption)}}}\\label{{{label}}}\\\\\n" if caption else ""
    return (
        f"{{\\{size}\\setlength{{\\tabcolsep}}{{{gap / 2:g}pt}}\n"
        f"\\begin{{longtable}}{{@{{}}{sides}@{{}}}}\n{title}\\toprule\n{head}\\midrule\n"
        f"\\endfirsthead\n\\toprule\n{head}\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n"
        f"{body}\\end{{longtable}}}}\n"
    )


def _head(column: Column) -> str:
    lines = column.head()
    if len(lines) == 1:
        return latex(lines[0])
    side = "r" if column.number else "l"
    inner = "\\\\".join(map(latex, lines))
    return f"\\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{inner}\\end{{tabular}}"


def _breakable(text: str) -> str:
    """Return a text that may be broken after signs, and anywhere in what has none."""
    pieces = re.findall(rf"[^\W_]{{1,{RUN}}}|\s+|.", text)
    return "\\hspace{0pt}".join(map(latex, pieces))
