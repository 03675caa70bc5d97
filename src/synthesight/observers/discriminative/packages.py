"""Import libraries of image models, not all of which are installed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from synthesight.errors import SynthesightError, first_line

if TYPE_CHECKING:
    import torch

# A network, and how it wants its images.
Opened = tuple["torch.nn.Module", dict[str, Any]]


def package(name: str, extra: str) -> Any:
    """Import an optional package.

    Parameters
    ----------
    name
        As it is imported.
    extra
        The extra of synthesight that installs it.

    Raises
    ------
    SynthesightError
        If it, or what it needs, is not installed, or does not fit the torch that is.
    """
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
