"""Lists and tables of stimuli, in every form that the field writes them."""

from __future__ import annotations

import json
import string
import warnings
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import encoded, picture, save_pictures
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.stimuli.find import find_stimuli

PLAIN = [("img/cat1.png", "cat"), ("img/dog1.png", "dog")]
FIELD = dict.fromkeys(
    ["plain.csv", "semicolon.csv", "tabs.csv", "tabs.tsv", "bom-crlf.csv", "spaces.csv",
     "backslash.csv", "capital.csv", "filename.csv", "pandasindex.csv", "metadata.csv"], PLAIN,
) | {
    "capclass.csv": [("img/cat1.png", "Cat"), ("img/dog1.png", "Dog")],
    "numbers.csv": [("img/cat1.png", "281"), ("img/dog1.png", "207")],
    "latin1.csv": [*PLAIN, ("img/dog2.png", "dög")],
    "utf16.csv": PLAIN[:1],
    "metadata.jsonl": PLAIN[:1],
    "": PLAIN,  # the folder itself, by its metadata.csv
}  # fmt: skip


def listed(stimuli, folder: Path) -> list[tuple[str, str | None]]:
    """The images, relative to a folder, with their categories; all of them are there."""
    return [(Path(s.source).relative_to(folder).as_posix(), s.category) for s in stimuli]


@pytest.mark.parametrize("name", FIELD)
@pytest.mark.filterwarnings("ignore::synthesight.errors.SynthesightWarning")
def test_lists_from_the_field(name, data_folder):
    cases = data_folder.parent / "field-cases" / "stimulus-lists"
    if not cases.is_dir():
        pytest.skip(f"no field cases at {cases}")
    found = find_stimuli(cases / name)
    assert listed(found, cases) == FIELD[name]
    assert {stimulus.open().size for stimulus in found} == {(32, 32)}
    assert all(not stimulus.factors for stimulus in found)


@pytest.fixture(scope="module")
def pets(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pets")
    save_pictures(folder, *(f"img/{n}.png" for n in range(4)))
    return folder


WORDS = st.text(string.ascii_letters + "äöüßé ;,|'\"", min_size=1, max_size=12).map(str.strip)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.lists(WORDS.filter(bool), min_size=2, max_size=4),
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    end=st.sampled_from(["\n", "\r\n"]),
    path=st.sampled_from(["path", "Path", "filename", "file_name", "Image Path", "img"]),
    label=st.sampled_from(["label", "Label", "class", "category", "Class Name", "target", "y"]),
    index=st.booleans(),
    slash=st.sampled_from("/\\"),
    first=st.booleans(),
)
def test_any_spelling_of_a_list(
    pets, labels, separator, encoding, end, path, label, index, slash, first
):
    """Separator, encoding, line ends, names and order of columns, an index: all say the same."""

    def field(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & set(',;|\t"') else text

    rows = [(path, label)]
    rows += [(f"img{slash}{n}.png", one) for n, one in enumerate(labels)]
    lines = []
    for number, pair in enumerate(rows):
        fields = list(map(field, pair if first else pair[::-1]))
        lines.append(
            separator.join(([str(number - 1) if number else ""] if index else []) + fields)
        )
    (pets / "list.csv").write_bytes((end.join(lines) + end).encode(encoding))
    with warnings.catch_warnings():
        warnings.simplefilter("error", SynthesightWarning)
        found = find_stimuli(pets / "list.csv")
    expected = [(f"img/{n}.png", " ".join(one.split(" "))) for n, one in enumerate(labels)]
    assert listed(found, pets) == expected


def test_other_columns_are_factors_with_types(pets):
    table = pl.DataFrame(
        {
            "image": ["img/0.png", "img/1.png", "img/2.png"],
            "category": ["cat", "dog", None],
            "condition": ["c10", "c50", None],
            "Session": [1, 2, 3],
            "viewpoint": ["30", "60", ""],
            "size": ["0.5", "1", "2"],
            "flipped": ["true", "False", "true"],
            "camera": ["007", "1", "2"],
        }
    )
    table.write_csv(pets / "factors.csv")
    (pets / "factors.jsonl").write_text("\n".join(map(json.dumps, table.to_dicts())))
    (pets / "factors.json").write_text(json.dumps(table.to_dicts()))
    table.write_parquet(pets / "factors.parquet")
    for suffix in ("csv", "jsonl", "json", "parquet"):
        found = find_stimuli(pets / f"factors.{suffix}")
        assert [s.condition for s in found] == ["c10", "c50", "0"], suffix
        assert [s.session for s in found] == [1, 2, 3]
        assert [s.category for s in found] == ["cat", "dog", None]
        assert dict(found[0].factors) == {
            "viewpoint": 30, "size": 0.5, "flipped": True, "camera": "007",
        }  # fmt: skip
        assert "viewpoint" not in found[2].factors


def test_labels_are_never_lost_in_silence(pets):
    (pets / "odd.csv").write_text("path,Tierart\nimg/0.png,Katze\nimg/1.png,Hund\n")
    with pytest.warns(SynthesightWarning, match="no column has the name of labels.*Tierart"):
        found = find_stimuli(pets / "odd.csv")
    assert [s.factors["Tierart"] for s in found] == ["Katze", "Hund"]
    (pets / "both.csv").write_text("path,label,class_name\nimg/0.png,281,cat\nimg/1.png,207,dog\n")
    found = find_stimuli(pets / "both.csv")
    assert [s.category for s in found] == ["cat", "dog"]
    assert [s.factors["label"] for s in found] == [281, 207]
    (pets / "bare.csv").write_text("img/0.png,cat\nimg/1.png,dog\n")
    assert listed(find_stimuli(pets / "bare.csv"), pets) == [
        ("img/0.png", "cat"), ("img/1.png", "dog"),
    ]  # fmt: skip


def test_where_the_images_of_a_list_are(pets, tmp_path, monkeypatch):
    lists = tmp_path / "lists"
    lists.mkdir()
    paths = {
        "absolute": f"{pets}/img/0.png",
        "below": "img/0.png",
        "ids": "img/0",
        "root": "img/0.png",
    }
    for name, path in paths.items():
        (lists / f"{name}.csv").write_text(f"path,label\n{path},cat\n")
    assert find_stimuli(lists / "absolute.csv")[0].id == "absolute/cat/0.png"
    with pytest.raises(SynthesightError, match=r"None of the images .*below\.csv names is there"):
        find_stimuli(lists / "below.csv")
    assert find_stimuli(lists / "root.csv", data=pets)[0].open().size == (8, 8)
    monkeypatch.chdir(pets)
    for name in ("below", "ids"):
        (found,) = find_stimuli(lists / f"{name}.csv")
        assert found.id == f"{name}/cat/img/0.png"
        assert found.open().size == (8, 8)


def test_a_folder_with_metadata_is_what_that_lists(tmp_path):
    save_pictures(tmp_path / "pets", "a.png", "sub/b.png", "c.png")
    lines = [{"file_name": "a.png", "label": "cat", "age": 3}, {"file_name": "sub/b.png"}]
    (tmp_path / "pets" / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    with pytest.warns(SynthesightWarning, match=r"1 not named in metadata\.jsonl \(pets/c\.png\)"):
        found = find_stimuli(tmp_path / "pets")
    assert [(s.id, s.category, dict(s.factors)) for s in found] == [
        ("pets/cat/a.png", "cat", {"age": 3}), ("pets/sub/b.png", None, {}),
    ]  # fmt: skip


def test_what_a_parquet_table_may_hold(tmp_path):
    data = encoded(picture())
    table = pl.DataFrame(
        {"img": [data, data], "Class": [0, 1], "box": [[1, 2], [3, 4]], "taken": ["a", "b"]}
    )
    table.write_parquet(tmp_path / "t.parquet")
    with pytest.warns(SynthesightWarning, match="the columns box are left out"):
        found = find_stimuli(tmp_path / "t.parquet")
    assert [(s.category, dict(s.factors)) for s in found] == [
        ("0", {"taken": "a"}), ("1", {"taken": "b"}),
    ]  # fmt: skip
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04" + b"\0" * 60)
    with pytest.raises(SynthesightError, match=r"Excel workbook.*save the table as CSV"):
        find_stimuli(tmp_path / "book.xlsx")


def test_a_table_on_which_polars_panics_is_one_sentence(tmp_path, monkeypatch):
    pl.DataFrame({"image": [b"1"]}).write_parquet(tmp_path / "a.parquet")

    def panic(*_, **__):
        raise pl.exceptions.PanicException("unwrap")

    monkeypatch.setattr(pl, "read_parquet", panic)
    with pytest.raises(SynthesightError, match="cannot be read as a table"):
        find_stimuli(tmp_path / "a.parquet")
