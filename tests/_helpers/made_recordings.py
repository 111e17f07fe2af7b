"""Recorded runs that were never trained: their signals and their truth are written down."""

import numpy as np
import pandas as pd

from analyses.early_warning.recorded.recording import PROBED, Recording, Run
from analyses.early_warning.recorded.truth import judge_truth
from cotoolkit.config import RunConfig


def recording(pgd, *, fgsm=0.7, clean=0.9, iterations=300, ended=None, **signals):
    """`pgd`, `fgsm`, `clean` and every signal are functions of the iteration, or constants."""

    def of(value, at):
        return [float(value(i) if callable(value) else value) for i in at]

    at, trained = range(iterations + 1), range(1, (ended or iterations) + 1)
    truth = {"iteration": at, "clean": of(clean, at), "fgsm": of(fgsm, at), "pgd": of(pgd, at)}
    shares = dict(zip(PROBED, (clean, fgsm, pgd, pgd), strict=True))
    probed = {f"{part}_{name}": share for part in ("probe", "first") for name, share in shares.items()}
    known = {**probed, "gradient_alignment": 0.5, **signals}
    trace = {name: of(value, trained) for name, value in known.items()}
    return Recording(pd.DataFrame({"iteration": trained, **trace}), pd.DataFrame(truth), iterations)


def judged(pgd, **options):
    found = recording(pgd, **options)
    return judge_truth(found.truth, diverged=found.diverged)


def run(setting="made", seed=0, pgd=0.5, **options):
    return Run.judged(setting, RunConfig(seed=seed), recording(pgd, **options), {"torch": "none"})


def breaks_at(iteration, before=0.5, after=0.0):
    return lambda i: before if i < iteration else after


def breaks_between(first, end, before=0.5, after=0.0):
    return lambda i: after if first <= i < end else before


def surge(iteration, size=0.5, noise=0.01, seed=0):
    """Noise around 0, and around `size` from an iteration on."""
    draws = np.random.default_rng(seed).normal(scale=noise, size=3001)
    return lambda i: draws[i] + (size if i >= iteration else 0.0)
