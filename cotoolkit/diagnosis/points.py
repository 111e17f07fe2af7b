"""What became of each point: which attacks it withstood. `diagnosis.points.parquet` is the table of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from cotoolkit.core.seeding import generator
from cotoolkit.data.subsets import stratified
from cotoolkit.diagnosis.shares import SchemaPart

if TYPE_CHECKING:
    import pandas as pd

NONE = "none"
"""In the column `fooled_by`, of a point that withstood everything that it was attacked with."""

WRONG = "clean"
"""In the same column, of a point that is wrong without an attack; also the column of that."""

WORST = "worst"
"""The column that says whether a point withstood all strong attacks."""


class PointOutcomes(SchemaPart):
    """Which attacks each point withstood; texts have a 1 for a point that did, and a 0 for one that was fooled.

    Attributes:
        places: of the points in the data as they were given, from 0.
        labels: true classes.
        few: of the points, those that the strong attacks saw: positions in `places`.
        held: by attack, on all points; "clean" is no attack, "fgsm@0.5" is FGSM at half of epsilon.
        few_held: by attack, on the few points, in the order of `few`.
    """

    places: tuple[int, ...]
    labels: tuple[int, ...]
    few: tuple[int, ...]
    held: dict[str, str]
    few_held: dict[str, str]

    def on_all(self, attack: str) -> np.ndarray:
        """Which points withstood an attack: (N,) bool."""
        return _flags(self.held[attack])

    def on_few(self, attack: str) -> np.ndarray:
        """Which of the few points withstood an attack: (M,) bool."""
        return _flags(self.few_held[attack])

    @property
    def worst(self) -> np.ndarray:
        """Which of the few points withstood all that the few were attacked with, (M,) bool."""
        withstood: np.ndarray = np.logical_and.reduce([self.on_few(attack) for attack in self.few_held])
        return withstood

    def placed(self, places: Tensor) -> PointOutcomes:
        """The same, of points that were themselves chosen from other data.

        Args:
            places: (K,) int64, places in those data of the data that were given.

        Returns:
            The outcomes with the places in the other data.
        """
        return self.model_copy(update={"places": tuple(places[list(self.places)].tolist())})


def few_points(labels: Tensor, count: int, seed: int) -> Tensor:
    """Which points the strong attacks see: a random part that keeps the class shares.

    Args:
        labels: (N,) int64.
        count: of them, at most N are taken.
        seed: of the choice.

    Returns:
        (M,) int64, ascending, on the device of the labels.
    """
    return stratified(labels.cpu(), min(count, len(labels)), generator(seed, "diagnosis")).to(labels.device)


def point_outcomes(
    places: Tensor, labels: Tensor, few: Tensor, held: Mapping[str, Tensor], few_held: Mapping[str, Tensor]
) -> PointOutcomes:
    """From tensors.

    Args:
        places: (N,) int64.
        labels: (N,) int64.
        few: (M,) int64, positions in the N.
        held: by attack, (N,) bool.
        few_held: by attack, (M,) bool.

    Returns:
        The outcomes.
    """
    return PointOutcomes(
        places=tuple(places.tolist()),
        labels=tuple(labels.tolist()),
        few=tuple(few.tolist()),
        held={attack: _text(flags) for attack, flags in held.items()},
        few_held={attack: _text(flags) for attack, flags in few_held.items()},
    )


def points_table(outcomes: PointOutcomes) -> pd.DataFrame:
    """A row per point, a column per attack.

    Args:
        outcomes: of a diagnosis.

    Returns:
        `place` and `label`; `few`, whether the strong attacks saw the point; a column per attack, true where the point
        withstood it, and missing where it was not tried; `worst`, whether it withstood all strong ones; `fooled_by`,
        the first that fooled it, in the order of the columns: "clean" if it is wrong without any, "none" if nothing
        did. Steps of FGSM beyond epsilon do not count there.
    """
    import pandas as pd

    chosen = np.zeros(len(outcomes.places), bool)
    order = np.array(outcomes.few, int)
    chosen[order] = True
    columns = {attack: pd.array(outcomes.on_all(attack), "boolean") for attack in outcomes.held}
    for attack in outcomes.few_held:
        columns[attack] = _widened(outcomes.on_few(attack), order, len(chosen))
    table = pd.DataFrame({"place": outcomes.places, "label": outcomes.labels, "few": chosen, **columns})
    table[WORST] = _widened(outcomes.worst, order, len(chosen))
    fooled = pd.Series(NONE, index=table.index)
    for attack in reversed([name for name in columns if within(name)]):
        fooled[table[attack].eq(False).fillna(False)] = attack
    return table.assign(fooled_by=fooled)


def within(attack: str) -> bool:
    """Whether an attack of the table stays within epsilon.

    >>> within("fgsm@0.5"), within("fgsm@1.5"), within("pgd-20")
    (True, False, True)
    """
    return float(attack.partition("@")[2] or 1) <= 1


def _flags(text: str) -> np.ndarray:
    return np.array([sign == "1" for sign in text], bool)


def _text(flags: Tensor) -> str:
    return "".join("1" if flag else "0" for flag in flags.to(torch.bool).tolist())


def _widened(flags: np.ndarray, order: np.ndarray, count: int) -> pd.arrays.BooleanArray:
    """Flags of the few points among all, missing elsewhere."""
    import pandas as pd

    values, missing = np.zeros(count, bool), np.ones(count, bool)
    values[order], missing[order] = flags, False
    return pd.arrays.BooleanArray(values, missing)
