"""People: an experiment for people as a web page, and the server that keeps their trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synthesight import lazy

if TYPE_CHECKING:
    from synthesight.people.order import balanced_order
    from synthesight.people.participants import overview
    from synthesight.people.server import PeopleServer
    from synthesight.people.site import build_site
    from synthesight.people.study import Study, read_study

__all__ = ["PeopleServer", "Study", "balanced_order", "build_site", "overview", "read_study"]

__getattr__, __dir__ = lazy.attach(
    __name__,
    {
        "order": ["balanced_order"],
        "participants": ["overview"],
        "server": ["PeopleServer"],
        "site": ["build_site"],
        "study": ["Study", "read_study"],
    },
)
