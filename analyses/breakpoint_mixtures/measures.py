"""What is measured at each network of the study, as one tidy table per seed.

Columns: group, seed, arm, offset, iteration, part, layer, statistic, value, null. `part` says where the statistic comes
from and is explained: "mixtures" and "features" (`STATISTICS` of those packages), "gain" (how much more than chance
a layer's units take up of a change of the images, `analyses.mixtures.statistics.sensitivity`), "accuracy" (protocols of
`cotoolkit.evaluation.protocol`), "edit" (accuracies after a change of weights, see
`analyses.breakpoint_mixtures.weight_edits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor
from typing_extensions import override

from analyses.breakpoint_mixtures.image_changes import BANDS, changed_images, paired_carriers
from analyses.breakpoint_mixtures.networks import OTHERS, SeedNetworks, load_networks
from analyses.breakpoint_mixtures.plan import AFTER, BEFORE, OFFSETS, BreakpointPlan, BrokenSeed
from analyses.breakpoint_mixtures.weight_edits import PROTOCOLS, RANKS, edit_table
from analyses.core.measurement import Measurement
from analyses.features.observed import ImageSetting
from analyses.features.table import compare_features
from analyses.mixtures.statistics.sensitivity import gains, second_moments
from analyses.mixtures.table import mixture_table
from analyses.mixtures.units.hidden_units import units_of
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.data.points import Points
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.runs.checkpoints import evaluation_points
from cotoolkit.runs.folder import RunFolder

FORMAT = 4
"""Version of what is measured; a change raises it, so that no old table is taken for a new one."""

CLOSELY = (-64, BEFORE, -16, -4, -1, 0, 1, 4, 16, AFTER)
"""Offsets at which FGSM's features are looked at, and for the other arms the two that are compared: attributions and
maximising images cost more than weights."""

COLUMNS = ("arm", "offset", "iteration", "part", "layer", "statistic", "value", "null")
"""Of the table of one seed."""


@dataclass(frozen=True)
class SeedMeasurement(Measurement):
    """All networks of one seed.

    Attributes:
        plan: the study.
        broken: whose networks.
    """

    plan: BreakpointPlan
    broken: BrokenSeed

    @property
    @override
    def title(self) -> str:
        return f"{self.broken.group}, seed {self.broken.seed}"

    @property
    @override
    def protocol(self) -> list[Any]:
        looked = [OFFSETS, OTHERS, CLOSELY, BEFORE, AFTER, RANKS, BANDS, PROTOCOLS]
        return [FORMAT, self.plan.points, *looked, *self.broken]

    @override
    def runs(self, root: Path) -> list[RunFolder]:
        return list(self.plan.folders(root, self.broken).values())

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        networks, seed = load_networks(self.plan, root, self.broken), self.broken.seed
        config = self.plan.groups[self.broken.group].config("fgsm", seed)
        points = evaluation_points(config)
        few = points.first(self.plan.points)
        tables = {
            "mixtures": _mixtures(networks, points, seed),
            "features": _features(networks, few, config, paired_carriers(points)),
            "gain": _gains(networks, few, seed),
            "accuracy": _accuracies(networks, config.threat, seed, points),
            "edit": edit_table(networks, config, points, seed),
        }
        parts = [_placed(table, networks).assign(part=part) for part, table in tables.items()]
        table = pd.concat(parts, ignore_index=True).reindex(columns=list(COLUMNS))
        return table.assign(group=self.broken.group, seed=seed)


def _mixtures(networks: SeedNetworks, points: Points, seed: int) -> pd.DataFrame:
    start, clean, robust = networks.start, networks.clean, networks.robust
    return mixture_table(networks.models, start=start, clean=clean, robust=robust, seed=seed, images=points.images)


def _features(networks: SeedNetworks, points: Points, config: RunConfig, carriers: Tensor) -> pd.DataFrame:
    """Of the two references, and of the networks that are looked at closely."""

    def closely(name: str) -> bool:
        place = networks.places[name]
        return place.offset in (CLOSELY if place.arm == "fgsm" else (BEFORE, AFTER))

    references = {networks.clean, networks.robust}
    looked = {name: model for name, model in networks.models.items() if name in references or closely(name)}
    threat = ThreatModel(config.epsilon, "linf", config.box)
    setting = ImageSetting(points.images, points.labels, threat, carriers, seed=config.seed)
    return compare_features(looked, setting, clean=networks.clean, robust=networks.robust)


def _gains(networks: SeedNetworks, points: Points, seed: int) -> pd.DataFrame:
    """Gains of all networks on the same inputs, those that FGSM's network before the breakpoint has in each layer."""
    before = networks.at("fgsm", BEFORE)
    rows: list[tuple[str, str, str, float, float]] = []
    changed = {} if before is None else changed_images(points, seed)
    units = {name: units_of(model) for name, model in networks.models.items()}
    for change, images in changed.items():
        assert before is not None
        moments = second_moments(before, points.images, images)
        for name, layers in units.items():
            found = gains(layers, moments)
            rows += [(name, layer, f"gain_{change}", gain, 1.0) for layer, gain in found.items()]
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "value", "null"])


def _accuracies(networks: SeedNetworks, threat: ThreatModel, seed: int, points: Points) -> pd.DataFrame:
    rows = []
    for name, model in networks.models.items():
        for protocol in PROTOCOLS:
            found = run_protocol(model, points.images, points.labels, threat, protocol, seed=seed)
            rows.append((name, "", protocol, found.accuracy.value))
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "value"])


def _placed(table: pd.DataFrame, networks: SeedNetworks) -> pd.DataFrame:
    """Say where each model of a table stands."""
    places = [networks.places[name] for name in table["model"]]
    return table.assign(
        arm=[place.arm for place in places],
        offset=pd.array([place.offset for place in places], dtype="Int64"),
        iteration=[place.iteration for place in places],
    )
