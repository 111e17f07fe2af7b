"""What is measured at each network of the study, as one tidy table per world and seed.

Columns: world, seed, arm, offset, iteration, part, layer, statistic, value, null. `part` says where the statistic comes
from and is explained: "mixtures" and "features" (`STATISTICS` of those packages), "gain" (how much more than chance
a layer's units take up of a change of the images, `analyses.mixtures.sensitivity`), "accuracy" (protocols of
`cotoolkit.evaluate`), "edit" (the PGD accuracy after a change of weights, `analyses.across_break.edits`).
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from analyses.across_break.arms import AFTER, BEFORE, OFFSETS, Plan
from analyses.across_break.changes import BANDS, carriers, changes
from analyses.across_break.checkpoints import OTHERS, Networks, arms_of, load_networks
from analyses.across_break.edits import PROTOCOLS, RANKS, edit_table
from analyses.features import feature_table
from analyses.mixtures import mixture_table
from analyses.mixtures.sensitivity import gains, second_moments
from analyses.mixtures.units import units_of
from cotoolkit.errors import RunError
from cotoolkit.evaluate import evaluate
from cotoolkit.launch import single_worker
from cotoolkit.runs import write_atomically
from cotoolkit.trained import Points, evaluation_points

FORMAT = 3
"""Version of what is measured; a change raises it, so that no old table is taken for a new one."""

CLOSELY = (-64, BEFORE, -16, -4, -1, 0, 1, 4, 16, AFTER)
"""Offsets at which FGSM's features are looked at, and for the other arms the two that are compared: attributions and
maximising images cost more than weights."""


class Unit(NamedTuple):
    """One world and seed: what one process measures at a time.

    Attributes:
        world: name of the world.
        seed: of all its runs.
        breakpoint: first iteration at which FGSM has broken.
        last: iterations of all runs.
    """

    world: str
    seed: int
    breakpoint: int
    last: int

    def __str__(self) -> str:
        return f"{self.world}, seed {self.seed}"

    def path(self, plan: Plan, root: Path | str, folder: Path) -> Path:
        """Where its table stands; the hash names the weights it was measured on, and how it was measured.

        Raises:
            RunError: a run of the second round is missing.
        """
        protocol = [FORMAT, plan.points, OFFSETS, OTHERS, CLOSELY, BEFORE, AFTER, RANKS, BANDS, PROTOCOLS, self]
        digest = hashlib.sha256(json.dumps(protocol, sort_keys=True).encode())
        for run in arms_of(plan, root, self.world, self.seed, self.breakpoint, self.last).values():
            digest.update(run.checkpoint_bytes("last"))
        return folder / "units" / f"{self.world}-{self.seed}-{digest.hexdigest()[:12]}.parquet"


def measure(plan: Plan, unit: Unit, root: Path | str) -> pd.DataFrame:
    """All measures of all networks of one world and seed.

    Raises:
        RunError: a run of the second round is missing or damaged.
    """
    networks = load_networks(plan, root, *unit)
    config = plan.config(unit.world, "fgsm", unit.seed)
    points = evaluation_points(config)
    few = points.first(plan.points)
    mixtures = mixture_table(
        networks.models,
        start=networks.start,
        clean=networks.clean,
        robust=networks.robust,
        seed=unit.seed,
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
        seed=unit.seed,
        box=config.box,
    )
    tables = [
        mixtures.assign(part="mixtures"),
        features.assign(part="features"),
        _gains(networks, few, unit.seed).assign(part="gain"),
        _accuracies(networks, plan, unit, points).assign(part="accuracy"),
        edit_table(networks, config, points, unit.seed).assign(part="edit"),
    ]
    table = pd.concat([_placed(part, networks) for part in tables], ignore_index=True)
    columns = ["arm", "offset", "iteration", "part", "layer", "statistic", "value", "null"]
    return table.reindex(columns=columns).assign(world=unit.world, seed=unit.seed)


def _looked_at(arm: str) -> tuple[int, ...]:
    return CLOSELY if arm == "fgsm" else (BEFORE, AFTER)


def measure_all(
    plan: Plan,
    units: list[Unit],
    root: Path | str,
    folder: Path,
    *,
    jobs: int,
    fresh: bool = False,
    report: Callable[[Unit, int, int], None] = lambda unit, done, total: None,
) -> pd.DataFrame:
    """The measures of several worlds and seeds, each in a process of its own; what is there is not measured again.

    Args:
        plan: the study.
        units: what to measure.
        root: folder of the runs.
        folder: where the tables go.
        jobs: processes at a time.
        fresh: measure all again.
        report: called as units end, with how many are done of how many.
    """
    todo = [unit for unit in units if fresh or not unit.path(plan, root, folder).exists()]
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=single_worker)
    try:
        futures = {pool.submit(_measure_to_disk, plan, unit, str(root), folder): unit for unit in todo}
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            report(futures[future], done, len(todo))
    except BaseException as error:
        # Ctrl-C or a failure: do not wait for the others; what was measured is kept.
        for process in list(pool._processes.values()):
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise RunError("a measuring process died; out of memory? Try --jobs 1") from None
        raise
    pool.shutdown()
    return pd.concat([pd.read_parquet(unit.path(plan, root, folder)) for unit in units], ignore_index=True)


def _measure_to_disk(plan: Plan, unit: Unit, root: str, folder: Path) -> None:
    write_atomically(unit.path(plan, root, folder), measure(plan, unit, root).to_parquet(index=False))


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


def _accuracies(networks: Networks, plan: Plan, unit: Unit, points: Points) -> pd.DataFrame:
    threat = plan.config(unit.world, "fgsm", unit.seed).threat
    rows = []
    for name, model in networks.models.items():
        for protocol in PROTOCOLS:
            found = evaluate(model, points.images, points.labels, threat, protocol, seed=unit.seed)
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
