"""Which column of anybody's table is which: told, or guessed from its name, and never between two equally good ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.logs.reading.words import (
    ACCURACIES,
    ACCURACY_WORDS,
    ERROR_WORDS,
    RUNS,
    counts_successes,
    fit,
    words_by_name,
    words_of,
)

SPARSE = 0.25
"""A column with at most this share of another one's values gives way to it, where their names fit equally well."""


@dataclass(frozen=True)
class Columns:
    """Names of columns by what they hold.

    Attributes:
        time: epoch, iteration or step.
        pgd: accuracy under a multi-step attack.
        fgsm: accuracy under one step; None if there is none.
        clean: accuracy without an attack; None if there is none.
        train: accuracy on training points; None if there is none.
        loss: of training; None if there is none.
        run: columns that tell runs apart; none for one run.
        how: by part, whether its column was named or guessed.
    """

    time: str
    pgd: str
    fgsm: str | None = None
    clean: str | None = None
    train: str | None = None
    loss: str | None = None
    run: tuple[str, ...] = ()
    how: Mapping[str, str] = field(default_factory=dict)

    def parts(self) -> dict[str, str]:
        """Column by part, for the parts that there are."""
        found = {part: getattr(self, part) for part in ("time", *ACCURACIES, "train", "loss")}
        return {part: name for part, name in found.items() if name is not None}

    def is_error(self, part: str) -> bool:
        """Whether a part's column holds errors, by its name."""
        return bool(ERROR_WORDS & set(words_of(self.parts()[part])))


def find_columns(table: pd.DataFrame, named: Mapping[str, str | None], run: Sequence[str] | None = None) -> Columns:
    """Find the columns of a table.

    Args:
        table: anybody's.
        named: columns by part ("time", "clean", "fgsm", "pgd"), as far as they were named; "none" for no column.
        run: columns that tell runs apart; None to guess them, empty for one run.

    Returns:
        The columns.

    Raises:
        ConfigError: a column that is not there, no time, no PGD accuracy, several columns that fit equally well, or one
            column for two parts.
    """
    names = [str(name) for name in table.columns]
    words = words_by_name(names)
    reserved = {name for name in (*named.values(), *(run or ())) if name is not None}
    chosen: dict[str, str | None] = {}
    how: dict[str, str] = {}
    for part in ("pgd", "fgsm", "clean", "time"):
        told = named.get(part)
        if told is not None:
            chosen[part] = None if told == "none" and told not in names else _present(told, names, f"--{part}")
            how[part] = "named"
            continue
        free = [name for name in names if name not in chosen.values() and name not in reserved]
        fits = {name: fit(part, words[name]) for name in free}
        if part == "time":  # the finest one: a row per iteration may name its epoch, too
            fits = {name: fit and 10 * int(table[name].nunique()) + fit for name, fit in fits.items()}
        chosen[part] = _best(part, fits, table)
        how[part] = "guessed"
    _check_chosen(chosen, names, run or ())
    taken = [name for name in chosen.values() if name is not None]
    free = [name for name in names if name not in taken]
    measured = table[table[chosen["pgd"]].notna()]
    runs = (
        _run_columns(measured, free, str(chosen["time"]))
        if run is None
        else tuple(_present(name, names, "--run") for name in run)
    )
    train, loss = (
        _first({name: fit(part, words[name]) for name in free if name not in runs}) for part in ("train", "loss")
    )
    told_runs = {"run": "guessed" if run is None else "named"} if runs else {}
    extra = {part: "guessed" for part, name in (("train", train), ("loss", loss)) if name is not None}
    how = {part: way for part, way in how.items() if chosen[part] is not None} | extra | told_runs
    time, pgd = chosen["time"] or "", chosen["pgd"] or ""
    return Columns(time, pgd, chosen["fgsm"], chosen["clean"], train, loss, runs, how)


def _check_chosen(chosen: Mapping[str, str | None], names: Sequence[str], run: Sequence[str]) -> None:
    """Refuse one column for two parts, none for time or PGD accuracy, and rates of success."""
    _check_different(chosen, run)
    for part in ACCURACIES:
        if counts_successes(words_of(chosen[part] or "")):
            raise ConfigError(
                f"column {chosen[part]} counts how often an attack succeeds; give accuracies: 1 minus it, where it "
                "counts all points"
            )
    for part, what in (("time", "epoch, iteration or step"), ("pgd", "PGD accuracy")):
        if chosen[part] is None:
            successes = [name for name in names if counts_successes(words_of(name))]
            counts = f" ({_listed(successes)}: how often an attack succeeds is no accuracy)" if successes else ""
            raise ConfigError(
                f"no column of {what} with values among {_listed(names)}{counts}; name it with --{part} COLUMN"
            )


def only_a_course(table: pd.DataFrame) -> bool:
    """Whether a table holds accuracies and losses alone, without a time and without anything that tells runs apart."""
    words = words_by_name([str(name) for name in table.columns if not str(name).startswith("Unnamed")])
    return all(any(fit(part, own) for part in (*ACCURACIES, "train", "loss")) for own in words.values())


def _check_different(chosen: Mapping[str, str | None], run: Sequence[str]) -> None:
    """Refuse one column for two parts."""
    parts: dict[str, str] = dict.fromkeys(run, "run")
    for part, name in chosen.items():
        if name is not None and name in parts:
            raise ConfigError(
                f"column {name} is named for {parts[name]} and for {part}; name another one with --{part} COLUMN"
            )
        if name is not None:
            parts[name] = part


def _best(part: str, fits: Mapping[str, int], table: pd.DataFrame) -> str | None:
    """The column that fits best; of equal ones, the one that has a course: values at many times, not at the end alone.

    Raises:
        ConfigError: several fit equally well.
    """
    best = max(fits.values(), default=0)
    equal = [name for name, fit in fits.items() if fit == best and fit > 0 and table[name].notna().any()]
    if len(equal) > 1:
        counts = {name: int(table[name].notna().sum()) for name in equal}
        equal = [name for name in equal if counts[name] > SPARSE * max(counts.values())]
    if len(equal) > 1:
        raise ConfigError(
            f"{len(equal)} columns fit {part} equally well: {_listed(equal)}; name one with --{part} COLUMN"
        )
    return equal[0] if equal else None


def _first(fits: Mapping[str, int]) -> str | None:
    """The column that fits best, where a wrong one does no harm: the first of equal ones."""
    return max(fits, key=lambda name: fits[name]) if any(fits.values()) else None


def _run_columns(table: pd.DataFrame, free: Sequence[str], time: str) -> tuple[str, ...]:
    """Columns that tell runs apart by their names and values; not such as change in the course of a run."""
    named = [name for name in free if set(words_of(name)) & RUNS and not set(words_of(name)) & ACCURACY_WORDS]
    # A run's own column says the same for many rows; a column of measurements does not.
    settled = [name for name in named if table[name].nunique(dropna=False) <= max(len(table) / 2, 1)]
    found = [name for name in settled if table[name].nunique(dropna=False) > 1]
    for name in list(found):
        others = [one for one in found if one != name]
        groups = [rows for _, rows in table.groupby(others, dropna=False)] if others else [table]
        changes = any(rows[name].nunique(dropna=False) > 1 for rows in groups)
        if changes and not any(rows[time].duplicated().any() for rows in groups):
            found = others
    return tuple(found)


def _present(name: str, names: Sequence[str], flag: str) -> str:
    if name not in names:
        raise ConfigError(f"{flag} {name}: no such column; the table has {_listed(names)}")
    return name


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")
