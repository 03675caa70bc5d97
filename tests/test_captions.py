"""Tables of images and sentences, as the field's benchmarks write them."""

from __future__ import annotations

import json

import polars as pl
import pytest

from builders import done, encoded, picture, save_pictures
from synthesight.errors import SynthesightError
from synthesight.stimuli import find_stimuli

A, B, C = "a cat beside a dog", "a dog beside a cat", "a frog"
PNG = encoded(picture())


@pytest.mark.parametrize(
    ("columns", "choices", "right"),
    [
        ({"caption": A, "negative_caption": B}, (A, B), A),
        ({"true_caption": A, "false_caption": B}, (A, B), A),
        ({"caption": A, "foil": B}, (A, B), A),
        ({"captions": [A, B, C], "caption": B}, (A, B, C), B),
        ({"captions": [A, B], "label": 1}, (A, B), B),
        ({"captions": [B, C], "caption": A}, (A, B, C), A),
        ({"caption_0": A, "caption_1": B, "label": 0}, (A, B), A),
        ({"caption 1": A, "Caption 2": B, "answer": B}, (A, B), B),
        ({"candidates": [A, B]}, (A, B), None),
    ],
)
@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_captions_in_every_form(tmp_path, columns, choices, right, form):
    path = tmp_path / f"pairs.{form}"
    if form == "parquet":
        pl.DataFrame([{"image": PNG, "size": 3} | columns]).write_parquet(path)
    else:
        save_pictures(tmp_path, "a.png")
        path.write_text(json.dumps({"file_name": "a.png", "size": 3} | columns))
    (stimulus,) = find_stimuli(path)
    assert stimulus.captions == choices
    assert stimulus.category == right
    assert dict(stimulus.factors) == {"size": 3}


def test_a_row_of_winoground_is_a_pair_of_images(tmp_path):
    rows = [
        {"id": n, "image_0": PNG, "image_1": PNG, "caption_0": A, "caption_1": B, "tag": "Object"}
        for n in (7, 8)
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "winoground.parquet")
    stimuli = find_stimuli(tmp_path / "winoground.parquet")
    assert [each.category for each in stimuli] == [A, B, A, B]
    assert {each.captions for each in stimuli} == {(A, B)}
    assert [each.factors["pair"] for each in stimuli] == [0, 0, 1, 1]
    assert len({each.id for each in stimuli}) == 4


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"captions": [A]}, "row 1, has no choice"),
        ({"captions": [A, B], "label": 2}, "none of its captions"),
        ({"captions": [A, A], "caption": A}, "no choice"),
    ],
)
def test_rows_without_a_choice_are_one_sentence(tmp_path, columns, words):
    pl.DataFrame([{"image": PNG} | columns]).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(SynthesightError, match=words):
        find_stimuli(tmp_path / "a.parquet")


def test_matching_on_the_command_line(tmp_path):
    save_pictures(tmp_path, "a.png", "b.png", size=32)
    lines = [f"a.png;{A};{B}", f"b.png;{C};{A}"]
    (tmp_path / "list.csv").write_text("\n".join(["path;caption;foil", *lines]))
    fast = ["--max-draws", 4, "--rule", "exhaustive", "--device", "cpu"]
    printed = done("evaluate", "--stimuli", tmp_path / "list.csv", "--out", tmp_path / "run", *fast)
    assert "list" in printed
    trials = pl.read_parquet(tmp_path / "run" / "*.parquet")
    assert sorted(trials["captions"].to_list()) == [[A, B], [C, A]]
    found = [
        json.loads(line)
        for line in done("classify", tmp_path / "list.csv", *fast, "--json").splitlines()
    ]
    assert sorted(each["classes"] for each in found) == [[A, B], [C, A]]
