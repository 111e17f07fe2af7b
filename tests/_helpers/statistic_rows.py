"""Rows of a table of statistics by arm, seed and iteration."""

import pandas as pd


def rows(arm, seed, statistic, iterations, values):
    return pd.DataFrame(
        {"arm": arm, "seed": seed, "statistic": statistic, "iteration": iterations, "value": values, "scale": "smoke"}
    )
