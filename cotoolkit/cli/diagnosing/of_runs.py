"""Networks of runs, to diagnose or to compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cotoolkit.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from cotoolkit.attacks.threat_model import ThreatModel
    from cotoolkit.data import ImageSet
    from cotoolkit.diagnosis.compare import ComparedNetworks


def network_of_run(root: Path, word: str, given: Mapping[str, Any]) -> tuple[nn.Module, ImageSet, ThreatModel]:
    """A run's network at a checkpoint, with what it is to be diagnosed on.

    Args:
        root: folder of runs.
        word: RUN or RUN:CHECKPOINT.
        given: what must not be said besides, by option.

    Returns:
        The network, its test set, and its threat model.

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
    test = ImageSet(f"test set of {word}", *points, names, leave=config.box == "none")
    return trained(folder, checkpoint), test, config.threat


def compared_runs(root: Path, words: Sequence[str], given: Mapping[str, Any], **settings: Any) -> ComparedNetworks:
    """Two networks of runs, compared on the test images that they share.

    Args:
        root: folder of runs.
        words: RUN or RUN:CHECKPOINT each.
        given: what must not be said besides, by option.
        settings: of `compare_networks`.

    Returns:
        The comparison.

    Raises:
        ConfigError: not two runs, runs with other test images or threat models, or the same network twice.
    """
    import torch

    from cotoolkit.diagnosis.compare import compare_networks

    if len(words) != 2:
        raise ConfigError(f"{len(words)} runs are named; name one to diagnose, or two to compare")
    if words[0] == words[1]:
        raise ConfigError(f"{words[0]} is given twice; name two networks, such as {words[0]}:last and {words[0]}:best")
    (first, test, threat), (second, other, other_threat) = (network_of_run(root, word, given) for word in words)
    if threat != other_threat:
        raise ConfigError(
            f"{words[0]} was trained with the threat model {threat}, and {words[1]} with {other_threat}; "
            "compare runs of one radius and box"
        )
    if not (torch.equal(test.labels, other.labels) and torch.equal(test.images, other.images)):
        raise ConfigError(f"{words[0]} and {words[1]} have other test images; compare runs of the same data")
    return compare_networks(
        first, second, test, epsilon=threat.epsilon, box=threat.box, names=_told_apart(words[0], words[1]), **settings
    )


def _told_apart(first: str, second: str) -> tuple[str, str]:
    """What two networks are called: two of one run by their checkpoints.

    >>> _told_apart("52c0cb", "52c0cb:best"), _told_apart("52c0cb:best", "d7e1aa:best")
    (('last', 'best'), ('52c0cb:best', 'd7e1aa:best'))
    """
    (run, _, one), (other, _, two) = first.partition(":"), second.partition(":")
    return (one or "last", two or "last") if run == other else (first, second)
