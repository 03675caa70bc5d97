"""The Methods paragraph: what was really done, as a paper says it, with what it cites."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from synthesight import __version__
from synthesight.analysis import IS_HUMAN, PARTICIPANT, metrics
from synthesight.encoding import latex, short
from synthesight.references import Reference, reference
from synthesight.report.looks import counted, listed, span
from synthesight.report.provenance import Provenance
from synthesight.report.section import IS_MODEL, TARGETS, Section, conditions_of, datasets_of
from synthesight.report.works import GENERATIVE, INTERVALS, RULES, TESTS, WEIGHTINGS, Record
from synthesight.stimuli.datasets import datasets
from synthesight.trials.obtain import published_people

NAMED = 20  # classes and conditions; more are counted


@dataclass(frozen=True)
class Cited:
    """A place in a text where works are cited."""

    works: tuple[Reference, ...]


Text = list[str | Cited]


def as_text(parts: Text) -> str:
    """Return a paragraph that cites by authors and year."""
    return "".join(
        part
        if isinstance(part, str)
        else f" ({'; '.join(dict.fromkeys(work.in_brackets for work in part.works))})"
        for part in parts
    )


def as_latex(parts: Text) -> str:
    r"""Return a paragraph that cites by ``\citep``, with the keys of ``references.bib``.

    Examples
    --------
    >>> print(as_latex(["It took 5 %", Cited((reference("clark2023text"),)), "."]))
    It took 5 \%~\citep{clark2023text}.
    """
    return "".join(
        latex(part)
        if isinstance(part, str)
        else f"~\\citep{{{','.join(work.key for work in part.works)}}}"
        for part in parts
    )


def methods(
    trials: pl.DataFrame,
    made: Sequence[Provenance],
    sections: Sequence[Section],
    *,
    resamples: int,
    people: Sequence[str] = (),
    papers: Callable[[Record], Iterable[Reference]] = lambda record: (),
) -> Text:
    """Return what was done, in the order of a paper: observers, stimuli, people, measures.

    Parameters
    ----------
    trials
        Those of the report that were answered.
    made
        How the trials of each model were made.
    sections
        What the report shows.
    resamples
        Resamples of the bootstrap.
    people
        Datasets whose published human trials are compared.
    papers
        Returns what to cite for the model that a record names.
    """
    parts: Text = []
    for sentence in (
        *_models(made, papers),
        _choices(made),
        _unrecorded(made),
        _stimuli(trials),
        _people(trials, people),
        *_measures(sections, resamples),
        _software(made),
    ):
        parts += [" ", *sentence] if parts and sentence else sentence
    return parts


def _cite(works: Iterable[Reference]) -> Text:
    found = tuple({work.key: work for work in works}.values())
    return [Cited(found)] if found else []


def _keys(keys: Iterable[str]) -> Text:
    return _cite(map(reference, keys))


def _models(
    made: Sequence[Provenance], papers: Callable[[Record], Iterable[Reference]]
) -> Iterable[Text]:
    known = [each for each in made if each.record]
    generative = [each for each in known if each.kind == "generative"]
    likewise = sorted(generative, key=_procedure)
    for _, group in groupby(likewise, key=_procedure):
        yield _likelihoods([*group], papers)
    if others := [each for each in known if each.kind != "generative"]:
        was = "were" if len(others) > 1 else "was"
        yield [
            *_names(others, papers),
            f" {was} shown the same way, and answered with the most probable category.",
        ]


def _unrecorded(made: Sequence[Provenance]) -> Text:
    if not (unknown := [each.name for each in made if not each.record]):
        return []
    some = listed(unknown) if len(unknown) <= NAMED else counted(len(unknown), "model")
    return [
        f"The responses of {some} were given as a table, which does not record how they were made."
    ]


def _procedure(made: Provenance) -> str:
    return repr((made.prompts, made.rule, made.weighting, made.seeds, made.observer.get("labels")))


def _names(made: Sequence[Provenance], papers: Callable[[Record], Iterable[Reference]]) -> Text:
    parts: Text = []
    once = list({each.name: each for each in made}.values())
    for number, each in enumerate(once):
        if number:
            parts.append(" and " if number == len(once) - 1 else ", ")
        parts += [each.name, *_cite(papers(each.record))]
    return parts


def _likelihoods(
    made: Sequence[Provenance], papers: Callable[[Record], Iterable[Reference]]
) -> Text:
    """Say how generative classifiers of one procedure answered."""
    first = made[0]
    several = len({each.name for each in made}) > 1
    text: Text = [
        *_names(made, papers),
        f" {'were generative classifiers' if several else 'was a generative classifier'}",
        *_keys([*GENERATIVE, "jaini2024intriguing"]),
        ": an image's category was the class under which it was most likely.",
    ]
    prompts = [f"“{prompt}”" for prompt in first.prompts]
    if prompts and len(prompts) <= NAMED:
        text.append(f" The prompt{'s were' if len(prompts) > 1 else ' was'} {listed(prompts)}.")
    elif prompts:
        text.append(f" There were {len(prompts)} prompts.")
    rule, weighting = first.observer.get("rule") or {}, first.observer.get("weighting")
    if isinstance(weighting, str):
        text += [
            f" Evidence was weighted by {weighting}",
            *_keys(WEIGHTINGS.get(weighting, ())),
            ".",
        ]
    elif first.weighting:
        text.append(f" Evidence was weighted by {first.weighting}.")
    if first.rule:
        text += [
            f" The decision rule was {first.rule}",
            *_keys(RULES.get(rule.get("name", ""), ())),
        ]
        text.append(f", with seed {', '.join(map(str, first.seeds))}." if first.seeds else ".")
    costs = [
        f"{each.evaluations:.4g}{f' ({each.name})' if several else ''}"
        for each in made
        if each.evaluations is not None
    ]
    if costs:
        text.append(f" An image took {listed(costs)} network evaluations on average.")
    return text


def _choices(made: Sequence[Provenance]) -> Text:
    choices = {tuple(each.record.get("classes") or ()) for each in made} - {()}
    if not choices:
        return []
    if len(choices) > 1:
        numbers = pl.Series([len(classes) for classes in choices])
        return [f"The models' choices differed: they were of {span(numbers)} categories."]
    (classes,) = choices
    named = f": {listed([*map(short, classes)])}" if len(classes) <= NAMED else ""
    return [f"The choice was among {len(classes)} categories{named}."]


def _stimuli(trials: pl.DataFrame) -> Text:
    """Say how many images of each dataset the models were shown, else people."""
    models = trials.filter(IS_MODEL)
    trials = trials if models.is_empty() else models
    known, told = datasets(), []
    names = datasets_of(trials)
    for name in names:
        own = trials.filter(pl.col("dataset") == name)
        shown = own.group_by("observer").agg(n=pl.struct("image", "category").n_unique())["n"]
        conditions = [each for each in conditions_of(own, name) if each in set(own["condition"])]
        named = f" ({', '.join(map(short, conditions))})" if len(conditions) <= NAMED else ""
        told.append(
            f"{span(shown)} images of {short(name) or 'no named dataset'}"
            + (f" in {len(conditions)} conditions{named}" if len(conditions) > 1 else "")
        )
    works = [work for name in names if name in known for work in known[name].papers]
    return [f"Stimuli were {'; '.join(told)}", *_cite(works), "."]


def _people(trials: pl.DataFrame, people: Sequence[str]) -> Text:
    text: Text = []
    humans = trials.filter(IS_HUMAN)
    if len(humans):
        each = humans.group_by("dataset").agg(pl.col("observer").n_unique())
        works = [work for name in people for work in published_people()[name].papers]
        text = [
            f"They were compared with people, {span(each['observer'])} for each of "
            f"{counted(len(each), 'dataset')}",
            *_cite(works),
            f", whose {len(humans):,} trials are included.",
        ]
    own = trials.filter(pl.col("kind") == PARTICIPANT)["observer"].n_unique()
    if own:
        text.append(f"{' ' if text else ''}{counted(own, 'participant')} took part besides.")
    return text


def _measures(sections: Sequence[Section], resamples: int) -> Iterable[Text]:
    shown: Text = []
    reported = [metrics()[name] for name in reported_metrics(sections)]
    for number, metric in enumerate(reported):
        if number:
            shown.append(" and " if number == len(reported) - 1 else ", ")
        shown += [_called(metric.title), *_cite(metric.papers)]
    if shown:
        yield ["We report ", *shown, "."]
        tables = [table for section in sections for table in section.tables.values()]
        named = [table["population"] for table in tables if "population" in table.columns]
        of = sorted({each for column in named for each in column.drop_nulls().unique()})
        told = f" They are for {listed([TARGETS.get(each, each) for each in of])}." if of else ""
        yield [
            "Intervals are 95 % confidence intervals with cluster-robust variances",
            *_keys(INTERVALS),
            f", or else from {resamples:,} resamples of the bootstrap.{told}",
        ]
    for section in sections:
        if "contrasts" in section.tables:
            tests = section.tables["contrasts"]["p"].count()
            yield [
                f"Every two models were compared by {counted(tests, 'paired test')}, with Holm's "
                "correction",
                *_keys(TESTS),
                ".",
            ]


def _called(title: str) -> str:
    return title[0].lower() + title[1:] if title[1:2].islower() else title


def reported_metrics(sections: Sequence[Section]) -> list[str]:
    """Return the names of the metrics that sections show."""
    return list(dict.fromkeys(name for section in sections for name in section.metrics))


def _software(made: Sequence[Provenance]) -> Text:
    """Say with what it was computed, where all runs agree; the table tells the rest."""

    def common(values: Iterable[str | None]) -> str | None:
        found = {value for value in values if value}
        return found.pop() if len(found) == 1 else None

    known = [each for each in made if each.record]
    versions = common(each.versions for each in known) or ""
    others = [each for each in versions.split(", ") if each and not each.startswith("synthesight")]
    device = common(each.device for each in known)
    text: Text = [f"All was computed with Synthesight {__version__}", *_keys(["synthesight"])]
    text += [f", {listed(others)}"] if others else []
    return [*text, f", on {device}." if device else "."]
