"""Cheap stand-ins for memorisation (proxies): none of them is memorisation, and the study says how well each ranks.

All are larger where memorisation should be.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analyses.core.statistics import rank_correlation
from analyses.memorisation.estimators import Floats, memorisation
from analyses.memorisation.image_groups import Marks
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import mark_array, share_array


def forgetting(correct: ArrayLike) -> Floats:
    """How often an image goes from right to wrong between checkpoints; never learned counts as one more than that.

    Shapes: correct (E, N) bool or {0, 1}, in order of training -> (N,). After Toneva et al., ICLR 2019, who count over
    updates.

    Raises:
        ConfigError: other values, another shape, or no checkpoint.
    """
    right = mark_array(correct, "correctness", 2)
    _refuse_none(len(right), "checkpoint")
    lost = (right[:-1] & ~right[1:]).sum(0).astype(float)
    return np.where(right.any(0), lost, len(right))


def inconsistency(mask: ArrayLike, correct: ArrayLike) -> Floats:
    """1 minus the consistency score: how often models that did not see an image get it wrong.

    Shapes: mask and correct (K, N) bool or {0, 1} -> (N,); nan where every model saw the image. It is one arm of the
    estimate of memorisation: compare it with an estimate from other models. After Jiang et al., ICML 2021.

    Raises:
        ConfigError: other values, shapes that do not fit, or no model.
    """
    unseen, right = ~mark_array(mask, "mask", 2), mark_array(correct, "correctness", 2)
    if unseen.shape != right.shape:
        raise ConfigError(f"mask {unseen.shape} and correctness {right.shape} must have one shape")
    _refuse_none(len(right), "model")
    with np.errstate(invalid="ignore"):
        return np.asarray((unseen & ~right).sum(0) / unseen.sum(0), dtype=float)


def variance(correct: ArrayLike) -> Floats:
    """Variance over models of being right, p (1 - p). Shapes: (K, N) bool or in [0, 1] -> (N,).

    Raises:
        ConfigError: other values, another shape, or no model.
    """
    right = share_array(correct, "correctness", 2)
    _refuse_none(len(right), "model")
    share = right.mean(0)
    return np.asarray(share * (1 - share), dtype=float)


def _refuse_none(rows: int, what: str) -> None:
    if rows == 0:
        raise ConfigError(f"correctness has no rows: give one for each {what}")


def rank_correlation_table(
    mask: Marks, correct: Marks, looks: pd.DataFrame, images: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Each proxy, and its rank correlation with memorisation (standard, clean).

    Inconsistency and variance come from the second half of the models, and so compare with memorisation by the first.

    Args:
        mask: (K, N) bool, which training images each standard half saw.
        correct: (K, N) bool, which it gets right.
        looks: `image_looks` of a standard run on the whole set.
        images: one row per training image, with mem_standard_clean.

    Returns:
        The proxies, a column each and a row per image; and one row per proxy: proxy, rank_correlation with its interval
        over images (low, high), images, estimate_from.
    """
    course = looks.sort_values(["iteration", "index"])
    first = course[course["iteration"] == course["iteration"].min()]
    count = len(mask)
    cut = count // 4 * 2  # whole pairs
    proxies = pd.DataFrame(
        {
            "early_loss": first["loss"].to_numpy(),
            "forgetting": forgetting(course["correct"].to_numpy().reshape(-1, len(images))),
            "inconsistency": inconsistency(mask[cut:], correct[cut:]),
            "variance": variance(correct[cut:]),
        }
    )
    apart = memorisation(mask[:cut], correct[:cut]).values
    rows = []
    for proxy, values in proxies.items():
        models = proxy in ("inconsistency", "variance")
        found = rank_correlation(values, apart if models else images["mem_standard_clean"])
        rows.append(
            {
                "proxy": proxy,
                "rank_correlation": found.mean,
                "low": found.low,
                "high": found.high,
                "images": found.n,
                "estimate_from": f"{cut if models else count} models",
            }
        )
    return proxies, pd.DataFrame(rows)
