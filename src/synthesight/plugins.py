"""What other packages offer by entry points."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

from synthesight.errors import SynthesightWarning


def offered(group: str, what: str) -> Iterator[Any]:
    """Yield the objects that installed packages offer; one that cannot be imported only warns.

    Parameters
    ----------
    group
        Group of entry points, such as ``"synthesight.metrics"``.
    what
        What the warning calls one of them, such as ``"metric"``.

    Examples
    --------
    >>> list(offered("synthesight.nothing", "thing"))
    []
    """
    for entry in entry_points(group=group):
        try:
            found = entry.load()
        except Exception as error:  # whatever another package's import raises
            package = entry.dist.name if entry.dist else entry.value
            warnings.warn(
                f"The {what} {entry.name!r} of the package {package} cannot be imported "
                f"({type(error).__name__}: {error}): update or uninstall it.",
                SynthesightWarning,
                stacklevel=3,
            )
        else:
            yield found
