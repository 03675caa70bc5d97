"""The tour: one picture of what a generative classifier sees, made offline in a few minutes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl
from PIL import Image
from rich.console import Console

import synthesight
from synthesight.analysis import with_people
from synthesight.likelihood.draws import normal_noise, stimulus_key
from synthesight.likelihood.sampling import sample
from synthesight.observers import EvidenceMap, Response
from synthesight.observers.options import ModelOptions
from synthesight.observers.watching import watch
from synthesight.probes.dial import show_dial
from synthesight.probes.pictures import coloured, legend_of, picture_grid, race_chart
from synthesight.probes.reconstruct import reconstruct
from synthesight.report.dials import dials_section
from synthesight.report.references import references_of
from synthesight.report.saving import save_figure
from synthesight.stimuli.make.dial import dial_stimuli, pairs_of
from synthesight.stimuli.stimulus import Stimulus

MODELS = ("natural-32", "natural-32-cnn")
BETWEEN = ("ship", "truck")  # what the dial turns between
CANDIDATES = 24  # images that the model makes of each
PAIRS = 7
STEPS = 7  # of the dial
DRAWS = 64  # a class at most: a third of the default, for a tour of minutes
PUBLISHED = references_of("shape_bias", "cue-conflict")


def run_demo(out: Path) -> None:
    """Let the bundled models look at images, print what came out, and draw it.

    Parameters
    ----------
    out
        Folder for the images, the runs and the figure ``demo.png`` (and ``.svg``).
    """
    started = time.monotonic()
    console = Console()
    console.print(f"{MODELS[0]}, a small diffusion model, makes images and looks at them.")
    pairs = pairs_of(own_images(), BETWEEN, pairs=PAIRS)
    shown, answer, race = raced(pairs[0][0])
    console.print(
        f"It took {answer.evaluations:.0f} network evaluations to see a {answer.response} among "
        f"{len(answer.draws)} classes."
    )
    stimuli = dial_stimuli(pairs, steps=STEPS)
    options = ModelOptions(classes=BETWEEN, max_draws=DRAWS)
    show_dial(MODELS[:1], stimuli, out, options, progress=True)
    trials = show_dial(MODELS[1:], stimuli, out, ModelOptions(classes=BETWEEN))
    dial = dials_section(with_people(trials), 200)
    assert dial is not None
    equal = dial.tables["dial"]
    console.print(f"Hybrids show a {BETWEEN[0]} and a {BETWEEN[1]}, or the other way round.")
    for row in equal.iter_rows(named=True):
        console.print(said(row))
    figure = whole_figure(
        map_and_race(shown, race),
        rivals_of(ambiguous(stimuli, equal)),
        dial.figures["dial-hybrid"],
        published(),
    )
    path = out / "demo.png"
    save_figure(figure.to_dict(), path.with_suffix(".svg"), path)
    with Image.open(path) as picture:  # a quarter of the size, and every pixel the same
        picture.convert("RGB").save(path, optimize=True)
    console.print(f"Figure: {path}. Took {time.monotonic() - started:.0f} s.")


def said(row: dict[str, Any]) -> str:
    """Return a sentence about the point of equality of an observer."""
    if row["beyond"] is not None:
        return f"{row['observer']}: no point of equality within the dial."
    low, high = (f"{row[name]:.1f}" for name in ("cutoff_low", "cutoff_high"))
    return (
        f"{row['observer']}: both seen equally often at {row['cutoff']:.1f} cycles an image "
        f"(95 %: {low} to {high})."
    )


def own_images() -> list[Stimulus]:
    """Return images that natural-32 makes, of those that natural-32-cnn names as they were meant.

    No photograph is shown: the model's own images are free, and as it knows the world.
    """
    observer: Any = synthesight.load(MODELS[0], device="cpu")
    texts = [f"A bad photo of a {name}" for name in BETWEEN]
    index = np.arange(len(BETWEEN) * CANDIDATES)
    keys = np.repeat(stimulus_key(0, "demo")[None], len(index), axis=0)
    import torch

    noise = torch.from_numpy(normal_noise(keys, index, (3, 32, 32)))
    rows = torch.from_numpy(index // CANDIDATES)
    x = sample(observer.model, noise, observer.prepare(texts), rows, steps=25)
    pixels = ((x + 1) * 127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()
    named = synthesight.load(MODELS[1], device="cpu").classify(pixels).labels
    meant = np.repeat(BETWEEN, CANDIDATES)
    return [
        Stimulus(f"{name}-{n}.png", Image.fromarray(image), "demo", category=str(name))
        for n, (name, image, label) in enumerate(zip(meant, pixels, named, strict=True))
        if name == label
    ]


def raced(stimulus: Stimulus) -> tuple[EvidenceMap, Response, pl.DataFrame]:
    """Return the map of an image, the answer, and the evidence of each class by draw."""
    observer: Any = synthesight.load(MODELS[0], device="cpu", max_draws=DRAWS)
    answer, race = watch(observer, stimulus)
    assert race is not None
    classes = observer.choose(None)
    every: Any = synthesight.load(
        MODELS[0], device="cpu", rule="exhaustive", max_draws=DRAWS, batch_size=16
    )
    rival = np.argsort(answer.evidence)[-2]
    (full,) = every.respond([stimulus], [answer.response, classes[int(rival)]])
    pair = [answer.response, classes[int(rival)]]
    shown = every.evidence_map(full, pair, of=pair[0], against=pair[1])
    return shown, answer, race.frame()


def ambiguous(stimuli: Sequence[Stimulus], equal: pl.DataFrame) -> Stimulus:
    """Return the hybrid of the first pair that is nearest to the model's point of equality."""
    at = float(equal.filter(observer=MODELS[0])["cutoff"][0])
    first = [s for s in stimuli if s.factors["pair"] == stimuli[0].factors["pair"]]
    return min(
        (s for s in first if s.factors["toward"] == BETWEEN[0]),
        key=lambda s: abs(np.log(float(s.factors["cutoff"]) / np.clip(at, 0.5, 16))),
    )


def map_and_race(shown: EvidenceMap, race: pl.DataFrame) -> alt.HConcatChart:
    """Draw an image, where its evidence is, and the race of the classes."""
    most = float(np.quantile(np.abs(shown.upsampled()), 0.995)) or 1.0
    pictures = picture_grid(
        [[shown.image, coloured(shown.upsampled(), shown.image, most)]],
        ["image", f"for {shown.of}, against {shown.against}"],
        side=180,
    )
    left = alt.layer(pictures, legend_of(most, f"{shown.unit} a pixel"))
    left = left.properties(title="Where an image speaks for its class")
    return alt.hconcat(left, race_chart(race), spacing=30).resolve_scale(color="independent")


def rivals_of(stimulus: Stimulus) -> alt.LayerChart:
    """Draw what the model makes of an ambiguous image behind noise, under rival prompts."""
    observer = synthesight.load(MODELS[0], device="cpu", classes=BETWEEN, batch_size=16)
    section = reconstruct(observer, [stimulus], noise=[0.6, 0.9], steps=25, draws=2)
    figure = next(iter(section.figures.values()))
    assert isinstance(figure, alt.LayerChart)
    title = f"An ambiguous image, found again behind noise as a {' and as a '.join(BETWEEN)}"
    return figure.properties(title=title)


def published() -> alt.LayerChart:
    """Draw what was published about people and large models: shape against texture."""
    rows = PUBLISHED.sort("value", descending=True).to_dicts()
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("observer:N", sort=[row["observer"] for row in rows], title=None),
        x=alt.X(
            "value:Q",
            title="decisions by shape rather than texture",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format=".0%"),
        ),
        color=alt.condition(
            "datum.observer === 'people'", alt.value("#000000"), alt.value("#999999")
        ),
    )
    text = base.mark_text(align="left", dx=8).encode(text=alt.Text("value:Q", format=".0%"))
    return alt.layer(base.mark_bar(height=12), text).properties(
        width=230,
        height=170,
        title=alt.TitleParams(
            "Published: large generative models, like people, see shape",
            subtitle="; ".join(PUBLISHED["source"].unique(maintain_order=True)),
            subtitleColor="#595959",
            subtitleFontSize=10.5,
        ),
    )


def whole_figure(*parts: Any) -> alt.VConcatChart:
    """Put the panels together: map and race; rivals; dial and published figures."""
    first, second, dial, known = parts
    dial = dial.properties(title=f"Hybrids of {BETWEEN[0]} and {BETWEEN[1]} on a dial")
    apart: Any = {"color": "independent", "shape": "independent", "strokeDash": "independent"}
    below = alt.hconcat(dial, known, spacing=40).resolve_scale(**apart)
    return (
        alt.vconcat(first, second, below, spacing=18)
        .resolve_scale(**apart)
        .configure_view(stroke=None)
        .configure_title(anchor="start", fontSize=13)
    )
