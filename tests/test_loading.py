"""Opening generative models, by ``load_model``, ``synthesight.load`` and the command line."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import synthesight
from builders import done, noise, refused
from synthesight.errors import SynthesightError
from synthesight.likelihood import load_model
from synthesight.likelihood.opening import open_pipeline
from synthesight.likelihood.pipeline import PipelineDenoiser
from synthesight.likelihood.rules import Exhaustive
from tiny_models import BUILDERS, PROMPTS, SIDE

NETWORK = "diffusion_pytorch_model.safetensors"
LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model, built when it is first asked for."""
    root = tmp_path_factory.mktemp("models")
    return functools.cache(lambda key: BUILDERS[key](root / key))


def triples(model: PipelineDenoiser, count: int = 6) -> tuple[torch.Tensor, ...]:
    """x, noise, steps and rows of as many random triples."""
    generator = torch.Generator().manual_seed(3)
    x = model.encode(torch.rand(count, 3, *model.size, generator=generator) * 2 - 1)
    noise = torch.randn(x.shape, generator=generator)
    steps = torch.randint(20, 900, (count,), generator=generator)
    return x, noise, steps, torch.arange(count) % 3


def test_folders_open_by_their_pipeline(folder_of: Callable[[str], Path]) -> None:
    folder = folder_of("pixel-flow")
    model = load_model(folder)
    assert (model.name, model.resolution, model.dtype) == ("pixel-flow", SIDE, torch.float32)
    assert (model.schedule.continuous, model.prediction) == (True, "flow_prediction")
    assert model.source == {"model": str(folder)}
    assert not model.takes_labels
    assert not model.network.training
    model = load_model(str(folder_of("sd1")), name="my model", device="cpu")
    assert (model.name, model.resolution, model.prediction) == ("my model", 2 * SIDE, "epsilon")
    assert "my model: UNet2DConditionModel, epsilon" in repr(model)
    record = json.loads(json.dumps(model.describe()))
    assert (record["pipeline"], record["precision"]) == ("StableDiffusionPipeline", None)
    assert record["arguments"]["guidance_scale"] in (0.0, 1.0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"dtype": torch.float64}, "no `dtype='float64'`"),
        ({"device": "card"}, "no device 'card'"),
        ({"device": "cuda:99"}, "no cuda:99"),
        ({"device": "mps"}, "GPU of Apple's|mps"),
        ({"device": "meta"}, "meta computes nothing"),
    ],
)
def test_devices_and_precisions_that_cannot_be(
    options: dict[str, Any], match: str, folder_of: Callable[[str], Path]
) -> None:
    with pytest.raises(SynthesightError, match=match) as caught:
        load_model(folder_of("sd1"), **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_network_that_is_told_its_guidance_is_refused(
    folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(folder_of("sd1"), tmp_path / "distilled"))
    path = folder / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"time_cond_proj_dim": 256}))
    weights = load_file(folder / "unet" / NETWORK)
    weights["time_embedding.cond_proj.weight"] = torch.zeros(8, 256)
    save_file(weights, folder / "unet" / NETWORK, {"format": "pt"})
    with pytest.raises(SynthesightError, match=r"distilled .* cannot be scored: its network is"):
        load_model(folder)


def test_what_does_not_fit_in_memory_is_one_sentence(
    folder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("synthesight.likelihood.loading.PipelineDenoiser", full)
    with pytest.raises(SynthesightError, match="sd1 does not fit in the memory of cpu: use"):
        load_model(folder_of("sd1"))


@pytest.mark.parametrize("key", ["sd1", "pixart-sigma", "flux-dev", "dit"])
def test_bfloat16_is_close_to_float32(key: str, folder_of: Callable[[str], Path]) -> None:
    resolution = 2 * SIDE if key == "flux-dev" else None
    errors = []
    for dtype in (torch.float32, torch.bfloat16):
        model = load_model(folder_of(key), dtype=dtype, resolution=resolution)
        assert {parameter.dtype for parameter in model.network.parameters()} == {dtype}
        assert model.pipeline.vae.dtype == torch.float32
        x, noise, steps, rows = triples(model)
        prepared = model.prepare(["1", "goldfish", "7"] if key == "dit" else PROMPTS)
        errors.append(model.errors(x, noise, steps, prepared, rows))
        assert errors[-1].dtype == torch.float64
    torch.testing.assert_close(*errors, rtol=0.05, atol=0.05)


def test_sd3_does_without_its_largest_encoder(folder_of: Callable[[str], Path]) -> None:
    """Whether its folder lacks it or it is left out: its pipeline then sees zeros."""
    errors = []
    for model in (
        load_model(folder_of("sd3-without-t5")),
        load_model(folder_of("sd3"), without="text_encoder_3"),
        load_model(folder_of("sd3")),
    ):
        x, noise, steps, rows = triples(model)
        errors.append(model.errors(x, noise, steps, model.prepare(PROMPTS), rows))
    assert all(bool(torch.isfinite(each).all()) for each in errors)
    assert not torch.allclose(errors[1], errors[2])
    torch.testing.assert_close(errors[0], errors[1])


def test_text_encoders_go_home_after_a_visit(
    folder_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the CPU under another name as the device, so that moves can be seen anywhere."""
    pipeline = open_pipeline(folder_of("sd1")).pipeline
    moves: list[tuple[str, str]] = []
    for role in ("text_encoder", "unet", "vae"):
        own = getattr(pipeline, role).to

        def to(device: Any, *_: Any, _own: Any = own, _role: str = role) -> Any:
            moves.append((_role, str(device)))
            return _own(device)

        monkeypatch.setattr(getattr(pipeline, role), "to", to)
    model = PipelineDenoiser(pipeline, device="cpu:0")
    assert {move for move in moves if move[0] != "text_encoder"} == {
        ("unet", "cpu:0"),
        ("vae", "cpu:0"),
    }
    moves.clear()
    there_and_back = [("text_encoder", "cpu:0"), ("text_encoder", "cpu")]
    prepared = model.prepare(PROMPTS)
    assert moves == there_and_back
    x, noise, steps, rows = triples(model)
    model.errors(x, noise, steps, prepared, rows)
    assert moves == there_and_back
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "encode_prompt", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            model.prepare(PROMPTS)
    assert moves == 2 * there_and_back


def test_the_last_timestep_of_deepfloyd_does_not_outweigh_all_others(
    folder_of: Callable[[str], Path],
) -> None:
    """Its ε is magnified 20,000 times there; no pixel of x̂ may leave the range of an image."""
    model = load_model(folder_of("deepfloyd"))
    assert model.clamped
    x, noise, _, rows = triples(model)
    steps = torch.full((len(x),), len(model.schedule) - 1)
    errors = model.errors(x, noise, steps, model.prepare(PROMPTS), rows)
    assert (errors <= (1 + x.abs()).square().flatten(1).sum(1) + 1e-3).all()


# Models of classes --------------------------------------------------------------------------------


def test_classes_are_found_by_index_and_name(folder_of: Callable[[str], Path]) -> None:
    model = load_model(folder_of("dit"))
    assert model.takes_labels
    x, noise, steps, _ = triples(model, 4)
    names = ["9", "Goldfish", "tinca tinca", "tench, Tinca tinca"]
    found, expected = (
        model.errors(x, noise, steps, model.prepare(prompts), torch.arange(4))
        for prompts in (names, ["9", "1", "0", "0"])
    )
    assert torch.equal(found, expected)
    with pytest.raises(SynthesightError, match=r"more than one class called 'crane': .* 2, 3"):
        model.prepare(["crane"])
    for prompt in ("A bad photo of a cat", "10", "-1"):
        with pytest.raises(SynthesightError, match="from 0 to 9"):
            model.prepare([prompt])
    with pytest.raises(SynthesightError, match="no prompts"):
        model.prepare([])


def test_models_of_classes_know_the_16_categories(folder_of: Callable[[str], Path]) -> None:
    observer = synthesight.load(folder_of("dit"), device="cpu", classes=["cat", "oven"])
    assert observer.labels["oven"] == [766]
    labels = {"a": ["1"], "b": ["0", "goldfish"]}
    observer = synthesight.load(
        folder_of("dit"), device="cpu", labels=labels, rule=Exhaustive(2), batch_size=8
    )
    assert observer.labels == labels
    image = noise(np.random.default_rng(0), 2 * SIDE)
    assert np.isfinite(observer.classify(image, classes=["a", "b"]).evidence).all()


# Options of load, and of the command line ---------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": 3}, "3 is no decision rule: give a name, such as 'exhaustive', or an object"),
        ({"rule": "best"}, "There is no `rule='best'`: choose among sequential, predictive"),
        ({"rule": Exhaustive(8), "max_draws": 9}, "`max_draws=9` was given beside a rule"),
        ({"clases": ["cat", "dog"]}, "no option 'clases': did you mean `classes`"),
        ({"quux": 1}, "no option 'quux': choose among classes, prompt, "),
        ({"batch_size": 2.5}, "`batch_size=2.5` cannot be: give a whole number from 1 to"),
        ({"batch_size": 100_000_000}, "`batch_size=100000000` cannot be"),
        ({"seed": -1}, "`seed=-1` cannot be: give a whole number from 0"),
        ({"seed": 0.5}, "`seed=0.5` cannot be"),
        ({"dtype": "float64"}, "no `dtype='float64'`: choose one of float32, bfloat16, float16"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SynthesightError, match=words):
        synthesight.load("natural-32", device="cpu", **options)


def test_a_network_has_no_misspelt_options() -> None:
    with pytest.raises(SynthesightError, match="no option 'clases': did you mean `classes`"):
        synthesight.load("natural-32-cnn", device="cpu", clases=["cat", "dog"])  # type: ignore[call-arg]


def test_a_dtype_is_chosen_by_name(folder_of: Callable[[str], Path]) -> None:
    observer = synthesight.load(
        folder_of("sd1"), dtype="bfloat16", classes=["cat", "dog"], device="cpu"
    )
    assert observer.model.dtype == observer.model.pipeline.unet.dtype == torch.bfloat16


def test_a_given_pipeline_keeps_its_precision(folder_of: Callable[[str], Path]) -> None:
    pipeline = open_pipeline(folder_of("sd1"), dtype=torch.bfloat16).pipeline
    model = load_model(pipeline)
    assert (model.pipeline, model.dtype) == (pipeline, torch.bfloat16)
    assert (model.name, model.device.type) == ("sd1", "cpu")
    assert load_model(pipeline, dtype=torch.float32).dtype == torch.float32


@pytest.fixture
def tuned(folder_of: Callable[[str], Path], tmp_path: Path) -> tuple[Path, Path, Path]:
    """The network of a checkpoint, its LoRA, and a folder in which both are one."""
    base = folder_of("sd1")
    shutil.copytree(base / "unet", tmp_path / "checkpoint-500" / "unet")
    network = tmp_path / "checkpoint-500" / "unet" / NETWORK
    weights = {name: 1.1 * value for name, value in load_file(network).items()}
    save_file(weights, network, {"format": "pt"})
    generator = torch.Generator().manual_seed(0)
    low, high = torch.randn(2, 2, 8, generator=generator)
    lora = tmp_path / "style.safetensors"
    tensors = {f"unet.{LAYER}.lora_A.weight": low, f"unet.{LAYER}.lora_B.weight": high.T}
    save_file({name: value.contiguous() for name, value in tensors.items()}, lora)
    merged = Path(shutil.copytree(base, tmp_path / "merged"))
    weights[f"{LAYER}.weight"] += 0.5 * high.T @ low
    save_file(weights, merged / "unet" / NETWORK, {"format": "pt"})
    return network.parent, lora, merged


def test_a_checkpoint_with_a_lora_answers_as_their_sum(
    tuned: tuple[Path, Path, Path], folder_of: Callable[[str], Path], tmp_path: Path
) -> None:
    checkpoint, lora, merged = tuned
    base = folder_of("sd1")
    image = tmp_path / "image.png"  # draws depend on its name
    noise(np.random.default_rng(0), 2 * SIDE).save(image)
    options: dict[str, Any] = {"classes": ["cat", "dog"], "rule": "exhaustive"}
    options |= {"max_draws": 2, "batch_size": 8, "device": "cpu"}

    def errors(observer: Any) -> np.ndarray:
        # Evidence is a small difference of these, and of its digits fewer can be told: they depend
        # on which memory format was found to be the faster.
        prompts = ["A bad photo of a cat", "A bad photo of a dog"]
        scores = synthesight.score(observer, image, prompts, draws=2, weighting="jaini")
        return scores["error"].to_numpy()

    whole = synthesight.load(merged, **options)
    plain = synthesight.load(checkpoint, config=base, **options)
    expected, evidence = errors(whole), whole.classify(image).evidence[0]
    resolved = 1e-6 * expected.mean()
    assert np.abs(errors(plain) / expected - 1).max() > 1e-4
    assert np.abs(plain.classify(image).evidence[0] - evidence).max() > 10 * resolved
    for more in ({"lora": f"{lora}:0.5"}, {"lora": [(lora, 0.25), (lora, 0.25)]}):
        observer = synthesight.load(checkpoint, config=base, **options, **more)
        np.testing.assert_allclose(errors(observer), expected, rtol=1e-6)
    assert observer.model.source["config"] == str(base)
    assert [each["scale"] for each in observer.model.source["loras"]] == [0.25, 0.25]
    command = ["classify", image, "--model", checkpoint, "--lora", f"{lora}:0.5"]
    command += ["--classes", "cat,dog", "--rule", "exhaustive", "--max-draws", 2]
    command += ["--batch-size", 8, "--device", "cpu"]
    (line,) = done(*command, "--config", base, "--json").splitlines()
    assert json.loads(line)["response"] in ("cat", "dog")
    np.testing.assert_allclose(json.loads(line)["evidence"], evidence, rtol=0, atol=resolved)
    assert "only parts of a pipeline: " in (said := refused(*command))
    assert "--config" in said
