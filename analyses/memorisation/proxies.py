"""Cheap stand-ins for memorisation. Proxies: none of them is memorisation, and the study says how well each ranks.

All are larger where memorisation should be.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def forgetting(correct: ArrayLike) -> Floats:
    """How often an image goes from right to wrong between checkpoints; never learned counts as one more than that.

    Shapes: correct (E, N) bool, in order of training -> (N,). After Toneva et al., ICLR 2019, who count over updates.
    """
    right = np.asarray(correct, dtype=bool)
    lost = (right[:-1] & ~right[1:]).sum(0).astype(float)
    return np.where(right.any(0), lost, len(right))


def inconsistency(mask: ArrayLike, correct: ArrayLike) -> Floats:
    """1 less the consistency score: how often models that did not see an image get it wrong.

    Shapes: mask and correct (K, N) bool -> (N,); nan where every model saw the image. After Jiang et al., ICML 2021.
    It is one arm of the estimate of memorisation: compare it with an estimate from other models.
    """
    unseen, right = ~np.asarray(mask, dtype=bool), np.asarray(correct, dtype=bool)
    with np.errstate(invalid="ignore"):
        return np.asarray((unseen & ~right).sum(0) / unseen.sum(0), dtype=float)


def variance(correct: ArrayLike) -> Floats:
    """Variance over models of being right, p (1 - p). Shapes: (K, N) bool -> (N,)."""
    share = np.asarray(correct, dtype=float).mean(0)
    return np.asarray(share * (1 - share), dtype=float)
