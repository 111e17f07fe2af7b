"""Which runs people mean: `method=fgsm "epsilon>=4/255" state=done breakpoint=none verdict~overfitting`.

A condition names a setting by its dotted field, or a result: state, verdict, breakpoint, pgd-50, ...; its value is
written as elsewhere on the command line, so `[a,b]` and `0..4` are several, of which one has to fit. All conditions
have to hold. On what a run does not have, such as the verdict of one that has not ended, no condition holds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cotoolkit.core.errors import ConfigError, RunError
from cotoolkit.core.numbers import parse_number
from cotoolkit.core.validation import unknown_field
from cotoolkit.runs.find import find_run, find_runs
from cotoolkit.runs.index import RunIndex, RunRecord
from cotoolkit.runs.tables.run_table import value_text
from cotoolkit.studies.overrides import several_values

CONDITION = re.compile(r"(?P<name>[A-Za-z_][\w.:-]*)(?P<sign>>=|<=|!=|==?|>|<|~)(?P<text>.*)", re.DOTALL)

ORDER = (">=", "<=", ">", "<")

NONE = (None, "none")
"""What stands for nothing, in a run and in a condition."""


@dataclass(frozen=True)
class RunCondition:
    """What has to hold of a run.

    Attributes:
        word: as it was written.
        name: of the setting or result.
        sign: "=", "!=", "~" for "contains", or a comparison.
        text: behind the sign.
        values: that it stands for; one of them has to fit, and of "!=" none may.
    """

    word: str
    name: str
    sign: str
    text: str
    values: tuple[Any, ...]

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether it does.

        Args:
            row: settings and results of a run, see `columns_of`.

        Returns:
            Whether it holds.

        Raises:
            ConfigError: a comparison of what is no number.
        """
        if self.name not in row:
            return False
        found = row[self.name]
        if self.sign == "~":
            return self.text.casefold() in value_text(found).casefold()
        if self.sign in ORDER:
            return self._in_order(found)
        fits = found == self.text or any(_equal(found, value) for value in self.values)
        return fits == (self.sign == "=")

    def _in_order(self, found: Any) -> bool:
        if found in NONE:
            return False
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise ConfigError(f"{self.word}: {self.name} is {value_text(found)!r} somewhere, no number; use =, != or ~")
        (bound,) = self.values
        if _equal(found, bound):
            return self.sign in (">=", "<=")
        return bool(found > bound) if self.sign.startswith(">") else bool(found < bound)


def parse_condition(word: str) -> RunCondition:
    """A condition as people write it.

    >>> parse_condition("method=[fgsm,pgd]").values, parse_condition("epsilon>=1/4").values
    (('fgsm', 'pgd'), (0.25,))

    Raises:
        ConfigError: it is none, or its value cannot be read.
    """
    match = CONDITION.fullmatch(word)
    if match is None or not match["text"]:
        raise ConfigError(f'{word!r} is no condition; write it like method=fgsm, "epsilon>=4/255" or verdict~robust')
    name, sign, text = match["name"], match["sign"].replace("==", "="), match["text"]
    values = (text,) if sign == "~" else several_values(word, text)
    if sign in ORDER:
        if len(values) != 1:
            raise ConfigError(f"{word}: compare with one number")
        try:
            values = (parse_number(values[0]),)
        except ValueError as error:
            raise ConfigError(f"{word}: {error}") from None
    return RunCondition(word, name, sign, text, values)


def columns_of(record: RunRecord) -> dict[str, Any]:
    """All that conditions may name of a run: name, state, settings, and the results that it has."""
    result = {name: value for name, value in record.result.items() if value not in (None, "")}
    if "verdict" in result:
        result.setdefault("breakpoint", None)
    return {"run": record.folder.path.name, "state": result.pop("state"), **record.settings, **result}


def select_runs(root: Path | str, words: Sequence[str] = ()) -> list[RunRecord]:
    """The runs that people mean.

    Args:
        root: folder of run folders.
        words: conditions, which all have to hold, and runs as `find_run` takes them, of which a run has to be one.

    Returns:
        What their files say, by name; all runs of the root if no word is given.

    Raises:
        ConfigError: a condition on what no run has, or one that cannot be read.
        RunError: a word that means no run, or several.
    """
    names = [word for word in words if CONDITION.fullmatch(word) is None or _is_run(root, word)]
    conditions = [parse_condition(word) for word in words if word not in names]
    folders = {run.path.resolve(): run for run in (find_run(root, name) for name in names)}
    records = RunIndex(root).records(list(folders.values()) if names else None)
    if not conditions:
        return records
    rows = [columns_of(record) for record in records]
    for condition in conditions:
        _require(condition.name, rows)
    fits = [all(condition.holds(row) for condition in conditions) for row in rows]
    return [record for record, fit in zip(records, fits, strict=True) if fit]


def some_runs(root: Path | str, words: Sequence[str] = ()) -> list[RunRecord]:
    """`select_runs`, but there has to be one.

    Raises:
        RunError: there is none, too.
        ConfigError: as `select_runs`.
    """
    records = select_runs(root, words)
    if not records and not find_runs(root):
        raise RunError(f"{root}: no runs here; `cotoolkit demo` makes some")
    if not records:
        raise RunError(f"{root}: no run matches {' '.join(words)}")
    return records


def in_order_of(records: Sequence[RunRecord], name: str, *, descending: bool = False) -> list[RunRecord]:
    """Runs sorted by a setting or result; those that lack it come last in either direction.

    Args:
        records: in any order, which equal ones keep.
        name: of the setting or result.
        descending: the largest first.

    Returns:
        The same records.

    Raises:
        ConfigError: no run has it.
    """
    values = [columns_of(record) for record in records]
    _require(name, values)
    keyed = [(row.get(name), record) for row, record in zip(values, records, strict=True)]
    there = [(_sortable(value), record) for value, record in keyed if value is not None]
    there.sort(key=lambda pair: pair[0], reverse=descending)
    return [record for _, record in there] + [record for value, record in keyed if value is None]


def _require(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    known = dict.fromkeys(name for row in rows for name in row)
    if rows and name not in known:
        raise ConfigError(f"none of the runs here has it: {unknown_field(name, known)}")


def _is_run(root: Path | str, word: str) -> bool:
    """A folder's name may hold an equals sign."""
    return any((folder / "config.yaml").exists() for folder in (Path(word), Path(root) / word))


def _sortable(value: Any) -> tuple[bool, float, str]:
    """Numbers first, by size; then text."""
    if isinstance(value, int | float):
        return False, value, ""
    return True, 0.0, value_text(value)


def _equal(found: Any, value: Any) -> bool:
    """Whether a run's value is one that was written; numbers are equal as configurations round them."""
    if found in NONE or value in NONE:
        return found in NONE and value in NONE
    if isinstance(found, bool) or isinstance(value, bool):
        return found is value
    if isinstance(found, int | float):
        try:
            number = parse_number(value)
        except ValueError:
            return False
        return found == number if isinstance(found, int) else math.isclose(found, number, rel_tol=6e-8)
    if isinstance(found, list | tuple):
        same_length = isinstance(value, list | tuple) and len(found) == len(value)
        return same_length and all(map(_equal, found, value))
    return bool(found == value or str(found) == str(value))
