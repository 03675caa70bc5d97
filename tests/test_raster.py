"""Janus, Emu3 and Chameleon: the real classes at tiny random size, against what they generate."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import tiny_tokens
from synthesight.errors import SynthesightError
from synthesight.likelihood.protocol import PartModel, Resampler
from synthesight.likelihood.tokens.opening import TokenParts
from synthesight.likelihood.tokens.raster import RasterModel
from synthesight.observers.generative import GenerativeClassifier
from tiny_tokens import CODES, GRID, SIDE

KINDS = list(tiny_tokens.BUILDERS)
PROMPTS = ["a cat", "a bad photo of an elephant beside a bicycle", "A bad photo of a Dog"]
ONE = torch.zeros(1, dtype=torch.int64)


def parts_of(kind: str) -> TokenParts:
    model, processor = tiny_tokens.BUILDERS[kind]()
    return TokenParts(copy.deepcopy(model), copy.deepcopy(processor))


def opened(kind: str, **options: Any) -> RasterModel:
    return parts_of(kind).likelihood(name="tiny", **{"resolution": SIDE} | options)


def pictures(count: int, side: int = SIDE) -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)) for _ in range(count)
    ]


def pixels(images: list[Image.Image]) -> torch.Tensor:
    """As the engine hands them to ``encode``."""
    stack = torch.from_numpy(np.stack([np.asarray(image) for image in images]))
    return stack.permute(0, 3, 1, 2).float() / 127.5 - 1.0


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_places_add_up_to_the_rows(kind: str) -> None:
    model, rows = opened(kind), torch.tensor([0, 1])
    prepared = model.prepare(["a cat", "a dog, far away"])
    x = model.encode(torch.rand(2, 3, SIDE, SIDE) * 2 - 1)
    for parts in (range(GRID), range(2), range(1, 3)):
        maps = model.nat_maps(x, parts, prepared, rows)
        assert maps.shape == (2, GRID, GRID)
        nats = model.nats(x, parts, prepared, rows)
        torch.testing.assert_close(maps[:, parts.start : parts.stop].sum(dim=2), nats)
        assert maps.sum() == pytest.approx(float(nats.sum()))


def test_an_image_takes_one_pass_a_class(kind: str) -> None:
    model = opened(kind)
    assert isinstance(model, PartModel)
    assert (model.horizon, sum(model.cost)) == (GRID, 1)
    calls: list[int] = []
    model.network.register_forward_hook(lambda _, given, made: calls.append(len(given[0])))
    observer = GenerativeClassifier(model, classes=["cat", "dog", "elephant"], batch_size=4)
    found = observer.classify(pictures(2))
    assert found.evaluations == 6
    assert sum(calls[-2:]) == 6
    x, prepared = (
        model.encode(pixels(pictures(2))),
        model.prepare([f"A bad photo of a {name}" for name in ("cat", "dog", "elephant")]),
    )
    rows = torch.arange(3).repeat(2)
    nats = model.nats(x.repeat_interleave(3, dim=0), range(GRID), prepared, rows).sum(dim=1)
    nats = nats.view(2, 3).numpy()
    np.testing.assert_allclose(found.evidence, nats - nats.max(axis=1, keepdims=True), atol=1e-4)


def test_blocks_equal_one_pass_and_a_class_does_not_depend_on_its_company(kind: str) -> None:
    model = opened(kind)
    x = model.encode(pixels(pictures(2))).repeat_interleave(3, dim=0)
    rows = torch.arange(3).repeat(2)
    together = model.prepare(PROMPTS)
    assert not together.mask.all()
    whole = model.nats(x, range(GRID), together, rows)
    assert (whole.shape, whole.dtype) == ((6, GRID), torch.float64)
    assert whole.max() < 0
    blocks = [(0, 1), (1, 3), (3, 4)]
    some = [model.nats(x, range(*block), together, rows) for block in blocks]
    torch.testing.assert_close(torch.cat(some, dim=1), whole, atol=1e-5, rtol=0)
    for row, prompt in enumerate(PROMPTS):
        alone = model.nats(x[rows == row], range(GRID), model.prepare([prompt]), ONE.repeat(2))
        torch.testing.assert_close(alone, whole[rows == row], atol=1e-5, rtol=0)


class Forcing(transformers.LogitsProcessor):
    """Makes generation write given codes, and keeps the log-probability of each."""

    def __init__(self, wanted: list[int], first: int = 0) -> None:
        self.wanted, self.first, self.nats = iter(wanted), first, []

    def __call__(self, ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        code = next(self.wanted)
        # Of the first row: those after it are without a prompt, for guidance.
        self.nats.append(float(scores[0].double().log_softmax(dim=0)[code]))
        return torch.zeros_like(scores).index_fill_(1, torch.tensor([code]), 1e3)


def generate_janus(parts: TokenParts, codes: torch.Tensor, prompt: str) -> list[float]:
    model, processor = parts.model, parts.processor
    chat = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "text", "text": prompt}]}],
        add_generation_prompt=True,
    )
    given = processor(text=chat, generation_mode="image", return_tensors="pt")
    forcing = Forcing(codes.flatten().tolist())
    made = model.generate(
        **given,
        generation_mode="image",
        guidance_scale=5.0,
        do_sample=False,
        logits_processor=transformers.LogitsProcessorList([forcing]),
    )
    assert made.tolist() == codes.flatten(1).tolist()
    return forcing.nats


def generate_emu3(parts: TokenParts, codes: torch.Tensor, prompt: str) -> list[float]:
    """As the model's own documentation does, which allows at each place what may stand there."""
    model, processor = parts.model, parts.processor
    given = processor(
        text=prompt,
        return_for_image_generation=True,
        image_area=SIDE**2,
        return_tensors="pt",
    )
    words, mapping = processor.tokenizer, model.model.vocabulary_mapping
    height, width = (int(each) for each in given.pop("image_sizes")[0])
    start = given["input_ids"].shape[1]

    def allowed(_: int, ids: torch.Tensor) -> list[int]:
        place = len(ids) - int((ids == words.image_wrapper_token_id).nonzero()[0])
        if place % (width + 1) == 0:
            return [mapping.eol_token_id]
        if place > (width + 1) * height:
            return [words.eof_token_id]
        return mapping.image_tokens

    written = [
        token
        for row in codes[0].tolist()
        for token in [*(mapping.img2bpe[code] for code in row), mapping.eol_token_id]
    ]
    forcing = Forcing(written)
    made = model.generate(
        **given,
        do_sample=False,
        max_new_tokens=len(written),
        prefix_allowed_tokens_fn=allowed,
        logits_processor=transformers.LogitsProcessorList([forcing]),
    )
    assert made[0, start:].tolist() == written
    ends = forcing.nats[width :: width + 1]
    assert ends == [0.0] * height  # what is certain says nothing
    return forcing.nats


def generate_chameleon(parts: TokenParts, codes: torch.Tensor, prompt: str) -> list[float]:
    """Step by step, since transformers' own ``generate`` never writes an image code.

    As the original's: beginning, prompt, end of turn, beginning of an image; then image codes only.
    """
    model, words = parts.model, parts.processor.tokenizer
    marks = [words.convert_tokens_to_ids(mark) for mark in ("<reserved08706>", "<racm3:break>")]
    text = words(prompt, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[words.bos_token_id, *text, *marks]])
    mapping = model.model.vocabulary_mapping
    cache, nats = transformers.DynamicCache(config=model.config), []
    for code in codes.flatten().tolist():
        hidden = model.model(ids, past_key_values=cache, use_cache=True).last_hidden_state
        logits = torch.full((model.config.vocab_size,), float("-inf"), dtype=torch.float64)
        image = mapping.image_tokens
        logits[image] = model.lm_head(hidden[0, -1]).double()[image]
        token = mapping.img2bpe[code]
        nats.append(float(logits.log_softmax(dim=0)[token]))
        ids = torch.tensor([[token]])
    return nats


GENERATE: dict[str, Callable[..., list[float]]] = {
    "Janus": generate_janus,
    "Emu3": generate_emu3,
    "Chameleon": generate_chameleon,
}


def test_the_sum_is_that_of_the_models_own_generation(kind: str) -> None:
    model = opened(kind)
    codes = model.encode(pixels(pictures(1)))
    prepared = model.prepare(PROMPTS)
    for row, prompt in enumerate(PROMPTS[:2]):
        steps = GENERATE[kind](parts_of(kind), codes, prompt)
        found = model.nats(codes, range(GRID), prepared, ONE + row)
        by_row = np.reshape(steps, (GRID, -1)).sum(axis=1)
        np.testing.assert_allclose(found[0].numpy(), by_row, atol=1e-4)


@pytest.mark.parametrize("kind", ["Janus", "Emu3"])
def test_codes_are_drawn_anew_from_what_the_whole_pass_predicts(kind: str) -> None:
    """By the inverse of the distribution, with the uniform numbers of the seed."""
    model = opened(kind)
    assert isinstance(model, Resampler)
    codes = model.encode(pixels(pictures(2)))
    prepared, rows = model.prepare(PROMPTS), torch.arange(2)  # of different lengths
    mask = torch.zeros_like(codes, dtype=torch.bool)
    mask[:, 1:, 1:] = True
    made = model.resample(codes, mask, prepared, rows, seed=3)
    assert torch.equal(made[~mask], codes[~mask])
    uniform = torch.from_numpy(np.random.default_rng(3).random((2, GRID**2))).view_as(codes)
    for row, column in ((1, 1), (2, 3), (3, 2)):
        shares = []
        for code in range(CODES):
            changed = made.clone()
            changed[:, row, column] = code
            shares.append(
                model.nat_maps(changed, range(GRID), prepared, rows)[:, row, column].exp()
            )
        below = torch.stack(shares, dim=1).cumsum(dim=1) <= uniform[:, row, column, None]
        assert made[:, row, column].tolist() == below.sum(dim=1).tolist()
    assert not torch.equal(made, model.resample(codes, mask, prepared, rows, seed=4))
    assert torch.equal(model.resample(codes, mask & False, prepared, rows), codes)


@pytest.mark.parametrize("kind", ["Janus", "Emu3"])
def test_codes_become_images_by_the_models_own_decoder(kind: str) -> None:
    model, own = opened(kind), parts_of(kind)
    codes = model.encode(pixels(pictures(2)))
    painted = own.model.model.vqmodel.decode(codes.flatten(1) if kind == "Janus" else codes)
    processor = own.processor.image_processor
    shown = processor.postprocess(list(painted), return_tensors="pt")["pixel_values"]
    found = (model.decode(codes) + 1) * 127.5
    np.testing.assert_allclose(found, shown.float().reshape(found.shape), atol=1.0)


def test_codes_are_those_of_the_models_own_tokenizer(kind: str) -> None:
    """From a picture, through the model's own image processor."""
    model, parts = opened(kind), parts_of(kind)
    images = pictures(2)
    found = model.encode(pixels(images))
    own = parts.processor.image_processor(images, return_tensors="pt")
    inner, values = parts.model.model, own["pixel_values"].float()
    if kind == "Janus":
        expected = janus_codes(inner.vqmodel, values)
        # What transformers does with a codebook whose vectors have other lengths than 1.
        raw = inner.vqmodel.encode(values, return_dict=True).image_tokens.view_as(expected)
        assert not torch.equal(raw, expected)
        inner.vqmodel.quantize.embedding.weight.data = torch.nn.functional.normalize(
            inner.vqmodel.quantize.embedding.weight
        )
        same = inner.vqmodel.encode(values, return_dict=True).image_tokens.view_as(expected)
        assert torch.equal(same, expected)
    elif kind == "Emu3":
        tokens = inner.get_image_tokens(values, own["image_sizes"]).view(2, GRID, GRID + 1)
        assert (tokens[:, :, -1] == inner.vocabulary_mapping.eol_token_id).all()
        expected = inner.vocabulary_mapping.convert_bpe2img(tokens).long()
    else:
        tokens = inner.get_image_tokens(values)
        of_token = inner.vocabulary_mapping.bpe2img
        expected = torch.tensor([[of_token[int(token)] for token in row] for row in tokens])
        expected = expected.view(2, GRID, GRID)
    assert torch.equal(found, expected)
    assert len(found.unique()) > 4


def janus_codes(vq: Any, values: torch.Tensor) -> torch.Tensor:
    """The rule of the original: directions are compared, those of the codebook as well."""
    vectors = vq.quant_conv(vq.encoder(values)).permute(0, 2, 3, 1).numpy()
    book = vq.quantize.embedding.weight.numpy()
    vectors = vectors / np.linalg.norm(vectors, axis=3, keepdims=True)
    book = book / np.linalg.norm(book, axis=1, keepdims=True)
    distance = np.linalg.norm(vectors[:, :, :, None] - book, axis=4)
    return torch.from_numpy(distance.argmin(axis=3))


def test_prompts_are_written_as_the_model_does() -> None:
    janus, emu3, chameleon = (opened(kind) for kind in KINDS)
    words = tiny_tokens.janus()[1].tokenizer
    chat = "<s><|User|>: A cat\n\n<|Assistant|>:<begin_of_image>"
    assert words.decode(janus.write(" A cat ").ids) == chat
    assert janus.describe()["written"] == chat.removeprefix("<s>").replace("A cat", "{class}")

    processor = tiny_tokens.emu3()[1]
    own = processor(text="a cat", return_for_image_generation=True, image_area=SIDE**2)
    assert emu3.write("a cat").ids == own["input_ids"][0]
    wide = opened("Emu3", resolution=(SIDE, 2 * SIDE))  # sizes count codes, height first
    assert wide.resolution == (16, 32)
    assert wide.write("a cat").text == "<s>a cat<|image start|>4*8<|image token|>"

    words = tiny_tokens.chameleon()[1].tokenizer
    assert words.decode(chameleon.write("a cat").ids) == "<s>a cat<reserved08706><racm3:break>"


def test_images_of_other_shapes_are_scored_where_the_model_makes_them() -> None:
    model = opened("Emu3", resolution=(SIDE, 2 * SIDE))
    x = model.encode(torch.rand(1, 3, SIDE, 2 * SIDE) * 2 - 1)
    assert (x.shape, model.horizon) == ((1, GRID, 2 * GRID), GRID)
    assert model.nats(x, range(GRID), model.prepare(PROMPTS), ONE).isfinite().all()


def test_chameleons_own_logits_are_masked_and_are_not_used() -> None:
    parts, model = parts_of("Chameleon"), opened("Chameleon")
    image = parts.model.model.vocabulary_mapping.image_tokens
    logits = parts.model(torch.tensor([[1, 5, 6]])).logits[..., image]
    assert (logits == torch.finfo(torch.float32).min).all()
    model.network.head.forward = lambda rows: logits[0, 0].expand(len(rows), -1)
    x = model.encode(pixels(pictures(1)))
    with pytest.raises(SynthesightError, match="logits that are −inf or NaN"):
        model.nats(x, range(GRID), model.prepare(PROMPTS), ONE)


def test_half_precision_is_of_the_decoder_alone(kind: str) -> None:
    dtype = torch.bfloat16
    exact, model = opened(kind), opened(kind, dtype=dtype)
    x, prepared = model.encode(pixels(pictures(1))), model.prepare(PROMPTS)
    assert torch.equal(x, exact.encode(pixels(pictures(1))))
    in_float32 = {
        name.split(".")[0]
        for name, tensor in (*model.network.named_parameters(), *model.network.named_buffers())
        if tensor.dtype == torch.float32 and "rotary_emb" not in name
    }
    assert (model.dtype, in_float32) == (dtype, {"head"})
    positions = model.network.decoder.rotary_emb.inv_freq
    assert torch.equal(positions, exact.network.decoder.rotary_emb.inv_freq)
    found = model.nats(x, range(GRID), prepared, ONE)
    torch.testing.assert_close(found, exact.nats(x, range(GRID), prepared, ONE), rtol=0.05, atol=1)
    model.reopen()
    assert model.dtype == dtype


def test_a_batch_that_does_not_fit_is_halved(kind: str) -> None:
    model = opened(kind)
    forward = model.network.forward

    def limited(text: torch.Tensor, *given: Any) -> torch.Tensor:
        if len(text) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return forward(text, *given)

    names = ["cat", "dog", "elephant", "car", "boat"]
    expected = GenerativeClassifier(model, classes=names, batch_size=8).classify(pictures(2))
    model.network.forward = limited  # type: ignore[method-assign]
    observer = GenerativeClassifier(model, classes=names, batch_size=8)
    found = observer.classify(pictures(2))
    assert observer.usage_.batch_size == 2
    assert observer.usage_.halvings > 0
    np.testing.assert_allclose(found.evidence, expected.evidence, atol=1e-4)
    tuned = GenerativeClassifier(model, classes=names)
    tuned.classify(pictures(1))
    assert tuned.usage_.batch_size <= 2


# What cannot be ------------------------------------------------------------------------------


def test_refuse_sizes_that_a_model_does_not_make() -> None:
    for fixed in ("Janus", "Chameleon"):
        with pytest.raises(SynthesightError, match=r"makes no images of 32 × 16 pixels: its one"):
            opened(fixed, resolution=(32, 16))
    with pytest.raises(SynthesightError, match=r"16 × 18 cannot be divided into: give a `resol"):
        opened("Emu3", resolution=(16, 18))
    with pytest.raises(SynthesightError, match=r"takes 200 tokens, and images of 720 × 720 pixels"):
        opened("Emu3", resolution=None)


def test_refuse_prompts_that_would_be_cut(kind: str) -> None:
    with pytest.raises(SynthesightError, match=r"takes 200 tokens.*'a cat and a cat.*shorten it"):
        opened(kind).prepare(["a cat", "a cat and " * 80])


def test_refuse_codebooks_and_heads_that_cannot_work() -> None:
    parts = parts_of("Janus")
    parts.model.model.vqmodel.quantize.embedding.weight[3] = 0
    with pytest.raises(SynthesightError, match="Vector 3 of the codebook of tiny has no direction"):
        parts.likelihood(name="tiny")
    parts = parts_of("Chameleon")
    del parts.model.model.vocabulary_mapping.img2bpe[CODES - 1]
    with pytest.raises(SynthesightError, match="has 24 vectors, and its network knows 23 codes"):
        parts.likelihood(name="tiny")
    parts = parts_of("Chameleon")
    parts.model.lm_head.weight.zero_()
    with pytest.raises(SynthesightError, match="gives the same logit to every image code"):
        parts.likelihood(name="tiny")
    parts = parts_of("Janus")
    parts.processor.chat_template = None
    with pytest.raises(SynthesightError, match="has no chat template"):
        parts.likelihood(name="tiny")
    parts = parts_of("Chameleon")
    parts.processor.tokenizer.sep_token = None
    with pytest.raises(SynthesightError, match="The tokenizer of tiny has no sep_token"):
        parts.likelihood(name="tiny")


def test_refuse_logits_that_are_no_numbers(kind: str) -> None:
    model = opened(kind)
    for weight in model.network.head.parameters():
        weight[0] = float("nan")
    with pytest.raises(SynthesightError, match="tiny gave image codes logits that are −inf or NaN"):
        GenerativeClassifier(model, classes=["cat", "dog"], batch_size=2).classify(pictures(1))


def test_refuse_what_a_sequence_of_parts_has_no_use_for(kind: str) -> None:
    model = opened(kind)
    for options, said in (
        ({"weighting": "elbo"}, "leave out `weighting`"),
        ({"rule": "sequential"}, "The rule sequential holds for exchangeable draws"),
        ({"delta": 0.1}, "leave it out"),
    ):
        with pytest.raises(SynthesightError, match=said):
            GenerativeClassifier(model, classes=["cat", "dog"], **options)
