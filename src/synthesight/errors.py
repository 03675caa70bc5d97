"""The one exception class, and the one class of warnings, that a user of Synthesight ever sees."""


class SynthesightError(Exception):
    """A mistake that the user can put right.

    The message is one sentence that names the file or the option at fault and the way out. The
    command line prints it without a traceback and exits with status 2.
    """


class SynthesightWarning(UserWarning):
    """What the user should know of, in one sentence, though work goes on."""
