"""Reconstructions: what a model sees in an image behind noise, under rival prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from synthesight.errors import SynthesightError
from synthesight.observers.options import about
from synthesight.probes.registry import probe

if TYPE_CHECKING:
    import altair as alt
    import numpy as np
    import polars as pl

    from synthesight.observers.observer import Observer
    from synthesight.report.section import Section
    from synthesight.stimuli.stimulus import Stimulus

TITLE = "Reconstructions under rival prompts"
TEXT = (
    "Each image is hidden behind noise, the same for all prompts, and found again under each of "
    "them: by the estimate of one step, which is what evidence is made of, and by sampling from "
    "there to the end (DDIM, no guidance). Distances to the image as the model saw it: root mean "
    "square of pixels (black 0, white 1) and structural similarity (SSIM; 1 is equal). Evidence "
    "by time: what errors at each time add to log p(x given the prompt), less the mean over the "
    "prompts."
)
TOKENS = (
    "A share of the image's tokens is drawn anew under each prompt, from what the model sees of "
    "the others. Distances to the image that its own tokens decode to: root mean square of pixels "
    "(black 0, white 1) and structural similarity (SSIM; 1 is equal)."
)
MOST = 6  # prompts, which a figure can show


@probe(title=TITLE, paper=("jaini2024intriguing", "song2021denoising", "wang2004image"))
def reconstruct(
    observer: Observer,
    stimuli: Sequence[Stimulus],
    *,
    noise: Annotated[
        str | Sequence[float],
        about("Times between 0 (image) and 1 (noise); for tokens, shares drawn anew."),
    ] = "0.3,0.5,0.7",
    steps: Annotated[int, about("Steps of sampling from there.", text=int, least=1)] = 50,
    draws: Annotated[
        int, about("Noises at each of 16 times, for evidence by time.", text=int, least=2)
    ] = 8,
) -> Section:
    """Show what a model makes of images behind noise, under each of several prompts.

    Parameters
    ----------
    observer
        A diffusion or flow model that shows its estimates, or a model of tokens that can draw some
        anew. Its classes are the rivals.
    stimuli
        Images.
    noise
        Times in (0, 1), from image to noise; for models of tokens, shares of the tokens.
    steps
        Network evaluations of a reconstruction, at most one a time of the schedule.
    draws
        Noises at each of 16 times.

    Returns
    -------
    A section with the tables ``reconstruct`` (distances of each reconstruction) and, of diffusion
    and flow models, ``reconstruct-times`` (evidence by time); and two figures an image.
    """
    import polars as pl

    from synthesight.likelihood.diffusion import DenoiserLikelihood
    from synthesight.likelihood.protocol import Resampler
    from synthesight.probes.maps import plain_names
    from synthesight.probes.times import evidence_by_time, times_figure
    from synthesight.progress import Progress
    from synthesight.report.section import Section

    levels = noise_levels(noise)
    prompts = observer.choose(None)
    if len(prompts) > MOST:
        raise SynthesightError(
            f"{len(prompts)} prompts are too many to show side by side: give 2 to {MOST} by "
            "`prompt` or `classes`."
        )
    tokens = isinstance(getattr(observer, "model", None), Resampler)
    if not tokens and not isinstance(getattr(observer, "likelihood", None), DenoiserLikelihood):
        raise SynthesightError(
            f"{observer.name} reconstructs no images: choose a diffusion or flow model, or a model "
            "of tokens that can draw some anew."
        )
    distances: list[pl.DataFrame] = []
    times: list[pl.DataFrame] = []
    figures: dict[str, Any] = {}
    names = plain_names([stimulus.id for stimulus in stimuli])
    with Progress("Reconstructing", len(stimuli)) as progress:
        for name, stimulus in zip(names, stimuli, strict=True):
            found = (
                _resampled(observer, stimulus, prompts, levels)
                if tokens
                else _denoised(observer, stimulus, prompts, levels, steps)
            )
            of = [pl.lit(observer.name).alias("observer"), pl.lit(stimulus.id).alias("image")]
            distances.append(found.distances().select(*of, pl.all()))
            figures[f"reconstruct-{name}"] = found.figure()
            if not tokens:
                table = evidence_by_time(observer, stimulus, prompts, draws)
                times.append(table.select(*of, pl.all()))
                figures[f"reconstruct-times-{name}"] = times_figure(table, prompts)
            progress.advance()
    tables = {"reconstruct": pl.concat(distances)}
    if times:
        tables["reconstruct-times"] = pl.concat(times)
    return Section("reconstruct", TITLE, TOKENS if tokens else TEXT, tables, figures)


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """Reconstructions of one image, uint8 (height, width, 3), under each of K rival prompts.

    ``levels`` are L times, or shares of tokens. ``noised``, (L, height, width, 3), is the image
    behind noise; None for tokens. ``found`` has by name, such as ``"one step"``, (L, K, height,
    width, 3).
    """

    image: np.ndarray
    levels: Sequence[float]
    prompts: Sequence[str]
    noised: np.ndarray | None
    found: dict[str, np.ndarray]

    def distances(self) -> pl.DataFrame:
        """Return how far each reconstruction is from the image."""
        import polars as pl

        from synthesight.probes.distances import rmse, ssim

        return pl.DataFrame(
            [
                {
                    "noise": level,
                    "prompt": prompt,
                    "by": name,
                    "rmse": rmse(self.image, images[row, column]),
                    "ssim": ssim(self.image, images[row, column]),
                }
                for name, images in self.found.items()
                for row, level in enumerate(self.levels)
                for column, prompt in enumerate(self.prompts)
            ]
        )

    def figure(self) -> alt.LayerChart:
        """Draw the image, and each level's reconstructions in a row."""
        from synthesight.probes.distances import rmse
        from synthesight.probes.pictures import picture_grid

        columns = ["image"] if self.noised is None else ["image", "behind noise"]
        one = len(self.found) == 1  # way of reconstructing, which the rows' labels then name
        columns += [
            prompt if one else f"{prompt}, {name}" for prompt in self.prompts for name in self.found
        ]
        rows, captions = [], []
        for row in range(len(self.levels)):
            line: list[np.ndarray | None] = [self.image if row == 0 else None]
            below = [""]
            if self.noised is not None:
                line.append(self.noised[row])
                below.append("")
            for column in range(len(self.prompts)):
                for images in self.found.values():
                    picture = images[row, column]
                    line.append(picture)
                    below.append(f"RMSE {rmse(self.image, picture):.3f}")
            rows.append(line)
            captions.append(below)
        labels = [f"{'noise' if self.noised is not None else 'anew'} {x:g}" for x in self.levels]
        return picture_grid(rows, columns, labels, captions)


def noise_levels(noise: str | Sequence[float]) -> list[float]:
    """Return levels of noise as numbers.

    Examples
    --------
    >>> noise_levels("0.3,0.5")
    [0.3, 0.5]
    """
    try:
        levels = [float(x) for x in (noise.split(",") if isinstance(noise, str) else noise)]
    except (TypeError, ValueError):
        levels = []
    if not levels or not all(0 < level <= 1 for level in levels):
        raise SynthesightError(
            f"`noise={noise!r}` cannot be: give numbers above 0 and up to 1, such as 0.3,0.5,0.7."
        )
    return levels


def _denoised(
    observer: Any, stimulus: Stimulus, prompts: Sequence[str], levels: Sequence[float], steps: int
) -> Reconstructions:
    import numpy as np
    import torch

    from synthesight.likelihood.draws import normal_noise, stimulus_key
    from synthesight.likelihood.protocol import Estimator
    from synthesight.likelihood.sampling import denoise_from
    from synthesight.probes.times import conditioned, encoded

    model = observer.model
    if not isinstance(model, Estimator):
        raise SynthesightError(
            f"{observer.name} shows no x̂: give it the method `estimate` of "
            "synthesight.likelihood.Estimator."
        )
    conditioning, rows = conditioned(observer, prompts)
    x, image = encoded(observer, stimulus)
    key = stimulus_key(observer.seed, stimulus.id)[None]
    drawn = normal_noise(key, np.zeros(1, dtype=np.int64), x.shape[1:])
    epsilon = torch.from_numpy(drawn).to(x.device)
    row = torch.from_numpy(rows).to(x.device)
    many = (len(prompts), *(-1,) * (x.ndim - 1))
    noised: list[np.ndarray] = []
    single: list[np.ndarray] = []
    full: list[np.ndarray] = []
    for level in levels:
        at = int(np.abs(model.schedule.times - level).argmin())
        alpha, sigma = (float(part[at]) for part in (model.schedule.alpha, model.schedule.sigma))
        noised.append(_pictures(model, alpha * x + sigma * model.schedule.noise_scale * epsilon))
        for found, count in ((single, 1), (full, steps)):
            made = denoise_from(
                model, x.expand(many), epsilon.expand(many), at, conditioning, row, steps=count
            )
            found.append(_pictures(model, made))
    return Reconstructions(
        image,
        levels,
        prompts,
        np.concatenate(noised),
        {"one step": np.stack(single), f"{steps} steps": np.stack(full)},
    )


def _resampled(
    observer: Any, stimulus: Stimulus, prompts: Sequence[str], levels: Sequence[float]
) -> Reconstructions:
    import numpy as np
    import torch

    from synthesight.likelihood.protocol import horizon_of
    from synthesight.probes.times import conditioned, encoded

    model = observer.model
    conditioning, rows = conditioned(observer, prompts)
    x, _ = encoded(observer, stimulus)
    row = torch.from_numpy(rows).to(x.device)
    many = x.expand(len(prompts), *(-1,) * (x.ndim - 1)).contiguous()
    # A model of a sequence sees what comes before: its last tokens are drawn; others, any.
    order = np.arange(x[0].numel())[::-1].copy()
    if horizon_of(model) is None:
        order = np.random.default_rng(observer.seed).permutation(len(order))
    rank = torch.from_numpy(order.argsort()).reshape(x.shape).to(x.device)
    with torch.inference_mode():
        found = [
            _pictures(
                model,
                model.resample(
                    many,
                    (rank < max(1, round(level * len(order)))).expand_as(many),
                    conditioning,
                    row,
                    observer.seed,
                ),
            )
            for level in levels
        ]
        (image,) = _pictures(model, x)
    return Reconstructions(image, levels, prompts, None, {"drawn anew": np.stack(found)})


def _pictures(model: Any, x: Any) -> np.ndarray:
    """Return images of what a model encodes: uint8, shape (B, height, width, 3)."""
    if hasattr(model, "decode"):
        x = model.decode(x)
    elif x.ndim != 4 or x.shape[1] != 3:
        raise SynthesightError(
            f"{model.name} encodes images, and has no method `decode`: give it one that makes "
            "images of x, float32, shape (B, 3, height, width), in [-1, 1]."
        )
    pixels = ((x.float() + 1) * 127.5).round().clamp(0, 255)
    return pixels.permute(0, 2, 3, 1).cpu().numpy().astype("uint8")
