"""Opening model folders and names on the Hub."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError
from safetensors.torch import load_file, save_file
from synthesight.likelihood.families import DiT, PixArt, StableDiffusion

import synthesight
from synthesight.errors import SynthesightError
from synthesight.likelihood.hub import download, pick_variant, wanted_files
from synthesight.likelihood.loading import load_model, read_schedule
from synthesight.likelihood.rules import Exhaustive
from tiny_models import PROMPTS, dit, pixel_flow, stable_diffusion, stable_diffusion_3

NETWORK = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("saved")
    return {
        "pixels": pixel_flow(root / "pixels"),
        "sd": stable_diffusion(root / "sd"),
        "dit": dit(root / "dit"),
    }


@pytest.fixture
def copied(saved: dict[str, Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a model's folder that a test may damage."""
    return lambda key: Path(shutil.copytree(saved[key], tmp_path / key))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_folder_opens_by_its_network(saved: dict[str, Path]) -> None:
    model = load_model(saved["pixels"])
    assert isinstance(model, PixArt)
    assert (model.name, model.resolution) == ("pixels", 8)
    assert model.schedule.flow
    assert model.prediction == "flow_prediction"
    assert model.autoencoder is None
    model = load_model(str(saved["sd"]), name="my model")
    assert isinstance(model, StableDiffusion)
    assert (model.name, model.resolution, model.prediction) == ("my model", 16, "epsilon")
    assert model.dtype == torch.float32
    assert not model.network.training


@pytest.mark.parametrize(("key", "family"), [("pixels", PixArt), ("dit", DiT)])
def test_folders_from_before_diffusers_split_its_transformers(
    key: str, family: type, copied: Callable[[str], Path], saved: dict[str, Path]
) -> None:
    folder = copied(key)
    edit(folder / "model_index.json", transformer=["diffusers", "Transformer2DModel"])
    edit(folder / "transformer" / "config.json", _class_name="Transformer2DModel")
    model = load_model(folder)
    assert isinstance(model, family)
    whole = load_model(saved[key])
    prompts = ["1", "2"] if key == "dit" else PROMPTS[:2]
    x = torch.randn(2, 4 if key == "dit" else 3, 8, 8)
    noise, steps, rows = torch.randn(x.shape), torch.tensor([50, 700]), torch.tensor([1, 0])
    assert torch.equal(
        model.errors(x, noise, steps, model.prepare(prompts), rows),
        whole.errors(x, noise, steps, whole.prepare(prompts), rows),
    )


# What is refused, in one sentence that names the file --------------------------------------------


def refused(folder: Path, match: str, **options: Any) -> None:
    with pytest.raises(SynthesightError, match=match) as caught:
        load_model(folder, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_missing_folders_and_files(copied: Callable[[str], Path], tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no folder")
    refused(tmp_path, "has no model_index.json")
    folder = copied("pixels")
    (folder / "transformer" / "config.json").unlink()
    refused(folder, "transformer/config.json is missing")
    (folder / "model_index.json").write_text("{")
    refused(folder, "not valid JSON")
    (tmp_path / "model.ckpt").write_bytes(b"")
    refused(tmp_path / "model.ckpt", "a pickle")


def test_pickled_weights(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    (folder / "unet" / NETWORK).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    refused(folder, r"only pickled weights \(diffusion_pytorch_model.bin\).*safetensors")


def test_pickled_text_encoder(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    weights = folder / "text_encoder" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    refused(folder, r"text_encoder holds only pickled weights")


@pytest.mark.parametrize(
    ("role", "entry", "match"),
    [
        ("transformer", ["diffusers", "WanTransformer3DModel"], "UNet2DConditionModel"),
        ("transformer", ["my_code", "PixArtTransformer2DModel"], "not supported"),
        ("transformer", [None, None], "names no transformer or unet"),
        ("text_encoder", ["transformers", "AutoModel"], "T5EncoderModel"),
        ("tokenizer", ["os", "system"], "not supported"),
        ("vae", ["diffusers", "AsymmetricAutoencoderKL"], "AutoencoderKL"),
        ("scheduler", ["diffusers", "AutoencoderKL"], "no scheduler"),
        ("scheduler", ["diffusers", "KarrasVeScheduler"], "scheduler"),
        ("text_encoder", [None, None], "lacks a text encoder"),
    ],
)
def test_unknown_classes(
    role: str, entry: list[str], match: str, copied: Callable[[str], Path]
) -> None:
    folder = copied("pixels")
    edit(folder / "model_index.json", **{role: entry})
    refused(folder, match)


def test_network_of_another_kind(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    edit(folder / "unet" / "config.json", time_cond_proj_dim=256)
    refused(folder, "cannot be scored")


def test_damaged_weights(copied: Callable[[str], Path]) -> None:
    folder = copied("pixels")
    path = folder / "transformer" / NETWORK
    weights = load_file(path)
    del weights["proj_out.weight"]
    save_file(weights, path, {"format": "pt"})
    refused(folder, r"lack 1 of the tensors .* proj_out.weight")
    path.write_bytes(path.read_bytes()[:1000])
    refused(folder, "transformer could not be opened as a PixArtTransformer2DModel")


def test_damaged_text_encoder(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    path = folder / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    name = next(key for key in weights if key.endswith("q_proj.weight"))
    del weights[name]
    save_file(weights, path, {"format": "pt"})
    refused(folder, "q_proj.weight")


def test_options(saved: dict[str, Path]) -> None:
    refused(saved["sd"], "dtype torch.float64", dtype=torch.float64)
    refused(saved["sd"], "no device 'gpu'", device="gpu")
    refused(saved["sd"], "no cuda:99", device="cuda:99")
    refused(saved["sd"], "mps lacks float64", device="mps")


# Schedules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "PNDMScheduler",
        "DDIMScheduler",
        "DDPMScheduler",
        "DPMSolverMultistepScheduler",
        "EulerDiscreteScheduler",
        "EulerAncestralDiscreteScheduler",
        "UniPCMultistepScheduler",
        "HeunDiscreteScheduler",
        "LCMScheduler",
    ],
)
def test_schedule_is_that_of_training(kind: str) -> None:
    options = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    schedule, prediction = read_schedule(getattr(diffusers, kind)(**options), "m")
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    bar = np.cumprod(1 - betas)
    np.testing.assert_allclose(schedule.alpha**2, bar, rtol=1e-4)
    np.testing.assert_allclose(schedule.sigma**2, 1 - bar, rtol=1e-3)
    assert prediction == "epsilon"


def test_zero_terminal_snr_is_read() -> None:
    scheduler = diffusers.DDIMScheduler(rescale_betas_zero_snr=True, prediction_type="v_prediction")
    schedule, prediction = read_schedule(scheduler, "m")
    assert schedule.alpha[-1] == 0
    assert prediction == "v_prediction"


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flows_ignore_how_they_are_sampled(shift: float) -> None:
    schedule, prediction = read_schedule(
        diffusers.FlowMatchEulerDiscreteScheduler(shift=shift), "m"
    )
    assert schedule.flow
    assert prediction == "flow_prediction"
    np.testing.assert_allclose(schedule.alpha + schedule.sigma, 1)


def test_flow_in_a_diffusion_scheduler() -> None:
    scheduler = diffusers.DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True
    )
    assert read_schedule(scheduler, "m")[0].flow


def test_class_conditional_models_know_the_16_categories(saved: dict[str, Path]) -> None:
    observer = synthesight.load(saved["dit"], device="cpu", classes=["cat", "oven"])
    assert observer.labels["oven"] == [766]
    observer = synthesight.load(saved["dit"], device="cpu", labels={"a": ["1"], "b": ["0", "2"]})
    assert set(observer.labels) == {"a", "b"}


def test_other_schedules_are_refused() -> None:
    with pytest.raises(SynthesightError, match="EDMEulerScheduler"):
        read_schedule(diffusers.EDMEulerScheduler(), "m")
    with pytest.raises(SynthesightError, match="prediction_type 'score'"):
        read_schedule(diffusers.DDIMScheduler(prediction_type="score"), "m")


# Copies of the weights -------------------------------------------------------------------------


def test_half_precision_copies_are_preferred_for_half_precision() -> None:
    plain, half = NETWORK, "diffusion_pytorch_model.fp16.safetensors"
    other = "diffusion_pytorch_model.non_ema.safetensors"
    assert pick_variant([plain, half, other], half=False, where="w") is None
    assert pick_variant([plain, half, other], half=True, where="w") == "fp16"
    assert pick_variant([plain], half=True, where="w") is None
    assert pick_variant([half], half=False, where="w") == "fp16"
    assert pick_variant(["model.bf16-00001-of-00002.safetensors"], half=True, where="w") == "bf16"
    with pytest.raises(SynthesightError, match="no weights"):
        pick_variant([other], half=True, where="The folder unet")


def test_a_copy_in_half_precision_opens(copied: Callable[[str], Path]) -> None:
    folder = copied("sd")
    path = folder / "unet" / NETWORK
    weights = {name: value.half() for name, value in load_file(path).items()}
    save_file(weights, path.with_name("diffusion_pytorch_model.fp16.safetensors"), {"format": "pt"})
    path.unlink()
    model = load_model(folder)
    name, value = next(iter(model.network.named_parameters()))
    assert value.dtype == torch.float32
    assert torch.equal(value, weights[name].float())


def test_sharded_weights_open(copied: Callable[[str], Path], saved: dict[str, Path]) -> None:
    folder = copied("pixels")
    network = diffusers.PixArtTransformer2DModel.from_pretrained(folder / "transformer")
    shutil.rmtree(folder / "transformer")
    network.save_pretrained(folder / "transformer", max_shard_size="20KB")
    assert len(list((folder / "transformer").glob("*.safetensors"))) > 1
    whole = load_model(saved["pixels"]).network.state_dict()
    parts = load_model(folder).network.state_dict()
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


def test_text_encoders_stay_in_float32(saved: dict[str, Path]) -> None:
    model = load_model(saved["sd"], dtype=torch.bfloat16)
    assert model.texts[0] is not None
    assert next(model.texts[0].model.parameters()).dtype == torch.float32
    assert model.autoencoder is not None
    assert next(model.autoencoder.vae.parameters()).dtype == torch.float32
    assert model.prepare(["a"])["encoder_hidden_states"].dtype == torch.bfloat16


# The Hub ---------------------------------------------------------------------------------------


def test_only_what_is_needed_is_fetched() -> None:
    fp16 = "diffusion_pytorch_model.fp16.safetensors"
    roles = ("unet", "vae", "tokenizer", "tokenizer_2")
    index: dict[str, Any] = {role: ["diffusers", "Any"] for role in roles}
    index |= {"scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": [None, None]}
    index |= {"_class_name": "AnyPipeline", "safety_checker": ["stable_diffusion", "Any"]}
    files = [
        "README.md",
        "model_index.json",
        "v1-5-pruned.ckpt",
        "unet/config.json",
        f"unet/{NETWORK}",
        f"unet/{fp16}",
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        f"vae/{NETWORK}",
        "vae/config.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "tokenizer_2/spiece.model",
        "scheduler/scheduler_config.json",
        "safety_checker/model.safetensors",
        "text_encoder/model.safetensors",
    ]
    common = {
        "model_index.json",
        "unet/config.json",
        f"vae/{NETWORK}",
        "vae/config.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "tokenizer_2/spiece.model",
        "scheduler/scheduler_config.json",
    }
    assert set(wanted_files(files, index, half=False, name="n")) == common | {f"unet/{NETWORK}"}
    assert set(wanted_files(files, index, half=True, name="n")) == common | {f"unet/{fp16}"}
    with pytest.raises(SynthesightError, match="only pickled weights"):
        wanted_files(["unet/diffusion_pytorch_model.bin"], index, half=False, name="n")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A stand-in for the Hub: ``files`` it lists, an ``error`` it raises, a ``folder`` it gives."""
    state = SimpleNamespace(files=[], error=None, folder=None, asked=[])

    def list_repo_files(*_: Any, **options: Any) -> list[str]:
        state.asked.append(options)
        if state.error is not None:
            raise state.error
        return state.files

    def snapshot_download(_name: str, **options: Any) -> str:
        state.asked.append(options)
        if state.folder is None:
            raise FileNotFoundError("not in the cache")
        return str(state.folder)

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", list_repo_files)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


def test_a_name_is_fetched_and_opened(hub: SimpleNamespace, saved: dict[str, Path]) -> None:
    folder = hub.folder = saved["sd"]
    hub.files = [str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()]
    model = load_model("owner/model", revision="v2")
    assert model.name == "owner/model"
    assert hub.asked[0]["revision"] == hub.asked[1]["revision"] == "v2"
    assert hub.asked[1]["allow_patterns"] == ["model_index.json"]
    assert f"unet/{NETWORK}" in hub.asked[2]["allow_patterns"]


def test_without_a_network_the_cache_is_used(hub: SimpleNamespace, saved: dict[str, Path]) -> None:
    hub.error = ConnectionError("no network")
    with pytest.raises(SynthesightError, match=r"cannot be reached and owner/model is not on"):
        load_model("owner/model")
    hub.folder = saved["pixels"]
    assert load_model("owner/model").resolution == 8
    assert hub.asked[-1]["local_files_only"]


def test_a_name_that_is_not_found_is_one_sentence(
    hub: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The library's notes on each of its retries would stand before it."""
    logger = logging.getLogger("huggingface_hub.utils._http")
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "propagate", True)

    def list_repo_files(*_: Any, **__: Any) -> list[str]:
        logger.warning("Retrying in 1s")
        raise ConnectionError

    monkeypatch.setattr(huggingface_hub.HfApi, "list_repo_files", list_repo_files)
    with pytest.raises(SynthesightError, match="cannot be reached"):
        download("owner/model", revision=None, half=False)
    assert caplog.messages == []
    logger.warning("again heard")
    assert caplog.messages == ["again heard"]


@pytest.mark.parametrize(
    ("kind", "match"),
    [
        (GatedRepoError, "gated: accept its terms"),
        (RepositoryNotFoundError, "neither a path here nor"),
        (RevisionNotFoundError, "no revision 'v9'"),
    ],
)
def test_the_hubs_refusals_are_told(
    kind: type[Exception], match: str, hub: SimpleNamespace
) -> None:
    hub.error = kind.__new__(kind)  # their constructors differ between versions
    with pytest.raises(SynthesightError, match=match):
        download("owner/model", revision="v9", half=False)


def test_names_and_repositories_of_another_form(hub: SimpleNamespace) -> None:
    with pytest.raises(SynthesightError, match="There is no file or folder"):
        download("./models/mine", revision=None, half=False)
    hub.files = ["model.safetensors", "config.json"]
    with pytest.raises(SynthesightError, match="has no model_index"):
        download("owner/model", revision=None, half=False)
    hub.files = ["model_index.json"]
    with pytest.raises(SynthesightError, match="broke off"):
        download("owner/model", revision=None, half=False)


def test_sd3_folder_without_its_largest_encoder(tmp_path: Path) -> None:
    model = load_model(stable_diffusion_3(tmp_path / "sd3", with_t5=False))
    assert model.texts[2] is None
    assert model.prepare(["a cat"])["encoder_hidden_states"].shape[1] == 77 + 256


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rule": 3}, "3 is no decision rule: give a name, such as 'exhaustive', or an object"),
        ({"rule": "best"}, "There is no `rule='best'`: choose one of sequential, exhaustive"),
        ({"rule": Exhaustive(8), "max_draws": 9}, "`max_draws=9` was given beside a rule"),
        ({"clases": ["cat", "dog"]}, "no option 'clases': did you mean `classes`"),
        ({"nothing": 1}, "no option 'nothing': choose among classes, prompt, "),
        ({"batch_size": 2.5}, "`batch_size=2.5` cannot be: give a whole number from 1 to"),
        ({"batch_size": 100_000_000}, "`batch_size=100000000` cannot be"),
        ({"seed": -1}, "`seed=-1` cannot be: give a whole number from 0"),
        ({"seed": 0.5}, "`seed=0.5` cannot be"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(SynthesightError, match=words):
        synthesight.load("natural-32", device="cpu", **options)


def test_a_network_has_no_misspelt_options() -> None:
    with pytest.raises(SynthesightError, match="no option 'clases': did you mean `classes`"):
        synthesight.load("natural-32-cnn", device="cpu", clases=["cat", "dog"])  # type: ignore[call-arg]
