"""Decision rules: how many increments each class gets, and when the evidence is enough.

To add a rule: write a file with a frozen dataclass that meets :class:`Rule`, and name it in
:data:`RULES`. Another package does the same by an entry point of the group ``synthesight.rules``,
whose name is the rule's.
"""

from __future__ import annotations

from dataclasses import fields, replace
from importlib.metadata import entry_points
from typing import Any

from synthesight.errors import SynthesightError, suggestion
from synthesight.likelihood.protocol import LikelihoodModel, horizon_of
from synthesight.likelihood.rules.exhaustive import Exhaustive
from synthesight.likelihood.rules.parts import agreement, spent
from synthesight.likelihood.rules.predictive import Predictive
from synthesight.likelihood.rules.repeated_t import RepeatedTTest
from synthesight.likelihood.rules.replay import replay
from synthesight.likelihood.rules.rule import Kind, Rule
from synthesight.likelihood.rules.sequential import Sequential
from synthesight.likelihood.rules.staged import Staged

GROUP = "synthesight.rules"
RULES: dict[str, type[Any]] = {
    rule.name: rule for rule in (Sequential, Predictive, Exhaustive, Staged, RepeatedTTest)
}


def find_rule(name: str) -> type[Any]:
    """Return the class of a rule, ours or another package's.

    Raises
    ------
    SynthesightError
        If no rule has that name.

    Examples
    --------
    >>> find_rule("exhaustive")(max_draws=8)
    Exhaustive(max_draws=8)
    """
    if name in RULES:
        return RULES[name]
    others = entry_points(group=GROUP)
    if name in others.names:
        return others[name].load()
    known = [*RULES, *sorted(others.names)]
    raise SynthesightError(f"There is no `rule={name!r}`: {suggestion(name, known)}.")


def make_rule(
    rule: str | Rule | None, model: LikelihoodModel, *, max_draws: int | None = None, **options: Any
) -> Rule:
    """Return a rule that holds for a model.

    Parameters
    ----------
    rule
        A name, or a rule; None is ``"sequential"`` for a model of draws and ``"exhaustive"`` for
        one of parts.
    model
        The model that the rule is for.
    max_draws
        Draws or parts of a class at most; None is the rule's own number of draws, or all parts.
    options
        What the rule takes besides, such as ``delta``; None counts as not given.

    Raises
    ------
    SynthesightError
        If there is no such rule, it has no such option, or it does not hold for the model.
    """
    given = {key: value for key, value in options.items() if value is not None}
    if rule is not None and not isinstance(rule, str):
        if not hasattr(rule, "review"):
            raise SynthesightError(
                f"{rule!r} is no decision rule: give a name, such as 'exhaustive', or an object, "
                "such as synthesight.likelihood.rules.Exhaustive(max_draws=200)."
            )
        given |= {} if max_draws is None else {"max_draws": max_draws}
        if given:
            key, value = next(iter(given.items()))
            raise SynthesightError(
                f"`{key}={value}` was given beside a rule that says so itself: leave it out."
            )
        return fitted(rule, model)
    parts = horizon_of(model)
    found = find_rule(rule or ("sequential" if parts is None else "exhaustive"))
    # A rule that does not hold says so, and not that its options are wrong.
    _check_holds(found, model)
    if max_draws is None:
        max_draws = parts
    given |= {} if max_draws is None else {"max_draws": max_draws}
    known = [field.name for field in fields(found)]
    for key, value in given.items():
        if key not in known:
            raise SynthesightError(f"The rule {found.name} has no `{key}={value}`: leave it out.")
    return fitted(found(**given), model)


def fitted(rule: Rule, model: LikelihoodModel) -> Rule:
    """Return a rule that asks for no more parts than a model has.

    Raises
    ------
    SynthesightError
        If the rule does not hold for the model's kind of increments.
    """
    _check_holds(type(rule), model)
    parts = horizon_of(model)
    if parts is None or rule.max_draws <= parts:
        return rule
    return replace(rule, max_draws=parts)  # type: ignore[type-var]


def _check_holds(rule: type[Rule], model: LikelihoodModel) -> None:
    parts = horizon_of(model)
    kind = "draws" if parts is None else "parts"
    if kind in rule.holds_for:
        return
    others = " or ".join(repr(name) for name, other in RULES.items() if kind in other.holds_for)
    what = "draws without end" if parts is None else f"a sequence of {parts} parts that ends"
    needs = "a sequence of parts" if parts is None else "exchangeable draws"
    raise SynthesightError(
        f"The rule {rule.name} holds for {needs}, and {model.name} gives {what}: use `rule` "
        f"{others}."
    )


__all__ = [
    "RULES",
    "Exhaustive",
    "Kind",
    "Predictive",
    "RepeatedTTest",
    "Rule",
    "Sequential",
    "Staged",
    "agreement",
    "find_rule",
    "fitted",
    "make_rule",
    "replay",
    "spent",
]
