"""What others chose as names is written as names, wherever it is written."""

from __future__ import annotations

import csv as python_csv
import io
import json
import re
import time
from html.parser import HTMLParser

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import trial_table
from synthesight import encoding
from synthesight.report import report
from synthesight.report.report import write_report
from synthesight.report.tables import to_latex, to_markdown
from synthesight.trials.exchange import read_csv, write_csv
from synthesight.trials.schema import conform

HOSTILE = [
    "<!--<script>", "</script><script>alert(1)</script>", "a\0b", "\x1b[31mred\x1b[2J", "😀" * 60,
    "x" * 20_000, "=cmd|' /C calc'!A0", "[red]", "[a](javascript:b)", "| a | b", "\\input{a}",
    "{{ 7 * 7 }}", "\u202egnp", "a\nb", "'", '"', "&amp;", "-->", "]]>", "${a}", "@SUM(1)",
]  # fmt: skip


def test_what_a_terminal_obeys_is_written_out():
    for name in HOSTILE:
        shown = encoding.sentence(name)
        assert shown.isprintable()
        assert len(shown) <= 2010
    assert encoding.printable("naïve 図 😀") == "naïve 図 😀"


@settings(max_examples=30)
@given(st.text(), st.text())
def test_short_names_stay_different(one, other):
    names = {encoding.short(one + "x" * 200), encoding.short(other + "x" * 200)}
    assert len(names) == len({encoding.printable(one), encoding.printable(other)})
    assert all(len(name.encode()) <= encoding.LONGEST and name.isprintable() for name in names)


@settings(max_examples=30)
@given(st.lists(st.text("=+-@\t\r'0129.e\n,\"a", max_size=6) | st.text(max_size=4), min_size=1))
def test_no_cell_of_a_csv_is_a_formula_and_every_text_comes_back(texts):
    texts = [text.replace("\0", "") for text in texts]
    table = pl.DataFrame({"a": texts, "b": ["x"] * len(texts)})
    written = encoding.csv(table)
    cells = [row[0] for row in python_csv.reader(io.StringIO(written, newline=""))][1:]
    for cell in cells:
        assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r") or float(cell) is not None
    back = pl.DataFrame({"a": cells}).select(encoding.from_csv_text(pl.col("a")))
    assert back["a"].to_list() == texts


def test_numbers_in_a_csv_stay_numbers():
    table = pl.DataFrame({"condition": ["-30", "+5", "1e-3", "-x"], "estimate": [-0.5, 1.0, 0, 2]})
    assert encoding.csv(table).splitlines()[1:] == ["-30,-0.5", "+5,1.0", "1e-3,0.0", "'-x,2.0"]


def test_exports_come_back_whatever_the_names_are(tmp_path):
    names = [name for name in HOSTILE if "\0" not in name]
    trials = trial_table(names, observer="=me", category=names, dataset="mine", condition="-1")
    (path,) = write_csv(trials, tmp_path / "csv")
    assert len(path.name.encode()) < 256
    back = read_csv(path)
    assert back["observer"].unique().to_list() == ["=me"]
    assert sorted(back["response"]) == sorted(name.strip() for name in names)
    assert back["condition"].unique().to_list() == ["-1"]
    first = path.read_text().splitlines()[1].split(",")
    assert (first[0], first[6]) == ("'=me", "-1")


def test_markdown_and_latex():
    table = pl.DataFrame({"observer": HOSTILE, "n": range(len(HOSTILE))})
    lines = to_markdown(table).splitlines()
    assert len(lines) == len(HOSTILE) + 2
    for line in lines:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3
        assert not re.search(r"(?<!\\)<|\]\(", line)
    text = to_latex(table)
    assert text.count("\\\\\n") == len(HOSTILE) + 2  # the head, and that of later pages
    assert r"\textbackslash{}input\{a\}" in text.replace(r"\hspace{0pt}", "")


class Elements(HTMLParser):
    """Counts a page's elements and comments, and keeps the texts of its cells and data."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.comments: list[str] = []
        self.data: list[str] = []
        self.is_data = False

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.is_data = ("type", "application/json") in attributes

    def handle_comment(self, data):
        self.comments.append(data)

    def handle_data(self, data):
        if self.is_data:
            self.data.append(data)
            self.is_data = False


def page_of(names, folder) -> Elements:
    """The report's page on trials whose every name is one of these."""
    rng = np.random.default_rng(0)

    def some(these):
        return [these[n] for n in rng.integers(0, len(these), 30)]

    tables = [
        trial_table(
            some(names),
            observer=observer, dataset=names[0], condition=some(names[:2]),
            category=some(names), kind=kind,
        )
        for observer, kind in zip(names[:3], ["discriminative", "generative", "human"], strict=True)
    ]  # fmt: skip
    trials = pl.concat(tables)
    page = write_report(conform(trials), folder, resamples=2)
    text = page.read_text(encoding="utf-8")
    assert not re.search("[\0-\x08\x1b\u202e]", text.split("<script>")[0])
    elements = Elements()
    elements.feed(text)
    return elements


def test_a_page_holds_no_elements_but_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "FORMATS", (".svg",))  # which the others are made of
    plain = [f"c{n}" for n in range(len(HOSTILE))]
    begun = time.process_time()
    usual = page_of(plain, tmp_path / "plain")
    between = time.process_time()
    for turn in (0, 4):
        hostile = page_of(HOSTILE[turn:] + HOSTILE[:turn], tmp_path / str(turn))
        assert sorted(hostile.tags) == sorted(usual.tags)
        assert hostile.comments == usual.comments
        assert len(hostile.data) == len(usual.data) > 3
        assert all(json.loads(data) for data in hostile.data)
    # Names of 20,000 characters do not slow it down.
    assert time.process_time() - between < 2 * 2 * (between - begun) + 10
    for path in tmp_path.rglob("*"):
        assert path.name.isprintable()
        assert len(path.name.encode()) < 200
