"""Logs of trainings that never were: healthy and broken ones at any level of accuracy, with the truth beside them."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

SCHEDULES = ("flat", "drops", "cyclic", "warm-up", "one-cycle")


@dataclass
class MadeLog:
    """A log and what is true of it; rows count from 0."""

    table: pd.DataFrame
    points: int
    pgd: float
    breaks: list[int] = field(default_factory=list)
    lasts: int = 1
    partial: bool = False
    recovery: int | None = None
    says: str = ""


def healthy_log(rng, *, schedule=None, overfits=None, averaged=None, points=None, rows=None):
    """A run that keeps its robustness: it may rise, fall with its schedule, or overfit slowly."""
    schedule = schedule or rng.choice(SCHEDULES)
    overfits = rng.random() < 0.3 if overfits is None else overfits
    averaged = rng.random() < 0.2 if averaged is None else averaged
    points = points or int(rng.choice([200, 500, 1000, 2000, 10_000]))
    rows = rows or int(rng.integers(10, 120))
    levels = _healthy(rng, rows, schedule, overfits, averaged)
    table = _drawn(rng, *levels, points)
    says = f"{schedule}, {rows} rows, {points} points, overfits {overfits}, averaged {averaged}"
    return MadeLog(table, points, float(levels[2].max()), says=says)


def broken_log(rng, *, points=None, rows=None, partial=None, slow=None, early=None, recovers=None):
    """A run that loses its robustness once; it may recover after 1 to 10 rows, or slowly at the end."""
    points = points or int(rng.choice([200, 500, 1000, 2000, 10_000]))
    rows = rows or int(rng.integers(20, 120))
    partial = rng.random() < 0.2 if partial is None else partial
    early = rng.random() < 0.2 if early is None else early
    lasts = (int(rng.integers(2, 6)) if slow else 1) if slow is not None else int(rng.choice([1, 1, 1, 2, 3, 5]))
    recovers = rng.random() < 0.3 if recovers is None else recovers
    schedule = rng.choice(["flat", "drops", "one-cycle"] if early else SCHEDULES)
    clean, fgsm, pgd = _healthy(rng, rows, schedule, overfits=rng.random() < 0.2, averaged=False)
    start = int(rng.integers(2, 6)) if early else int(rng.integers(6, rows - 8))
    had = float(np.maximum.accumulate(pgd)[start - 1])
    # Before a warm-up or in the trough of a cycle there may be little to lose: such a run is drawn again.
    if pgd[start - 1] < 0.7 * had or pgd[start - 1] < 0.02:
        return broken_log(rng, points=points, rows=rows, partial=partial, slow=slow, early=early, recovers=recovers)
    before = pgd.copy()
    left = rng.uniform(0.3, 0.5) if partial else rng.uniform(0.0, 0.2)
    grown = rng.uniform(1.1, 1.5) if partial else rng.uniform(0.6, 1.7)
    recovery = min(start + lasts - 1 + int(rng.integers(1, 11)), rows) if recovers else rows
    for row in range(start, recovery):
        share = min((row - start + 1) / lasts, 1.0)
        wild = rng.lognormal(0, 0.3) if share == 1 and not partial else 1.0
        pgd[row] = had * min((1 - share) + share * left * wild, 0.6 if share == 1 else 1.0)
        fgsm[row] = min(
            fgsm[row] * (1 + share * (grown - 1)) * rng.lognormal(0, 0.1), 0.98, max(1.05 * clean[row], fgsm[row])
        )
        fgsm[row] = max(fgsm[row], pgd[row])
    ratio = (fgsm / np.maximum(pgd, 1e-4)) / np.median(fgsm[:start] / before[:start])
    lost = [row for row in range(start, recovery) if pgd[row] < 0.75 * had and ratio[row] >= 2]
    if not lost:  # FGSM accuracy cannot rise above clean accuracy: too little to see
        return broken_log(rng, points=points, rows=rows, partial=partial, slow=slow, early=early, recovers=recovers)
    table = _drawn(rng, clean, fgsm, pgd, points)
    says = f"{schedule}, {rows} rows, {points} points, had {had:.3f}, left {left:.2f}, start {start}, lasts {lasts}"
    return MadeLog(table, points, had, [lost[0]], lasts, bool(partial), recovery if recovery < rows else None, says)


def _healthy(rng, rows, schedule, overfits, averaged):
    """True accuracies: clean, FGSM, PGD."""
    time = np.linspace(0, 1, rows)
    clean_top = rng.uniform(0.3, 0.95)
    pgd_top = float(np.clip(clean_top * rng.uniform(0.12, 0.65), 0.05, 0.55))
    learned = 1 - 0.6 * np.exp(-time * rng.uniform(4, 15))
    swing, fall = np.ones(rows), np.zeros(rows)
    if schedule == "drops":
        swing = np.where(time < 0.5, 0.8, np.where(time < 0.75, 0.95, 1.0))
    elif schedule == "cyclic":
        swing = 1 - rng.uniform(0.1, 0.45) * np.sin(np.pi * time * int(rng.integers(2, 6))) ** 2
    elif schedule == "warm-up":
        learned = learned * np.clip(time * 10, 0.15, 1)
    elif schedule == "one-cycle":
        swing = 0.75 + 0.25 * time**2
    if overfits:
        fall = np.clip((time - 0.5) * 2, 0, 1) * rng.uniform(0.1, 0.45)
    drift = 1.03 + (rng.uniform(1.05, 1.45) - 1.03) * time
    restless = np.exp(rng.normal(0, rng.uniform(0.01, 0.1), rows))
    for row in rng.integers(1, rows, int(rng.integers(0, 4)) if rng.random() < 0.3 else 0):
        restless[row] *= rng.uniform(0.4, 0.8)  # a bad epoch: all accuracies fall
    clean = np.clip(clean_top * learned**0.7 * swing**0.5 * restless**0.5 * (1 + 0.1 * fall), 0.005, 0.99)
    pgd = np.clip(pgd_top * learned * swing * restless * (1 - fall), 0.002, 0.9)
    fgsm = np.minimum(pgd * drift * np.exp(rng.normal(0, rng.uniform(0.005, 0.04), rows)) * (1 + 0.3 * fall), clean)
    if rng.random() < 0.1:  # gradients are masked at first: FGSM accuracy is a multiple of PGD accuracy
        pgd *= 1 - 0.85 * np.exp(-time * rng.uniform(5, 20))
    pgd = np.minimum(pgd, fgsm)
    if averaged:
        chance = rng.choice([0.005, 0.01, 0.1])
        share = np.clip((time - 0.15) * 8, 0, 1)
        clean, fgsm, pgd = (
            pd.Series(chance + share * np.maximum(one - chance, 0)).ewm(alpha=0.3).mean().to_numpy()
            for one in (clean, fgsm, pgd)
        )
    return clean, fgsm, pgd


def _drawn(rng, clean, fgsm, pgd, points):
    """Counts on the same points: what PGD leaves right, FGSM leaves right, as far as the accuracies allow."""
    rows = []
    for epoch, (c, f, p) in enumerate(zip(clean, fgsm, pgd, strict=True)):
        right = rng.binomial(points, min(c, 1))
        stepped = rng.binomial(right, min(f / c, 1)) if f <= c else rng.binomial(points, min(f, 1))
        held = rng.binomial(stepped, min(p / f, 1)) if f > 0 else 0
        rows.append({"epoch": epoch, "clean": right / points, "fgsm": stepped / points, "pgd": held / points})
    return pd.DataFrame(rows)
