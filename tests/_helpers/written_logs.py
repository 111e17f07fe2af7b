"""Logs written by hand, and what is said of them."""

import numpy as np
import pandas as pd

from cotoolkit import diagnose_log


def log(pgd, fgsm=None, clean=None, **more):
    pgd = np.asarray(pgd, dtype=float)
    fgsm = 1.1 * pgd if fgsm is None else fgsm
    clean = np.full(len(pgd), 0.7) if clean is None else clean
    return pd.DataFrame({"epoch": range(len(pgd)), "clean": clean, "fgsm": fgsm, "pgd": pgd, **more})


def wobbly(level, rows, seed=0):
    return level + 0.01 * np.random.default_rng(seed).standard_normal(rows)


def the_run(table, **options):
    return diagnose_log(table, points=1000, **options).runs[0]
