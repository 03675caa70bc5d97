"""Test the order of stimuli: any stretch is balanced, and each participant's can be made again."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthesight.people.order import balanced_order
from synthesight.stimuli.stimulus import Stimulus


def stimuli_of(design: list[tuple[str, str]]) -> list[Stimulus]:
    return [
        Stimulus(f"{number}.png", b"", "d", condition=condition, category=category)
        for number, (category, condition) in enumerate(design)
    ]


@given(
    design=st.lists(
        st.tuples(st.sampled_from("abcdefg"), st.sampled_from("012")), min_size=1, max_size=80
    ),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_any_stretch_has_its_share_of_each_category_and_condition(design, seed, data):
    stimuli = stimuli_of(design)
    order = balanced_order(stimuli, seed)
    assert sorted(order) == list(range(len(stimuli)))
    size = data.draw(st.integers(1, len(order)))
    start = data.draw(st.integers(0, len(order) - 1))
    stretch = [design[order[(start + n) % len(order)]] for n in range(size)]
    for part in (0, 1):
        for level in {cell[part] for cell in design}:
            share = sum(cell[part] == level for cell in design) / len(design)
            count = sum(cell[part] == level for cell in stretch)
            assert abs(count - size * share) < 3


def test_a_full_design_is_dealt_in_turns():
    design = [(category, condition) for category in "abcd" for condition in "01"] * 3
    order = balanced_order(stimuli_of(design))
    for at in range(0, len(order), 4):
        assert sorted(design[index][0] for index in order[at : at + 4]) == list("abcd")


def test_the_order_depends_on_seed_and_names_alone():
    stimuli = stimuli_of([(category, "0") for category in "abc" * 10])
    order = [stimuli[index].id for index in balanced_order(stimuli, 5)]
    turned = stimuli[::-1]
    assert [turned[index].id for index in balanced_order(turned, 5)] == order
    assert [stimuli[index].id for index in balanced_order(stimuli, 6)] != order


@pytest.fixture(scope="module")
def participants_orders():
    """Give the orders that the page's own script makes, where there is a node to run it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node is here to run the page's script")
    script = files("synthesight.people") / "page" / "order.js"

    def orders(design: dict, people: list[tuple]) -> list[list[int]]:
        program = (
            "const [file, design, people] = process.argv.slice(1).map((x, n) => n ? "
            "JSON.parse(x) : x);"
            "const { order } = require(file);"
            "console.log(JSON.stringify(people.map((each) => order(design, ...each))));"
        )
        command = [node, "-e", program, str(script), json.dumps(design), json.dumps(people)]
        return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)

    return orders


def test_lists_together_show_each_stimulus_equally_often(participants_orders):
    design = {"stimuli": list(range(30)), "trials": 12, "round": 4, "seed": 1}
    lists = participants_orders(design, [("p", 1, number) for number in range(5)])
    assert np.bincount(np.concatenate(lists)).tolist() == [2] * 30
    assert all(len(set(each)) == 12 for each in lists)


def test_an_order_is_the_participants_own_and_the_same_again(participants_orders):
    design = {"stimuli": list(range(32)), "trials": 32, "round": 16, "seed": 1}
    one, again, other, later, reseeded = (
        *participants_orders(design, [("ann", 1), ("ann", 1), ("bob", 1), ("ann", 2)]),
        *participants_orders(design | {"seed": 2}, [("ann", 1)]),
    )
    assert one == again
    assert sorted(one) == list(range(32))
    assert len({tuple(each) for each in (one, other, later, reseeded)}) == 4


def test_rounds_stay_together(participants_orders):
    # Stimuli stand in rounds of 8 categories: each round shows each category once.
    design = {"stimuli": list(range(40)), "trials": 24, "round": 8, "seed": 0}
    for order in participants_orders(design, [(f"p{number}", 1) for number in range(20)]):
        for at in range(0, 24, 8):
            assert sorted(index % 8 for index in order[at : at + 8]) == list(range(8))
