"""What a pipeline's own code does not say: one row each, with its reason.

A new row belongs here only where :mod:`~synthesight.likelihood.pipeline` cannot find out by
itself, by running the pipeline, what it needs to know.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from synthesight.errors import SynthesightError
from synthesight.likelihood.capture import Watch

# Classes, by how their names begin or end, whose pipelines give no likelihood of an image given a
# text; the sentence goes on from "cannot be scored: ".
REFUSED: dict[str, str] = {
    "LatentConsistencyModel*": "it is a distilled sampler, not a denoiser",
    "SanaSprint*": "it is a distilled sampler, not a denoiser",
    "ConsistencyModel*": "it is a distilled sampler, not a denoiser",
    "*TurboPipeline": "it is a distilled sampler, not a denoiser",
    "UnCLIP*": "it has two likelihoods, of an embedding and of an image given one",
    "Kandinsky[PVI2]*": "it has two likelihoods, of an embedding and of an image given one",
    "StableCascade*": "it has two likelihoods, of an embedding and of an image given one",
    "Wuerstchen*": "it has two likelihoods, of an embedding and of an image given one",
    "*SuperResolution*": "it upscales an image that it is given",
    "*Upscale*": "it upscales an image that it is given",
    "*SR*Pipeline": "it upscales an image that it is given",
    "*Inpaint*": "it fills in a part of an image that it is given",
    "*Fill*": "it fills in a part of an image that it is given",
    "*Img2Img*": "it changes an image that it is given",
    "*Pix2Pix*": "it changes an image that it is given",
    "*ControlNet*": "it follows an image that it is given",
    "*Refiner*": "it changes an image that it is given",
    "Cosmos*": "it scales noise in a way of its own, which its scheduler does not tell",
    "Ideogram4*": "its guidance cannot be switched off",
    "DreamLite*": "its guidance cannot be switched off",
    "GlmImage*": "it has two likelihoods, of tokens and of an image given them",
}

# Arguments of a pipeline's call, by its class and, where two models share it, by a setting of the
# network: (class, setting, value) → arguments.
ARGUMENTS: dict[tuple[str, str, Any], dict[str, Any]] = {
    # schnell was trained with prompts of 256 tokens; their padding is not masked.
    ("FluxPipeline", "guidance_embeds", False): {"max_sequence_length": 256},
}

# x̂ is cut off at the range of pixels (static thresholding, Saharia et al. 2022). Without that, ε's
# error is magnified σ/α times, some 20,000 in the last timesteps of DeepFloyd IF: under ``jaini``
# that single one would outweigh all others. Every weighting is of x̂ as cut off.
CLAMPED = ("IFPipeline",)

# Settings of a network that show what the class of the pipeline does not.
REFUSED_SETTINGS: dict[str, str] = {
    "time_cond_proj_dim": "its network is told a guidance scale, as distilled samplers are",
}
REFUSED_SCHEDULERS = ("LCM", "FlowMatchLCM", "TCD", "SCM")  # of distilled samplers


def refuse(watch: Watch, name: str) -> None:
    """Refuse pipelines that give no likelihood of an image given a text or a class."""
    kind = type(watch.pipeline).__name__
    reason = next((why for like, why in REFUSED.items() if fnmatchcase(kind, like)), None)
    scheduler = getattr(watch.pipeline, "scheduler", None)
    if reason is None and type(scheduler).__name__.startswith(REFUSED_SCHEDULERS):
        reason = "its scheduler is that of a distilled sampler, not of a denoiser"
    for network in watch.networks.values():
        for setting, why in REFUSED_SETTINGS.items():
            if reason is None and getattr(network, "config", {}).get(setting) is not None:
                reason = why
    if reason is None and (scheduler is None or not watch.networks):
        reason = "it has no denoising network with a scheduler of its own"
    if reason is None and not {"prompt", "class_labels"} & set(watch.parameters):
        reason = "it takes neither a prompt nor a class"
    required = [
        key
        for key, parameter in watch.parameters.items()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        and key not in ("self", "prompt", "class_labels")
    ]
    if reason is None and required:
        reason = f"it needs {required[0]!r} besides a prompt"
    if reason is not None:
        raise SynthesightError(
            f"{name} is a {kind}, which cannot be scored: {reason}. Choose a text-to-image model."
        )
