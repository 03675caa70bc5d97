"""Import libraries of image models, not all of which are installed, and keep them to data."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from synthesight.errors import SynthesightError, first_line

if TYPE_CHECKING:
    import torch

# What torch.load looks at before its own arguments.
FORCE, FORCE_NOT = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

# A network, and how it wants its images.
Opened = tuple["torch.nn.Module", dict[str, Any]]


def package(name: str, extra: str) -> Any:
    """Import an optional package, which an extra of synthesight installs."""
    try:
        return import_module(name)
    except ImportError as error:
        missing = error.name or name
        raise SynthesightError(
            f"This model needs the package {missing}: pip install 'synthesight[{extra}]'."
        ) from None
    except Exception as error:  # torchvision of another build than torch's: a RuntimeError
        import torch

        raise SynthesightError(
            f"The package {name} cannot be imported beside torch {torch.__version__} "
            f"({first_line(error)}): install the torchvision that was made for "
            "it, from the same place, as in pip install --force-reinstall torch torchvision."
        ) from None


@contextmanager
def data_only() -> Iterator[None]:
    """Let no library run what comes with a model, nor log: when something fails, we say what.

    Pickles are opened with ``weights_only``, also where a library asks for the contrary, and a
    model's own Python is refused without a question to the user.
    """
    from transformers import dynamic_module_utils

    seconds = dynamic_module_utils.TIME_OUT_REMOTE_CODE
    before = {name: os.environ.get(name) for name in (FORCE, FORCE_NOT)}
    os.environ[FORCE] = "1"
    os.environ.pop(FORCE_NOT, None)
    dynamic_module_utils.TIME_OUT_REMOTE_CODE = 0
    heard = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(heard)
        dynamic_module_utils.TIME_OUT_REMOTE_CODE = seconds
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
