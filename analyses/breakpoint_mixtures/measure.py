"""What is measured at each network of the study, as one tidy table per world and seed.

Columns: world, seed, arm, offset, iteration, part, layer, statistic, value, null. `part` says where the statistic comes
from and is explained: "mixtures" and "features" (`STATISTICS` of those packages), "gain" (how much more than chance
a layer's units take up of a change of the images, `analyses.mixtures.statistics.sensitivity`), "accuracy" (protocols of
`cotoolkit.evaluation.protocol`), "edit" (the PGD accuracy after a change of weights, see
`analyses.breakpoint_mixtures.edits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from typing_extensions import override

from analyses.breakpoint_mixtures.arms import AFTER, BEFORE, OFFSETS, Plan
from analyses.breakpoint_mixtures.changes import BANDS, carriers, changes
from analyses.breakpoint_mixtures.checkpoints import OTHERS, Networks, arms_of, load_networks
from analyses.breakpoint_mixtures.edits import PROTOCOLS, RANKS, edit_table
from analyses.core.measurement import Measurement
from analyses.features import feature_table
from analyses.mixtures import mixture_table
from analyses.mixtures.statistics.sensitivity import gains, second_moments
from analyses.mixtures.units.hidden_units import units_of
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.evaluation.protocol import evaluate
from cotoolkit.runs.checkpoints import Points, evaluation_points
from cotoolkit.runs.folder import RunFolder

FORMAT = 3
"""Version of what is measured; a change raises it, so that no old table is taken for a new one."""

CLOSELY = (-64, BEFORE, -16, -4, -1, 0, 1, 4, 16, AFTER)
"""Offsets at which FGSM's features are looked at, and for the other arms the two that are compared: attributions and
maximising images cost more than weights."""


@dataclass(frozen=True)
class Unit(Measurement):
    """All networks of one world and seed.

    Attributes:
        plan: the study.
        world: name of the world.
        seed: of all its runs.
        breakpoint: first iteration at which FGSM has broken.
        last: iterations of all runs.
    """

    plan: Plan
    world: str
    seed: int
    breakpoint: int
    last: int

    @property
    @override
    def title(self) -> str:
        return f"{self.world}, seed {self.seed}"

    @property
    @override
    def protocol(self) -> list[Any]:
        looked = [OFFSETS, OTHERS, CLOSELY, BEFORE, AFTER, RANKS, BANDS, PROTOCOLS]
        return [FORMAT, self.plan.points, *looked, self.world, self.seed, self.breakpoint, self.last]

    @override
    def runs(self, root: Path) -> list[RunFolder]:
        return list(arms_of(self.plan, root, self.world, self.seed, self.breakpoint, self.last).values())

    @override
    def measure(self, root: Path) -> pd.DataFrame:
        networks = load_networks(self.plan, root, self.world, self.seed, self.breakpoint, self.last)
        config = self.plan.config(self.world, "fgsm", self.seed)
        points = evaluation_points(config)
        few = points.first(self.plan.points)
        mixtures = mixture_table(
            networks.models,
            start=networks.start,
            clean=networks.clean,
            robust=networks.robust,
            seed=self.seed,
            images=points.images,
        )
        references = {networks.clean, networks.robust}
        looked_at = {
            name: model
            for name, model in networks.models.items()
            if name in references or networks.places[name].offset in _looked_at(networks.places[name].arm)
        }
        features = feature_table(
            looked_at,
            few.images,
            few.labels,
            clean=networks.clean,
            robust=networks.robust,
            epsilon=config.epsilon,
            directions=carriers(points),
            seed=self.seed,
            box=config.box,
        )
        tables = [
            mixtures.assign(part="mixtures"),
            features.assign(part="features"),
            _gains(networks, few, self.seed).assign(part="gain"),
            _accuracies(networks, config.threat, self.seed, points).assign(part="accuracy"),
            edit_table(networks, config, points, self.seed).assign(part="edit"),
        ]
        table = pd.concat([_placed(part, networks) for part in tables], ignore_index=True)
        columns = ["arm", "offset", "iteration", "part", "layer", "statistic", "value", "null"]
        return table.reindex(columns=columns).assign(world=self.world, seed=self.seed)


def _looked_at(arm: str) -> tuple[int, ...]:
    return CLOSELY if arm == "fgsm" else (BEFORE, AFTER)


def _gains(networks: Networks, points: Points, seed: int) -> pd.DataFrame:
    """Gains of all networks on the same inputs, those that FGSM's network before the break has in each layer."""
    before = networks.at("fgsm", BEFORE)
    rows: list[tuple[str, str, str, float, float]] = []
    changed = {} if before is None else changes(points, seed)
    units = {name: units_of(model) for name, model in networks.models.items()}
    for change, images in changed.items():
        assert before is not None
        moments = second_moments(before, points.images, images)
        for name, layers in units.items():
            found = gains(layers, moments)
            rows += [(name, layer, f"gain_{change}", gain, 1.0) for layer, gain in found.items()]
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "value", "null"])


def _accuracies(networks: Networks, threat: ThreatModel, seed: int, points: Points) -> pd.DataFrame:
    rows = []
    for name, model in networks.models.items():
        for protocol in PROTOCOLS:
            found = evaluate(model, points.images, points.labels, threat, protocol, seed=seed)
            rows.append((name, "", protocol, found.accuracy.value))
    return pd.DataFrame(rows, columns=["model", "layer", "statistic", "value"])


def _placed(table: pd.DataFrame, networks: Networks) -> pd.DataFrame:
    """Say where each model of a table stands."""
    places = [networks.places[name] for name in table["model"]]
    return table.assign(
        arm=[place.arm for place in places],
        offset=pd.array([place.offset for place in places], dtype="Int64"),
        iteration=[place.iteration for place in places],
    )
