"""How often one probe of all points errs about a loss of robustness, by simulation.

    python benchmarks/criterion_errors.py [--draws 4000]

A network withstands PGD on a share of all images, FGSM on 1.25 times as many, and is right without an attack on half.
What it had is the best of ten probes, which is too good. Every probe takes other points: the worst case, for a monitor
always takes the same, and their accidents cancel. Columns: a false alarm where nothing changed; where all accuracies
fell to 70 % together; and where PGD accuracy alone fell to 70 %, the restlessness of a healthy run; a miss where a
tenth of PGD accuracy is left under the same FGSM accuracy, and where none is.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

import numpy as np

from cotoolkit.evaluation.probe import ProbeResult
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.criterion import BreakpointCriterion

SETTINGS = (
    (10, 64, 0.4),
    (10, 128, 0.2),
    (10, 128, 0.4),
    (10, 128, 0.6),
    (100, 128, 0.05),
    (100, 128, 0.1),
    (100, 512, 0.05),
    (100, 512, 0.1),
    (100, 512, 0.2),
    (200, 1024, 0.05),
    (200, 1024, 0.1),
    (200, 1024, 0.2),
)
"""Classes, points, and the share of images that withstands PGD."""

CLEAN, FGSM = 0.5, 1.25
"""Accuracy without an attack; FGSM accuracy in units of PGD accuracy. More images are right where PGD needs it."""


class Errors(NamedTuple):
    """Shares of draws.

    Attributes:
        unchanged: called a breakpoint though nothing changed.
        all_lower: called one where all accuracies fell to 70 %.
        restless: called one where PGD accuracy fell to 70 %.
        missed: not called one where a tenth of PGD accuracy is left.
        missed_all: not called one where none is left.
    """

    unchanged: float
    all_lower: float
    restless: float
    missed: float
    missed_all: float


def measured(draws: np.random.Generator, points: int, pgd: float, fgsm: float, clean: float) -> ProbeResult:
    """One probe: who withstands PGD withstands FGSM, and who withstands FGSM is right without it."""
    luck = draws.random(points)
    robust = tuple((luck < pgd).tolist())
    right, steps, withstands = (float((luck < share).mean()) for share in (clean, fgsm, pgd))
    return ProbeResult(right, steps, withstands, 0.5, points, robust)


def error_rates(classes: int, points: int, had: float, count: int, seed: int = 0) -> Errors:
    """How often one probe errs.

    Args:
        classes: number of classes.
        points: of the probe.
        had: true PGD accuracy before.
        count: simulated runs.
        seed: of the draws.

    Returns:
        The error rates.
    """
    draws = np.random.default_rng(seed)
    fgsm = FGSM * had
    clean = max(CLEAN, fgsm)
    cases = (
        (had, fgsm, clean, "breaks"),
        (0.7 * had, 0.7 * fgsm, 0.7 * clean, "breaks"),
        (0.7 * had, fgsm, clean, "breaks"),
        (0.1 * had, fgsm, clean, ""),
        (0.0, fgsm, clean, ""),
    )
    wrong = np.zeros(len(cases))
    for _ in range(count):
        criterion = BreakpointCriterion(MonitorConfig(), classes)
        for iteration in range(1, 11):
            criterion.remember(iteration, measured(draws, points, had, fgsm, clean))
        for position, (*levels, error) in enumerate(cases):
            result = measured(draws, points, *levels)
            called = criterion.is_broken(result) and criterion.is_no_accident(result)
            wrong[position] += called if error else not called
    return Errors(*(wrong / count).tolist())


def main(count: int) -> None:
    """Print a table."""
    print("| classes | points | PGD | nothing changed | all fell to 70 % | PGD fell to 70 % | 10 % left | none left |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for classes, points, had in SETTINGS:
        found = " | ".join(f"{100 * rate:.2f} %" for rate in error_rates(classes, points, had, count))
        print(f"| {classes} | {points} | {had:.0%} | {found} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=4000)
    main(parser.parse_args().draws)
