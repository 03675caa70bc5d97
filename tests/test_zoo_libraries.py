"""Every network of the zoo, of its true architecture with random weights, through its loader.

Needs the extra timm. Networks of more than 100 million parameters, or more than 300 pixels, are on
torch's meta device: what fits what is checked, and nothing is computed.
"""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import synthesight
from synthesight.likelihood import loading as generative_loading
from synthesight.observers import registry
from synthesight.observers.discriminative import loading, published
from synthesight.stimuli.categories import SIXTEEN, imagenet_to_16
from test_zoo import OTHERS, PAPER, as_published, at_random, cache, put

timm = pytest.importorskip("timm", reason="needs the extra timm: pip install -e '.[timm]'")
torchvision = pytest.importorskip("torchvision", reason="needs the extra timm")
open_clip = pytest.importorskip("open_clip", reason="needs the extra timm")

__all__ = ["at_random", "cache"]


@pytest.fixture
def prepare(at_random, monkeypatch):
    """Put random weights where an entry's would be; gives the network that has them."""

    def put_random(entry: registry.Entry) -> torch.nn.Module | None:
        library, _, place = entry.source.partition(":")
        if entry.weights is not None:
            build = published.ARCHITECTURES[entry.weights["architecture"]]
            network = build(**entry.weights.get("options", {})).eval()
            put(at_random, as_published(entry.name, network))
            return network
        if library == "torchvision":
            options = loading.AS_SAVED.get(place, {})
            network = torchvision.models.get_model(place, weights=None, **options).eval()
            url = torchvision.models.get_model_weights(place).IMAGENET1K_V1.url
            put(at_random, {url: network.state_dict()})
            return network
        if library == "timm":
            assert place in timm.list_pretrained()
            network = timm.create_model(place, pretrained=False).eval()
            monkeypatch.setattr(timm, "create_model", lambda name, pretrained: network)
            return network
        name, _, weights = place.partition("/")
        assert (name, weights) in open_clip.list_pretrained()
        model = open_clip.create_model(name).eval()
        monkeypatch.setattr(open_clip, "create_model", lambda *_, **__: model)
        return None

    return put_random


@pytest.mark.parametrize("name", sorted(PAPER) + OTHERS)
def test_a_known_network_is_opened_and_answers(name, prepare, monkeypatch):
    entry = registry.entries()[name]
    large = entry.parameters > 100 or entry.resolution > 300
    place = "meta" if large else "cpu"
    if large:  # a device that users are refused
        monkeypatch.setattr(generative_loading, "check_device", torch.device)
    with torch.device(place):
        torch.manual_seed(0)
        network = prepare(entry)
        observer = synthesight.load(name, device=place, classes=SIXTEEN)
    assert observer.name == name
    assert observer.resolution == entry.resolution
    side = observer.resolution
    if large:
        scores = observer.scores_of(list(SIXTEEN))(torch.zeros(2, 3, side, side, device="meta"))
        assert scores.shape == (2, 16)
        return
    image = np.random.default_rng(0).integers(0, 255, (side, side, 3)).astype(np.uint8)
    result = observer.classify([image])
    assert result.score.shape == (1, 16)
    if network is None:
        return
    normal = (torch.tensor(image) / 255 - torch.tensor(observer.pixels["mean"])) / torch.tensor(
        observer.pixels["std"]
    )
    with torch.inference_mode():
        logits = network(normal.permute(2, 0, 1)[None])[0].double()
    if name == "vit_small_patch16_224":  # whose weights were saved for another scale of attention
        return
    # In logarithms: what untrained networks give is far beyond what exponentials can hold.
    log_p = torch.stack(
        [logits[group].logsumexp(0) - np.log(len(group)) for group in imagenet_to_16().values()]
    )
    expected = (log_p - log_p.max()).numpy()
    np.testing.assert_allclose(result.evidence[0], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "mean", "std"),
    [
        ("BiTM_resnetv2_50x1", 0.5, 0.5),
        ("vit_base_patch16_224", 0.5, 0.5),
        ("resnet50_swsl", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("resnet50", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("clip", (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ],
)
def test_images_are_normalised_as_published(name, mean, std, prepare):
    prepare(registry.entries()[name])
    pixels = synthesight.load(name, device="cpu").pixels
    np.testing.assert_allclose(pixels["mean"], np.broadcast_to(mean, 3), atol=1e-6)
    np.testing.assert_allclose(pixels["std"], np.broadcast_to(std, 3), atol=1e-6)


def test_resnet_50_is_the_one_of_torchvision():
    from synthesight.observers.discriminative.resnet import ResNet50

    theirs = torchvision.models.resnet50(weights=None).eval()
    ours = ResNet50().eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images))


def test_densenets_saved_before_torchvision_0_3_are_opened(at_random):
    network = torchvision.models.densenet121(weights=None).eval()
    old = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))([12])", r"\1.\2", key): value
        for key, value in network.state_dict().items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    put(at_random, {torchvision.models.DenseNet121_Weights.IMAGENET1K_V1.url: old})
    opened, _ = loading.OPENERS["torchvision"]("densenet121")
    images = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(opened.eval()(images), network(images))


def test_a_clip_of_open_clip_gives_its_own_logits(tmp_path):
    torch.manual_seed(0)
    model = open_clip.create_model("ViT-B-32-quickgelu").eval()
    folder = tmp_path / "clip"
    folder.mkdir()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config = {
        "model_cfg": open_clip.get_model_config("ViT-B-32-quickgelu"),
        "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.3, 0.2, 0.1], "size": 224},
    }
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    observer = synthesight.load(f"open_clip:local-dir:{folder}", device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (224, 224, 3)).astype(np.uint8)
    found = observer.classify([image], classes=["cat", "dog", "car"])
    texts = [f"A bad photo of a {name}" for name in ("cat", "dog", "car")]
    mean, std = (torch.tensor(observer.pixels[key]) for key in ("mean", "std"))
    with torch.inference_mode():
        tokens = open_clip.get_tokenizer("ViT-B-32-quickgelu")(texts)
        pixels = ((torch.tensor(image) / 255 - mean) / std).permute(2, 0, 1)[None]
        left, right, scale = model(pixels, tokens)[:3]
        logits = (scale * left @ right.T)[0].double()
    np.testing.assert_allclose(found.score[0], logits.softmax(0), rtol=1e-3)


def test_weights_of_open_clip_get_the_activation_that_they_were_trained_with(monkeypatch):
    """Of every tag: which one its name asks for is not always the one of the architecture."""
    asked = {}

    def build(name, weights, *, force_quick_gelu=False, **_):
        asked[name, weights] = force_quick_gelu
        seen = {"size": 8, "mean": (0.5,) * 3, "std": (0.5,) * 3}
        return SimpleNamespace(visual=SimpleNamespace(preprocess_cfg=seen))

    monkeypatch.setattr(open_clip, "create_model", build)
    monkeypatch.setattr(open_clip, "get_tokenizer", lambda name: None)
    monkeypatch.setattr(loading, "_OpenClip", lambda *_: None)
    differ = 0
    for pair in open_clip.list_pretrained():
        loading.OPENERS["open_clip"]("/".join(pair))
        own = open_clip.get_model_config(pair[0]).get("quick_gelu", False)
        trained = open_clip.get_pretrained_cfg(*pair).get("quick_gelu", False)
        # Their configuration has it, and was written for them; their tag is silent.
        trained = trained or pair == ("roberta-ViT-B-32", "laion2b_s12b_b32k")
        assert (own or asked[pair]) == trained, pair
        differ += own != trained
    assert differ > 20


def test_the_clip_of_openai_is_built_with_its_activation_under_either_name(monkeypatch):
    monkeypatch.setattr(open_clip.factory, "download_pretrained", lambda *_, **__: "file")
    monkeypatch.setattr(open_clip.factory, "load_checkpoint", lambda *_, **__: None)
    for name in ("ViT-B-32", "ViT-B-32-quickgelu"):
        network, _ = loading.OPENERS["open_clip"](f"{name}/openai")
        kinds = {type(module).__name__ for module in network.model.modules()}
        assert "QuickGELU" in kinds
        assert "GELU" not in kinds
