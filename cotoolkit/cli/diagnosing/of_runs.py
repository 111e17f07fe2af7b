"""Networks of runs, to diagnose or to compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from cotoolkit.data import ImageSet
    from cotoolkit.diagnosis.compare import ComparedNetworks


def network_of_run(root: Path, word: str, given: Mapping[str, Any]) -> tuple[nn.Module, ImageSet, float]:
    """A run's network at a checkpoint, with what it is to be diagnosed on.

    Args:
        root: folder of runs.
        word: RUN or RUN:CHECKPOINT.
        given: what must not be said besides, by option.

    Returns:
        The network, its test set, and its radius.

    Raises:
        ConfigError: one of the options was given, or the run's norm is not linf.
    """
    from cotoolkit.data import ImageSet
    from cotoolkit.runs.checkpoints import evaluation_points, trained
    from cotoolkit.runs.find import find_checkpoint

    if said := [f"--{name}" for name, value in given.items() if value is not None]:
        raise ConfigError(f"the run {word} says all that; leave out {', '.join(said)}")
    folder, checkpoint = find_checkpoint(root, word)
    config = folder.config()
    if config.norm != "linf":
        raise ConfigError(f"{folder.path.name}: was trained with norm {config.norm}; a diagnosis is for linf")
    points = evaluation_points(config)
    names = tuple(map(str, range(points.classes)))
    return trained(folder, checkpoint), ImageSet(f"test set of {word}", *points, names), config.epsilon


def compared_runs(root: Path, words: tuple[str, str], given: Mapping[str, Any], **settings: Any) -> ComparedNetworks:
    """Two networks of runs, compared on the test images that they share.

    Args:
        root: folder of runs.
        words: RUN or RUN:CHECKPOINT each.
        given: what must not be said besides, by option.
        settings: of `compare_networks`.

    Returns:
        The comparison.

    Raises:
        ConfigError: runs with other test images or radii, or the same network twice.
    """
    import torch

    from cotoolkit.core.numbers import format_number
    from cotoolkit.diagnosis.compare import compare_networks

    if words[0] == words[1]:
        raise ConfigError(f"{words[0]} is given twice; name two networks, such as {words[0]}:last and {words[0]}:best")
    (first, test, radius), (second, other, other_radius) = (network_of_run(root, word, given) for word in words)
    if radius != other_radius:
        raise ConfigError(
            f"{words[0]} trained at radius {format_number(radius)} and {words[1]} at {format_number(other_radius)}; "
            "compare runs of one radius"
        )
    if not (torch.equal(test.labels, other.labels) and torch.equal(test.images, other.images)):
        raise ConfigError(f"{words[0]} and {words[1]} have other test images; compare runs of the same data")
    return compare_networks(first, second, test, epsilon=radius, names=words, **settings)
