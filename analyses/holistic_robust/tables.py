"""From stored losses and finished runs to the tables that the claims and the pictures read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from analyses.core.statistics import estimate, slope
from analyses.core.survival import log_rank
from analyses.holistic_robust.certificate import certify
from analyses.holistic_robust.gaps import (
    CLIP,
    OTHER_CLIP,
    best_minus_last,
    dispersion,
    gap,
    halves,
    implied_radius,
    nominal_margin,
)
from analyses.holistic_robust.settings import Onset, Overfitting, Poisoned, hr_name
from cotoolkit.evaluation.protocol import Accuracy
from cotoolkit.methods._terms.worst_case import worst_case
from cotoolkit.runs.folder import RunFolder

DELTA = 0.05
"""Error probability of the certificates."""


def gap_table(losses: pd.DataFrame, plan: Overfitting) -> pd.DataFrame:
    """The diagnostics of robust overfitting over training: one row per arm, seed and iteration.

    Columns: arm, share, r (nan for standard training), seed, iteration, train_accuracy and test_accuracy (robust),
    test_clean_accuracy, train_robust and test_robust (mean losses), G1, G2, G3 (times epsilon), G5 (bound `CLIP`; for
    standard training of the clean losses), G5_other (bound `OTHER_CLIP`), n_G5, G7_train, G7_test, G8, G8_expected.
    """
    arms = [
        (plan.name(share, r), share, np.nan if r is None else r) for share in plan.shares for r in (None, *plan.radii)
    ]
    epsilon = plan.config(arms[0][0], plan.seeds[0]).epsilon
    rows = []
    for arm, share, r in arms:
        own = losses[losses["arm"] == arm]
        looks = own[["seed", "iteration"]].drop_duplicates().itertuples(index=False)
        for seed, iteration in sorted((int(look[0]), int(look[1])) for look in looks):
            group = own[(own["seed"] == seed) & (own["iteration"] == iteration)]
            train, test = (group[group["split"] == split] for split in ("train", "test"))
            # Standard training's own loss is the clean one.
            used = "clean" if np.isnan(r) else "robust"
            split = halves(test["robust"], seed)
            radius, other = (
                float(implied_radius(train[used].clip(upper=bound), test[used].clip(upper=bound).mean(), bound))
                for bound in (CLIP, OTHER_CLIP)
            )
            rows.append(
                {
                    "arm": arm,
                    "share": share,
                    "r": r,
                    "seed": seed,
                    "iteration": iteration,
                    "train_accuracy": train["survived"].mean(),
                    "test_accuracy": test["survived"].mean(),
                    "test_clean_accuracy": test["correct"].mean(),
                    "train_robust": train["robust"].mean(),
                    "test_robust": test["robust"].mean(),
                    "G1": gap(train["robust"], test["robust"]),
                    "G2": gap(train["clean"], test["clean"]),
                    "G3": epsilon * gap(train["gradient"], test["gradient"]),
                    "G5": radius,
                    "G5_other": other,
                    "n_G5": radius * plan.train_size * share,
                    "G7_train": dispersion(train["robust"], train["clean"]),
                    "G7_test": dispersion(test["robust"], test["clean"]),
                    "G8": split.difference,
                    "G8_expected": split.expected,
                }
            )
    return pd.DataFrame(rows)


def end_table(losses: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """The finished networks of the first part: one row per arm and seed.

    Columns: those of `gap_table` at the last iteration; G3_slope (of G1 - G2 on G3 over training); G4; G6 (nominal
    bound with the training's r and W = `CLIP`, less the test mean), G6_seen (W the largest training loss, as a batch
    maximum is); loss_certificate and error_certificate (from one half of the test images, cross-entropy clipped at
    `CLIP` and 0/1 loss), and loss_held and error_held (the means over the other half, which they should not be below);
    certified_points and certified_mean (of the first half's clipped losses), train_points.
    """
    rows = []
    for (arm, seed), course in gaps.groupby(["arm", "seed"], sort=False):
        last = course.sort_values("iteration").iloc[-1].to_dict()
        own = losses[(losses["arm"] == arm) & (losses["seed"] == seed) & (losses["iteration"] == last["iteration"])]
        train, test = (own[own["split"] == split].reset_index() for split in ("train", "test"))
        r = 0.0 if np.isnan(last["r"]) else last["r"]
        first, second = test.iloc[::2], test.iloc[1::2]
        certificate = certify(first["robust"].clip(upper=CLIP), DELTA, CLIP)
        seen = min(train["robust"].max(), CLIP)
        rows.append(
            {
                **last,
                "G3_slope": slope(course["G3"], course["G1"] - course["G2"]).mean,
                "G4": best_minus_last(course.sort_values("iteration")["test_accuracy"]),
                "G6": nominal_margin(train["robust"], test["robust"], r, 0.0, CLIP),
                "G6_seen": worst_case(torch.tensor(train["robust"].clip(upper=seen).to_numpy()), r).value.item()
                - test["robust"].clip(upper=CLIP).mean(),
                "train_points": len(train),
                "certified_points": certificate.points,
                "certified_mean": certificate.mean,
                "loss_certificate": certificate.value,
                "loss_held": second["robust"].clip(upper=CLIP).mean(),
                "error_certificate": certify(1.0 - first["survived"], DELTA, 1.0).value,
                "error_held": 1 - second["survived"].mean(),
            }
        )
    return pd.DataFrame(rows)


def poison_table(losses: pd.DataFrame, plan: Poisoned, batch: int) -> pd.DataFrame:
    """Wrong labels: one row per arm and seed, of the finished network.

    Columns: arm, seed, clean_accuracy and accuracy (robust) on test data, memorised (share of the wrong labels that the
    network gives on the images), poison_share, and poison_weight: what share of HR's weight lies on the wrong labels,
    with the arm's r and alpha or, for the other arms, with alpha alone at the share of poison.

    Args:
        losses: of the part.
        plan: what was trained.
        batch: images that are weighed together.
    """
    laws = {hr_name(plan.r, 0): (plan.r, 0.0)} | {hr_name(0, alpha): (0.0, alpha) for alpha in plan.alphas if alpha}
    rows = []
    for (arm, seed), own in losses.groupby(["arm", "seed"], sort=False):
        train, test = (own[own["split"] == split] for split in ("train", "test"))
        whole = len(train) // batch * batch
        values = torch.tensor(train["robust"].to_numpy()[:whole]).view(-1, batch)
        wrong = torch.tensor(train["poisoned"].to_numpy()[:whole]).view(-1, batch).double()
        weights = worst_case(values, *laws.get(str(arm), (0.0, plan.share))).folded(values)
        rows.append(
            {
                "arm": arm,
                "seed": seed,
                "clean_accuracy": test["correct"].mean(),
                "accuracy": test["survived"].mean(),
                "memorised": train.loc[train["poisoned"], "correct"].mean(),
                "poison_share": wrong.mean().item(),
                "poison_weight": (weights * wrong).sum(1).mean().item(),
            }
        )
    return pd.DataFrame(rows)


def onset_table(runs: pd.DataFrame, losses: pd.DataFrame, plan: Onset) -> pd.DataFrame:
    """When single-step training broke: one row per arm and seed.

    Columns: arm, seed, verdict, broke, time (iteration of the break, or of the end of training: then censored),
    iterations, clean, fgsm and pgd-50 (test accuracies), value_fgsm (worst case over the training images' FGSM losses,
    with the matched r), mean_robust (plain mean of their robust losses), run.
    """
    rows = []
    for arm in plan.arms():
        for seed in plan.seeds:
            config = plan.config(arm, seed)
            found = runs[runs["run"] == f"{config.title}-{config.identity}"].iloc[0]
            broke = bool(pd.notna(found["breakpoint"]))
            own = losses[(losses["arm"] == arm) & (losses["seed"] == seed) & (losses["split"] == "train")]
            value = worst_case(torch.tensor(own["fgsm"].to_numpy()), *plan.matched).value.item() if len(own) else np.nan
            rows.append(
                {
                    "arm": arm,
                    "seed": seed,
                    "verdict": found["verdict"],
                    "broke": broke,
                    "time": int(found["breakpoint"] if broke else found["iterations"]),
                    "iterations": int(found["iterations"]),
                    **{name: found.get(name, np.nan) for name in ("clean", "fgsm", "pgd-50")},
                    "value_fgsm": value,
                    "mean_robust": own["robust"].mean(),
                    "run": found["run"],
                }
            )
    return pd.DataFrame(rows)


def arm_table(onsets: pd.DataFrame, plan: Onset) -> pd.DataFrame:
    """The arms of the third part: how many runs broke, when, and how the arm differs from the matched HR arm.

    Columns: arm, runs, broke, not_robust (ended so without a break: training that learns too little to lose anything),
    share that broke with low and high (Wilson), onset with onset_low and onset_high (mean over seeds
    of the iteration of the break; training that does not break counts to its end), log_rank_p (against the matched HR
    arm), clean and pgd-50 (mean test accuracies).
    """
    matched = onsets[onsets["arm"] == hr_name(*plan.matched)]
    rows: list[dict[str, Any]] = []
    for arm, own in onsets.groupby("arm", sort=False):
        share = Accuracy.of(torch.tensor(own["broke"].to_numpy()))
        onset = estimate(own["time"])
        same = arm == hr_name(*plan.matched)
        p = np.nan if same else log_rank(own["time"], own["broke"], matched["time"], matched["broke"])
        rows.append(
            {
                "arm": arm,
                "runs": len(own),
                "broke": int(own["broke"].sum()),
                "not_robust": int((own["verdict"] == "not robust").sum()),
                "share": share.value,
                "low": share.low,
                "high": share.high,
                "onset": onset.mean,
                "onset_low": onset.low,
                "onset_high": onset.high,
                "log_rank_p": p,
                "clean": own["clean"].mean(),
                "pgd-50": own["pgd-50"].mean(),
            }
        )
    return pd.DataFrame(rows)


def weight_courses(onsets: pd.DataFrame, root: Path, arms: list[str], around: int = 120) -> pd.DataFrame:
    """Weight on abnormal samples around the break, of arms that record it.

    Args:
        onsets: see `onset_table`.
        root: folder of runs.
        arms: which; runs that did not break are left out.
        around: iterations on either side.

    Returns:
        Columns arm, seed, offset (iterations since the break), signal, value.
    """
    signals = ["abnormal_weight", "abnormal_share", "ess"]
    tables = [pd.DataFrame({"arm": [], "seed": [], "offset": [], "signal": [], "value": []})]
    for row in onsets[onsets["broke"] & onsets["arm"].isin(arms)].to_dict("records"):
        metrics = RunFolder(root / row["run"]).metrics()
        metrics = metrics[metrics["signal"].isin(signals)].assign(offset=metrics["iteration"] - row["time"])
        near = metrics[metrics["offset"].abs() <= around]
        tables.append(near[["offset", "signal", "value"]].assign(arm=row["arm"], seed=row["seed"]))
    return pd.concat(tables, ignore_index=True)
