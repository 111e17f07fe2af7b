"""Tables with a row per measurement, as cotoolkit and MLflow write them, as tables with a column per name."""

from __future__ import annotations

import pandas as pd

from cotoolkit.diagnosis.logs.reading.words import ACCURACIES, ACCURACY_WORDS, RUNS, TIMES, attack_in, fit, words_of

NAMES = frozenset({"signal", "metric", "tag", "key", "variable", "name"})
"""What the column with the names of the measurements is called."""

UNATTACKED = frozenset({"none", "no attack", "no", ""})
"""Names of no attack, where a column names the attack of each accuracy."""


def widened(table: pd.DataFrame) -> pd.DataFrame:
    """A column per name, where a table has a column of names and one of values.

    Args:
        table: anybody's.

    Returns:
        One row per run and time, or the table as it is; of values given more than once the last one.

    >>> long = pd.DataFrame({"epoch": [1, 1], "signal": ["fgsm", "pgd"], "value": [0.5, 0.4]})
    >>> widened(long).to_dict("records")
    [{'epoch': 1, 'fgsm': 0.5, 'pgd': 0.4}]
    """
    table = _with_names(table)
    names = [name for name in table if str(name).lower() in NAMES]
    values = [name for name in table if str(name).lower() == "value"]
    kept = [name for name in table if _tells(name) and name not in names]
    if len(names) != 1 or len(values) != 1 or not any(set(words_of(str(name))) & TIMES.keys() for name in kept):
        return table
    once = table.dropna(subset=[*kept, *names]).drop_duplicates([*kept, *names], keep="last")
    wide = once.pivot(index=kept, columns=names[0], values=values[0]).rename_axis(columns=None).reset_index()
    wide.index = pd.Index([
        ", ".join(f"{name} {value}" for name, value in zip(kept, row, strict=True))
        for row in wide[kept].itertuples(index=False, name=None)
    ])  # fmt: skip
    return wide


def _with_names(table: pd.DataFrame) -> pd.DataFrame:
    """A table with the attack of each accuracy as one of metrics and values."""
    attacks = [name for name in table if str(name).lower() == "attack"]
    values = [name for name in table if str(name).lower() in ACCURACY_WORDS]
    if len(attacks) != 1 or len(values) != 1 or pd.api.types.is_numeric_dtype(table[attacks[0]]):
        return table
    names, others = table[attacks[0]].fillna("").astype(str), table.columns.difference([*attacks, *values])
    several = names.nunique() > 1 and any(attack_in(words_of(name)) > 0 for name in names.unique())
    known = any(fit(part, words_of(str(name))) for name in others for part in ACCURACIES)
    if known or not several or table.duplicated([*others[others.map(_tells)], *attacks]).any():
        return table
    table = table.rename(columns={attacks[0]: "metric", values[0]: "value"})
    return table.assign(metric=names.where(~names.str.strip().str.lower().isin(UNATTACKED), "clean"))


def _tells(name: object) -> bool:
    """Whether a column says of which run or time a row is, by its name."""
    return bool(set(words_of(str(name))) & (RUNS | TIMES.keys()))
