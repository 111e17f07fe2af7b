"""Reads the measures of one group: a statistic at a place, its change across the breakpoint, what an edit does."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd

from analyses.breakpoint_mixtures.image_changes import BANDS
from analyses.breakpoint_mixtures.plan import AFTER, BEFORE
from analyses.core.statistics import estimate, holm, paired_p

MIXTURE = ("mixtures", "dense_lineage")
"""The main measure of mixture: energy of a unit that the robust unit of its index does not explain."""

MIXTURES = {
    MIXTURE: "dense share against the PGD network",
    ("mixtures", "dense_dictionary"): "dense share against atoms learned from the PGD network",
    ("mixtures", "energy_clean_u1"): "energy along the clean network's common direction",
    ("mixtures", "energy_own_u1"): "energy along the network's own common direction",
}
"""Measures of mixture: large values mean more of it. Only the last needs no other network to refer to."""

OTHER = {
    ("features", "input_gradient_high_share"): "high-frequency share of the input gradient",
    ("features", "input_gradient_low_share"): "low-frequency share of the input gradient",
    ("features", "input_gradient_participation_ratio"): "participation ratio of the input gradient",
    ("features", "input_gradient_direction_share"): "share of the input gradient in the span of the carriers",
    ("features", "integrated_gradients_rank_correlation_with_robust"): "agreement of attributions with the PGD network",
    ("features", "maximised_high_frequency_share"): "high-frequency share of activation maximisation",
    ("gain", "gain_carrier"): "layers' gain for the carrier",
    ("gain", "gain_scrambled"): "layers' gain for the scrambled carrier",
    **{("gain", f"gain_{band}"): f"layers' gain for {band}-frequency noise" for band in BANDS},
}
"""Other statistics whose change across the breakpoint is reported."""

LEAST_FALL = 0.05
"""A fall in accuracy below which no shares or times of it are taken."""

Direction = Literal["rises", "falls"]


class BreakpointResults:
    """Values by seed of one group.

    Args:
        measures: of all seeds (`analyses.breakpoint_mixtures.measures`).
        group: its name.
    """

    def __init__(self, measures: pd.DataFrame, group: str) -> None:
        self.table = measures[measures["group"] == group]
        self.seeds = sorted(self.table["seed"].unique())
        self._places = self.table.groupby(["arm", "part", "statistic"]).indices
        self._layers: dict[tuple[str, int, str, str], pd.DataFrame] = {}  # claims ask for the same ones again and again

    def rows(self, arm: str, part: str, statistic: str) -> pd.DataFrame:
        """All measures of a statistic in one arm.

        Args:
            arm: who trained.
            part: of the table, where the statistic comes from.
            statistic: its name.

        Returns:
            Rows of the table.
        """
        return self.table.iloc[self._places.get((arm, part, statistic), [])]

    def layers(self, arm: str, offset: int, part: str, statistic: str) -> pd.DataFrame:
        """A row per seed, a column per layer, nan where it was not measured.

        Args:
            arm: who trained.
            offset: iterations since the breakpoint.
            part: of the table.
            statistic: its name.

        Returns:
            Seeds x layers.
        """
        asked = arm, offset, part, statistic
        if asked not in self._layers:
            rows = self.rows(arm, part, statistic)
            rows = rows[rows["offset"] == offset]
            table = rows.pivot_table(index="seed", columns="layer", values="value")
            self._layers[asked] = table.reindex(self.seeds)
        return self._layers[asked]

    def at(self, arm: str, offset: int, part: str, statistic: str, layer: str | None = None) -> pd.Series[float]:
        """One value per seed, nan where it was not measured; the mean over layers if none is named.

        Args:
            arm: who trained.
            offset: iterations since the breakpoint.
            part: of the table.
            statistic: its name.
            layer: its name; "" for a statistic of the whole network.

        Returns:
            Values by seed.
        """
        return _mean(self.layers(arm, offset, part, statistic), layer)

    def minus(
        self, arm: str, offset: int, other: str, other_offset: int, part: str, statistic: str, layer: str | None = None
    ) -> pd.Series[float]:
        """One network less another, layer by layer; the mean over the layers that both have.

        Args:
            arm: who trained the first.
            offset: of the first.
            other: who trained the second.
            other_offset: of the second.
            part: of the table.
            statistic: its name.
            layer: as in `at`.

        Returns:
            Differences by seed.
        """
        one, two = self.layers(arm, offset, part, statistic), self.layers(other, other_offset, part, statistic)
        return _mean(one - two, layer)

    def jump(self, arm: str, part: str, statistic: str, layer: str | None = None) -> pd.Series[float]:
        """Change from well before to well behind the breakpoint.

        Args:
            arm: who trained.
            part: of the table.
            statistic: its name.
            layer: as in `at`.

        Returns:
            Differences by seed, `AFTER` less `BEFORE`.
        """
        return self.minus(arm, AFTER, arm, BEFORE, part, statistic, layer)

    def excess(self, part: str, statistic: str, layer: str | None = None) -> pd.Series[float]:
        """The jump of FGSM less that of N-FGSM, which goes on training robustly over the same batches.

        Args:
            part: of the table.
            statistic: its name.
            layer: as in `at`.

        Returns:
            Differences by seed.
        """
        jumps = [
            self.layers(arm, AFTER, part, statistic) - self.layers(arm, BEFORE, part, statistic)
            for arm in ("fgsm", "n_fgsm")
        ]
        return _mean(jumps[0] - jumps[1], layer)

    def collapsed(self) -> pd.Series[bool]:
        """Which seeds lose robust accuracy across the breakpoint: at least twice `LEAST_FALL`."""
        return -self.jump("fgsm", "accuracy", "pgd-10") >= 2 * LEAST_FALL

    def fall(self) -> pd.Series[float]:
        """By how much PGD accuracy falls across the breakpoint; nan below `LEAST_FALL`."""
        fall = -self.jump("fgsm", "accuracy", "pgd-10")
        return fall.where(fall >= LEAST_FALL)

    def collapse_by(self, edit: str, layer: str = "") -> pd.Series[float]:
        """Share of the fall in PGD accuracy that an edit of the network before the breakpoint reproduces.

        Args:
            edit: its name (`analyses.breakpoint_mixtures.weight_edits`).
            layer: the only one that is edited; "" for all.

        Returns:
            Shares by seed, nan where accuracy does not fall.
        """
        none = self.at("fgsm", BEFORE, "edit", "pgd-10_none", "")
        return (none - self.at("fgsm", BEFORE, "edit", f"pgd-10_{edit}", layer)) / self.fall()

    def recovery_by(self, edit: str) -> pd.Series[float]:
        """Share of the fall in PGD accuracy that an edit of the broken network undoes."""
        none = self.at("fgsm", AFTER, "edit", "pgd-10_none", "")
        return (self.at("fgsm", AFTER, "edit", f"pgd-10_{edit}", "") - none) / self.fall()

    def _time_of(self, share: float, direction: Direction, part: str, statistic: str) -> pd.Series[float]:
        """Iterations after the breakpoint (below 0: before it) at which a share of FGSM's jump has happened for good.

        Where the way from `BEFORE` to `AFTER` last crosses that share, interpolated between the measured offsets. nan
        where the statistic does not go in that direction.
        """
        rows = self.rows("fgsm", part, statistic)
        rows = rows[rows["offset"].between(BEFORE, AFTER)]
        wide = rows.pivot_table(index=["seed", "layer"], columns="offset", values="value").dropna()
        wide = wide.groupby("seed").mean().reindex(self.seeds).astype(float)
        if BEFORE not in wide or AFTER not in wide:
            return pd.Series(np.nan, index=self.seeds)
        offsets = wide.columns.to_numpy(dtype=float)
        sign = 1 if direction == "rises" else -1
        times = [_last_crossing(offsets, sign * (row - row[0]), share) for row in wide.to_numpy()]
        return pd.Series(times, index=self.seeds)

    def half_time(self, direction: Direction, part: str, statistic: str) -> pd.Series[float]:
        """When half of FGSM's jump has happened.

        Args:
            direction: in which the statistic goes.
            part: of the table.
            statistic: its name.

        Returns:
            Iterations by seed.
        """
        return self._time_of(0.5, direction, part, statistic)

    def duration(self, direction: Direction, part: str, statistic: str) -> pd.Series[float]:
        """Iterations from a quarter to three quarters of FGSM's jump.

        Args:
            direction: in which the statistic goes.
            part: of the table.
            statistic: its name.

        Returns:
            Iterations by seed.
        """
        return self._time_of(0.75, direction, part, statistic) - self._time_of(0.25, direction, part, statistic)


def statistic_changes(results: BreakpointResults) -> pd.DataFrame:
    """The change across the breakpoint by statistic.

    p values are of a t test over seeds, adjusted by Holm over the statistics. Times are given only for statistics whose
    change by FGSM is beyond doubt.

    Args:
        results: of one group.

    Returns:
        Columns statistic; fgsm, n_fgsm and pgd, the change with its 95 % interval as text; excess, low and high, that
        of FGSM over N-FGSM; half_time and duration, in iterations; holm_p.
    """
    rows = []
    for (part, statistic), name in {**MIXTURES, **OTHER}.items():
        arms = {arm: str(estimate(results.jump(arm, part, statistic))) for arm in ("fgsm", "n_fgsm", "pgd")}
        excess, own = results.excess(part, statistic), estimate(results.jump("fgsm", part, statistic))
        found, times = estimate(excess), {"half_time": np.nan, "duration": np.nan}
        if own.low > 0 or own.high < 0:  # a time of what did not move is noise
            direction: Direction = "rises" if own.mean > 0 else "falls"
            times = {
                "half_time": estimate(results.half_time(direction, part, statistic)).mean,
                "duration": estimate(results.duration(direction, part, statistic)).mean,
            }
        numbers = {"excess": found.mean, "low": found.low, "high": found.high, **times, "p": paired_p(excess)}
        rows.append({"statistic": name, **arms, **numbers})
    table = pd.DataFrame(rows)
    return table.assign(holm_p=holm(table.pop("p")))


def by_group(measures: pd.DataFrame) -> dict[str, BreakpointResults]:
    """Results of every group that was measured, by name."""
    return {group: BreakpointResults(measures, group) for group in measures["group"].unique()}


def _mean(by_layer: pd.DataFrame, layer: str | None) -> pd.Series[float]:
    if layer is None:
        return by_layer.mean(axis=1).astype(float)
    return by_layer[layer].astype(float) if layer in by_layer else pd.Series(np.nan, index=by_layer.index)


def _last_crossing(offsets: np.ndarray, risen: np.ndarray, share: float) -> float:
    """Where a way that starts at 0 last rises through a share of its end."""
    if not risen[-1] > 0:  # also where it is nan
        return float("nan")
    way = risen / risen[-1] - share
    last = int(np.flatnonzero(way < 0)[-1])  # the start is below
    return float(offsets[last] - way[last] * (offsets[last + 1] - offsets[last]) / (way[last + 1] - way[last]))
