"""Prompts, and the observer's choice of classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synthesight
from synthesight.errors import SynthesightError
from synthesight.observers.prompts import (
    check_classes,
    check_prompts,
    write_prompts,
)

NAMES = st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=6, unique=True)


def test_the_default_is_the_papers_template_to_the_letter():
    prompts, rows = write_prompts(["airplane", "cat"])
    assert prompts == ["A bad photo of a airplane", "A bad photo of a cat"]
    np.testing.assert_array_equal(rows, [[0], [1]])


@given(classes=NAMES, templates=st.integers(1, 4), synonyms=st.integers(1, 3))
def test_each_class_uses_all_of_its_prompts_equally_often(classes, templates, synonyms):
    patterns = [f"{i} {{class}}" for i in range(templates)]
    names = {classes[0]: [f"{classes[0]}{i}" for i in range(synonyms)]}
    prompts, rows = write_prompts(classes, patterns, names)
    assert len(set(prompts)) == len(prompts)
    assert rows.shape == (len(classes), templates * synonyms)
    for label, own in zip(classes, rows, strict=True):
        expected = {p.replace("{class}", n) for p in patterns for n in names.get(label, [label])}
        used, counts = np.unique(own, return_counts=True)
        assert {prompts[row] for row in used} == expected
        assert len(set(counts)) == 1


@pytest.mark.parametrize(
    ("classes", "words"),
    [([], "at least two"), (["a"], "at least two"), (["a", " "], "empty"), (["a", "a "], "twice")],
)
def test_classes_that_are_no_choice(classes, words):
    with pytest.raises(SynthesightError, match=words):
        check_classes(classes)


def test_prompts_need_a_place_for_the_class():
    with pytest.raises(SynthesightError, match="no place for the class"):
        check_prompts(["a photo"])
    with pytest.raises(SynthesightError, match="`prompt="):
        check_prompts([])


def test_a_text_is_no_list():
    for classes in ("cat,dog", ["cat", 3], 3):
        with pytest.raises(SynthesightError, match=r"give one such as \['cat', 'dog"):
            check_classes(classes)
    with pytest.raises(SynthesightError, match=r"give one such as \['A photo"):
        check_prompts(3)  # type: ignore[arg-type]
    assert check_prompts("a {class}") == ["a {class}"]


@pytest.mark.parametrize("model", ["natural-32", "natural-32-cnn"])
def test_an_observer_takes_no_text_for_its_classes(model):
    with pytest.raises(SynthesightError, match="not a list of texts"):
        synthesight.load(model, classes="cat,dog", device="cpu")
    with pytest.raises(SynthesightError, match="not a list of texts"):
        synthesight.load(model, device="cpu").choose("cat,dog")
