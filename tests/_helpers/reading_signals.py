"""Signals of steps without the number of samples that they are means over."""

from collections.abc import Iterable

from cotoolkit.signals.observation import StepSignals


def by_iteration(steps: Iterable[StepSignals]) -> list[tuple[int, dict[str, float]]]:
    """Pairs of an iteration and its signals."""
    return [(one.iteration, one.signals) for one in steps]
