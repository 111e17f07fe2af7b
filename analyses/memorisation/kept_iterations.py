"""At which of its iterations a run keeps weights."""

from __future__ import annotations

from analyses.core.plan import ConfigData


def iterations(settings: ConfigData, images: int) -> int:
    """Updates of a run on a number of training images."""
    return int(settings["epochs"]) * (images // int(settings["batch_size"]))


def evenly(settings: ConfigData, images: int, looks: int) -> list[int]:
    """Iterations, equally far apart up to the last, as many as asked for."""
    last = iterations(settings, images)
    return [round(last * (look + 1) / looks) for look in range(looks)]


def every(settings: ConfigData, images: int, gap: int) -> list[int]:
    """Iterations, `gap` apart up to the last."""
    return list(range(gap, iterations(settings, images) + 1, gap))
