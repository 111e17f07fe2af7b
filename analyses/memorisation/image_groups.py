"""Groups of images: typical and atypical ones, and those that the study trains without, frozen with a checksum."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from cotoolkit.core.digest import stamped
from cotoolkit.core.files import write_atomically
from cotoolkit.core.numbers import mark_array, real_array, share_array, whole_number
from cotoolkit.data.image_masks import KIND
from cotoolkit.data.sources.planted import clusters

Marks = NDArray[np.bool_]
"""(N,), which of N images belong to a group."""

Floats = NDArray[np.float64]

T_MEM = 0.25
"""Memorisation above which an image is atypical: the constant of the released high-influence lists [S]."""

OTHER_T_MEM = (0.15, 0.5)
"""Thresholds that conclusions are compared at [R]."""

EASY, HARD = 0.9, (0.1, 0.7)
"""Share of standard networks that get a test image right, from which on it is easy, and between which it is hard [R].
Where pairwise influence cannot be had, these stand in for typical and atypical; below 0.1 an image is left out."""


def freeze_marks(marks: ArrayLike, path: Path) -> str:
    """Write marks to a .npy file.

    Args:
        marks: (N,), bool or {0, 1}.
        path: of the file.

    Returns:
        PATH#DIGEST, as configurations take it.

    Raises:
        ConfigError: other values, such as indices.
    """
    buffer = io.BytesIO()
    np.save(buffer, mark_array(marks, "marks", 1))
    write_atomically(path, buffer.getvalue())
    return stamped(str(path), KIND)


def above_threshold(memorisation: ArrayLike) -> Marks:
    """Atypical images (N,): memorisation (N,) is above `T_MEM`; where it is undefined, an image is typical."""
    return np.nan_to_num(real_array(memorisation, "memorisation", 1, finite=False), nan=-1) > T_MEM


def pick_random(candidates: ArrayLike, count: int, seed: int) -> Marks:
    """(N,): `count` random ones of the candidates (N,), bool or {0, 1}, or all if there are fewer."""
    marks = mark_array(candidates, "candidates", 1)
    chosen = np.random.default_rng(seed).permutation(np.flatnonzero(marks))[: whole_number(count, "count")]
    return _marks(chosen, len(marks))


def highest(values: ArrayLike, count: int) -> Marks:
    """(N,): the `count` images of the highest values (N,), nan last; ties go to the lower index."""
    known = real_array(values, "values", 1, finite=False)
    order = np.argsort(-np.nan_to_num(known, nan=-np.inf), kind="stable")
    return _marks(order[: whole_number(count, "count")], len(known))


def half_of_clusters(seed: int) -> NDArray[np.int64]:
    """Numbers of a random half of the rare planted sub-clusters, in random order."""
    truth = clusters().truth
    rare = truth.cluster[~truth.of_kind("common")]
    return np.random.default_rng(seed).permutation(rare)[: len(rare) // 2]


def whole_clusters(cluster: NDArray[np.int64], chosen: NDArray[np.int64], most: int) -> Marks:
    """(N,): the images of the chosen sub-clusters, whole and in turn, but for those that would make more than `most`.

    An image whose twin stays would not be left out. Shapes: cluster (N,), of each image; chosen (K,).
    """
    marks = np.zeros(len(cluster), dtype=bool)
    for one in chosen:
        members = cluster == one
        if marks.sum() + members.sum() <= most:
            marks |= members
    return marks


def easy_and_hard(shares: ArrayLike) -> tuple[Marks, Marks]:
    """Easy and hard test images, (M,) each, by the share (M,) of standard networks that get them right."""
    known = share_array(shares, "shares", 1)
    return known >= EASY, (known >= HARD[0]) & (known <= HARD[1])


def left_out_groups(
    images: pd.DataFrame, suspects: pd.DataFrame, seeds: Sequence[int], *, planted: bool
) -> dict[tuple[str, int], Marks]:
    """Which images are left out of training.

    "without atypical" is a random half of the atypical ones, another for each seed; the other arms leave out as many:
    random typical ones, the most confidently flagged ones of another seed's run, and the most memorised ones. Where
    fewer are flagged, or typical, all of these arms leave out as few. A seed for which nothing is flagged has no arm
    "without flagged". On planted data two more leave out those that are known to harm, and the other atypical ones.

    Args:
        images: one row per training image (`analyses.memorisation.images`).
        suspects: looks at the end of adversarial training on the whole set, of all seeds.
        seeds: of the runs.
        planted: whether harm is known.

    Returns:
        (N,) by arm and seed.
    """
    atypical = images["atypical"].to_numpy(dtype=bool)
    memory = images["mem_standard_clean"].to_numpy()
    chosen: dict[tuple[str, int], Marks] = {}
    for seed in seeds:
        other = next_seed(suspects, seed, seeds)
        flags = int(other["flagged"].sum())
        most = min(flags or len(images), int((~atypical).sum()))
        if planted:
            half = whole_clusters(images["cluster"].to_numpy(), half_of_clusters(seed), most)
        else:
            half = pick_random(atypical, min(int(atypical.sum()) // 2, most), seed)
        count = int(half.sum())
        chosen["without atypical", seed] = half
        chosen["without typical", seed] = pick_random(~atypical, count, seed)
        if flags:
            confidence = np.where(other["flagged"], other["confidence"], -np.inf)
            chosen["without flagged", seed] = highest(confidence, count)
        chosen["without most memorised", seed] = highest(memory, count)
        if planted:
            chosen["without harmful", seed] = (images["truth"] == "harmful").to_numpy()
            chosen["without benign", seed] = (images["truth"] == "benign").to_numpy()
    return chosen


def next_seed(suspects: pd.DataFrame, seed: int, seeds: Sequence[int]) -> pd.DataFrame:
    """The looks of the run of the next seed, the first after the last, in the order of the images.

    A lone seed has no other: its run's own looks come back, and what is chosen by them is circular.
    """
    return suspects[suspects["seed"] == seeds[(seeds.index(seed) + 1) % len(seeds)]].sort_values("index")


def groups_of_tests(
    tests: pd.DataFrame, partners: Mapping[int, Collection[int] | None]
) -> dict[tuple[str, int | None], Marks]:
    """Groups of test images.

    "linked" are atypical test images whose training partners "without atypical" leaves out, where that is known;
    elsewhere all of them. "unlinked" are the other atypical ones.

    Args:
        tests: one row per test image (`analyses.memorisation.images`).
        partners: by seed, the sub-clusters that "without atypical" leaves out; None where these are not known.

    Returns:
        (M,) by name, and by seed where the group is that of the images that the seed leaves out.
    """
    groups: dict[tuple[str, int | None], Marks] = {("all", None): np.ones(len(tests), dtype=bool)}
    for name in ("typical", "atypical", "threatened"):
        groups[name, None] = tests[name].to_numpy(dtype=bool)
    for seed, left_out in partners.items():
        linked = groups["atypical", None]
        if left_out is not None:
            linked = linked & np.isin(tests["cluster"], list(left_out))
        groups["linked", seed] = linked
        groups["unlinked", seed] = groups["atypical", None] & ~linked
    return groups


def _marks(rows: NDArray[np.int64], count: int) -> Marks:
    marks = np.zeros(count, dtype=bool)
    marks[rows] = True
    return marks
