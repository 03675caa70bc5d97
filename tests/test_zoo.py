"""The zoo's networks: the table, the architectures of published weights, and their opening."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import http.server
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import synthesight
from builders import done, picture, refused, save_pictures, stimuli_of
from synthesight import files
from synthesight.errors import SynthesightError
from synthesight.observers import registry
from synthesight.observers.discriminative import published
from synthesight.observers.discriminative.imagenet import ImageNetNetwork
from synthesight.observers.discriminative.packages import package
from synthesight.observers.discriminative.published import (
    fetch_weights,
    hash_in_name,
    open_published,
    read_weights,
)
from synthesight.observers.discriminative.resnet import BagNet, ResNet50

# As the toolbox of Geirhos et al. (2021) registers and plots them.
PAPER = set(
    """
alexnet vgg11_bn vgg13_bn vgg16_bn vgg19_bn squeezenet1_0 squeezenet1_1 densenet121 densenet169
densenet201 inception_v3 resnet18 resnet34 resnet50 resnet101 resnet152 shufflenet_v2_x0_5
mobilenet_v2 resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2 mnasnet0_5 mnasnet1_0
InsDis MoCo PIRL MoCoV2 InfoMin simclr_resnet50x1 simclr_resnet50x2 simclr_resnet50x4
resnet50_l2_eps0 resnet50_l2_eps0_5 resnet50_l2_eps1 resnet50_l2_eps3 resnet50_l2_eps5
vit_small_patch16_224 vit_base_patch16_224 vit_large_patch16_224 clip
ResNeXt101_32x16d_swsl resnet50_swsl BiTM_resnetv2_152x4 BiTM_resnetv2_152x2 BiTM_resnetv2_101x3
BiTM_resnetv2_101x1 BiTM_resnetv2_50x3 BiTM_resnetv2_50x1 transformer_L16_IN21K
transformer_B16_IN21K efficientnet_l2_noisy_student_475
""".split()  # noqa: SIM905
)
OTHERS = [
    "bagnet9", "bagnet17", "bagnet33", "resnet50_trained_on_SIN", "resnet50_trained_on_SIN_and_IN",
    "resnet50_trained_on_SIN_and_IN_then_finetuned_on_IN",
]  # fmt: skip
CATEGORIES = {"dog": [151, 152, 153], "cat": [281, 282], "car": [817]}


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of weights."""
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "synthesight")
    folder = tmp_path / "synthesight" / "weights"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def at_random(cache, monkeypatch) -> Path:
    """A cache into which random weights may be put where published ones would be."""
    monkeypatch.setattr(files, "fetch", lambda url, path, **_: path)
    return cache


@pytest.fixture
def entry_of(monkeypatch):
    """Known entries, changed."""

    def change(name: str, **changes) -> registry.Entry:
        entry = dataclasses.replace(registry.entries()[name], **changes)
        monkeypatch.setitem(registry.entries(), name, entry)
        return entry

    return change


def test_the_table_has_the_52_of_the_paper():
    assert len(PAPER) == 52
    assert PAPER | set(OTHERS) <= set(registry.entries())
    for name in sorted(PAPER) + OTHERS:
        entry = registry.entries()[name]
        assert entry.kind == "discriminative"
        assert entry.family
        assert entry.images
        assert entry.licence
        assert entry.parameters > 1
        if entry.source.startswith("https://"):
            assert entry.weights is not None
            assert entry.weights["architecture"] in published.ARCHITECTURES
            sha256 = entry.weights.get("sha256")
            assert sha256 == hash_in_name(entry.source)
            assert sha256 or "without a hash" in entry.text or "without hashes" in entry.text
        else:
            assert entry.weights is None
            assert entry.source.startswith(registry.LIBRARIES)


def test_what_was_withdrawn_is_of_its_mirror_and_what_is_gated_says_so():
    entries = registry.entries()
    assert "stable-diffusion-2" not in entries
    for name, resolution in (("2-base", 512), ("2.1", 768), ("2.1-base", 512)):
        entry = entries[f"stable-diffusion-{name}"]
        assert entry.source == f"sd2-community/stable-diffusion-{name.replace('.', '-')}"
        assert entry.resolution == resolution
        assert "mirror, since Stability AI withdrew its own" in entry.text
    for name in ("flux.1-dev", "flux.1-schnell"):
        assert entries[name].text.endswith("gated")


@pytest.mark.parametrize(
    "name", [n for n in sorted(PAPER) + OTHERS if registry.entries()[n].weights]
)
def test_parameters_are_those_of_the_architecture(name):
    entry = registry.entries()[name]
    architecture = entry.weights["architecture"]
    if architecture in ("timm", "vit-small"):
        pytest.importorskip("timm", reason="its architecture is timm's: needs the extra timm")
    with torch.device("meta"):
        network = published.ARCHITECTURES[architecture](**entry.weights.get("options", {}))
    count = sum(parameter.numel() for parameter in network.parameters())
    assert entry.parameters == pytest.approx(count / 1e6, abs=0.06)


def test_names_are_found_by_wildcards_and_by_nearness():
    assert [entry.name for entry in registry.find("bagnet*")] == ["bagnet9", "bagnet17", "bagnet33"]
    assert [entry.name for entry in registry.find("insdis")] == ["InsDis"]
    with pytest.raises(SynthesightError, match="did you mean resnet50 or"):
        registry.resolve("ResNet5")
    with pytest.raises(SynthesightError, match="does not tell what the weights fit"):
        registry.resolve("https://example.org/weights.pth")
    shown = done("models", "bagnet*")
    assert "bagnet9" in shown
    assert "MIT" in shown
    alone = done("models", "clip")
    assert "open_clip:ViT-B-32-quickgelu/openai" in alone
    assert "400 M pairs of image and text" in alone
    assert "did you mean bagnet" in refused("models", "bagnt")


@pytest.mark.parametrize("width", [1, 2])
def test_resnet_50_is_the_one_of_transformers(width):
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(width)
    ours = ResNet50(width).eval()
    assert width != 1 or sum(p.numel() for p in ours.parameters()) == 25_557_032
    theirs = ResNetForImageClassification(
        ResNetConfig(
            embedding_size=64 * width,
            hidden_sizes=[256 * width * 2**stage for stage in range(4)],
            depths=[3, 4, 6, 3],
            num_labels=1000,
        )
    ).eval()
    # Both hold the same weights in the same order, but for where the shortcut and the names stand.
    renamed = {}
    for key, value in ours.state_dict().items():
        parts = key.split(".")
        if parts[0].startswith("layer"):
            place = f"resnet.encoder.stages.{int(parts[0][5:]) - 1}.layers.{parts[1]}."
            if parts[2] == "downsample":
                place += f"shortcut.{('convolution', 'normalization')[int(parts[3])]}."
            else:
                kind = "convolution" if parts[2].startswith("conv") else "normalization"
                place += f"layer.{int(parts[2][-1]) - 1}.{kind}."
        elif parts[0] == "fc":
            place = "classifier.1."
        else:
            kind = "convolution" if parts[0] == "conv1" else "normalization"
            place = f"resnet.embedder.embedder.{kind}."
        renamed[place + parts[-1]] = value
    theirs.load_state_dict(renamed)
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images).logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("patch", [9, 17, 33])
def test_a_bagnet_sees_patches_of_its_size_and_no_more(patch):
    torch.manual_seed(patch)
    network = BagNet(patch).double().eval()
    image = torch.randn(1, 3, 57, 57, dtype=torch.float64, requires_grad=True)
    features = network.patches(image)
    features[0, :, 1, 1].abs().sum().backward()
    seen = image.grad[0].abs().sum(dim=0) > 0
    rows, columns = seen.any(dim=1).nonzero()[:, 0], seen.any(dim=0).nonzero()[:, 0]
    # Patches lie 8 pixels apart, the first in the corner.
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (8, 7 + patch, 8, 7 + patch)
    with torch.inference_mode():
        whole = network(image)
    expected = network.fc(features.mean(dim=(2, 3)))
    torch.testing.assert_close(whole, expected)


def as_published(name: str, network: torch.nn.Module) -> dict[str, dict]:
    """Checkpoints by URL, in the form in which the entry's were published."""
    entry = registry.entries()[name]
    weights = network.state_dict()
    if name.startswith("bagnet"):
        return {entry.source: weights}
    if "SIN" in name:
        state = {f"module.{key}": value for key, value in weights.items()}
        options = argparse.Namespace(lr=0.1)
        return {entry.source: {"epoch": 60, "options": options, "state_dict": state}}
    if name.startswith("simclr"):
        return {entry.source: {"state_dict": weights}}
    if "l2_eps" in name:
        state = {f"module.model.{key}": value for key, value in weights.items()}
        state |= {f"module.attacker.model.{key}": value for key, value in weights.items()}
        state["module.normalizer.new_mean"] = torch.zeros(3, 1, 1)
        return {entry.source: {"model": state, "epoch": 90}}
    if head := entry.weights.get("head"):
        encoder = {f"module.encoder.{k}": v for k, v in weights.items() if not k.startswith("fc.")}
        encoder["module.head.0.weight"] = torch.zeros(128, 2048)
        readout = {f"module.{k[3:]}": v for k, v in weights.items() if k.startswith("fc.")}
        return {
            entry.source: {"model": encoder, "contrast": {}, "epoch": 200},
            head["source"]: {"classifier": readout, "epoch": 60},
        }
    return {entry.source: weights}


def put(cache: Path, checkpoints: dict[str, dict]) -> None:
    for url, checkpoint in checkpoints.items():
        torch.save(checkpoint, cache / url.split("?")[0].rsplit("/", 1)[1])


@pytest.mark.parametrize(
    "name", ["bagnet17", "resnet50_trained_on_SIN", "MoCo", "simclr_resnet50x1", "resnet50_l2_eps3"]
)
def test_published_weights_are_opened_as_they_were_saved(name, at_random):
    torch.manual_seed(0)
    network = BagNet(17).eval() if name == "bagnet17" else ResNet50().eval()
    put(at_random, as_published(name, network))
    opened, pixels = open_published(registry.entries()[name])
    images = torch.randn(1, 3, 48, 48)
    with torch.inference_mode():
        torch.testing.assert_close(opened.eval()(images), network(images))
    plain = name.startswith("simclr")
    assert pixels["mean"] == ([0.0] * 3 if plain else (0.485, 0.456, 0.406))
    assert pixels["std"] == ([1.0] * 3 if plain else (0.229, 0.224, 0.225))
    assert pixels["resolution"] == 224


def test_a_known_name_answers_with_16_categories(at_random):
    put(at_random, as_published("bagnet9", BagNet(9)))
    observer = synthesight.load("bagnet9", device="cpu")
    image = np.random.default_rng(0).integers(0, 255, (224, 224, 3)).astype(np.uint8)
    result = observer.classify([image])
    assert result.score.shape == (1, 16)
    assert observer.describe()["model"] == "bagnet9"
    assert observer.describe()["resolution"] == 224


@pytest.fixture
def served(tmp_path):
    """A folder and the URL under which a server has it."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_weights_are_downloaded_once_and_only_with_their_hash(served, cache):
    folder, base = served
    torch.save({"weight": torch.ones(2)}, folder / "some.pth")
    right = hashlib.sha256((folder / "some.pth").read_bytes()).hexdigest()
    with pytest.raises(SynthesightError, match="not 00ff00ff"):
        fetch_weights(f"{base}/some.pth?dl=1", "00ff00ff")
    assert list(cache.iterdir()) == []
    path = fetch_weights(f"{base}/some.pth?dl=1", right[:8])
    assert sorted(cache.iterdir()) == [cache / "sha256.json", path]
    assert torch.equal(read_weights(path)["weight"], torch.ones(2))
    (folder / "some.pth").unlink()
    with pytest.raises(
        SynthesightError, match=r"some\.pth has the SHA-256 .* not 00ff00ff, and is not"
    ):
        fetch_weights(f"{base}/some.pth", "00ff00ff")
    assert fetch_weights(f"{base}/some.pth", right[:8]) == path
    with pytest.raises(SynthesightError, match=r"404.*put the file there as"):
        fetch_weights(f"{base}/other.pth")
    # The page of a hotel's network is no first use of weights.
    (folder / "other.pth").write_bytes(b"<html>Log in first")
    with pytest.raises(SynthesightError, match=r"other\.pth cannot be opened as weights"):
        fetch_weights(f"{base}/other.pth")
    torch.save({"weight": torch.ones(2)}, folder / "other.pth")
    assert fetch_weights(f"{base}/other.pth") == cache / "other.pth"


def test_hashes_are_read_from_names_as_pytorch_writes_them():
    assert hash_in_name("https://download.pytorch.org/models/resnet50-0676ba61.pth") == "0676ba61"
    assert hash_in_name("https://x.org/mnasnet0.5_top1_67.823-3ffadce67e.pth") == "3ffadce67e"
    assert hash_in_name("https://x.org/bagnet8-34f4ccd2.pth.tar?dl=1") == "34f4ccd2"
    assert hash_in_name("https://x.org/resnet50-1x.pth") is None


def test_the_first_vit_small_of_timm_attends_as_it_was_trained():
    generator = torch.Generator().manual_seed(0)
    weights = {
        "blocks.0.attn.qkv.weight": torch.randn(3 * 768, 768, generator=generator),
        "patch_embed.proj.weight": torch.randn(768, 3 * 16 * 16, generator=generator),
    }
    adapted = published.ADAPTED["vit-small"](weights)
    assert adapted["patch_embed.proj.weight"].shape == (768, 3, 16, 16)
    tokens = torch.randn(5, 768, generator=generator)
    heads = {}
    for name, given in (("as trained", weights), ("adapted", adapted)):
        mixed = tokens @ given["blocks.0.attn.qkv.weight"].T
        heads[name] = mixed.reshape(5, 3, 8, 96).permute(1, 2, 0, 3)
    trained = heads["as trained"][0] @ heads["as trained"][1].mT * 768**-0.5
    today = heads["adapted"][0] @ heads["adapted"][1].mT * 96**-0.5  # of torch's own attention
    torch.testing.assert_close(today, trained, rtol=1e-4, atol=1e-3)
    assert torch.equal(heads["adapted"][2], heads["as trained"][2])


class Evil:
    def __reduce__(self):
        return (Path.touch, (Path("evil-was-run"),))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("page.pth", "cannot be opened as weights"),
        ("evil.pth", "cannot be opened as weights .it holds getattr, which is not data"),
        ("empty.pth", "cannot be opened as weights"),
        ("list.pth", "holds no weights"),
        ("lacks.pth", "holds no weights"),
    ],
)
def test_files_that_are_no_weights_are_refused_and_never_run(name, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    if name == "page.pth":
        path.write_text("<html>Not found</html>")
    elif name == "evil.pth":
        torch.save({"state_dict": Evil()}, path)
    elif name == "empty.pth":
        path.write_bytes(b"")
    else:
        torch.save([1, 2] if name == "list.pth" else {"model": {}}, path)
    with pytest.raises(SynthesightError, match=says) as refused:
        read_weights(path, inside="state_dict" if name == "lacks.pth" else None)
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "evil-was-run").exists()


def test_weights_of_another_architecture_are_refused(at_random, entry_of):
    entry = entry_of("bagnet9", source="https://x.org/other.pth")
    torch.save({"conv1.weight": torch.zeros(1)}, at_random / "other.pth")
    with pytest.raises(SynthesightError, match=r"other\.pth does not fit the architecture BagNet"):
        open_published(entry)


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("timm:resnet50", "timm"),
        ("torchvision:resnet50", "torchvision"),
        ("open_clip:ViT-B-32/openai", "open_clip"),
        ("clip", "open_clip"),
        ("BiTM_resnetv2_50x1", "timm"),
    ],
)
def test_a_missing_package_is_one_sentence(model, missing, tmp_path, monkeypatch):
    for module in (missing, f"{missing}.models"):
        monkeypatch.setitem(sys.modules, module, None)
    options = ["--model", model, "--device", "cpu", "--classes", "cat,dog"]
    said = refused("classify", save_pictures(tmp_path, "a.png"), *options)
    assert said.startswith(f"synthesight: This model needs the package {missing}")
    assert "pip install 'synthesight[timm]'" in said


def test_a_package_that_does_not_fit_torch_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "unfit.py").write_text("raise RuntimeError('operator torchvision::nms missing')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(SynthesightError, match=r"unfit cannot be imported beside torch .*nms"):
        package("unfit", "timm")


class Seeing(torch.nn.Module):
    """Keeps what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images)
        return torch.zeros(len(images), 1000)


def test_a_network_sees_the_stimulus_itself_and_the_whole_of_it():
    image = np.random.default_rng(0).integers(0, 255, (224, 224, 3)).astype(np.uint8)
    for side in (224, 384):
        network = Seeing()
        ImageNetNetwork(
            network, name="n", resolution=side, mean=(0, 0, 0), std=(1, 1, 1),
            categories=CATEGORIES,
        ).classify([image])  # fmt: skip
        shown = Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)
        expected = image if side == 224 else np.asarray(shown)
        seen = network.seen[0][0].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(seen, expected / 255, atol=1e-6)


def test_large_images_come_in_smaller_batches():
    network = Seeing()
    observer = ImageNetNetwork(network, name="n", resolution=448, categories=CATEGORIES)
    list(observer.respond(stimuli_of([picture()] * 20)))
    assert [len(images) for images in network.seen] == [16, 4]
