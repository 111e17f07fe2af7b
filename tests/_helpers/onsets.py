"""Hand-made tables of when single-step training broke."""

import pandas as pd

from analyses.holistic_robust.plan import hr_name

HR = hr_name(0.2, 0)


def onset_rows(times):
    """Arms by name: their times; 480 is the end of training."""
    return pd.DataFrame(
        {
            "arm": arm,
            "seed": seed,
            "verdict": "",
            "broke": time < 480,
            "time": time,
            "iterations": 480,
            "clean": 0.9,
            "fgsm": 0.9,
            "pgd-50": 0.1,
            "value_fgsm": 0.5,
            "mean_robust": 2.0 + 0.1 * seed,
            "run": "",
        }
        for arm, row in times.items()
        for seed, time in enumerate(row)
    )
