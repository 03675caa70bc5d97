"""Classic illusions: which reading leads, and whether the other stays in the running."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from scipy.special import expit

from synthesight.errors import SynthesightError
from synthesight.likelihood.protocol import horizon_of
from synthesight.report.readings import readings_figure
from synthesight.report.section import Section
from synthesight.stimuli.make.classics import CLASSICS, Classic
from synthesight.stimuli.stimulus import Stimulus

if TYPE_CHECKING:
    from synthesight.observers.generative import GenerativeClassifier
    from synthesight.observers.observer import Observer

DRAWS = 100
OPEN = 2.0  # standard errors from 0, within which neither reading has won

TEXT = (
    "Each picture has two readings; its controls have one, or neither. All prompts see the same "
    "draws. The difference is the evidence of the first reading minus that of the second, with its "
    "standard error over draws (in nats under the weighting elbo, else a score). Both readings are "
    "in the running where it is within two standard errors of 0. The share is that of single draws "
    "that favour the first reading; lead changes are those of the running mean. Over neutral is "
    "the evidence of the leading reading minus that of a prompt that fits both. A network without "
    "draws has only a score. "
)


@dataclass(frozen=True)
class Rivals:
    """Two readings of a picture, as prompts, and a prompt that fits both, if there is one."""

    names: tuple[str, str]
    prompts: tuple[str, str]
    neutral: str | None = None


def rivals_of(classic: Classic, observer: Observer) -> Rivals | None:
    """Return the prompts of a picture's readings, among what an observer knows.

    Where the observer says which classes it knows, the readings are the nearest of them; None
    where a reading has none. Others are given the picture's own prompts.
    """
    first, second = classic.prompts
    if observer.classes is None:
        return Rivals((first, second), (classic.prompts[first], classic.prompts[second]),
                      classic.neutral)  # fmt: skip
    near = [
        next((name for name in classic.known[reading] if name in observer.classes), None)
        for reading in (first, second)
    ]
    if near[0] is None or near[1] is None:
        return None
    return Rivals(
        (near[0], near[1]), (f"a photo of a {near[0]}", f"a photo of a {near[1]}"), "a photo"
    )


def readings(
    observers: Sequence[Observer],
    stimuli: Sequence[Stimulus],
    rivals: Rivals | None = None,
    *,
    draws: int = DRAWS,
    out: str | Path | None = None,
) -> tuple[Section, list[str]]:
    """Measure the evidence for the rival readings of pictures.

    Observers are generative classifiers; or networks, if they know the readings as classes. Stimuli
    are from :func:`~synthesight.stimuli.make.classic_stimuli`; or any, if ``rivals`` gives the
    readings of all. Errors of the ``draws`` of a prompt are kept in the folder ``out``, so that a
    later call goes on.

    Returns a section with the tables ``readings`` and ``readings-by-draw`` and a figure a picture;
    and a sentence for each observer and picture whose readings the observer does not know.
    """
    if draws < 2:
        raise SynthesightError(f"`draws={draws}` leaves no standard error: give 2 or more.")
    by_picture: dict[str, list[Stimulus]] = {}
    for stimulus in stimuli:
        by_picture.setdefault(_picture(stimulus), []).append(stimulus)
    rows: list[dict[str, Any]] = []
    drawn: list[pl.DataFrame] = []
    unknown: dict[str, list[str]] = {}
    for observer in observers:
        for picture, shown in by_picture.items():
            pair = rivals or rivals_of(_classic(picture), observer)
            if pair is None or not _can_answer(observer, pair):
                unknown.setdefault(observer.name, []).append(picture)
                continue
            place = None if out is None else Path(out) / observer.name / picture
            made, run = _measured(observer, shown, pair, draws, place)
            rows += made
            drawn += run
    left_out = [
        f"{name} does not know the readings of {', '.join(those)}: they are left out. Give "
        "`prompt` for each reading to ask it all the same."
        for name, those in unknown.items()
    ]
    if not rows:
        raise SynthesightError(" ".join(left_out) or "There are no pictures: give some.")
    table = pl.DataFrame(rows, infer_schema_length=None)
    tables = {"readings": table}
    traces = pl.concat(drawn) if drawn else None
    if traces is not None:
        tables["readings-by-draw"] = traces
    figures: dict[str, Any] = {
        f"readings-{picture}": readings_figure(
            {_variant(s): s.open() for s in shown}, table.filter(picture=picture),
            None if traces is None else traces.filter(picture=picture),
        )
        for picture, shown in by_picture.items()
        if picture in table["picture"]
    }  # fmt: skip
    return Section("readings", "Classic illusions", TEXT, tables, figures), left_out


def running(advantage: np.ndarray, *, parts: bool = False) -> pl.DataFrame:
    """Return how the evidence for one reading over another runs, a row a draw.

    ``advantage``, float64 (D,), is what each draw, or part, gives the first reading more. Columns
    are ``draw`` from 1, ``advantage``, ``difference`` (the running mean, or of parts the sum),
    ``standard_error`` of a mean (null for one draw, and for parts), and ``score``: the share that a
    flat prior would give the first reading.

    Examples
    --------
    >>> running(np.array([2.0, 0.0, 1.0]))["difference"].to_list()
    [2.0, 1.0, 1.0]
    """
    n = np.arange(1, len(advantage) + 1)
    total = np.cumsum(advantage)
    difference = total if parts else total / n
    # From what is left after the last mean, which keeps digits where the mean is large.
    centred = advantage - advantage.mean()
    squares = np.cumsum(centred**2) - np.cumsum(centred) ** 2 / n
    error = np.sqrt(np.maximum(squares, 0) / np.maximum(n - 1, 1) / n)
    error[: len(error) if parts else 1] = np.nan
    return pl.DataFrame(
        {
            "draw": n,
            "advantage": advantage,
            "difference": difference,
            "standard_error": error,
            "score": expit(difference),
        }
    ).with_columns(pl.col("standard_error").fill_nan(None))


def _measured(
    observer: Observer, shown: list[Stimulus], rivals: Rivals, draws: int, place: Path | None
) -> tuple[list[dict[str, Any]], list[pl.DataFrame]]:
    """Return a row for each picture, and its evidence draw by draw."""
    from synthesight.observers.generative import GenerativeClassifier

    known = [
        {
            "observer": observer.name,
            "picture": _picture(one),
            "variant": _variant(one),
            "first": rivals.names[0],
            "second": rivals.names[1],
        }
        for one in shown
    ]
    if not isinstance(observer, GenerativeClassifier):
        scores = observer.classify(shown, rivals.names).score[:, 0]
        blank = dict.fromkeys(_MEASURES)
        return [
            row | blank | {"leads": rivals.names[int(score < 0.5)], "score": float(score)}
            for row, score in zip(known, scores, strict=True)
        ], []
    parts = horizon_of(observer.likelihood)
    errors = _errors(observer, shown, rivals, draws if parts is None else parts, place)
    rows, traces = [], []
    for row, error in zip(known, errors, strict=True):
        run = running(error[:, 1] - error[:, 0], parts=parts is not None)
        rows.append(row | _summary(run, error, rivals, exact=parts is not None))
        named = [pl.lit(value).alias(name) for name, value in row.items()]
        traces.append(run.select(*named, pl.all()))
    return rows, traces


_MEASURES = (
    "leads", "in_the_running", "difference", "standard_error", "score", "share_of_draws",
    "lead_changes", "over_neutral", "draws",
)  # fmt: skip


def _summary(
    run: pl.DataFrame, error: np.ndarray, rivals: Rivals, *, exact: bool
) -> dict[str, Any]:
    difference, spread = run["difference"][-1], run["standard_error"][-1]
    leader = int(difference < 0)
    over = error[:, 2] - error[:, leader] if error.shape[1] > 2 else None
    lead = np.sign(run["difference"].to_numpy())
    lead = lead[lead != 0]
    return {
        "leads": rivals.names[leader],
        # What is exact has a leader, whatever its lead.
        "in_the_running": None if exact else bool(abs(difference) < OPEN * spread),
        "difference": difference,
        "standard_error": spread,
        "score": float(expit(difference)),
        "share_of_draws": int((run["advantage"] > 0).sum()) / len(run),
        "lead_changes": int((lead[1:] != lead[:-1]).sum()),
        "over_neutral": None if over is None else float(over.sum() if exact else over.mean()),
        "draws": len(run),
    }


def _errors(
    observer: GenerativeClassifier,
    shown: list[Stimulus],
    rivals: Rivals,
    draws: int,
    place: Path | None,
) -> np.ndarray:
    """Return the weighted errors: float64, shape (N, draws, prompts)."""
    from synthesight.scoring import score

    prompts = [*rivals.prompts, *([rivals.neutral] if rivals.neutral else [])]
    how: dict[str, Any] = {"draws": draws, "seed": observer.seed, "weighting": observer.weighting}
    if place is None:
        found = score(observer, shown, prompts, **how)
    else:
        found = score(observer, shown, prompts, **how, out=place).collect()
    unread = {one.id for one in shown} - set(found["stimulus"].unique())
    if unread:
        raise SynthesightError(f"{min(unread)} could not be read: give an image.")
    ranks = {one.id: n for n, one in enumerate(shown)}
    ordered = found.with_columns(
        _image=pl.col("stimulus").replace_strict(ranks),
        _prompt=pl.col("prompt").replace_strict({text: n for n, text in enumerate(prompts)}),
    ).sort("_image", "draw", "_prompt")
    values = ordered["error"].cast(pl.Float64).to_numpy()
    return values.reshape(len(shown), draws, len(prompts))


def _can_answer(observer: Observer, rivals: Rivals) -> bool:
    """Return whether an observer reads the prompts, or has the readings among its classes."""
    return observer.kind == "generative" or set(rivals.names) <= set(observer.classes or ())


def _classic(picture: str) -> Classic:
    if picture not in CLASSICS:
        raise SynthesightError(
            f"{picture} is no classic: give two prompts, one for each of its readings."
        )
    return CLASSICS[picture]


def _picture(stimulus: Stimulus) -> str:
    if stimulus.dataset == "classics":
        return stimulus.condition
    return stimulus.id.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _variant(stimulus: Stimulus) -> str:
    return str(stimulus.factors.get("variant", "own"))
