"""Classes and prompts from files, as the field writes them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthesight
from builders import done, picture, refused, sentence
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.observers import read_classes, read_prompts, write_prompts

WORD = st.text("abcdefgh äé-'", min_size=1, max_size=9).map(str.strip).filter(bool)
CUPL = {"cat": ["A cat purrs.", "Whiskers of a cat."], "dog": ["A dog barks."]}
LI = "prompt,classname,classidx\na photo of a dog,dog,1\na photo of a cat,cat,0\n"


def saved(folder, name, content, encoding="utf-8"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding=encoding)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "cat\n# animals\n\ndog\n"),
        ("a.txt", "cat,dog"),
        ("a.csv", "name,note\ncat,1\ndog,2\n"),
        ("a.csv", "Class;note\ncat;1\n\ndog;2\n"),
        ("a.tsv", "label\tnote\ncat\t1\ndog\t2\n"),
        ("a.json", ["cat", "dog"]),
        ("a.json", [{"name": "cat"}, {"name": "dog"}]),
        ("a.json", {"cat": None, "dog": None}),
        ("a.json", {"1": "dog", "0": "cat"}),
        ("a.json", {"10": ["n02", "dog"], "9": ["n01", "cat"]}),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_of_names_in_every_form(tmp_path, name, content, encoding):
    found = read_classes(saved(tmp_path, name, content, encoding))
    assert found.names == ["cat", "dog"]
    assert not found.words
    assert not found.prompts


@given(table=st.dictionaries(WORD, st.lists(WORD, max_size=3, unique=True), min_size=2, max_size=5))
def test_synonyms_are_the_same_from_a_table_and_from_json(tmp_path_factory, table):
    folder = tmp_path_factory.mktemp("classes")
    rows = "".join(f'"{name}";"{"|".join(own)}"\n' for name, own in table.items())
    as_json = {name: {"synonyms": own} for name, own in table.items()}
    expected = {name: list(dict.fromkeys([name, *own])) for name, own in table.items() if own}
    for path in (
        saved(folder, "a.csv", "name;synonyms\n" + rows),
        saved(folder, "a.json", as_json),
    ):
        found = read_classes(path)
        assert found.names == list(table)
        assert found.words == expected


def test_a_phrase_stands_for_the_class_in_prompts(tmp_path):
    found = read_classes(saved(tmp_path, "a.csv", "name,phrase\ncrane,construction crane\ncat,\n"))
    prompts, _ = write_prompts(found.names, ["a {class}"], found.words)
    assert prompts == ["a construction crane", "a cat"]


def test_whole_prompts_of_classes(tmp_path):
    for content, name in ((CUPL, "a.json"), (LI, "a.csv")):
        path = saved(tmp_path, name, content)
        prompts, classes = read_prompts(str(path))
        assert classes == ["cat", "dog"]
        assert prompts == read_classes(path).prompts
    assert prompts == {"cat": ["a photo of a cat"], "dog": ["a photo of a dog"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.txt", "a {}\nthe {c}.\n"), ("a.json", ["a {}", "the {class}."])],
)
def test_templates_in_a_file(tmp_path, name, content):
    found = read_prompts([saved(tmp_path, name, content), "one {}"])
    assert found == (["a {class}", "the {class}.", "one {class}"], None)


def test_classes_with_any_numbers_of_prompts_take_turns():
    # The least common multiple of 37, 41, 43 and 47 is above three million.
    whole = {f"c{n}": [f"{n} {k}" for k in range(n)] for n in (37, 41, 43, 47)}
    written, rows = write_prompts(list(whole), whole)
    assert rows.shape == (4, 10_000)
    for own, row in zip(whole.values(), rows, strict=True):
        assert [written[index] for index in row[: 2 * len(own)]] == 2 * own
        assert np.ptp(np.bincount(row)[np.unique(row)]) <= 1


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", "file,size\na,1\n", "needs a column 'name'"),
        ("a.txt", "cat\n", "at least two classes"),
        ("a.txt", "cat\ncat\n", "'cat' twice"),
        ("a.csv", "name,prompt,classidx\na,p,1\na,q,2\n", "'a' twice, as number 1 and 2"),
        ("a.json", "{", "is not JSON"),
        ("a.json", "[" * 100_000, "is not JSON"),
        ("a.json", 3, "holds no classes"),
        ("a.json", [["cat"]], "holds no classes"),
        ("a.json", {"cat": {"prompts": [3]}, "dog": None}, "where texts belong"),
        ("a.json", {"cat": ["A cat."], "dog": None}, "some have prompts and 'dog' has none"),
    ],
)
def test_what_is_no_list_of_classes_is_one_sentence(tmp_path, name, content, words):
    with pytest.raises(SynthesightError, match=words):
        read_classes(saved(tmp_path, name, content)).wording(None)


def test_files_that_are_not_there_or_not_text(tmp_path):
    with pytest.raises(SynthesightError, match="cannot be read"):
        read_classes(str(tmp_path / "none.csv"))
    (tmp_path / "b.txt").write_bytes(b"\xe9\xff\x80")
    with pytest.raises(SynthesightError, match="UTF-8"):
        read_prompts(tmp_path / "b.txt")


def test_files_on_the_command_line(tmp_path):
    picture(32, "red").save(tmp_path / "a.png")
    image = tmp_path / "a.png"
    fast = ["--rule", "exhaustive", "--max-draws", 4, "--device", "cpu", "--json"]
    classes = saved(tmp_path, "classes.csv", "name,phrase\ncat,house cat\ndog,\n")
    line = json.loads(done("classify", image, "--classes", classes, *fast))
    assert line["classes"] == ["cat", "dog"]
    observer = synthesight.load(
        "natural-32", classes=classes, rule="exhaustive", max_draws=4, device="cpu"
    )
    assert observer.describe()["names"] == {"cat": ["house cat"]}
    np.testing.assert_allclose(line["evidence"], observer.classify(image).evidence[0], atol=1e-5)
    # The prompts' file names the classes too.
    line = json.loads(done("classify", image, "--prompt", saved(tmp_path, "p.json", CUPL), *fast))
    assert line["classes"] == ["cat", "dog"]
    said = refused("classify", image, "--classes", "cat,bird", "--prompt", tmp_path / "p.json")
    assert "no prompt for the class 'bird'" in sentence(said)
    said = refused("classify", image, "--classes", tmp_path / "none.csv")
    assert "cannot be read" in sentence(said)


def test_a_network_without_text_uses_the_names_alone(tmp_path):
    classes = saved(tmp_path, "classes.json", {"cat": "house cat", "dog": "puppy"})
    with pytest.warns(SynthesightWarning, match="reads no text"):
        observer = synthesight.load("natural-32-cnn", classes=classes, device="cpu")
    assert observer.classes == ["cat", "dog"]
