"""Describe the options of a model and of an evaluation once, for Python and the command line.

One frozen dataclass makes the options of a command, the keywords of :func:`~synthesight.load` and
:func:`~synthesight.evaluate`, and what ``run.json`` records. An option that is None was not given:
the model's own value, or the default that its help names, holds.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from synthesight.errors import SynthesightError

if TYPE_CHECKING:
    import torch

    from synthesight.likelihood.rules import Rule
    from synthesight.observers.calibration import Calibration

MOST_SEED = 2**32 - 1  # what every generator takes

Function = TypeVar("Function", bound=Callable[..., Any])
Options = TypeVar("Options", bound="ModelOptions")


def about(
    help: str,
    *,
    text: type = str,
    many: bool = False,
    least: int | None = None,
) -> dict[str, Any]:
    """Return what the command line has to know about an option, besides one line of help.

    ``text`` is the type of its value there; ``list`` is for names between commas. It may take the
    option ``many`` times; a number below ``least`` is refused.
    """
    return {"help": help, "text": text, "many": many, "least": least}


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options of opening a model.

    Attributes
    ----------
    classes
        Names of the classes to choose among, a mapping of each to its words in prompts, or a file
        (:func:`~synthesight.observers.read_classes`); None for those that the model says it knows.
    prompt
        One or several prompts with ``{class}`` where the name goes, whose evidence is averaged; a
        mapping of each class to its whole prompts; or files of these
        (:func:`~synthesight.observers.read_prompts`).
    rule, delta, eta, stages, max_draws
        Decision rule, by name or as an object of :mod:`synthesight.likelihood.rules`; the
        probability of error that ``"sequential"`` promises and ``"predictive"`` predicts; by how
        much evidence the choice of ``"sequential"`` may be worse; after how many draws or parts
        ``"staged"`` keeps how many classes, as pairs of numbers or shares, or as a text such as
        ``"6:10,10:3"``; and draws of a class at most.
    weighting
        Weighting of the times of a diffusion or flow model: a name, a table, or a JSON file of one.
    calibration
        File of ``synthesight calibrate``: answers then have a probability beside the score.
    labels, combine
        Labels or whole prompts of each class, or a JSON file of them; and how they make a class.
    protocol
        ``"published"`` shows one of the benchmark's 52 networks what Geirhos et al. (2021) showed
        it, where that is not the network's own way of taking images.
    seed
        Seed of the draws, and of a sample of the stimuli.
    config, lora
        For a single file, or a folder of one network: the pipeline that it belongs to. LoRAs to
        add to the weights: a file or name each, or ``"file:scale"``.
    without, quantise
        Text encoders to leave out, of models that can do without; and how to quantise large ones.
    resolution
        Pixels of the images that the model is shown, for one that makes images of several sizes: a
        side, (height, width), or a text such as ``"512x768"``; None for the model's own.
    test_noise
        What is done to each image before a network sees it: ``"diffusion-noise"``,
        ``"gaussian-noise:SIGMA"`` or ``"blur:SIGMA"``, for images in [0, 1].
    device, dtype
        Where a model runs, and in which precision.
    smoothing
        Likelihood smoothing of a VAR: number of copies of each image, all but the first with a
        little noise, whose log-likelihoods are averaged.
    batch_size
        Network evaluations a batch.
    """

    classes: Sequence[str] | Mapping[str, Any] | str | Path | None = field(
        default=None,
        metadata=about("Categories to choose among: cat,dog,… or a file.", text=list),
    )
    prompt: str | Path | Sequence[str | Path] | Mapping[str, str | Sequence[str]] | None = field(
        default=None,
        metadata=about(
            'Prompt or file of prompts, repeatable. Default: "A bad photo of a {class}".', many=True
        ),
    )
    rule: str | Rule | None = field(
        default=None,
        metadata=about("sequential (default), predictive, exhaustive, staged or repeated-t."),
    )
    delta: float | None = field(
        default=None,
        metadata=about(
            "Probability of another choice than `exhaustive`: `sequential` bounds, `predictive` "
            "predicts it. Default: 0.01.",
            text=float,
        ),
    )
    eta: float | None = field(
        default=None,
        metadata=about(
            "Evidence by which the choice of `sequential` may be worse than that of `exhaustive`. "
            "Default: 0.",
            text=float,
        ),
    )
    stages: str | Sequence[tuple[float, float]] | None = field(
        default=None,
        metadata=about("Of staged: draws or scales, and classes kept, such as 6:10,10:3."),
    )
    max_draws: int | None = field(
        default=None,
        metadata=about(
            "Draws of a class at most. Default: 200; of repeated-t 2000, as published.", text=int
        ),
    )
    weighting: str | Sequence[float] | Path | None = field(
        default=None,
        metadata=about(
            "jaini, epsilon, elbo, uniform, or a JSON file of one. Default: the model's own."
        ),
    )
    calibration: str | Path | Calibration | None = field(
        default=None,
        metadata=about("File of `synthesight calibrate`: scores become probabilities."),
    )
    labels: Mapping[str, Sequence[str | int]] | str | Path | None = field(
        default=None,
        metadata=about(
            "JSON file of class → list of labels, or of whole prompts for models that read text.",
            text=Path,
        ),
    )
    combine: str | None = field(
        default=None, metadata=about("How labels make a class: logsumexp (default) or best.")
    )
    protocol: str | None = field(
        default=None,
        metadata=about("own (default), or published: as the 52 of the benchmark were shown."),
    )
    seed: int = field(
        default=0,
        metadata=about("Seed of draws and samples.", text=int),
    )
    config: str | Path | None = field(
        default=None,
        metadata=about("Pipeline that a single file, or a folder of one network, belongs to."),
    )
    lora: str | Path | Sequence[str | Path | tuple[str, float]] | None = field(
        default=None,
        metadata=about("LoRA to add, FILE_OR_NAME[:SCALE]; repeatable.", many=True),
    )
    without: str | Sequence[str] | None = field(
        default=None,
        metadata=about("Text encoder to leave out, such as text_encoder_3; repeatable.", many=True),
    )
    quantise: str | None = field(
        default=None, metadata=about("nf4 or int8, for text encoders above 4 GiB.")
    )
    resolution: int | str | tuple[int, int] | None = field(
        default=None,
        metadata=about("Image size in pixels: 512, or 512x768 (height x width). Default: its own."),
    )
    device: str | torch.device | None = field(
        default=None, metadata=about("cpu, cuda, cuda:1 or mps. Default: the GPU if there is one.")
    )
    dtype: str | torch.dtype | None = field(
        default=None,
        metadata=about("float32, bfloat16, float16, or auto: measured. Default: auto on a GPU."),
    )
    smoothing: int | None = field(
        default=None,
        metadata=about(
            "Likelihood smoothing of a VAR: noisy copies averaged, 1 to 1000.", text=int
        ),
    )
    batch_size: int | None = field(
        default=None,
        metadata=about("Network evaluations a batch. Default: found by measurement.", text=int),
    )
    test_noise: str | None = field(
        default=None,
        metadata=about(
            "Noise on what a network sees: diffusion-noise, gaussian-noise:0.5, blur:1."
        ),
    )

    def given(self) -> dict[str, Any]:
        """Return the options that were given, by name."""
        return {
            own.name: value
            for own in fields(self)
            if (value := getattr(self, own.name)) is not None
            and (own.default is None or value != own.default)
        }

    def record(self) -> dict[str, Any]:
        """Return the options that were given, as JSON can hold them."""
        return {name: _plain(value) for name, value in self.given().items()}


class ModelKeywords(TypedDict, total=False):
    """Keywords of :func:`~synthesight.load`: the fields of :class:`ModelOptions`, for checkers."""

    classes: Sequence[str] | Mapping[str, Any] | str | Path | None
    prompt: str | Path | Sequence[str | Path] | Mapping[str, str | Sequence[str]] | None
    rule: str | Rule | None
    delta: float | None
    eta: float | None
    stages: str | Sequence[tuple[float, float]] | None
    max_draws: int | None
    weighting: str | Sequence[float] | Path | None
    calibration: str | Path | Calibration | None
    labels: Mapping[str, Sequence[str | int]] | str | Path | None
    combine: str | None
    protocol: str | None
    seed: int
    config: str | Path | None
    lora: str | Path | Sequence[str | Path | tuple[str, float]] | None
    without: str | Sequence[str] | None
    quantise: str | None
    resolution: int | str | tuple[int, int] | None
    device: str | torch.device | None
    dtype: str | torch.dtype | None
    smoothing: int | None
    batch_size: int | None
    test_noise: str | None


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions(ModelOptions):
    """Options of an evaluation: those of opening the model, and which stimuli are shown.

    Attributes
    ----------
    limit
        Number of stimuli in a balanced sample; None for all.
    range
        What is black and white in images of more than eight bits a channel: ``(0, 4095)``, or
        percentiles of each image, as in ``"1%,99%"``. None for all of their depth.
    shard
        ``"i/n"``: the i-th of n parts. Processes share a run without it, too.
    backend
        Where the model answers: ``"local"``, in this process; ``"ray"``, on a cluster of Ray; or
        ``"slurm"``, by a job array.
    address
        Of a Ray cluster: ``"host:port"``, or ``"auto"`` for the one that this machine belongs to;
        None starts one on this machine, with all of its GPUs.
    jobs
        Of Ray: workers at most; None for one a GPU or, without GPUs, for each four cores. Of Slurm:
        how many jobs share the stimuli.
    slurm
        Options of ``sbatch``, as a mapping or as ``"partition=gpu,time=4:00:00,gpus=1"``.
    reproducible
        Whether evidence is to be the same to the last bit, however the work is interrupted and
        divided: at a cost, since batches and threads are few and fixed, and nothing is compiled.
    keep_draws
        Whether the error of every image, draw and class is kept, about 4 bytes each, for
        :meth:`Run.draws <synthesight.trials.Run.draws>` and ``synthesight analyse``.
    """

    limit: int | None = field(
        default=None, metadata=about("Show a balanced sample of so many stimuli.", text=int)
    )
    range: str | tuple[float, float] | None = field(
        default=None,
        metadata=about("Black and white in deep images: LOW,HIGH, or percentiles such as 1%,99%."),
    )
    shard: str = field(
        default="1/1", metadata=about("i/n: show the i-th of n parts, for n processes.")
    )
    backend: str = field(
        default="local", metadata=about("Where the model answers: local, ray or slurm.")
    )
    address: str | None = field(
        default=None,
        metadata=about("Ray cluster: host:port, or auto. Default: one on this machine."),
    )
    jobs: int | None = field(
        default=None,
        metadata=about(
            "Slurm: jobs that share the stimuli. Ray: workers at most; default: one a GPU.",
            text=int,
        ),
    )
    slurm: str | Mapping[str, Any] | None = field(
        default=None,
        metadata=about("Options of sbatch, such as partition=gpu,time=4:00:00,gpus=1."),
    )
    reproducible: bool = field(
        default=False,
        metadata=about("Same bits however the work is interrupted and divided; slower.", text=bool),
    )
    keep_draws: bool = field(
        default=False,
        metadata=about("Keep the error of every draw for `synthesight analyse`.", text=bool),
    )


class EvaluateKeywords(ModelKeywords, total=False):
    """Keywords of :func:`~synthesight.evaluate`: the fields of :class:`EvaluateOptions`."""

    limit: int | None
    range: str | tuple[float, float] | None
    shard: str
    backend: str
    address: str | None
    jobs: int | None
    slurm: str | Mapping[str, Any] | None
    reproducible: bool
    keep_draws: bool


def typed(options: type[ModelOptions]) -> Callable[[Function], Function]:
    """Return a decorator that shows a function's ``**options`` by name in its signature.

    ``help``, notebooks and completion then list each option, as a type checker does from the
    ``TypedDict``.
    """

    def decorate(function: Function) -> Function:
        signature = inspect.signature(function)
        own = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not inspect.Parameter.VAR_KEYWORD
        ]
        named = [
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=each.type,
            )
            for each in fields(options)
        ]
        function.__signature__ = signature.replace(parameters=[*own, *named])  # type: ignore[attr-defined]
        return function

    return decorate


def read_options(options: type[Options], given: Mapping[str, Any]) -> Options:
    """Return the options that a caller's keywords give."""
    known = [each.name for each in fields(options)]
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean `{near[0]}`" if near else f"choose among {', '.join(known)}"
            raise SynthesightError(f"There is no option {name!r}: {hint}.")
    return options(**given)


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Iterable):
        return [_plain(each) for each in value]
    return str(value)  # a path, or a rule, which shows its own values
