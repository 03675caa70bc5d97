"""The registry of probes."""

from __future__ import annotations

import pytest

from synthesight.errors import SynthesightError
from synthesight.probes import get_probe, probe, probes
from synthesight.probes.registry import REGISTERED


def test_a_declared_probe_is_found_with_its_papers():
    try:

        @probe(title="Mine", paper="jaini2024intriguing")
        def mine(observer, stimuli): ...

        assert probes()["mine"].function is mine
        assert get_probe("mine").papers[0].short == "Jaini et al. (2024)"
        with pytest.raises(SynthesightError, match=r"There is no probe 'mime': did you mean mine"):
            get_probe("mime")
    finally:
        REGISTERED.pop("mine", None)


def test_two_probes_of_one_name_are_refused():
    def declared(module):
        def twin(observer, stimuli): ...

        twin.__module__ = module
        return probe(title="Twin")(twin)

    try:
        declared("one")
        declared("one")  # imported anew
        with pytest.raises(SynthesightError, match=r"two declares the probe 'twin', which one has"):
            declared("two")
    finally:
        REGISTERED.pop("twin", None)
