"""Reads the measures of one world: a statistic at a place, its change across the break, what an edit does."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analyses.across_break.arms import AFTER, BEFORE
from analyses.across_break.measure import BANDS

MIXTURE = ("mixtures", "dense_lineage")
"""The main measure of mixture: energy of a unit that the robust unit of its index does not explain."""

MIXTURES = {
    MIXTURE: "dense share against the PGD network",
    ("mixtures", "dense_dictionary"): "dense share against atoms learned from the PGD network",
    ("mixtures", "energy_clean_u1"): "energy along the clean network's common direction",
    ("mixtures", "energy_own_u1"): "energy along the network's own common direction",
}
"""Measures of mixture: large values mean more of it."""

OTHER = {
    ("features", "input_gradient_high_share"): "high-frequency share of the input gradient",
    ("features", "input_gradient_low_share"): "low-frequency share of the input gradient",
    ("features", "input_gradient_participation_ratio"): "participation ratio of the input gradient",
    ("features", "input_gradient_direction_share"): "share of the input gradient in the span of the carriers",
    ("features", "integrated_gradients_rank_correlation_with_robust"): "agreement of attributions with the PGD network",
    ("features", "maximised_high_frequency_share"): "high-frequency share of activation maximisation",
    ("gain", "gain_carrier"): "layers' gain for the carrier",
    ("gain", "gain_random"): "layers' gain for a random pattern in its place",
    **{("gain", f"gain_{band}"): f"layers' gain for {band}-frequency noise" for band in BANDS},
}
"""Other statistics whose change across the break is reported."""


LEAST_FALL = 0.05
"""A fall in accuracy too small to take shares of: some twenty test images."""


class Lookup:
    """Values by seed of one world.

    Args:
        measures: what `measure_all` returns.
        world: its name.
    """

    def __init__(self, measures: pd.DataFrame, world: str) -> None:
        self.table = measures[measures["world"] == world]
        self.seeds = sorted(self.table["seed"].unique())

    def at(self, arm: str, offset: int | None, part: str, statistic: str, layer: str | None = None) -> pd.Series[float]:
        """One value per seed, nan where it was not measured; the mean over layers if none is named."""
        rows = self.table[(self.table["arm"] == arm) & (self.table["part"] == part)]
        rows = rows[rows["statistic"] == statistic]
        rows = rows[rows["offset"].isna() if offset is None else rows["offset"] == offset]
        if layer is not None:
            rows = rows[rows["layer"] == layer]
        return rows.groupby("seed")["value"].mean().reindex(self.seeds).astype(float)

    def jump(self, arm: str, part: str, statistic: str, layer: str | None = None) -> pd.Series[float]:
        """Change from well before to well behind the break."""
        return self.at(arm, AFTER, part, statistic, layer) - self.at(arm, BEFORE, part, statistic, layer)

    def excess(self, part: str, statistic: str, layer: str | None = None) -> pd.Series[float]:
        """The jump of FGSM less that of N-FGSM, which goes on training robustly over the same batches."""
        return self.jump("fgsm", part, statistic, layer) - self.jump("n_fgsm", part, statistic, layer)

    def fall(self) -> pd.Series[float]:
        """By how much PGD accuracy falls across the break; nan below `LEAST_FALL`."""
        fall = -self.jump("fgsm", "accuracy", "pgd-10")
        return fall.where(fall >= LEAST_FALL)

    def collapse_by(self, edit: str, layer: str = "") -> pd.Series[float]:
        """Share of the fall in PGD accuracy that an edit of the network before the break reproduces."""
        none = self.at("fgsm", BEFORE, "edit", "pgd-10_none", "")
        return (none - self.at("fgsm", BEFORE, "edit", f"pgd-10_{edit}", layer)) / self.fall()

    def recovery_by(self, edit: str) -> pd.Series[float]:
        """Share of the fall in PGD accuracy that an edit of the broken network undoes."""
        none = self.at("fgsm", AFTER, "edit", "pgd-10_none", "")
        return (self.at("fgsm", AFTER, "edit", f"pgd-10_{edit}", "") - none) / self.fall()

    def time_of(self, share: float, part: str, statistic: str) -> pd.Series[float]:
        """Iterations after the break (below 0: before it) at which a share of FGSM's jump has happened for good.

        The first offset from `BEFORE` on from which the value stays at least that far on its way; as fine as the
        offsets that were measured. nan without a jump.
        """
        rows = self.table[(self.table["arm"] == "fgsm") & (self.table["part"] == part)]
        rows = rows[(rows["statistic"] == statistic) & rows["offset"].between(BEFORE, AFTER)]
        wide = rows.pivot_table(index="seed", columns="offset", values="value").reindex(self.seeds)
        if BEFORE not in wide or AFTER not in wide:
            return pd.Series(np.nan, index=self.seeds)
        jump = wide[AFTER] - wide[BEFORE]
        way = wide.sub(wide[BEFORE], axis=0).div(jump.where(jump != 0), axis=0)
        from_here_on = (way >= share).iloc[:, ::-1].cummin(axis=1)
        first = from_here_on.iloc[:, ::-1].idxmax(axis=1).astype(float)
        return first.where(jump.notna() & (jump != 0))

    def half_time(self, part: str, statistic: str) -> pd.Series[float]:
        """When half of FGSM's jump has happened."""
        return self.time_of(0.5, part, statistic)

    def duration(self, part: str, statistic: str) -> pd.Series[float]:
        """Iterations from a quarter to three quarters of FGSM's jump."""
        return self.time_of(0.75, part, statistic) - self.time_of(0.25, part, statistic)
