"""The published protocol: networks see what the model-vs-human toolbox showed them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import synthesight
from builders import picture, refused, sentence
from synthesight.errors import SynthesightError
from synthesight.observers import registry
from synthesight.observers.discriminative import loading
from synthesight.observers.discriminative.image_text import ImageNetByText, ImageTextModel
from synthesight.observers.discriminative.imagenet import ImageNetNetwork
from synthesight.observers.discriminative.toolbox import show_as_published
from test_zoo import Seeing

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
HALF = torch.full((3,), 0.5)
TOOLBOX = [entry for entry in registry.entries().values() if entry.toolbox is not None]


class Letters(ImageTextModel):
    """Sees three colours, and of a sentence its first letters."""

    def encode_images(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean(dim=(2, 3))

    def encode_texts(self, texts: list[str]) -> torch.Tensor:
        return torch.tensor([[ord(c) for c in text[-3:]] for text in texts]).float() - 50

    def scale(self) -> torch.Tensor:
        return torch.tensor(100.0)


def shown_by_the_toolbox(name: str, image: np.ndarray) -> torch.Tensor:
    """Do step by step what its loader and its wrappers do with an image of 224 pixels."""
    tensor = torch.from_numpy(image).permute(2, 0, 1).float().div(255)
    tensor = (tensor - MEAN[:, None, None]) / STD[:, None, None]
    if name == "inception_v3" or name.startswith("BiTM"):
        return tensor
    undone = tensor * STD[:, None, None] + MEAN[:, None, None]
    picture = Image.fromarray(undone.mul(255).byte().permute(1, 2, 0).numpy())
    mean, std = HALF, HALF
    if name.startswith("transformer"):
        picture = picture.resize((384, 384), Image.Resampling.BILINEAR)
    elif name.startswith("efficientnet"):
        picture = picture.resize((507, 507), Image.Resampling.BICUBIC).crop((16, 16, 491, 491))
        mean, std = MEAN, STD
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float().div(255)
    return (pixels - mean[:, None, None]) / std[:, None, None]


def test_all_of_the_52_and_only_they_have_a_protocol():
    assert len(TOOLBOX) == 52
    assert sum(bool(entry.toolbox) for entry in TOOLBOX) == 14


@pytest.mark.parametrize(
    "name", [entry.name for entry in TOOLBOX if entry.toolbox and entry.name != "clip"]
)
def test_a_network_sees_what_the_toolbox_showed_it(name, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3)).astype(np.uint8)
    entry = registry.entries()[name]
    network = Seeing()
    own = {"resolution": entry.resolution, "mean": HALF.tolist(), "std": HALF.tolist()}
    if name.startswith(("inception", "efficientnet")):
        own |= {"mean": MEAN.tolist(), "std": STD.tolist()}
    monkeypatch.setattr(loading, "_open", lambda *_: (network, own))
    observer = synthesight.load(name, protocol="published", device="cpu")
    observer.classify([image])
    expected = shown_by_the_toolbox(name, image)
    assert network.seen[0][0].shape == expected.shape
    np.testing.assert_allclose(network.seen[0][0].numpy(), expected.numpy(), atol=1e-5)
    assert "published" in observer.describe()


def test_bytes_pass_through_floats_as_in_the_toolbox():
    image = np.arange(256, dtype=np.uint8).repeat(196).reshape(1, 224, 224, 1).repeat(3, axis=3)
    after = show_as_published(image, 224, truncated=True)
    assert set(np.unique(image.astype(int) - after)) == {0, 1}
    np.testing.assert_array_equal(show_as_published(image, 224), image)


def test_clip_answers_by_imagenets_classes_in_all_templates():
    model = Letters()
    names = [f"thing {n}" for n in range(1000)]
    templates = [lambda c, k=k: f"{k} of {c}" for k in range(3)]
    network = ImageNetByText(model, names, templates)
    features = torch.nn.functional.normalize(
        model.encode_texts([t(n) for n in names[:5] for t in templates]), dim=1
    )
    expected = torch.nn.functional.normalize(features.view(5, 3, -1).mean(dim=1), dim=1)
    torch.testing.assert_close(network.weights.T[:5], expected)
    observer = ImageNetNetwork(network, name="clip", resolution=8)
    found = observer.predict_proba([np.full((8, 8, 3), 200, np.uint8)])
    assert found.shape == (1, 16)
    np.testing.assert_allclose(found.sum(), 1)


def test_other_models_have_no_published_protocol(tmp_path):
    with pytest.raises(SynthesightError, match="not one of the benchmark's 52"):
        synthesight.load("natural-32-cnn", protocol="published", device="cpu")
    picture().save(tmp_path / "a.png")
    said = refused("classify", tmp_path / "a.png", "--model", "resnet50", "--protocol", "paper")
    assert "There is no --protocol paper: choose own" in sentence(said)
    assert synthesight.load("natural-32-cnn", protocol="own", device="cpu").kind == "discriminative"
