"""Nats of image codes: from logits, in bounded memory, by parts."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from synthesight.errors import SynthesightError
from synthesight.likelihood import tokens


def test_nats_are_the_log_softmax_over_image_codes_in_float64():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 8, (3, 600, 50)).astype(np.float32)
    codes = rng.integers(0, 50, (3, 600))
    expected = np.take_along_axis(log_softmax(logits.astype(np.float64), -1), codes[..., None], -1)
    found = tokens.code_nats(torch.from_numpy(logits), torch.from_numpy(codes), name="m")
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected[..., 0], atol=1e-5)


@settings(max_examples=25)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 200), st.integers(0, 99))
def test_any_bound_on_memory_gives_the_same_nats(images, length, most, seed):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(images, length, 5, generator=generator)
    weight = torch.randn(7, 5, generator=generator)
    codes = torch.randint(7, (images, length), generator=generator)
    sizes = []

    def head(rows):
        sizes.append(len(rows) * 7)
        return rows @ weight.T

    found = tokens.head_nats(hidden, head, codes, count=7, name="m", most=most)
    assert max(sizes) <= max(most, 7)
    torch.testing.assert_close(
        found, tokens.code_nats(hidden @ weight.T, codes, name="m"), atol=1e-5, rtol=0
    )


@settings(max_examples=25)
@given(st.integers(1, 60), st.data())
def test_parts_add_up_to_the_whole(count, data):
    parts = data.draw(st.integers(1, count))
    edges = tokens.even_parts(count, parts)
    sizes = np.diff(edges)
    assert (edges[0], edges[-1], len(edges)) == (0, count, parts + 1)
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1
    nats = torch.randn(2, count, dtype=torch.float64)
    found = tokens.part_nats(nats, edges)
    for part, (start, stop) in enumerate(pairwise(edges)):
        torch.testing.assert_close(found[:, part], nats[:, start:stop].sum(dim=1))


@pytest.mark.parametrize(
    "bad", [float("-inf"), float("inf"), float("nan"), torch.finfo(torch.float32).min]
)
def test_refuse_logits_that_are_masked_or_no_numbers(bad):
    logits = torch.zeros(1, 2, 4)
    logits[0, 1, 3] = bad  # of a code that the image does not have
    with pytest.raises(SynthesightError, match="m gave image codes logits that are −inf or NaN"):
        tokens.code_nats(logits, torch.zeros(1, 2, dtype=torch.int64), name="m")


def test_refuse_codes_that_the_network_does_not_know():
    assert tokens.check_codes(torch.tensor([0, 3], dtype=torch.int32), 4, name="m").tolist() == [
        0,
        3,
    ]
    with pytest.raises(SynthesightError, match="gave the code 4, and its network knows 4 codes"):
        tokens.check_codes(torch.tensor([0, 4]), 4, name="m")
    with pytest.raises(SynthesightError, match="gave the code -1"):
        tokens.check_codes(torch.tensor([-1, 2]), 4, name="m")


def test_refuse_codebooks_that_choose_nothing():
    book = torch.eye(4)
    tokens.check_codebook(book, 4, name="m", direction=True)
    with pytest.raises(SynthesightError, match="has 4 vectors, and its network knows 5 codes"):
        tokens.check_codebook(book, 5, name="m")
    book[2, 2] = 0
    tokens.check_codebook(book, 4, name="m")
    with pytest.raises(SynthesightError, match="Vector 2 of the codebook of m has no direction"):
        tokens.check_codebook(book, 4, name="m", direction=True)
    book[1, 0] = float("nan")
    with pytest.raises(SynthesightError, match="Vector 1 of the codebook of m is not finite"):
        tokens.check_codebook(book, 4, name="m")
