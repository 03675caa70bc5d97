"""Evidence by time: how much each level of noise says for each of several prompts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import altair as alt
    import polars as pl

    from synthesight.stimuli.stimulus import Stimulus

TIMES = 16
BATCH = 16


def evidence_by_time(
    observer: Any, stimulus: Stimulus, prompts: Sequence[str], draws: int
) -> pl.DataFrame:
    """Return what each time adds to the evidence for each prompt, less the mean over prompts.

    Returns
    -------
    Columns time, prompt, evidence, standard_error: ``TIMES`` times, whose mean evidence is the
    evidence, under the observer's weighting.
    """
    import polars as pl

    from synthesight.likelihood.diffusion import DEFAULT_WEIGHTING, DenoiserLikelihood
    from synthesight.likelihood.draws import stimulus_key
    from synthesight.likelihood.evaluator import Evaluator

    grid = (np.arange(TIMES) + 0.5) / TIMES
    model = DenoiserLikelihood(observer.model, observer.weighting or DEFAULT_WEIGHTING, times=grid)
    conditioning, rows = conditioned(observer, prompts)
    x, _ = encoded(observer, stimulus)
    evaluator = Evaluator(model, conditioning, batch_size=BATCH)
    index = np.repeat(np.arange(TIMES * draws), len(prompts))
    row = np.tile(rows, TIMES * draws)
    key, none = stimulus_key(observer.seed, stimulus.id)[None], np.zeros_like(index)
    parts = np.split(np.arange(len(index)), range(BATCH, len(index), BATCH))
    found = [evaluator(x, key, none[part], index[part], row[part]) for part in parts]
    nats = np.concatenate(found).reshape(draws, TIMES, len(prompts))
    nats -= nats.mean(axis=2, keepdims=True)
    return pl.DataFrame(
        {
            "time": np.repeat(grid, len(prompts)),
            "prompt": list(prompts) * TIMES,
            "evidence": nats.mean(axis=0).ravel(),
            "standard_error": (nats.std(axis=0, ddof=1) / draws**0.5).ravel(),
        }
    )


def times_figure(table: pl.DataFrame, prompts: Sequence[str]) -> alt.LayerChart:
    """Draw the evidence by time, with bands of a standard error."""
    import altair as alt
    import polars as pl

    from synthesight.report.looks import COLOURS

    value, error = pl.col("evidence"), pl.col("standard_error")
    rows = table.with_columns(low=value - error, high=value + error).to_dicts()
    colours = alt.Scale(domain=list(prompts), range=list(COLOURS[: len(prompts)]))
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("time:Q", title="time, from image to noise", scale=alt.Scale(domain=[0, 1])),
        color=alt.Color("prompt:N", scale=colours, legend=alt.Legend(orient="top", title=None)),
    )
    title = "evidence, less the mean over prompts"
    lines = base.mark_line(point=True).encode(y=alt.Y("evidence:Q", title=title))
    bands = base.mark_area(opacity=0.2).encode(y="low:Q", y2="high:Q")
    return alt.layer(bands, lines).properties(width=420, height=220)


def conditioned(observer: Any, prompts: Sequence[str]) -> tuple[Any, np.ndarray]:
    """Return what the prompts condition on, and the row of the first prompt of each."""
    texts, rows, groups = observer.units(list(prompts))
    first = [int(np.flatnonzero(groups == group)[0]) for group in range(len(prompts))]
    return observer.prepare(texts), rows[first, 0]


def encoded(observer: Any, stimulus: Stimulus) -> tuple[Any, np.ndarray]:
    """Return an image as the model encodes it, with one row; and as it saw it, uint8."""
    import torch

    from synthesight.likelihood import memory

    image = np.asarray(stimulus.read(observer.model.resolution).image)
    pixels = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].to(observer.model.device)
    return memory.encode(observer.model, pixels.float() / 127.5 - 1.0), image
