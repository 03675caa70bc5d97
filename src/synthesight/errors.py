"""Define the one exception and the one warning that users of Synthesight see."""


class SynthesightError(Exception):
    """Report a mistake that the user can put right.

    The message is one sentence: what is wrong, where, and what to do. It names parameters as Python
    does; the command line writes them as options, prints no traceback, and exits with status 2.
    """


class SynthesightWarning(UserWarning):
    """Tell the user in one sentence what to know, while work goes on."""
