"""One row per training image and per test image: what the halves say of each, with proxies, flags and planted truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.core.statistics import rank_correlation
from analyses.memorisation.arms import Arm
from analyses.memorisation.estimators import Memorisation, group_influence, memorisation
from analyses.memorisation.measure import whole
from analyses.memorisation.proxies import forgetting, inconsistency, variance
from analyses.memorisation.sets import Marks, atypical, easy_and_hard
from analyses.memorisation.settings import World
from cotoolkit.data import planted_truth
from cotoolkit.data.sources.planted import KINDS

PROXIES = ("early_loss", "forgetting", "inconsistency", "variance")


class Halves(NamedTuple):
    """What networks trained on halves get right.

    Attributes:
        mask: (K, N) bool, which training images each saw.
        train: (K, N) bool by event.
        test: (K, M) bool by event.
    """

    mask: Marks
    train: dict[str, Marks]
    test: dict[str, Marks]


def collect(arms: Sequence[Arm], table: pd.DataFrame, events: Sequence[str]) -> Halves:
    """From the measures of halves to matrices.

    Args:
        arms: halves, in order.
        table: measures of `Correct`, with the training images.
        events: its columns.
    """
    count = len(whole(arms[0].config).train)
    masks = []
    for arm in arms:
        subset, split = arm.config.data.subset, arm.config.data.split
        assert subset is not None
        assert split is not None
        masks.append(subset.members(count, split).numpy())
    parts: dict[str, dict[str, Marks]] = {}
    for part in ("train", "test"):
        rows = table[table["part"] == part].sort_values(["seed", "index"])
        parts[part] = {event: rows[event].to_numpy(dtype=bool).reshape(len(arms), -1) for event in events}
    return Halves(np.stack(masks), parts["train"], parts["test"])


def memorised(halves: Halves) -> dict[str, Memorisation]:
    """Memorisation by event."""
    return {event: memorisation(halves.mask, correct) for event, correct in halves.train.items()}


def image_table(world: World, arm: Arm, found: dict[str, Memorisation]) -> pd.DataFrame:
    """One row per training image: label, planted truth, memorisation of each kind with its standard error and arms.

    Args:
        world: the world.
        arm: any of its runs.
        found: memorisation by name, "standard_clean" among them.
    """
    data = whole(arm.config).train
    table = pd.DataFrame({"world": world.name, "index": np.arange(len(data)), "label": data.labels.numpy()})
    if world.planted:
        truth = planted_truth(data.images)
        table["truth"], table["cluster"] = np.array(KINDS)[truth.kind], truth.cluster
    for name, one in found.items():
        table[f"mem_{name}"], table[f"se_{name}"] = one.values, one.errors
        table[f"seen_{name}"], table[f"unseen_{name}"] = one.seen, one.unseen
    table["atypical"] = table["truth"] != "common" if world.planted else atypical(found["standard_clean"].values)
    return table


def test_table(world: World, arm: Arm, halves: Halves) -> pd.DataFrame:
    """One row per test image: label, share of standard halves that get it right, and whether it counts as typical.

    On planted data typical means common and atypical rare; elsewhere easy and hard stand in.
    """
    data = whole(arm.config).test
    shares = halves.test["clean"].mean(0)
    table = pd.DataFrame({"world": world.name, "index": np.arange(len(data)), "label": data.labels.numpy()})
    table["share"] = shares
    if world.planted:
        truth = planted_truth(data.images)
        table["truth"], table["cluster"] = np.array(KINDS)[truth.kind], truth.cluster
        table["typical"], table["atypical"] = truth.of_kind("common"), ~truth.of_kind("common")
        table["threatened"] = truth.threatened
    else:
        table["typical"], table["atypical"] = easy_and_hard(shares)
        table["threatened"] = False
    return table


def proxy_table(world: World, halves: Halves, looks: pd.DataFrame, images: pd.DataFrame) -> pd.DataFrame:
    """Rank correlation of each proxy with memorisation (standard, clean).

    Consistency and variance come from the second half of the models, and so compare with memorisation by the first.

    Args:
        world: the world.
        halves: of standard networks.
        looks: `Looks` of a standard reference run at its checkpoints.
        images: what `image_table` gives; the proxies are put in.
    """
    course = looks.sort_values(["iteration", "index"])
    first = course[course["iteration"] == course["iteration"].min()]
    count = len(halves.mask)
    cut = count // 4 * 2  # whole pairs
    correct = halves.train["clean"]
    images["early_loss"] = first["loss"].to_numpy()
    images["forgetting"] = forgetting(course["correct"].to_numpy().reshape(-1, len(images)))
    images["inconsistency"] = inconsistency(halves.mask[cut:], correct[cut:])
    images["variance"] = variance(correct[cut:])
    apart = memorisation(halves.mask[:cut], correct[:cut]).values
    rows = []
    for proxy in PROXIES:
        models = proxy in ("inconsistency", "variance")
        target = apart if models else images["mem_standard_clean"]
        found = rank_correlation(images[proxy], target)
        rows.append(
            {
                "world": world.name,
                "proxy": proxy,
                "rank_correlation": found.mean,
                "low": found.low,
                "high": found.high,
                "images": found.n,
                "estimate_from": f"{cut if models else count} models",
            }
        )
    return pd.DataFrame(rows)


def influences(halves: Halves, members: Marks, events: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Group influence on the test set by event, one value per pair of models."""
    return {event: group_influence(halves.mask, halves.test[event], members) for event in events}
