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
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from analyses.across_break.arms import AFTER, BEFORE, Plan
from analyses.across_break.checkpoints import Networks, load_networks
from analyses.across_break.edits import edit_table
from analyses.features import feature_table
from analyses.mixtures import mixture_table
from analyses.mixtures.sensitivity import sensitivity
from cotoolkit.evaluate import evaluate
from cotoolkit.launch import single_worker
from cotoolkit.runs import write_atomically
from cotoolkit.seeding import generator
from cotoolkit.trained import Points, evaluation_points
from interventions import Inject
from interventions.carriers import Paired
from interventions.transforms import frequency_radius, idct2

FORMAT = 2
"""Version of what is measured; a change raises it, so that no old table is taken for a new one."""

CLOSELY = (-64, BEFORE, -16, -4, -1, 0, 1, 4, 16, AFTER)
"""Offsets at which FGSM's features are looked at, and for the other arms the two that are compared: attributions and
maximising images cost more than weights."""

BANDS = {"low": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "high": (2 / 3, 1.01)}
"""Spatial frequencies in units of the highest: DCT index (square shells) over the last index."""

PROTOCOLS = ("clean", "fgsm", "pgd-10")


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

    def path(self, plan: Plan, folder: Path) -> Path:
        """Where its table stands; the hash names all that the numbers depend on."""
        what = {"format": FORMAT, "world": plan.world(self.world).settings, "points": plan.points, "unit": self}
        digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
        return folder / "units" / f"{self.world}-{self.seed}-{digest}.parquet"


def measure(plan: Plan, unit: Unit, root: Path | str) -> pd.DataFrame:
    """All measures of all networks of one world and seed.

    Raises:
        RunError: a run of the second round is missing or damaged.
    """
    networks = load_networks(plan, root, *unit)
    config = plan.config(unit.world, "fgsm", unit.seed)
    points = evaluation_points(config)
    few = evaluation_points(config, plan.points)
    channels, height, width = points.images.shape[1:]
    carrier = Paired().vectors(points.classes, (channels, height, width), torch.float32, torch.device("cpu"))
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
        directions=carrier,
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
    todo = [unit for unit in units if fresh or not unit.path(plan, folder).exists()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=single_worker) as pool:
        futures = {pool.submit(_measure_to_disk, plan, unit, str(root), folder): unit for unit in todo}
        for done, future in enumerate(as_completed(futures), start=1):
            future.result()
            report(futures[future], done, len(todo))
    return pd.concat([pd.read_parquet(unit.path(plan, folder)) for unit in units], ignore_index=True)


def _measure_to_disk(plan: Plan, unit: Unit, root: str, folder: Path) -> None:
    write_atomically(unit.path(plan, folder), measure(plan, unit, root).to_parquet(index=False))


def changes(points: Points, seed: int) -> dict[str, Tensor]:
    """What is done to the images to see which layers take it up: each change by name, as changed images.

    "carrier" adds the paired carrier of the label, "random" a random sign pattern per class in its place, and
    "low", "mid" and "high" add noise in one band of spatial frequencies. All changes have the carrier's l2 norm.

    Shapes: (B, C, H, W) each.
    """
    natural, draws = points.natural, generator(seed, "probe", 2)
    beta = 8 / 255
    carried = Inject(Paired(), beta=beta)(natural, points.labels, classes=points.classes)[0]
    norm = (carried - natural).flatten(1).norm(dim=1)[:, None, None, None]
    signs = torch.randint(0, 2, (points.classes, *natural.shape[1:]), generator=draws) * 2.0 - 1
    changed = {"carrier": carried - natural, "random": signs.to(natural)[points.labels]}
    height, width = natural.shape[-2:]
    radius = frequency_radius(height, width, device=natural.device) / (max(height, width) - 1)
    for name, (low, high) in BANDS.items():
        noise = torch.randn(natural.shape, generator=draws).to(natural)
        changed[name] = idct2(noise * ((radius >= low) & (radius < high)))
    return {
        name: points.images + norm * change / change.flatten(1).norm(dim=1)[:, None, None, None]
        for name, change in changed.items()
    }


def _gains(networks: Networks, points: Points, seed: int) -> pd.DataFrame:
    rows = []
    for change, images in changes(points, seed).items():
        for name, model in networks.models.items():
            found = sensitivity(model, points.images, images)
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
