"""CLIP as a zero-shot classifier."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import synthesight
import tiny_models
from synthesight.errors import SynthesightError

CLASSES = ["cat", "dog", "car"]
TWO = ["A bad photo of a {class}", "a drawing of one {class}"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random CLIP, saved as transformers saves it."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig

    torch.manual_seed(0)
    tokenizer = tiny_models.clip_tokenizer()
    small = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=tokenizer.model_max_length,
        **small,
    )
    config = CLIPConfig(
        text_config=text.to_dict(),
        vision_config={"image_size": 32, "patch_size": 8, **small},
        projection_dim=8,
    )
    folder = tmp_path_factory.mktemp("clip")
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    return folder


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)


def logits(folder, image, texts) -> torch.Tensor:
    """What transformers makes of an image and sentences, by its own way."""
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder).eval()
    tokens = CLIPTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    pixels = CLIPImageProcessor.from_pretrained(folder)(image, return_tensors="pt")
    with torch.inference_mode():
        return model(**tokens, **pixels).logits_per_image[0].double()


def test_one_prompt_a_class_gives_the_logits_of_transformers(folder, image):
    observer = synthesight.load(f"transformers:{folder}", device="cpu")
    assert observer.resolution == 32
    result = observer.classify([image], classes=CLASSES)
    expected = logits(folder, image, [f"A bad photo of a {name}" for name in CLASSES])
    np.testing.assert_allclose(result.score[0], expected.softmax(0), rtol=1e-4)
    np.testing.assert_allclose(result.evidence[0], expected - expected.max(), atol=1e-4)
    assert observer.describe()["prompt"] == ["A bad photo of a {class}"]


def test_several_prompts_are_averaged_in_the_common_space(folder, image):
    observer = synthesight.load(f"transformers:{folder}", device="cpu", classes=CLASSES, prompt=TWO)
    # The cosine with a mean is the mean of the cosines over the mean's length.
    sentences = [t.replace("{class}", name) for name in CLASSES for t in TWO]
    with torch.inference_mode():
        features = torch.nn.functional.normalize(observer.network.encode_texts(sentences), dim=1)
    length = features.reshape(3, 2, -1).mean(dim=1).norm(dim=1).double()
    expected = logits(folder, image, sentences).reshape(3, 2).mean(dim=1) / length
    score = observer.predict_proba([image])[0]
    np.testing.assert_allclose(score, expected.softmax(0), rtol=1e-4)


def test_classes_and_prompts_are_checked(folder, image):
    with pytest.raises(SynthesightError, match="no place for the class"):
        synthesight.load(f"transformers:{folder}", device="cpu", prompt="a photo")
    observer = synthesight.load(f"transformers:{folder}", device="cpu")
    with pytest.raises(SynthesightError, match="no classes of its own"):
        observer.classify([image])


def test_siglip_reads_its_padding_as_it_did_in_training(tmp_path, image):
    """Whatever its tokenizer was saved with: here another length, the other side, and a mask."""
    from transformers import SiglipConfig, SiglipImageProcessor, SiglipModel

    torch.manual_seed(0)
    tokenizer = copy.deepcopy(tiny_models.t5_tokenizer())
    tokenizer.padding_side = "left"
    assert tokenizer.model_max_length == 512
    small = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }  # fmt: skip
    config = SiglipConfig(
        text_config={"vocab_size": len(tokenizer), "max_position_embeddings": 64, **small},
        vision_config={"image_size": 32, "patch_size": 8, **small},
    )
    model = SiglipModel(config).eval()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    observer = synthesight.load(f"transformers:{tmp_path}", device="cpu")
    texts = ["a cat", "a bad photo of a dog", "a bad photo of " * 30]
    with torch.inference_mode():
        found = observer.network.encode_texts(texts)
        tokens = tokenizer(
            texts, padding="max_length", max_length=64, truncation=True, padding_side="right",
            return_tensors="pt",
        )  # fmt: skip
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        assert mask.sum(1)[0] < mask.sum(1)[1] < mask.sum(1)[2] == 64
        expected = model.get_text_features(input_ids=ids)
        masked = model.get_text_features(input_ids=ids, attention_mask=mask)
    expected, masked = (getattr(each, "pooler_output", each) for each in (expected, masked))
    torch.testing.assert_close(found, expected)
    assert (masked - expected)[:2].abs().max() > 1e-3
    torch.testing.assert_close(found[2], masked[2])
    assert observer.classify([image], classes=CLASSES).score.shape == (1, 3)


@pytest.fixture(scope="module")
def align(tmp_path_factory):
    """A small random ALIGN, which divides by a temperature."""
    from transformers import AlignConfig, AlignModel, EfficientNetImageProcessor

    torch.manual_seed(0)
    tokenizer = tiny_models.t5_tokenizer()
    text = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "vocab_size": len(tokenizer), "initializer_range": 1.0,
    }  # fmt: skip
    vision = {
        "image_size": 32, "kernel_sizes": [3, 5], "in_channels": [32, 16], "out_channels": [16, 24],
        "strides": [1, 2], "num_block_repeats": [1, 1], "expand_ratios": [1, 6],
        "depthwise_padding": [],
    }  # fmt: skip
    config = AlignConfig(
        text_config=text, vision_config=vision, projection_dim=48, temperature_init_value=0.1
    )
    folder = tmp_path_factory.mktemp("align")
    AlignModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    EfficientNetImageProcessor(
        size={"height": 32, "width": 32}, rescale_factor=1 / 127.5, rescale_offset=True,
        do_normalize=False, include_top=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_align_divides_by_its_temperature(align, image):
    from transformers import AlignModel, AutoImageProcessor

    observer = synthesight.load(f"transformers:{align}", device="cpu")
    result = observer.classify([image], classes=CLASSES)
    model = AlignModel.from_pretrained(align).eval()
    texts = [f"A bad photo of a {name}" for name in CLASSES]
    tokens = tiny_models.t5_tokenizer()(texts, padding=True, return_tensors="pt")
    pixels = AutoImageProcessor.from_pretrained(align)(image, return_tensors="pt")
    with torch.inference_mode():
        found = model(**tokens, **pixels).logits_per_image[0].double()
    assert observer.network.scale().item() == pytest.approx(10)
    np.testing.assert_allclose(result.evidence[0], found - found.max(), atol=1e-4)


@pytest.mark.parametrize("kind", ["Blip2ForImageTextRetrieval", "Siglip2Model"])
def test_what_cannot_be_compared_as_clip_is_refused_before_its_weights_are_got(kind, tmp_path):
    """One has no features of its own for images or sentences, the other sees no whole images."""
    import transformers

    config = getattr(transformers, kind).config_class(architectures=[kind])
    config.save_pretrained(tmp_path)  # and no weights
    with pytest.raises(SynthesightError, match=f"a {kind}, which does not put whole images and"):
        synthesight.load(f"transformers:{tmp_path}", device="cpu")
