"""Share one budget of memory among all threads that decode images."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

BUDGET = 2**30  # bytes, of all images that are decoded at one time


class Budget:
    """Give out bytes of memory, first come, first served; who asks for too many waits.

    Who asks for more than the ``total`` gets it alone.

    Examples
    --------
    >>> budget = Budget(10)
    >>> with budget.reserve(4), budget.reserve(6):
    ...     budget.used
    10
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.used = 0
        self._next = threading.Lock()  # held by who waits: a large image is not overtaken for ever
        self._change = threading.Condition()

    @contextmanager
    def reserve(self, count: int) -> Iterator[None]:
        """Wait until there is room for ``count`` bytes, and hold them."""
        count = min(count, self.total)
        with self._next, self._change:
            self._change.wait_for(lambda: self.used + count <= self.total)
            self.used += count
        try:
            yield
        finally:
            with self._change:
                self.used -= count
                self._change.notify_all()


decoding = Budget(BUDGET)
