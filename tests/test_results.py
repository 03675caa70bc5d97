"""Results as people meet them at a prompt and in a notebook."""

from __future__ import annotations

import numpy as np
import pytest

import synthesight
from synthesight.observers import Classification, Response, registry
from synthesight.stimuli.arrays import as_stimuli

CLASSES = ["cat", "<b>dog"]


@pytest.fixture
def result() -> Classification:
    images = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
    score = np.array([0.75, 0.25])
    draws = np.ones(2, dtype=np.int64)
    responses = [
        Response(each, CLASSES[i % 2], np.log(score), score, 0 * score, draws, 2, "x")
        for i, each in enumerate(as_stimuli(images))
    ]
    return Classification(CLASSES, responses)


def test_a_classification_is_a_sequence_of_responses(result):
    assert len(result) == 30
    assert [response.response for response in result[:2]] == CLASSES
    assert isinstance(result[:2], Classification)
    assert result[-1].response == "<b>dog"
    assert list(result) == result.responses


def test_short_forms(result):
    assert repr(result[:1]) == "<Classification of 1 image among 2 classes: cat>"
    assert repr(result).endswith("30 images among 2 classes: cat, <b>dog, cat, <b>dog, cat, …>")
    name = result[0].stimulus.id
    assert repr(result[0]) == f"<Response 'cat' to {name}: score 0.750, 2 evaluations>"
    observer = synthesight.load("natural-32-cnn", classes=["cat", "dog"], device="cpu")
    assert repr(observer) == "<DiscriminativeNetwork natural-32-cnn: 2 classes>"
    assert repr(registry.entries()["clip"]).startswith("<Entry clip: discriminative, CLIP ViT")


def test_notebooks_show_tables_in_which_everything_is_escaped(result):
    shown = result._repr_html_()
    assert shown.count("<tr>") == 21
    assert "<td>0.750</td>" in shown
    assert "and 10 images more" in shown
    assert "&lt;b&gt;dog" in shown
    assert "<b>" not in shown
    observer = synthesight.load("natural-32-cnn", classes=["cat", "<i>dog"], device="cpu")
    assert "<td>cat, &lt;i&gt;dog</td>" in observer._repr_html_()
    assert "<th>licence</th><td>MIT</td>" in registry.entries()["bagnet9"]._repr_html_()
