"""One row per training image and per test image: what the halves say of each, with flags and planted truth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analyses.core.measurement import RunMeasurement
from analyses.core.plan import PlannedRun
from analyses.core.runner import StudyRunner
from analyses.memorisation.estimators import Memorisation, group_influence, memorisation
from analyses.memorisation.flags import area_under_curve
from analyses.memorisation.image_groups import Marks, above_threshold, easy_and_hard
from analyses.memorisation.measures import correct_images, image_looks, uncut_data
from analyses.memorisation.plan import Kind, MemorisationPlan
from analyses.memorisation.rank_correlations import rank_correlation_table
from cotoolkit.config import RunConfig
from cotoolkit.data import planted_truth
from cotoolkit.data.sources.planted import KINDS

MODELS_PER_ESTIMATE = 16
"""Models per estimate where estimates from disjoint groups of models are compared."""


class TrainedHalves(NamedTuple):
    """What networks trained on halves get right.

    Attributes:
        mask: (K, N) bool, which training images each saw.
        train: (K, N) bool by event.
        test: (K, M) bool by event.
    """

    mask: Marks
    train: dict[str, Marks]
    test: dict[str, Marks]


def measurement(run: PlannedRun, kind: Kind, function: Any, **given: Any) -> RunMeasurement:
    """A measurement whose table says which run it is of: columns kind, arm and seed.

    Args:
        run: of the plan.
        kind: of its training.
        function: of `analyses.memorisation.measures`.
        **given: further arguments of the function.

    Returns:
        The measurement.
    """
    return RunMeasurement(run.config, function, {"kind": kind, "arm": run.arm, "seed": run.seed}, given)


def estimate_tables(plan: MemorisationPlan, setting: str, runner: StudyRunner) -> dict[str, pd.DataFrame]:
    """What the trained halves of a setting say.

    Args:
        plan: the study.
        setting: of its settings.
        runner: that trained them.

    Returns:
        "images" (one row per training image), "estimates" (one row per kind of memorisation: columns kind, models,
        images, and undefined, those that all models or none saw), "tests" (one row per test image),
        "rank_correlations", "influence" (of an atypical image on the number of right test images: columns event, pair
        of models, value), and "rare_area" (area under the curve of memorisation for finding the planted rare images, by
        disjoint group of models).
    """
    half = _halves(plan, setting, "standard", {}, runner)
    found = {"standard_clean": memorisation(half.mask, half.train["clean"])}
    robust = None
    if f"{setting} robust halves" in plan.groups:
        robust = _halves(plan, setting, "adversarial", plan.radii[setting], runner)
        found |= {f"adversarial_{event}": memorisation(robust.mask, right) for event, right in robust.train.items()}
    reference = next(plan.runs([f"{setting} standard"]))
    looks = runner.measure([measurement(reference, "standard", image_looks)])
    planted = plan.planted(setting)
    images = _image_table(reference.config, found, planted=planted)
    proxies, correlations = rank_correlation_table(half.mask, half.train["clean"], looks, images)
    atypical = images["atypical"].to_numpy(dtype=bool)
    influence = [
        {"event": event, "pair": pair, "value": value}
        for event, right in (robust.test if robust else {}).items()
        for pair, value in enumerate(group_influence(robust.mask, right, atypical) if robust else ())
    ]
    return {
        "images": images.join(proxies),
        "estimates": pd.DataFrame([_estimate_row(kind, one, half, robust) for kind, one in found.items()]),
        "tests": _table_of_tests(reference.config, half, planted=planted),
        "rank_correlations": correlations,
        "influence": pd.DataFrame(influence, columns=["event", "pair", "value"]),
        "rare_area": pd.DataFrame({"area": _rare_areas(half, images)}),
    }


def _estimate_row(kind: str, one: Memorisation, half: TrainedHalves, robust: TrainedHalves | None) -> dict[str, Any]:
    models = half if robust is None or kind.startswith("standard") else robust
    undefined = int(np.isnan(one.values).sum())
    return {"kind": kind, "models": len(models.mask), "images": len(one.values), "undefined": undefined}


def _halves(
    plan: MemorisationPlan, setting: str, kind: Kind, radii: Mapping[str, float], runner: StudyRunner
) -> TrainedHalves:
    name = "halves" if kind == "standard" else "robust halves"
    runs = list(plan.runs([f"{setting} {name}"]))
    table = runner.measure([measurement(run, kind, correct_images, radii=dict(radii), train=True) for run in runs])
    return _halves_of([run.config for run in runs], table, ["clean", *radii])


def _halves_of(configs: Sequence[RunConfig], table: pd.DataFrame, events: Collection[str]) -> TrainedHalves:
    """From the measures of halves, `correct_images` with the training images, to matrices: a row per run."""
    count = len(uncut_data(configs[0]).train)
    masks = []
    for config in configs:
        subset, split = config.data.subset, config.data.split
        assert subset is not None
        assert split is not None
        masks.append(subset.members(count, split).numpy())
    parts: dict[str, dict[str, Marks]] = {}
    for part in ("train", "test"):
        rows = table[table["part"] == part].sort_values(["seed", "index"])
        parts[part] = {event: rows[event].to_numpy(dtype=bool).reshape(len(configs), -1) for event in events}
    return TrainedHalves(np.stack(masks), parts["train"], parts["test"])


def _image_table(config: RunConfig, found: Mapping[str, Memorisation], *, planted: bool) -> pd.DataFrame:
    """Label, planted truth, memorisation of each kind with its standard error and arms; whether it is atypical."""
    data = uncut_data(config).train
    table = pd.DataFrame({"index": np.arange(len(data)), "label": data.labels.numpy()})
    if planted:
        truth = planted_truth(data.images)
        table["truth"], table["cluster"] = np.array(KINDS)[truth.kind], truth.cluster
    for name, one in found.items():
        table[f"mem_{name}"], table[f"se_{name}"] = one.values, one.errors
        table[f"seen_{name}"], table[f"unseen_{name}"] = one.seen, one.unseen
    table["atypical"] = table["truth"] != "common" if planted else above_threshold(found["standard_clean"].values)
    return table


def _table_of_tests(config: RunConfig, half: TrainedHalves, *, planted: bool) -> pd.DataFrame:
    """Label, share of standard halves that get the image right, and whether it counts as typical.

    On planted data typical means common and atypical rare; elsewhere easy and hard stand in.
    """
    data = uncut_data(config).test
    shares = half.test["clean"].mean(0)
    table = pd.DataFrame({"index": np.arange(len(data)), "label": data.labels.numpy()})
    table["share"] = shares
    if planted:
        truth = planted_truth(data.images)
        table["truth"], table["cluster"] = np.array(KINDS)[truth.kind], truth.cluster
        table["typical"], table["atypical"] = truth.of_kind("common"), ~truth.of_kind("common")
        table["threatened"] = truth.threatened
    else:
        table["typical"], table["atypical"] = easy_and_hard(shares)
        table["threatened"] = False
    return table


def _rare_areas(half: TrainedHalves, images: pd.DataFrame) -> list[float]:
    """How well memorisation finds the planted rare images, estimated from disjoint groups of models."""
    if "truth" not in images:
        return []
    rare = (images["truth"] != "common").to_numpy()
    found = []
    for first in range(0, len(half.mask) - MODELS_PER_ESTIMATE + 1, MODELS_PER_ESTIMATE):
        part = slice(first, first + MODELS_PER_ESTIMATE)
        found.append(area_under_curve(memorisation(half.mask[part], half.train["clean"][part]).values, rare))
    return found
