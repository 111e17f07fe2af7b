"""What can go wrong, in the user's words: every message says what is wrong, where, and what to do."""

from __future__ import annotations


class CotoolkitError(Exception):
    """Base of all errors this package raises on purpose; the command line prints it as one line."""


class ConfigError(CotoolkitError, ValueError):
    """A configuration that cannot be: unknown name, number out of range, parts that do not fit together."""


class SignalError(ConfigError):
    """A signal that fails, or gives something else than a number for each sample.

    Args:
        signal: its name.
        problem: in a few words.
    """

    def __init__(self, signal: str, problem: str) -> None:
        super().__init__(f"signal {signal}: {problem}")
        self.signal, self.problem = signal, problem


class DataError(CotoolkitError):
    """A data set that is missing, damaged, or not what a classifier can train on."""


class ModelError(CotoolkitError):
    """A model that cannot be built, or does not fit the data."""


class RunError(CotoolkitError):
    """A run folder that is missing, damaged, or made by another version."""


class AmbiguousName(RunError):
    """The start of a name that several runs or studies share."""


class RunInUse(RunError):
    """A run folder that another process is training in."""


class RunFailed(RunError):
    """A run that its own code ended: a model, data or an intervention that raises, leaves or hangs.

    Args:
        message: in one line.
        details: the whole traceback, where there is one.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details
