"""Names that packages offer on first use."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from types import ModuleType

import pytest

import synthesight

PACKAGES = [
    "synthesight",
    *(
        each.name
        for each in pkgutil.walk_packages(synthesight.__path__, "synthesight.")
        if each.ispkg
    ),
]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_stays_what_it_is_when_its_module_is_imported(package):
    room = import_module(package)
    modules = {each.name for each in pkgutil.iter_modules(room.__path__)}
    for name in modules & set(getattr(room, "__all__", ())):
        # An import sets the module itself under its name, where the function is not there yet.
        import_module(f"{package}.{name}")
        assert not isinstance(getattr(room, name), ModuleType), name
