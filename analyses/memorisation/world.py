"""One world from beginning to end: halves and references, frozen sets, retraining and controls, and their tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.core.runner import StudyRunner
from analyses.memorisation.arms import Arm, controls, halves, noisy, references, retrained, study_of
from analyses.memorisation.effects import accuracy_table
from analyses.memorisation.estimators import memorisation
from analyses.memorisation.flags import area, flag_table, noise_table
from analyses.memorisation.images import (
    Halves,
    collect,
    image_table,
    influences,
    memorised,
    proxy_table,
    test_table,
)
from analyses.memorisation.measure import Correct, Looks
from analyses.memorisation.sets import Marks, freeze, half_of_clusters, highest, pick
from analyses.memorisation.settings import OTHER_T_MEM, T_MEM, Kind, Plan, World

GROUP_OF_MODELS = 16
"""Models per estimate where estimates from disjoint groups of models are compared."""


class WorldTables(NamedTuple):
    """What was found in a world; tables of questions that it does not ask are empty.

    Attributes:
        images: one row per training image.
        tests: one row per test image.
        proxies: rank correlations.
        accuracies: what `accuracy_table` gives, of all runs on the whole set and on parts of it.
        removed: how many training images each arm does without.
        influence: of an atypical image on the number of right test images, one value per pair of models, by event.
        rare_area: area under the curve of memorisation for finding planted rare images, by disjoint group of models.
        flags: what `flag_table` gives.
        noise: what `noise_table` gives.
        suspects: looks at the training images at the end of adversarial training, of the first seed.
    """

    images: pd.DataFrame
    tests: pd.DataFrame
    proxies: pd.DataFrame
    accuracies: pd.DataFrame
    removed: pd.DataFrame
    influence: dict[str, NDArray[np.float64]]
    rare_area: list[float]
    flags: pd.DataFrame
    noise: pd.DataFrame
    suspects: pd.DataFrame


def run_world(plan: Plan, world: World, runner: StudyRunner) -> WorldTables:
    """Estimate memorisation in a world, and, if it has seeds, retrain without groups of images."""
    standard = halves(world, "standard")
    plain = references(world, "standard")
    _train(plan, world, runner, "standard", [*standard, *plain], "which images are memorised?")
    half = collect(standard, runner.measure([Correct(a.config, a.tags, {}, train=True) for a in standard]), ["clean"])
    found = {"standard_clean": memorised(half)["clean"]}
    looks = runner.measure([Looks(a.config, a.tags, a.config.keep) for a in plain[:1]])

    robust: Halves | None = None
    if world.robust_halves:
        attacked = halves(world, "adversarial")
        _train(plan, world, runner, "adversarial", attacked, "which images does adversarial training memorise?")
        events = ["clean", *world.radii]
        right = runner.measure([Correct(a.config, a.tags, world.radii, train=True) for a in attacked])
        robust = collect(attacked, right, events)
        found |= {f"adversarial_{event}": one for event, one in memorised(robust).items()}

    images = image_table(world, plain[0], found)
    tests = test_table(world, plain[0], half)
    proxies = proxy_table(world, half, looks, images)
    atypical = images["atypical"].to_numpy(dtype=bool)
    freeze(atypical, runner.folder / "sets" / f"{world.name}-atypical.npy")
    influence = influences(robust, atypical, ["clean", *world.radii]) if robust else {}
    empty = pd.DataFrame()
    tables = WorldTables(
        images, tests, proxies, empty, empty, influence, _rare_areas(half, images), empty, empty, empty
    )
    return _retrain(plan, world, runner, tables, plain) if world.seeds else tables


def _retrain(plan: Plan, world: World, runner: StudyRunner, tables: WorldTables, plain: list[Arm]) -> WorldTables:
    """The second round: everything that needs the frozen sets."""
    reference = references(world, "adversarial")
    noise = noisy(world)
    _train(plan, world, runner, "adversarial", [*reference, *noise], "which images does training suspect?")
    looks = runner.measure([Looks(a.config, a.tags, a.config.keep) for a in reference])
    last = looks["iteration"].max()
    suspects = looks[looks["iteration"] == last]

    left_out = choose(world, tables.images, suspects)
    folder = runner.folder / "sets"
    masks = {
        key: freeze(~marks, folder / f"{world.name}-{key[0].replace(' ', '-')}-{key[1]}.npy")
        for key, marks in left_out.items()
    }
    few = {key: mask for key, mask in masks.items() if key[0] in ("without flagged", "without atypical")}
    flags = {"static": {seed: _flag_file(world, runner, suspects, seed) for seed in range(world.seeds)}}
    if world.planted:
        harmful = freeze((tables.images["truth"] == "harmful").to_numpy(), folder / f"{world.name}-harmful.npy")
        flags["oracle"] = dict.fromkeys(range(world.seeds), harmful)
    more = [*retrained(world, "adversarial", masks), *controls(world, flags)]
    again = retrained(world, "standard", few)
    _train(plan, world, runner, "adversarial", more, "what changes without them, or with less of them?")
    _train(plan, world, runner, "standard", again, "does it change standard training too?")

    runs = [*[Correct(a.config, a.tags, world.radii) for a in [*reference, *more]]]
    runs += [Correct(a.config, a.tags, {}) for a in [*plain, *again]]
    accuracies = accuracy_table(runner.measure(runs), test_groups(world, tables.tests))
    removed = [{"arm": arm, "seed": seed, "images": int(marks.sum())} for (arm, seed), marks in left_out.items()]
    return tables._replace(
        accuracies=accuracies,
        removed=pd.DataFrame(removed),
        flags=flag_table(looks, tables.images, (T_MEM, *OTHER_T_MEM)),
        noise=noise_table(runner.measure([Looks(a.config, a.tags, a.config.keep) for a in noise])),
        suspects=suspects[suspects["seed"] == 0],
    )


def choose(world: World, images: pd.DataFrame, suspects: pd.DataFrame) -> dict[tuple[str, int], Marks]:
    """Which images are left out, by arm and seed.

    "without atypical" is a random half of the atypical ones, other for each seed; the other arms leave out as many:
    random typical ones, the most confidently flagged ones of another seed's run, and the most memorised ones.

    Args:
        world: the world.
        images: what `image_table` gives.
        suspects: looks at the end of adversarial reference runs.
    """
    atypical = images["atypical"].to_numpy(dtype=bool)
    memory = images["mem_standard_clean"].to_numpy()
    chosen: dict[tuple[str, int], Marks] = {}
    for seed in range(world.seeds):
        if world.planted:
            half = np.isin(images["cluster"], half_of_clusters(seed))
        else:
            half = pick(atypical, int(atypical.sum()) // 2, seed)
        count = int(half.sum())
        other = _ordered(suspects, (seed + 1) % world.seeds)
        flagged = np.where(other["flagged"], other["confidence"], -np.inf)
        chosen["without atypical", seed] = half
        chosen["without typical", seed] = pick(~atypical, count, seed)
        chosen["without flagged", seed] = highest(flagged, min(count, int(other["flagged"].sum())))
        chosen["without most memorised", seed] = highest(memory, count)
        if world.planted:
            chosen["without harmful", seed] = (images["truth"] == "harmful").to_numpy()
            chosen["without benign", seed] = (images["truth"] == "benign").to_numpy()
    return chosen


def test_groups(world: World, tests: pd.DataFrame) -> dict[tuple[str, int | None], Marks]:
    """Groups of test images by name, and by seed where the group is that of the images the seed leaves out.

    "linked" are atypical test images whose training partners "without atypical" leaves out, where that is known;
    elsewhere all of them. "unlinked" are the other atypical ones.
    """
    groups: dict[tuple[str, int | None], Marks] = {("all", None): np.ones(len(tests), dtype=bool)}
    for name in ("typical", "atypical", "threatened"):
        groups[name, None] = tests[name].to_numpy(dtype=bool)
    for seed in range(world.seeds):
        linked = groups["atypical", None]
        if world.planted:
            linked = linked & np.isin(tests["cluster"], half_of_clusters(seed))
        groups["linked", seed] = linked
        groups["unlinked", seed] = groups["atypical", None] & ~linked
    return groups


def _train(plan: Plan, world: World, runner: StudyRunner, kind: Kind, arms: Sequence[Arm], question: str) -> None:
    runner.train(study_of(plan, f"memorisation-{world.name}-{kind}", question, world.base(kind), arms))


def _flag_file(world: World, runner: StudyRunner, suspects: pd.DataFrame, seed: int) -> str:
    """Flags at the end of another seed's run, as a frozen file."""
    other = _ordered(suspects, (seed + 1) % world.seeds)
    path = runner.folder / "sets" / f"{world.name}-flagged-for-{seed}.npy"
    return freeze(other["flagged"].to_numpy(dtype=bool), path)


def _ordered(suspects: pd.DataFrame, seed: int) -> pd.DataFrame:
    return suspects[suspects["seed"] == seed].sort_values("index")


def _rare_areas(half: Halves, images: pd.DataFrame) -> list[float]:
    """How well memorisation finds the planted rare images, estimated from disjoint groups of models."""
    if "truth" not in images:
        return []
    rare = (images["truth"] != "common").to_numpy()
    found = []
    for first in range(0, len(half.mask) - GROUP_OF_MODELS + 1, GROUP_OF_MODELS):
        part = slice(first, first + GROUP_OF_MODELS)
        found.append(area(memorisation(half.mask[part], half.train["clean"][part]).values, rare))
    return found
