"""Tables of text: separators, encodings, blank lines, and what is no table."""

from __future__ import annotations

import csv
import io
import json
from contextlib import suppress

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synthesight.errors import SynthesightError
from synthesight.sheets import numbers, read_sheet, typed

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
LETTERS = "abz019 .,;|\"'/-_=\n\t" + "äéß€"
FIELD = st.text(LETTERS, max_size=8)
ROWS = st.lists(st.lists(FIELD, min_size=3, max_size=3), min_size=1, max_size=6)


def written(rows, separator, end, *, header=("subj", "image", "answer")):
    """Return separated values, as Python's csv module writes them."""
    text = io.StringIO(newline="")
    # Python leaves a line feed bare where rows end in a carriage return.
    quoting = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerows([header, *rows])
    return text.getvalue()


@settings(max_examples=50)
@given(
    ROWS,
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(ENCODINGS),
    st.sampled_from(["", "\n", "sep", "\n\n"]),
)
def test_a_table_is_the_same_however_it_is_written(
    tmp_path_factory, rows, separator, end, encoding, before
):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    before = f"sep={separator}{end}" if before == "sep" else before.replace("\n", end)
    path.write_bytes((before + written(rows, separator, end)).encode(encoding))
    # A line end within a field is the file's own.
    expected = [tuple(field.replace("\r", "\n").strip() or None for field in row) for row in rows]
    expected = [row for row in expected if any(row)]
    sheet = read_sheet(path, {"subj", "image", "answer"})
    assert sheet.table.columns == ["subj", "image", "answer"]
    assert sheet.table.rows() == expected
    if any(any(field and set(field) & set(LETTERS[:3]) for field in row) for row in expected):
        assert sheet.separator == separator


@pytest.mark.parametrize("length", [3, 200_000])
def test_letters_that_only_windows_has_are_read_wherever_they_stand(tmp_path, length):
    path = tmp_path / "t.csv"
    path.write_bytes(b"subj;image\n" + b"a;b\n" * length + "Jürgen;kätzchen.png\n".encode("cp1252"))
    sheet = read_sheet(path)
    assert sheet.table.row(-1) == ("Jürgen", "kätzchen.png")
    assert str(sheet) == "semicolon-separated, Windows-1252"
    path.write_bytes(path.read_bytes() + b"\x81;x\n")
    assert read_sheet(path).encoding == "latin-1"


def test_what_is_no_row_is_left_out_and_counted(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",a,b,\n0,x,1,\n\n,,,\n,a,b,\n1,,2,\n")
    sheet = read_sheet(path)
    assert sheet.table.to_dict(as_series=False) == {"a": ["x", None], "b": ["1", "2"]}
    assert sheet.left_out == {
        "blank lines": 2,
        "repeated headers": 1,
        "column of row numbers": 1,
    }
    assert sheet.place(1) == f"{path}, line 6"
    path.write_text("a,b\n1,x,1\n2,y,2\n")  # R's names of rows have no header
    assert read_sheet(path).table.rows() == [("x", "1"), ("y", "2")]
    path.write_text('a,a\n"l1\nl2",x\n"t",y\n')
    assert read_sheet(path).table.columns == ["a", "a (2)"]
    assert read_sheet(path).place(1).endswith("line 4")


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": "x", "b": 1}, {"a": null, "b": 2.5, "c": {"d": [1]}}]',
        '[[{"a": "x", "b": 1}], [{"b": 2.5, "c": {"d": [1]}}]]',
        '{"a": "x", "b": 1}\n{"b": 2.5, "c": {"d": [1]}}\n',
        '[{"a": "x", "b": 1}]\n[{"b": 2.5, "c": {"d": [1]}}]\n',
        '{"trials": [{"a": "x", "b": 1}, {"b": 2.5, "c": {"d": [1]}}]}',
    ],
)
def test_json_is_a_table_too(tmp_path, text):
    path = tmp_path / "t.json"
    path.write_text(text)
    assert read_sheet(path).table.rows() == [("x", "1", None), (None, "2.5", '{"d": [1]}')]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n \n", "it is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "it is a binary file, not text"),
        (b"PK\x03\x04" + bytes(60), "it is an Excel workbook or a zip archive, not text"),
        (b"\x01\x02\x03\x04 no text", "it is a binary file"),
        (b"a,b\n" + b"x,y\n" * 30_000 + b"x,\0\n", "it is a binary file"),
        (b'a,b\n"x,1\n', "unexpected end of data"),
        (b"a,b\nx,1\nx,y,2\n", "line 3: there are 3 fields for 2 columns"),
        (b"[1, 2", "cannot be read as JSON"),
        (b"[" * 100_000, "cannot be read as JSON"),
        (b"\xff\xfea", "damaged text"),
    ],
)
def test_what_is_no_table_is_said_in_one_sentence(tmp_path, content, reason):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(SynthesightError, match=reason) as caught:
        read_sheet(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@example(b"*\n^a$\n")
@example(b"^.*$,*\n1,2\n")
@given(st.binary(max_size=200))
@settings(max_examples=60)
def test_any_bytes_are_a_table_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes(content)
    with suppress(SynthesightError):
        assert set(read_sheet(path).table.dtypes) <= {pl.String}


@given(st.lists(st.decimals(-999, 999, places=3) | st.none(), min_size=1, max_size=5))
def test_decimal_commas_are_points(values):
    text = pl.Series(
        [None if v is None else str(v).replace(".", ",") for v in values], dtype=pl.String
    )
    assert numbers(text, ";").to_list() == [None if v is None else str(v) for v in values]


def test_a_comma_between_thousands_is_no_decimal_comma():
    assert numbers(pl.Series(["1,234", "900"]), ",").to_list() == ["1234", "900"]
    assert numbers(pl.Series(["1,234", "0,5"]), ",").to_list() == ["1.234", "0.5"]


@given(
    st.lists(st.none() | st.integers(-(10**17), 10**17), min_size=1)
    | st.lists(st.none() | st.booleans(), min_size=1)
    | st.lists(st.none() | st.floats(-1e9, 1e9).map(lambda x: x + 0.5), min_size=1)
)
def test_columns_get_the_type_that_all_their_values_have(values):
    text = [None if v is None else json.dumps(v) for v in values]
    assert typed(pl.Series(text, dtype=pl.String)).to_list() == (
        values if any(v is not None for v in values) else text
    )


@pytest.mark.parametrize("text", ["007", "1e", ".", "inf", "nan", "1 2", "2024-01-01", "-", ""])
def test_what_only_resembles_a_number_stays_text(text):
    assert typed(pl.Series([text, "1"])).to_list() == [text, "1"]
