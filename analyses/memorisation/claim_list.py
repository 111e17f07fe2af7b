"""A list of claims in the making."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from analyses.core.claims import Claim, ClaimResult, check


class ClaimList:
    """Collects claims, whose keys get one suffix."""

    def __init__(self, suffix: str = "") -> None:
        self._suffix = suffix
        self.results: list[ClaimResult] = []

    def above(self, key: str, statement: str, measure: str, values: ArrayLike, source: str, least: float = 0) -> None:
        """Claim that the mean is above `least`; nothing without values."""
        self._add(Claim(key + self._suffix, statement, measure, "above", least, 0.0, source), values)

    def below(self, key: str, statement: str, measure: str, values: ArrayLike, source: str, most: float = 0) -> None:
        """Claim that the mean is below `most`; nothing without values."""
        self._add(Claim(key + self._suffix, statement, measure, "below", most, 0.0, source), values)

    def _add(self, claim: Claim, values: ArrayLike) -> None:
        if np.isfinite(np.asarray(values, dtype=float)).any():
            self.results.append(check(claim, values))
