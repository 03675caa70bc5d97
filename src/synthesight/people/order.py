"""Order stimuli so that every stretch of them has as much of each category and condition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from synthesight.stimuli.stimulus import Stimulus


def balanced_order(stimuli: Sequence[Stimulus], seed: int = 0) -> list[int]:
    """Return the stimuli's places in a random order in which any stretch is balanced.

    A participant who sees fewer than all gets a stretch of this order, and the next one the next
    stretch. At each step, the cell (category × condition) follows whose category, condition and
    own count are the furthest behind their shares; chance decides among equals.

    Parameters
    ----------
    stimuli
        At least one; the order in which they come makes no difference.
    seed
        Seed of the order.

    Returns
    -------
    Each index once.

    Examples
    --------
    >>> stimuli = [Stimulus(f"{n}.png", b"", category="cat" if n < 3 else "dog") for n in range(6)]
    >>> order = balanced_order(stimuli)
    >>> [sorted(stimuli[n].category for n in order[at : at + 2]) for at in (0, 2, 4)]
    [['cat', 'dog'], ['cat', 'dog'], ['cat', 'dog']]
    """
    rng = np.random.default_rng(seed)
    by_id = sorted(range(len(stimuli)), key=lambda index: stimuli[index].id)
    cells: dict[tuple[str, tuple[str, str]], list[int]] = {}
    for index in rng.permutation(by_id).tolist():
        stimulus = stimuli[index]
        cell = (str(stimulus.category), (stimulus.dataset, stimulus.condition))
        cells.setdefault(cell, []).append(index)
    names = sorted(cells)
    left = np.array([len(cells[name]) for name in names])
    # Rows: categories, then conditions, then the cells themselves; columns: cells.
    factors = [
        np.array(
            [[name[part] == level for name in names] for level in sorted({n[part] for n in names})]
        )
        for part in (0, 1)
    ]
    member = np.vstack([*factors, np.eye(len(names))])
    share = member @ left / left.sum()
    seen = np.zeros(len(member))
    order = []
    for step in range(1, len(stimuli) + 1):
        behind = member.T @ (share * step - seen)
        # The noise is smaller than any difference of counts.
        behind = np.where(left > 0, behind + 1e-6 * rng.random(len(names)), -np.inf)
        chosen = int(behind.argmax())
        order.append(cells[names[chosen]][left[chosen] - 1])
        left[chosen] -= 1
        seen += member[:, chosen]
    return order
