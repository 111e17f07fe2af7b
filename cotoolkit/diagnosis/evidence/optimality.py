"""How good is one attack beside the best of all, over all radii? One number from two security curves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.evidence.records import Optimality


def attack_optimality(radii: Sequence[float], accuracy: Sequence[float], best: Sequence[float]) -> float | None:
    """1 - (A - A_best) / (clean * eps_max - A_best), A the area under accuracy against radius (AttackBench, 2024).

    1 for an attack that is nowhere behind the best, 0 for one that does nothing, below 0 for one that helps the
    network. Of FGSM, it is one number for catastrophic overfitting.

    >>> attack_optimality([0, 1, 2], [1, 0.5, 0], [1, 0, 0])
    0.6666666666666667

    Args:
        radii: (K,), growing from 0, K >= 2; the greatest is eps_max.
        accuracy: (K,), under the attack at each radius, from clean accuracy at 0.
        best: (K,), under all attacks together.

    Returns:
        At most 1 where `best` is nowhere above `accuracy`; None where even the best attack fools nothing.

    Raises:
        ConfigError: curves of different lengths, or radii that do not grow from 0.
    """
    if not len(radii) == len(accuracy) == len(best) >= 2:
        raise ConfigError(f"curves of {len(radii)} radii need as many accuracies, at least 2")
    if radii[0] != 0 or any(high <= low for low, high in itertools.pairwise(radii)):
        raise ConfigError(f"radii are {list(radii)}; give growing ones from 0")
    reached, least = _area(radii, accuracy), _area(radii, best)
    room = accuracy[0] * radii[-1] - least
    return 1 - (reached - least) / room if room > 0 else None


def optimality_of(
    clean: Tensor, fgsm: Mapping[float, Tensor], pgd: Mapping[float, Tensor], worst: Tensor
) -> Optimality:
    """Of FGSM and of PGD at the radii that both have. Best of all is, at each radius, what neither fooled within it.

    Args:
        clean: (N,) bool, right without an attack.
        fgsm: (N,) bool by radius, in units of epsilon: right after FGSM.
        pgd: (N,) bool by radius likewise: right after PGD.
        worst: (N,) bool, right after every attack within 1.

    Returns:
        Both numbers, null where the sweeps have no radius in common.
    """
    shared = sorted(fgsm.keys() & pgd.keys())
    if not shared:
        return Optimality(fgsm=None, pgd=None, radii=())
    # What fools a point within one radius fools it within a greater one, too.
    together = [clean, *(fgsm[radius] & pgd[radius] & (worst | (radius < 1)) for radius in shared)]
    best = [float(held.float().mean()) for held in torch.stack(together).cummin(0).values]
    radii, found = (0.0, *shared), {}
    for name, sweep in (("fgsm", fgsm), ("pgd", pgd)):
        curve = [float(held.float().mean()) for held in (clean, *(sweep[radius] for radius in shared))]
        found[name] = attack_optimality(radii, curve, best)
    return Optimality(radii=radii, **found)


def _area(places: Sequence[float], heights: Sequence[float]) -> float:
    """Under straight lines between the points."""
    parts = range(1, len(places))
    return sum((places[k] - places[k - 1]) * (heights[k] + heights[k - 1]) / 2 for k in parts)
