"""Do flags mean what they should? Enrichment, ranking, stability over seeds, and recall of planted harm and noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import hypergeom, rankdata

from analyses.memorisation.image_groups import Marks
from cotoolkit.core.errors import ConfigError
from cotoolkit.core.numbers import mark_array, real_array


def area_under_curve(scores: ArrayLike, positive: ArrayLike) -> float:
    """Area under the curve of scores for finding the positive; ties count half; nan without both kinds.

    >>> area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]))
    0.75

    Args:
        scores: (N,); a nan among them makes the area nan.
        positive: (N,) bool or {0, 1}.

    Returns:
        In [0, 1].

    Raises:
        ConfigError: other values, or shapes that do not fit.
    """
    values, marks = real_array(scores, "scores", 1, finite=False), mark_array(positive, "positive", 1)
    if len(values) != len(marks):
        raise ConfigError(f"{len(values)} scores and {len(marks)} marks: give one of each for every image")
    n, m = int(marks.sum()), int((~marks).sum())
    if n == 0 or m == 0:
        return float("nan")
    return float((rankdata(values)[marks].sum() - n * (n + 1) / 2) / (n * m))


def enrichment(flagged: ArrayLike, atypical: ArrayLike) -> float:
    """P(atypical | flagged) / P(atypical); nan if nothing is flagged, or nothing atypical.

    Shapes: (N,) both, bool or {0, 1}.

    Raises:
        ConfigError: other values, or shapes that do not fit.
    """
    given, wanted = _two_groups(flagged, atypical)
    if not given.any() or not wanted.any():
        return float("nan")
    return float(wanted[given].mean() / wanted.mean())


def jaccard(one: ArrayLike, other: ArrayLike) -> tuple[float, float]:
    """Overlap |A and B| / |A or B|, and that expected of random sets of the same sizes; nan if both are empty.

    How many images two random sets share is hypergeometric, and the second number is the mean of the overlap over it.

    Shapes: (N,) both, bool or {0, 1}.

    Raises:
        ConfigError: other values, or shapes that do not fit.
    """
    first, second = _two_groups(one, other)
    a, b, n = int(first.sum()), int(second.sum()), len(first)
    if a + b == 0:
        return float("nan"), float("nan")
    common = np.arange(max(0, a + b - n), min(a, b) + 1)
    by_chance = (hypergeom.pmf(common, n, a, b) * common / (a + b - common)).sum()
    return float((first & second).sum() / (first | second).sum()), float(by_chance)


def recall_and_precision(flagged: ArrayLike, wanted: ArrayLike) -> tuple[float, float]:
    """Recall and precision of flags for a set; nan where undefined.

    Shapes: (N,) both, bool or {0, 1}.

    Raises:
        ConfigError: other values, or shapes that do not fit.
    """
    given, sought = _two_groups(flagged, wanted)
    hits = (given & sought).sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.divide(hits, sought.sum())), float(np.divide(hits, given.sum()))


def _two_groups(first: ArrayLike, second: ArrayLike) -> tuple[Marks, Marks]:
    one, other = mark_array(first, "a group of images", 1), mark_array(second, "a group of images", 1)
    if len(one) != len(other):
        raise ConfigError(f"groups of {len(one)} and {len(other)} images: give marks of the same images")
    return one, other


def flag_table(looks: pd.DataFrame, images: pd.DataFrame, thresholds: tuple[float, ...]) -> pd.DataFrame:
    """Do flags find memorised images, and the same ones with the next seed?

    Args:
        looks: `image_looks` of adversarial training on the whole set, at half of training and at its end.
        images: one row per training image (`analyses.memorisation.images`).
        thresholds: of memorisation (standard, clean).

    Returns:
        One row per seed and threshold: seed, threshold, flagged_halfway and flagged (shares), enrichment (flags at the
        end), area (confidence halfway, for memorisation above the threshold), jaccard and jaccard_random (nan with one
        seed, which has no other to agree with), and on planted data harmful, benign and common, the shares of these
        that are flagged at the end.
    """
    halfway, last = sorted(looks["iteration"].unique())
    seeds = sorted(int(seed) for seed in looks["seed"].unique())
    ends = {seed: _flagged(looks[looks["seed"] == seed], last) for seed in seeds}
    rows = []
    for place, seed in enumerate(seeds):
        run = looks[looks["seed"] == seed]
        other = ends[seeds[(place + 1) % len(seeds)]]
        overlap, by_chance = jaccard(ends[seed], other) if len(seeds) > 1 else (np.nan, np.nan)
        truth = images["truth"].to_numpy() if "truth" in images else None
        for threshold in thresholds:
            positive = images["mem_standard_clean"].to_numpy() > threshold
            row = {
                "seed": seed,
                "threshold": threshold,
                "flagged_halfway": _flagged(run, halfway).mean(),
                "flagged": ends[seed].mean(),
                "enrichment": enrichment(ends[seed], positive),
                "area": area_under_curve(_at(run, halfway)["confidence"].to_numpy(dtype=float), positive),
                "jaccard": overlap,
                "jaccard_random": by_chance,
            }
            if truth is not None:
                row |= {kind: ends[seed][truth == kind].mean() for kind in ("harmful", "benign", "common")}
            rows.append(row)
    return pd.DataFrame(rows)


def noise_table(looks: pd.DataFrame) -> pd.DataFrame:
    """Do flags find wrong labels?

    Args:
        looks: `image_looks` of runs with label noise.

    Returns:
        One row per seed and checkpoint: seed, iteration, recall, precision, by_chance (share of wrong labels), area
        (under the curve of the confidence), flagged (share).
    """
    rows = []
    for (seed, iteration), run in looks.groupby(["seed", "iteration"]):
        flagged = run["flagged"].to_numpy(dtype=bool)
        wrong = (run["label"] != run["true_label"]).to_numpy()
        recall, precision = recall_and_precision(flagged, wrong)
        rows.append(
            {
                "seed": seed,
                "iteration": iteration,
                "recall": recall,
                "precision": precision,
                "by_chance": wrong.mean(),
                "area": area_under_curve(run["confidence"].to_numpy(), wrong),
                "flagged": flagged.mean(),
            }
        )
    return pd.DataFrame(rows)


def _at(looks: pd.DataFrame, iteration: int) -> pd.DataFrame:
    return looks[looks["iteration"] == iteration].sort_values("index")


def _flagged(looks: pd.DataFrame, iteration: int) -> Marks:
    return _at(looks, iteration)["flagged"].to_numpy(dtype=bool)
