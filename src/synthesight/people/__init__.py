"""People: an experiment for people as a web page, and the server that keeps their trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.people.order import balanced_order as balanced_order
    from synthesight.people.participants import overview as overview
    from synthesight.people.server import PeopleServer as PeopleServer
    from synthesight.people.site import build_site as build_site
    from synthesight.people.study import Study as Study
    from synthesight.people.study import read_study as read_study

__getattr__, __dir__, __all__ = lazy.attach(__name__)
