"""ImageNet classifiers as observers of categories: the mean rule, and the loaders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

import synthesight
from synthesight.errors import SynthesightError
from synthesight.evaluation import evaluate
from synthesight.observers.discriminative.hugging_face import pixels_of
from synthesight.observers.discriminative.imagenet import ImageNetNetwork
from synthesight.stimuli.find import find_stimuli

CATEGORIES = {"dog": [1, 2, 3], "cat": [10], "car": [20, 21]}


class Fixed(torch.nn.Module):
    """Gives the same logits for every image, and keeps what it saw."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen = images
        return self.logits.expand(len(images), -1)


@pytest.fixture
def image() -> np.ndarray:
    return np.full((8, 8, 3), (255, 127, 0), np.uint8)


def test_a_category_has_the_mean_probability_of_its_classes(image):
    logits = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    logits[10], logits[1:4] = 3.0, torch.tensor([3.5, -2.0, -2.0])
    observer = ImageNetNetwork(Fixed(logits), name="fixed", resolution=8, categories=CATEGORIES)
    result = observer.classify([image])
    probability = logits.double().softmax(0).numpy()
    mean = np.array([probability[indices].mean() for indices in CATEGORIES.values()])
    # The greatest class is a dog's, but the mean over dogs is less than that of the only cat.
    assert result.labels == ["cat"]
    np.testing.assert_allclose(result.score[0], mean / mean.sum(), rtol=1e-6)
    np.testing.assert_allclose(result.evidence[0], np.log(mean / mean.max()), rtol=1e-5, atol=1e-9)
    assert observer.classify([image], classes=["dog", "automobile"]).labels == ["dog"]


def test_images_are_normalised_as_the_network_was_trained(image):
    network = Fixed(torch.zeros(1000))
    ImageNetNetwork(
        network, name="n", resolution=4, mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1),
        categories=CATEGORIES,
    ).classify([image])  # fmt: skip
    assert network.seen.shape == (1, 3, 4, 4)
    expected = [(1 - 0.5) / 0.5, (127 / 255 - 0.4) / 0.2, -0.3 / 0.1]
    np.testing.assert_allclose(network.seen[0, :, 0, 0], expected, rtol=1e-5)


def test_what_is_no_imagenet_classifier_is_refused(image):
    observer = ImageNetNetwork(
        Fixed(torch.zeros(10)), name="ten", resolution=8, categories=CATEGORIES
    )
    with pytest.raises(SynthesightError, match="10 outputs, not the 1000"):
        observer.classify([image])
    with pytest.raises(SynthesightError, match="no ImageNet classes for 'boat'"):
        observer.classify([image], classes=["dog", "boat"])
    observer = ImageNetNetwork(
        Fixed(torch.full((1000,), torch.nan)), name="nan", resolution=8, categories=CATEGORIES
    )
    with pytest.raises(SynthesightError, match="not finite"):
        observer.classify([image])


@pytest.mark.parametrize("family", ["resnet", "vit", "convnext"])
def test_classifiers_of_transformers_are_opened(family, image, tmp_path):
    from transformers import (
        ConvNextConfig,
        ConvNextForImageClassification,
        ConvNextImageProcessor,
        ResNetConfig,
        ResNetForImageClassification,
        ViTConfig,
        ViTForImageClassification,
        ViTImageProcessor,
    )

    torch.manual_seed(0)
    network, processor = {
        "resnet": lambda: (
            ResNetForImageClassification(
                ResNetConfig(
                    embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=1000,
                    layer_type="basic",
                )
            ),
            ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=1.0),
        ),
        "vit": lambda: (
            ViTForImageClassification(
                ViTConfig(
                    hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                    intermediate_size=16, image_size=32, patch_size=8, num_labels=1000,
                )
            ),
            ViTImageProcessor(size={"height": 32, "width": 32}),
        ),
        "convnext": lambda: (
            ConvNextForImageClassification(
                ConvNextConfig(hidden_sizes=[8, 16], depths=[1, 1], num_stages=2, num_labels=1000)
            ),
            ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=1.0),
        ),
    }[family]()  # fmt: skip
    network.eval().save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    with pytest.raises(SynthesightError, match="reads no text: leave out `prompt`"):
        synthesight.load(f"transformers:{tmp_path}", device="cpu", prompt="a {class}")
    observer = synthesight.load(f"transformers:{tmp_path}", device="cpu")
    assert observer.resolution == 32
    result = observer.classify([image])
    assert result.score.shape == (1, 16)
    pixels = np.asarray(Image.fromarray(image).resize((32, 32), Image.Resampling.BICUBIC))
    normal = (pixels / 255 - processor.image_mean) / processor.image_std
    with torch.no_grad():
        logits = network(torch.tensor(normal).permute(2, 0, 1)[None].float()).logits
    probability = logits.double().softmax(1)[0].numpy()
    mean = [probability[indices].mean() for indices in observer.categories.values()]
    np.testing.assert_allclose(result.score[0], mean / np.sum(mean), rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("ViTImageProcessor", {}),
        ("ViTImageProcessor", {"do_normalize": False}),
        ("ViTImageProcessor", {"rescale_factor": 1 / 127.5}),
        ("ConvNextImageProcessor", {}),
        ("DeiTImageProcessor", {}),
        ("BeitImageProcessor", {}),
        ("EfficientNetImageProcessor", {}),
        ("EfficientNetImageProcessor", {"rescale_offset": True, "rescale_factor": 1 / 127.5}),
        ("EfficientNetImageProcessor", {"rescale_offset": True, "do_normalize": False}),
        ("MobileNetV2ImageProcessor", {}),
        ("LevitImageProcessor", {}),
        ("CLIPImageProcessor", {}),
        ("PerceiverImageProcessor", {}),
    ],
)
def test_pixels_are_those_of_transformers_own_processors(name, options):
    processor = getattr(transformers, name)(**options)
    pixels = pixels_of(processor, "somewhere")
    side = pixels["resolution"]
    # Of one colour, so that how it is scaled and cut does not matter.
    picture = np.full((side, side, 3), (255, 127, 3), np.uint8)
    theirs = processor(picture, return_tensors="pt")["pixel_values"][0]
    assert theirs.shape == (3, side, side)
    ours = (picture[0, 0] / 255 - pixels["mean"]) / pixels["std"]
    np.testing.assert_allclose(theirs[:, side // 2, side // 2], ours, rtol=1e-4, atol=1e-5)


def test_networks_that_transformers_would_make_up_are_refused(tmp_path):
    from transformers import MobileViTImageProcessor, ViTConfig, ViTImageProcessor, ViTModel

    small = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        image_size=32, patch_size=8, num_labels=1000,
    )  # fmt: skip
    ViTModel(small).save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    with pytest.raises(
        SynthesightError, match=r"lacks weights of an image classifier \(classifier"
    ):
        synthesight.load(f"transformers:{tmp_path}", device="cpu")
    with pytest.raises(SynthesightError, match="blue first"):
        pixels_of(MobileViTImageProcessor(), "apple/mobilevit-small")


def test_what_cannot_be_opened_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(SynthesightError, match="cannot be opened as an image classifier"):
        synthesight.load(f"transformers:{tmp_path / 'nothing'}")
    with pytest.raises(SynthesightError, match="timm"):
        synthesight.load("timm:no-such-network")


def test_efficientnet_lite0_sees_silhouettes_with_its_real_weights(
    data_folder, tmp_path, monkeypatch
):
    pytest.importorskip("efficientnet_lite_pytorch")
    monkeypatch.setenv("SYNTHESIGHT_DATA", str(data_folder))
    stimuli = find_stimuli("silhouette")[::4]
    trials = evaluate(synthesight.load("efficientnet-lite0"), stimuli, tmp_path).trials()
    assert len(trials) == 40
    # Chance is 1/16.
    assert (trials["response"] == trials["category"]).mean() > 0.3


def test_a_batch_that_does_not_fit_in_memory_is_halved():
    sizes = []

    class Limited(Fixed):
        most = 4

        def forward(self, images):
            sizes.append(len(images))
            if len(images) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return super().forward(images)

    network = Limited(torch.zeros(1000))
    observer = ImageNetNetwork(network, name="n", resolution=4, categories=CATEGORIES)
    images = [np.zeros((8, 8, 3), dtype=np.uint8)] * 70
    assert len(observer.classify(images).labels) == 70
    assert sizes == [64, 32, 16, 8] + [4] * 17 + [2]
    network.most = 0
    with pytest.raises(SynthesightError, match="not even 1 image at a time fits"):
        observer.classify(images)


@pytest.mark.parametrize(("mean", "std"), [((0, 0), (1, 1, 1)), ((0, 0, 0), (1, 0, 1))])
def test_a_normalisation_of_other_channels_is_one_sentence(mean, std):
    with pytest.raises(SynthesightError, match="three channels"):
        ImageNetNetwork(torch.nn.Identity(), name="n", mean=mean, std=std)
