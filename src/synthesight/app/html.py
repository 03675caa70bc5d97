"""The app's answers as HTML: templates, figures and sentences about mistakes."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup

from synthesight.encoding import sentence
from synthesight.errors import SynthesightError
from synthesight.report.saving import svg_of


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("synthesight.app", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **facts: Any) -> str:
    """Return a template of ``app/page``, filled in; texts are escaped."""
    return _environment().get_template(template).render(**facts)


def figure(chart: Any, text: str) -> Markup:
    """Return a chart as an image, with a text for those who do not see it."""
    svg = svg_of(chart).encode()
    address = "data:image/svg+xml;base64," + base64.b64encode(svg).decode()
    return Markup('<img class="chart" src="{}" alt="{}">').format(address, text)


def waiting(text: str) -> str:
    """Return a sentence to read until there is an answer."""
    return str(Markup('<p class="status">{}</p>').format(text))


def mistake(error: Exception) -> str:
    """Return what is wrong, in one sentence."""
    return str(Markup('<p class="mistake" role="alert">{}</p>').format(sentence(str(error))))


def said(answer: Callable[..., str | Iterator[str]]) -> Callable[..., Iterator[str]]:
    """Return a generator of answers whose mistakes are answers as well."""

    def states(*given: Any) -> Iterator[str]:
        try:
            found = answer(*given)
            yield from [found] if isinstance(found, str) else found
        except SynthesightError as error:
            yield mistake(error)

    return states
