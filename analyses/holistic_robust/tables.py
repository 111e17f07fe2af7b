"""From stored losses and finished runs to the tables that the claims and the pictures read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from analyses.core.plan import ArmGroup
from analyses.core.statistics import bootstrap, slope
from analyses.core.survival import log_rank
from analyses.holistic_robust.certificate import certify
from analyses.holistic_robust.gaps import (
    CLIP,
    OTHER_CLIP,
    best_minus_last,
    dispersion,
    gap,
    halves_gap,
    implied_radius,
    nominal_margin,
)
from analyses.holistic_robust.plan import PLAIN, WRONG_LABELS
from cotoolkit.config import RunConfig
from cotoolkit.evaluation.accuracy import Accuracy
from cotoolkit.methods import HolisticRobust
from cotoolkit.methods._weighting.worst_case import worst_case
from cotoolkit.runs.folder import RunFolder

DELTA = 0.05
"""Error probability of the certificates."""

AROUND = 120
"""Iterations on either side of a breakpoint that courses of weights show."""


def gap_table(losses: pd.DataFrame, group: ArmGroup) -> pd.DataFrame:
    """The diagnostics of robust overfitting over training.

    Args:
        losses: of the runs (`losses_over_training`), with arm and seed.
        group: that they belong to.

    Returns:
        One row per arm, seed and iteration: arm, share (of the training data), r (nan for standard training), seed,
        iteration, train_accuracy and test_accuracy (robust), test_clean_accuracy, train_robust and test_robust (mean
        losses), G1, G2, G3 (times epsilon), G5 (bound `CLIP`; for standard training of the clean losses), G5_other
        (bound `OTHER_CLIP`), n_G5 (times the training images), G7_train, G7_test, G8, G8_expected.
    """
    rows = []
    for arm in group.arms:
        config = group.config(arm, group.seeds[0])
        own = losses[losses["arm"] == arm]
        for _, look in own.groupby(["seed", "iteration"]):
            seed, iteration = (int(look[column].iloc[0]) for column in ("seed", "iteration"))
            found = _gaps(look, config, seed)
            rows.append({"arm": arm, **_share_and_r(config), "seed": seed, "iteration": iteration, **found})
    return pd.DataFrame(rows)


def _share_and_r(config: RunConfig) -> dict[str, float]:
    subset, method = config.data.subset, config.method
    r = method.r if isinstance(method, HolisticRobust) else np.nan
    return {"share": 1.0 if subset is None else subset.share, "r": r}


def _gaps(look: pd.DataFrame, config: RunConfig, seed: int) -> dict[str, float]:
    """The diagnostics of one network."""
    train, test = (look[look["split"] == split] for split in ("train", "test"))
    # Standard training's own loss is the clean one.
    used = "robust" if isinstance(config.method, HolisticRobust) else "clean"
    split = halves_gap(test["robust"], seed)
    radius, other = (
        float(implied_radius(train[used].clip(upper=bound), test[used].clip(upper=bound).mean(), bound))
        for bound in (CLIP, OTHER_CLIP)
    )
    assert config.data.train_size is not None  # the plan sets it
    images = config.data.train_size * _share_and_r(config)["share"]
    return {
        "train_accuracy": train["survived"].mean(),
        "test_accuracy": test["survived"].mean(),
        "test_clean_accuracy": test["correct"].mean(),
        "train_robust": train["robust"].mean(),
        "test_robust": test["robust"].mean(),
        "G1": gap(train["robust"], test["robust"]),
        "G2": gap(train["clean"], test["clean"]),
        "G3": config.epsilon * gap(train["gradient"], test["gradient"]),
        "G5": radius,
        "G5_other": other,
        "n_G5": radius * images,
        "G7_train": dispersion(train["robust"], train["clean"]),
        "G7_test": dispersion(test["robust"], test["clean"]),
        "G8": split.difference,
        "G8_expected": split.expected,
    }


def end_table(losses: pd.DataFrame, gaps: pd.DataFrame) -> pd.DataFrame:
    """The finished networks of the group "overfitting".

    Args:
        losses: of its runs, with arm and seed.
        gaps: what `gap_table` returns, iterations in order.

    Returns:
        One row per arm and seed: the columns of `gap_table` at the last iteration; G3_slope (of G1 - G2 on G3 over
        training); G4; G6 (nominal bound with the training's r and W = `CLIP`, minus the test mean), G6_seen (W the
        largest training loss, as a batch maximum is); train_points; of a certificate from one half of the test images
        its certified_points and certified_mean; loss_certificate and error_certificate (cross-entropy clipped at
        `CLIP` and 0/1 loss), and loss_held and error_held (means over the other half, which they should not be below);
        train_clipped and test_clipped (means of the loss clipped at `CLIP`, of which G6 and the certificate are).
    """
    rows = []
    for (arm, seed), course in gaps.groupby(["arm", "seed"], sort=False):
        last = course.iloc[-1].to_dict()
        looks = losses[(losses["arm"] == arm) & (losses["seed"] == seed)]
        own = looks[looks["iteration"] == last["iteration"]]
        train, test = (own[own["split"] == split].reset_index() for split in ("train", "test"))
        r = 0.0 if np.isnan(last["r"]) else last["r"]
        first, second = test.iloc[::2], test.iloc[1::2]
        certificate = certify(first["robust"].clip(upper=CLIP), DELTA, CLIP)
        seen = min(train["robust"].max(), CLIP)
        rows.append(
            {
                **last,
                "G3_slope": slope(course["G3"], course["G1"] - course["G2"]).mean,
                "G4": best_minus_last(
                    looks[looks["split"] == "test"].pivot(index="iteration", columns="sample", values="survived")
                ),
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
                "train_clipped": train["robust"].clip(upper=CLIP).mean(),
                "test_clipped": test["robust"].clip(upper=CLIP).mean(),
            }
        )
    return pd.DataFrame(rows)


def poison_table(losses: pd.DataFrame, group: ArmGroup) -> pd.DataFrame:
    """The networks that were trained on wrong labels.

    Args:
        losses: of the finished networks (`losses_over_training`), with arm and seed.
        group: that they belong to.

    Returns:
        One row per arm and seed: arm, seed, clean_accuracy and accuracy (robust) on test data, memorised (share of the
        wrong labels that the network gives on the images), poison_share, and poison_weight: what share of HR's weight
        lies on wrong labels, with the arm's r and alpha or, for the other arms, with alpha alone at the share of wrong
        labels.
    """
    rows = []
    for (arm, seed), own in losses.groupby(["arm", "seed"], sort=False):
        config = group.config(str(arm), group.seeds[0])
        train, test = (own[own["split"] == split] for split in ("train", "test"))
        batches = len(train) // config.batch_size * config.batch_size
        values = torch.tensor(train["robust"].to_numpy()[:batches]).view(-1, config.batch_size)
        wrong = torch.tensor(train["poisoned"].to_numpy()[:batches]).view(-1, config.batch_size).double()
        weights = worst_case(values, *_law(config)).folded(values)
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


def _law(config: RunConfig) -> tuple[float, float]:
    """(r, alpha) that weigh the losses of a network trained on wrong labels."""
    method = config.method
    if isinstance(method, HolisticRobust) and (method.r or method.alpha):
        return method.r, method.alpha
    return 0.0, WRONG_LABELS


def single_step_onsets(runs: pd.DataFrame, losses: pd.DataFrame, matched: tuple[float, float]) -> pd.DataFrame:
    """When single-step training broke.

    Args:
        runs: of the group "onset" (`Plan.labelled`).
        losses: of their finished networks, with arm and seed.
        matched: (r, alpha) of the worst case.

    Returns:
        One row per arm and seed: arm, seed, verdict, broke, time (iteration of the breakpoint, or of the end of
        training: then censored), iterations, clean, fgsm and pgd-50 (test accuracies), value_fgsm (worst case over the
        training images' FGSM losses), mean_robust (plain mean of their robust losses), run.
    """
    train = losses[losses["split"] == "train"].groupby(["arm", "seed"])
    means = train["robust"].mean().rename("mean_robust")
    values = train["fgsm"].apply(lambda own: worst_case(torch.tensor(own.to_numpy()), *matched).value.item())
    measured = pd.concat([values.rename("value_fgsm"), means], axis=1)
    broke = runs["breakpoint"].notna()
    found = runs.assign(broke=broke, time=runs["breakpoint"].where(broke, runs["iterations"]).astype(int))
    columns = ["arm", "seed", "verdict", "broke", "time", "iterations", "clean", "fgsm", "pgd-50"]
    joined = found.join(measured, on=["arm", "seed"])
    return joined.reindex(columns=[*columns, "value_fgsm", "mean_robust", "run"])


def arm_table(onsets: pd.DataFrame, matched: str) -> pd.DataFrame:
    """How many runs of each arm broke, when, and how the arm differs from the HR arm that its controls match.

    Args:
        onsets: what `single_step_onsets` returns.
        matched: name of that HR arm.

    Returns:
        One row per arm: arm, runs, broke, not_robust (ended so without a breakpoint: training that learns too little to
        lose anything), share that broke with low and high (Wilson), onset with onset_low and onset_high (restricted
        mean over seeds of the breakpoint's iteration, with a bootstrap interval: training that does not break counts to
        its end), log_rank_p (against the matched arm; nan for itself), clean and pgd-50 (mean test accuracies).
    """
    reference = onsets[onsets["arm"] == matched]
    rows = []
    for arm, own in onsets.groupby("arm", sort=False):
        share, onset = Accuracy.of(torch.tensor(own["broke"].to_numpy())), bootstrap(own["time"])
        p = log_rank(own["time"], own["broke"], reference["time"], reference["broke"]).p
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
                "log_rank_p": np.nan if arm == matched else p,
                "clean": own["clean"].mean(),
                "pgd-50": own["pgd-50"].mean(),
            }
        )
    return pd.DataFrame(rows)


def weight_courses(onsets: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Weight on abnormal samples around the breakpoint, of the arms with HR weights that broke, FGSM among them.

    Args:
        onsets: what `single_step_onsets` returns.
        root: folder of runs.

    Returns:
        Columns arm, seed, offset (iterations since the breakpoint, up to `AROUND`), signal, value.
    """
    signals = ["abnormal_weight", "abnormal_share", "ess"]
    tables = [pd.DataFrame({"arm": [], "seed": [], "offset": [], "signal": [], "value": []})]
    weighed = onsets["arm"].str.startswith("HR ") | (onsets["arm"] == PLAIN)
    for row in onsets[onsets["broke"] & weighed].to_dict("records"):
        metrics = RunFolder(root / row["run"]).metrics()
        metrics = metrics[metrics["signal"].isin(signals)].assign(offset=metrics["iteration"] - row["time"])
        near = metrics[metrics["offset"].abs() <= AROUND]
        tables.append(near[["offset", "signal", "value"]].assign(arm=row["arm"], seed=row["seed"]))
    return pd.concat(tables, ignore_index=True)
