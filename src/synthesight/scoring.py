"""``score``: how well each prompt explains each image, draw by draw."""

from __future__ import annotations

import json
import secrets
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
import polars as pl
import torch

import synthesight
from synthesight.errors import SynthesightError, SynthesightWarning
from synthesight.files import whole, write
from synthesight.likelihood import memory
from synthesight.likelihood.diffusion import DenoiserLikelihood, Weighting, as_likelihood
from synthesight.likelihood.draws import stimulus_key
from synthesight.likelihood.evaluator import Evaluator
from synthesight.likelihood.protocol import DrawModel, PartModel, horizon_of
from synthesight.likelihood.tuning import Tuner, owner
from synthesight.observers.generative import GenerativeClassifier
from synthesight.observers.observer import Observer
from synthesight.observers.weights import weights_hash
from synthesight.stimuli.find import find_stimuli
from synthesight.stimuli.prefetch import read_ahead
from synthesight.stimuli.stimulus import Stimulus

DRAWS = 20  # of an image, where none are asked for: what the sequential rule needs of a class
BATCHES = 16  # that images are encoded for together, so that nearly all of them are full
PART_ROWS, PART_SECONDS = 2_000_000, 60.0
RECORD = "score.json"
SCHEMA: dict[str, pl.DataType] = {
    "stimulus": pl.String(),
    "draw": pl.Int64(),
    "time": pl.Float64(),
    "prompt": pl.String(),
    "error": pl.Float64(),
}


@overload
def score(
    model: Any,
    stimuli: Any,
    prompts: Sequence[str],
    *,
    draws: int | None = ...,
    seed: int = ...,
    weighting: Weighting | None = ...,
    times: Sequence[float] | np.ndarray | None = ...,
    out: None = ...,
    batch_size: int | None = ...,
    report: Callable[[int], None] = ...,
) -> pl.DataFrame: ...
@overload
def score(
    model: Any,
    stimuli: Any,
    prompts: Sequence[str],
    *,
    draws: int | None = ...,
    seed: int = ...,
    weighting: Weighting | None = ...,
    times: Sequence[float] | np.ndarray | None = ...,
    out: str | Path,
    batch_size: int | None = ...,
    report: Callable[[int], None] = ...,
) -> pl.LazyFrame: ...
def score(
    model: Any,
    stimuli: Any,
    prompts: Sequence[str],
    *,
    draws: int | None = None,
    seed: int = 0,
    weighting: Weighting | None = None,
    times: Sequence[float] | np.ndarray | None = None,
    out: str | Path | None = None,
    batch_size: int | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> pl.DataFrame | pl.LazyFrame:
    """Measure the error of every prompt on every image and draw.

    All prompts see the same draws, which are those of a classification with the same ``seed``.

    Parameters
    ----------
    model
        An observer, or what :func:`synthesight.load` takes, such as a name.
    stimuli
        What :func:`synthesight.find_stimuli` takes: images, stimuli, paths, names of datasets. An
        image that cannot be read has no rows, and a warning says so.
    prompts
        K prompts, or labels of a class-conditional model.
    draws
        Draws or parts an image; None is 20 draws, or all parts.
    seed
        Seed of the draws.
    weighting
        Of a diffusion or flow model. None leaves errors unweighted, at times that cover (0, 1]
        evenly, so that any weighting can be applied afterwards. With one, errors are weighted, and
        times drawn, as in a classification: −(their mean over draws) is the evidence.
    times
        Of a diffusion or flow model: times in (0, 1] to take in turn instead.
    out
        Folder to write to, as Parquet files of whole images. A call with the same ``out`` goes on
        where an earlier one stopped. Memory is bounded, however many images there are.
    batch_size
        Network evaluations a batch; None finds the best by measurement.
    report
        Called with the number of network evaluations done.

    Returns
    -------
    A row for each image, draw and prompt, in this order: a DataFrame, or, given ``out``, a
    LazyFrame of what is there.

    - ``stimulus``: its id; ``draw``: from 0; ``prompt``: the prompt.
    - ``time``: the draw's, in (0, 1]; null for other models than of diffusion or flow.
    - ``error``: ‖x − x̂‖² of a diffusion or flow model; −nats of others, and of a sequence of parts
      those of part number ``draw``. Float64, but Float32 in ``out``.

    Raises
    ------
    SynthesightError
        If the model gives no likelihood, there are no prompts, or ``out`` holds something else.

    Examples
    --------
    >>> import numpy as np, synthesight
    >>> image = np.zeros((32, 32, 3), dtype=np.uint8)
    >>> found = synthesight.score("natural-32", image, ["a photo of a cat", "a photo"], draws=3)
    >>> found.shape, found.columns
    ((6, 5), ['stimulus', 'draw', 'time', 'prompt', 'error'])
    """
    prompts = _check_prompts(prompts)
    shown = _stimuli(stimuli)
    likelihood, tuner = _model(model, weighting, times, batch_size)
    parts = horizon_of(likelihood)
    if draws is None:
        draws = DRAWS if parts is None else parts
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise SynthesightError(f"`seed={seed!r}` cannot be: give a whole number from 0.")
    number = isinstance(draws, int | np.integer)
    if not number or draws < 1 or (parts is not None and draws > parts):
        most = "" if parts is None else f" to {parts}"
        raise SynthesightError(f"`draws={draws!r}` cannot be: give a whole number from 1{most}.")
    plan = _Plan(likelihood, prompts, draws, seed)
    if out is None:
        frames = list(_frames(plan, shown, tuner, report))
        return pl.concat([pl.DataFrame(schema=SCHEMA), *frames])
    made = {
        "model": likelihood.name,
        "weights": weights_hash(getattr(owner(likelihood), "network", None)),
        "prompts": prompts,
        "draws": draws,
        "seed": seed,
        "weighting": weighting if weighting is None or isinstance(weighting, str) else [*weighting],
        "times": None if times is None else [float(t) for t in times],
    }
    folder = _Folder(Path(out), made)
    done = folder.done()
    folder.write(
        _frames(plan, [stimulus for stimulus in shown if stimulus.id not in done], tuner, report)
    )
    return folder.scan()


@dataclass(frozen=True)
class _Plan:
    """What is measured of every image."""

    likelihood: DrawModel | PartModel
    prompts: list[str]
    draws: int
    seed: int


def _frames(
    plan: _Plan, stimuli: Sequence[Stimulus], tuner: Tuner, report: Callable[[int], None]
) -> Iterator[pl.DataFrame]:
    """Rows of several images at a time, in order."""
    model, count = plan.likelihood, len(plan.prompts)
    if not stimuli:
        return
    conditioning = memory.prepare(model, plan.prompts)
    rows = count * (plan.draws if horizon_of(model) is None else 1)
    size = tuner.tune(model, conditioning, len(stimuli) * rows)
    evaluator = Evaluator(model, conditioning, batch_size=size, one_shape=bool(tuner.compiled))
    reader = read_ahead(stimuli, model.resolution)
    together = min(size, -(-BATCHES * size // rows))
    while block := list(islice(reader, together)):
        readable = []
        for stimulus, image, error in block:
            if image is None:
                warnings.warn(f"{error} It has no rows.", SynthesightWarning, stacklevel=3)
            else:
                readable.append((stimulus.id, image))
        if not readable:
            continue
        pixels = torch.from_numpy(np.stack([image for _, image in readable]))
        pixels = pixels.permute(0, 3, 1, 2).to(model.device).float() / 127.5 - 1.0
        ids = [name for name, _ in readable]
        keys = np.stack([stimulus_key(plan.seed, name) for name in ids])
        nats = _nats(plan, evaluator, memory.encode(model, pixels, keys), keys, report)
        if evaluator.usage.halvings:
            tuner.halved(model, evaluator.usage.batch_size)
        image, draw, prompt = np.indices(nats.shape).reshape(3, -1)
        known: np.ndarray | None = None
        if isinstance(model, DenoiserLikelihood):
            known = model.times(keys[image], draw)
        yield pl.DataFrame(
            {
                "stimulus": pl.Series(ids).gather(image),
                "draw": draw,
                "time": known,
                "prompt": pl.Series(plan.prompts).gather(prompt),
                "error": -nats.ravel(),
            },
            schema=SCHEMA,
        )


def _nats(
    plan: _Plan,
    evaluator: Evaluator,
    x: torch.Tensor,
    keys: np.ndarray,
    report: Callable[[int], None],
) -> np.ndarray:
    """Nats of images: float64, shape (N, draws, K)."""
    parts = range(plan.draws) if evaluator.parts else None
    shape = (len(x), 1 if parts else plan.draws, len(plan.prompts))
    total = int(np.prod(shape))

    def begin(start: int) -> tuple[Any, ...] | None:
        """The batch from an entry on, whose draws are made while the device is at another."""
        if start >= total:
            return None
        entry = np.arange(start, min(start + evaluator.usage.batch_size, total))
        image, draw, prompt = np.unravel_index(entry, shape)
        increment = draw if parts is None else parts
        return image, increment, prompt, evaluator.begin(keys, image, increment, x.shape[1:])

    found = []
    start, coming = 0, begin(0)
    try:
        while coming is not None:
            image, increment, prompt, made = coming
            start += len(image)
            coming = begin(start)
            found.append(evaluator(x, keys, image, increment, prompt, made))
            report(round(evaluator.usage.evaluations))
    finally:
        evaluator.close()
    nats = np.concatenate(found)
    # Of parts, one evaluation gives all of an image and prompt.
    return nats.reshape(shape) if parts is None else nats.reshape(len(x), -1, plan.draws).mT


class _Folder:
    """Parquet files, each of whole images, beside a record of what made them."""

    def __init__(self, path: Path, made: dict[str, Any]) -> None:
        self.path = path
        record = path / RECORD
        made = json.loads(json.dumps(made))
        try:
            path.mkdir(parents=True, exist_ok=True)
            if not record.exists():
                if any(path.iterdir()):
                    raise SynthesightError(f"{path} holds something else: choose another `out`.")
                write(record, json.dumps(made, indent=2))
            was = json.loads(record.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise SynthesightError(f"{path} cannot be used ({error}): choose another `out`.") from (
                error
            )
        for key, value in made.items():
            if was.get(key) != value:
                raise SynthesightError(
                    f"{path} holds errors made with another `{key}`: choose another `out`."
                )

    def scan(self) -> pl.LazyFrame:
        files = sorted(self.path.glob("part-*.parquet"))
        schema = SCHEMA | {"error": pl.Float32()}
        return pl.scan_parquet(files, glob=False) if files else pl.LazyFrame(schema=schema)

    def done(self) -> set[str]:
        return set(self.scan().select(pl.col("stimulus").unique()).collect()["stimulus"])

    def write(self, frames: Iterable[pl.DataFrame]) -> None:
        waiting: list[pl.DataFrame] = []
        started = time.monotonic()
        try:
            for frame in frames:
                waiting.append(frame.with_columns(pl.col("error").cast(pl.Float32)))
                late = time.monotonic() - started > PART_SECONDS
                if late or sum(map(len, waiting)) >= PART_ROWS:
                    self._append(waiting)
                    waiting, started = [], time.monotonic()
        finally:
            # Also when interrupted: what was measured is not lost.
            if waiting:
                self._append(waiting)

    def _append(self, frames: list[pl.DataFrame]) -> None:
        # The number keeps a listing in order; the random part keeps processes apart.
        number = len(list(self.path.glob("part-*.parquet")))
        path = self.path / f"part-{number:05d}-{secrets.token_hex(4)}.parquet"
        with whole(path) as unfinished:
            pl.concat(frames).write_parquet(unfinished, compression="zstd")


def _check_prompts(prompts: Sequence[str]) -> list[str]:
    if isinstance(prompts, str) or not all(isinstance(prompt, str) for prompt in prompts):
        raise SynthesightError(f"`prompts` is {prompts!r}: give a list of texts.")
    if not prompts or len(set(prompts)) < len(prompts):
        raise SynthesightError("`prompts` is empty, or names one twice: give each prompt once.")
    return list(prompts)


def _stimuli(source: Any) -> list[Stimulus]:
    stimuli = find_stimuli(source)
    seen: set[str] = set()
    for stimulus in stimuli:
        if stimulus.id in seen:
            raise SynthesightError(f"Two of the stimuli are called {stimulus.id}: give each once.")
        seen.add(stimulus.id)
    return stimuli


def _model(
    model: Any,
    weighting: Weighting | None,
    times: Sequence[float] | np.ndarray | None,
    batch_size: int | None,
) -> tuple[DrawModel | PartModel, Tuner]:
    """The model as what gives nats, and what finds out how it runs best."""
    if not (isinstance(model, Observer) or hasattr(model, "prepare")):
        model = synthesight.load(model)
    tuner = Tuner(batch_size)
    if isinstance(model, Observer):
        if not isinstance(model, GenerativeClassifier):
            raise SynthesightError(
                f"{model.name} is a discriminative network, which gives no likelihood: choose a "
                "generative `model`."
            )
        tuner = model.tuner if batch_size is None else tuner
        own = weighting is not None and np.array_equal(
            np.asarray(weighting), np.asarray(model.weighting)
        )
        if own and times is None:
            return model.likelihood, tuner  # with its own proposal
        model = model.model
    likelihood = as_likelihood(model, weighting)
    if times is not None:
        values = np.asarray(times)
        numbers = values.dtype.kind in "fiu" and values.ndim == 1 and len(values) > 0
        if not (numbers and ((values > 0) & (values <= 1)).all()):
            raise SynthesightError(
                f"`times={times!r}` cannot be: give a list of numbers above 0 and up to 1."
            )
    if isinstance(likelihood, DenoiserLikelihood):
        how = "uniform" if weighting is None else weighting
        return DenoiserLikelihood(likelihood.denoiser, how, times=times), tuner
    if times is not None:
        raise SynthesightError(f"{likelihood.name} knows no times: leave out `times`.")
    return likelihood, tuner


__all__ = ["score"]
