"""Define what a user of Synthesight sees of mistakes, and what their sentences share."""

from collections.abc import Collection


class SynthesightError(Exception):
    """Report a mistake that the user can put right.

    The message is one sentence: what is wrong, where, and what to do. It names parameters as Python
    does; the command line writes them as options, prints no traceback, and exits with status 2.
    """


class SynthesightWarning(UserWarning):
    """Tell the user in one sentence what to know, while work goes on."""


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception of a library says, without its full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def suggestion(name: str, known: Collection[str]) -> str:
    """Return what to do about a name that is not known: take a near one, or any that there is.

    Examples
    --------
    >>> suggestion("exhastive", ["sequential", "exhaustive"])
    'did you mean exhaustive'
    """
    from difflib import get_close_matches

    near = get_close_matches(name.lower(), known, n=3)
    return f"did you mean {' or '.join(near)}" if near else f"choose among {', '.join(known)}"
