"""Encode names and texts that others chose for where they are written: one encoder a medium.

Observers, datasets, conditions, categories and paths can hold anything, a terminal's commands and
a spreadsheet's formulas included. Pages are escaped by jinja, and JSON in them by its ``tojson``.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

LONGEST = 120  # bytes of a name on a page or in a file name
SENTENCE = 2000  # characters of a message
# What LaTeX obeys, joins to other characters or has in mathematics only.
_LATEX = {
    "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "'": r"\textquotesingle{}", "`": r"\textasciigrave{}", '"': r"\textquotedbl{}",
    "−": "$-$", "∞": r"$\infty$", "≤": r"$\leq$", "≥": r"$\geq$", "≈": r"$\approx$",
    "α": r"$\alpha$", "β": r"$\beta$", "δ": r"$\delta$", "ε": r"$\epsilon$",
    "κ": r"$\kappa$", "σ": r"$\sigma$", "ρ": r"$\rho$", "μ": r"$\mu$", "Δ": r"$\Delta$",
}  # fmt: skip
_JOINED = re.compile(r"([-,])(?=\1)")  # to a dash, and to a quotation mark
_OWN_LATEX = frozenset("–—‘’“”„…•†‡€™")  # which inputenc knows, as it does Latin letters
_NOT_LATEX = frozenset("ĦħĸĿŀŉŦŧ")  # but these
_MARKDOWN = re.compile(r"([\\|`*<]|(?<=\])\()")
_UNPRINTED = r"[[\p{C}\p{Z}]--[ ]]"
# What spreadsheets take for a formula (OWASP, "CSV injection"), but for a plain number.
_FORMULA = r"^'*[=+\-@\t\r]"
_MARKED = r"^'+[=+\-@\t\r]"
_NUMBER = r"^[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def printable(text: str) -> str:
    r"""Return a text on one line, with what a terminal would obey or hide written out.

    Examples
    --------
    >>> print(printable("red \x1b[31m, hidden \u202e, über"))
    red \x1b[31m, hidden \u202e, über
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else _written_out(each) for each in text)


def sentence(text: str) -> str:
    """Return a message for a terminal, :func:`printable` and without the middle of a novel."""
    text = printable(text)
    if len(text) <= SENTENCE:
        return text
    half = SENTENCE // 2
    return f"{text[:half]} […] {text[-half:]}"


def short(name: str) -> str:
    """Return a name that is printable and at most 120 bytes long; different ones stay different.

    Examples
    --------
    >>> short("cat"), len(short("cat" * 10_000).encode())
    ('cat', 120)
    """
    name = printable(name)
    content = name.encode()
    if len(content) <= LONGEST:
        return name
    digest = hashlib.blake2b(content, digest_size=4).hexdigest()
    return f"{content[: LONGEST - 12].decode(errors='ignore')}… {digest}"


def short_columns(table: pl.DataFrame) -> pl.DataFrame:
    """Return a table whose texts are all :func:`short`; numbers and missing values stay."""
    import polars as pl

    texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
    for name in texts:
        column = table[name]
        odd = column.filter((column.str.len_bytes() > LONGEST) | column.str.contains(_UNPRINTED))
        changed = {text: short(text) for text in odd.unique()}
        if changed:
            table = table.with_columns(pl.col(name).replace(changed))
    return table


def csv_text(column: pl.Expr) -> pl.Expr:
    """Return texts of which no spreadsheet makes a formula: those have an apostrophe before them.

    :func:`from_csv_text` takes it off.
    """
    import polars as pl

    begins = column.str.contains(_FORMULA) & ~column.str.contains(_NUMBER)
    return pl.when(begins.not_()).then(column).otherwise("'" + column)


def from_csv_text(column: pl.Expr) -> pl.Expr:
    """Return texts as they were before :func:`csv_text`."""
    import polars as pl

    marked = column.str.contains(_MARKED)
    return pl.when(marked).then(column.str.slice(1)).otherwise(column)


def csv(table: pl.DataFrame) -> str:
    """Return a table as CSV that a spreadsheet opens without running anything."""
    import polars as pl

    texts = [name for name, dtype in table.schema.items() if dtype == pl.String]
    return table.with_columns(csv_text(pl.col(name)) for name in texts).write_csv()


def markdown(text: str) -> str:
    """Return a text as a cell of a Markdown table, without tags, links and columns of its own."""
    return _MARKDOWN.sub(r"\\\1", printable(text))


def latex(text: str) -> str:
    r"""Return a text as LaTeX sets it, without commands of its own.

    pdflatex, with T1 fonts, has Latin letters. Other characters are named in brackets.

    Examples
    --------
    >>> print(latex("50 % of κ, für 🐱 and 猫"))
    50 \% of $\kappa$, für [cat face] and [U+732B]
    """
    made = _JOINED.sub(r"\1{}", "".join(map(_latex, printable(text))))
    # A row that begins like an option of the line's end before it is none.
    return "{}" + made if made[:1] in ("[", "*") else made


@cache
def _latex(character: str) -> str:
    if character in _LATEX:
        return _LATEX[character]
    latin = "\xa1" <= character <= "\u017e" and character not in _NOT_LATEX
    if character.isascii() or latin or character in _OWN_LATEX:
        return character
    name = unicodedata.name(character, "")
    if not name or name.endswith(f"-{ord(character):X}"):
        return f"[U+{ord(character):04X}]"
    return f"[{name.lower()}]"


# What a terminal that knows few letters is shown instead.
_PLAIN = {
    "±": "+-", "×": "x", "→": "->", "…": "...", "–": "-", "—": "-", "−": "-", "’": "'", "‘": "'",
    "“": '"', "”": '"', "≤": "<=", "≥": ">=", "α": "alpha", "δ": "delta", "ε": "epsilon",
    "η": "eta", "κ": "kappa", "σ": "sigma", "°": " degrees",
}  # fmt: skip


def plain(error: UnicodeError) -> tuple[str, int]:
    """Write what a terminal cannot in letters that it has: a handler of encoding errors.

    Examples
    --------
    >>> import codecs
    >>> codecs.register_error("plain", plain)
    >>> "κ = .3 ± .1, 猫".encode("ascii", "plain")
    b'kappa = .3 +- .1, \\\\u732b'
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    written = (_PLAIN.get(each) or _written_out(each) for each in text)
    return "".join(written), error.end


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
