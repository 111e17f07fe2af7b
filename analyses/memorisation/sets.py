"""Typical and atypical images, and what the study trains without: chosen once, and frozen with a checksum."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analyses.memorisation.settings import EASY, HARD, T_MEM
from cotoolkit.core.digest import stamped
from cotoolkit.core.files import write_atomically
from cotoolkit.data.image_masks import KIND
from cotoolkit.data.sources.planted import clusters

Marks = NDArray[np.bool_]
Floats = NDArray[np.float64]


def freeze(marks: Marks, path: Path) -> str:
    """Write marks (N,) bool to a .npy file; PATH#DIGEST, as configurations take it."""
    buffer = io.BytesIO()
    np.save(buffer, np.asarray(marks, dtype=bool))
    write_atomically(path, buffer.getvalue())
    return stamped(str(path), KIND)


def atypical(memorisation: Floats, threshold: float = T_MEM) -> Marks:
    """Training images whose memorisation is above a threshold; undefined ones are typical. (N,) -> (N,)."""
    return np.nan_to_num(memorisation, nan=-1) > threshold


def pick(candidates: Marks, count: int, seed: int) -> Marks:
    """`count` random ones of the candidates, or all if there are fewer. (N,) -> (N,)."""
    rows = np.flatnonzero(candidates)
    chosen = np.random.default_rng(seed).permutation(rows)[:count]
    return _marks(chosen, len(candidates))


def highest(values: Floats, count: int) -> Marks:
    """The `count` images of the highest values, nan last; ties go to the lower index. (N,) -> (N,)."""
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
    return _marks(order[:count], len(values))


def half_of_clusters(seed: int) -> NDArray[np.int64]:
    """Numbers of a random half of the rare planted sub-clusters: an image whose twin stays would not be left out."""
    truth = clusters().truth
    rare = truth.cluster[~truth.of_kind("common")]
    return np.sort(np.random.default_rng(seed).permutation(rare)[: len(rare) // 2])


def easy_and_hard(shares: Floats) -> tuple[Marks, Marks]:
    """Test images by the share of standard networks that get them right, (M,) -> two (M,)."""
    return shares >= EASY, (shares >= HARD[0]) & (shares <= HARD[1])


def _marks(rows: NDArray[np.int64], count: int) -> Marks:
    marks = np.zeros(count, dtype=bool)
    marks[rows] = True
    return marks
