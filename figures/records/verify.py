"""Are the stored figures what their tables say? Redraws and judges again from the files, without training.

A check against accidental change: of a file, or of the code that judges and draws. It proves nothing against somebody
who changes a table and seals the record again.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from pydantic import BaseModel

from cotoolkit.core.errors import RunError
from cotoolkit.core.user_code import describe
from cotoolkit.studies.scale import Scale
from figures.recipe import Recipe
from figures.records.files import CLAIMS, DATA, PICTURES, digest, folder_of, read_data, read_record, rendered
from figures.records.record import FigureRecord, stored_claims, stored_comparisons

TOLERANCE = 1e-6
"""Relative, between a stored number and the same number computed again; other machines sum in other orders."""

FILES = (DATA, CLAIMS, *PICTURES)
"""What stands in a figure's folder."""

REDRAWN = "figure.svg"
"""The picture that is compared, where matplotlib has the version that drew it."""

PLACE = 0.1
"""Points by which a part of a picture may lie elsewhere: the layout is solved by iteration."""


def verify(recipes: Sequence[Recipe], gallery: Path, *, complete: bool = True) -> list[str]:
    """What is wrong in a gallery, one line each; none if all is well.

    Args:
        recipes: whose figures should be there, and may be there at several scales.
        gallery: folder of all figures.
        complete: they are all recipes: each should be there at scale digits, and any other figure is a stray.

    Returns:
        The problems.
    """
    problems = [problem for recipe in recipes for problem in _of_recipe(recipe, gallery, complete)]
    return problems + (strays(recipes, gallery) if complete else [])


def strays(recipes: Sequence[Recipe], gallery: Path) -> list[str]:
    """Folders of figures that no recipe makes.

    Args:
        recipes: all that there are.
        gallery: folder of all figures.

    Returns:
        A line each.
    """
    known = {folder_of(gallery, recipe.name, scale) for recipe in recipes for scale in recipe.studies}
    found = {path.parent for path in gallery.glob("*/*/*/*")}
    problems = [f"{folder}: no recipe makes this figure" for folder in sorted(found - known)]
    files = sorted(path for folder in known for path in folder.glob("*"))
    return problems + [f"{path}: no recipe makes this file" for path in files if path.name not in FILES]


def _of_recipe(recipe: Recipe, gallery: Path, complete: bool) -> Iterator[str]:
    made = [scale for scale in recipe.studies if folder_of(gallery, recipe.name, scale).exists()]
    if "digits" in recipe.studies and "digits" not in made and (complete or not made):
        yield f"{recipe.name}: not made at scale digits; run `cotoolkit figures make {recipe.name} --scale digits`"
    for scale in made:
        try:
            yield from _check_figure(recipe, scale, gallery)
        except RunError as error:
            yield str(error)
        except Exception as failure:  # a damaged table breaks a recipe in its own way; the other figures go on
            yield f"{folder_of(gallery, recipe.name, scale) / DATA}: cannot be judged: {describe(failure)}"


def _check_figure(recipe: Recipe, scale: Scale, gallery: Path) -> Iterator[str]:
    """What is wrong with one stored figure, a line per problem."""
    folder = folder_of(gallery, recipe.name, scale)
    record = read_record(folder)
    if (record.figure, record.scale) != (recipe.name, scale):
        yield f"{folder}: its record is of {record.figure} at scale {record.scale}"
    for name in (DATA, *PICTURES):
        if not (folder / name).exists():
            yield f"{folder / name}: missing"
        elif digest(folder / name) != record.files.get(name):
            yield f"{folder / name}: is not the file that was made (its SHA-256 differs from that in the record)"
    if record.sealed().seal != record.seal:
        yield f"{folder / CLAIMS}: is not what was written (its seal does not fit)"
    data = read_data(folder)
    yield from _differences(folder, "claim", "key", record.claims, stored_claims(recipe.claims(data)))
    yield from _differences(folder, "comparison", "what", record.comparisons, stored_comparisons(recipe.compare(data)))
    again = rendered(recipe, data, REDRAWN)
    stored = folder / REDRAWN
    if comparable(record) and stored.exists() and not same_picture(stored.read_text(), again.decode()):
        yield f"{stored}: is not what its table draws; make the figure again"


def comparable(record: FigureRecord) -> bool:
    """Whether this version of matplotlib drew the pictures; another one draws a little otherwise."""
    return record.making.environment.get("matplotlib") == mpl.__version__


def same_picture(one: str, other: str) -> bool:
    """Whether two SVG texts draw the same, but for names of parts, and places less than `PLACE` apart.

    Args:
        one: an SVG text.
        other: another one.

    Returns:
        Whether they do.
    """
    parts = [re.split(r"(-?\d+(?:\.\d+)?)", re.sub(r"\b[a-z][0-9a-f]{10}\b", "", text)) for text in (one, other)]
    words, numbers = ([part[first::2] for part in parts] for first in (0, 1))
    if words[0] != words[1]:
        return False
    return all(abs(float(a) - float(b)) < PLACE for a, b in zip(*numbers, strict=True))


def _differences(
    folder: Path, kind: str, key: str, stored: Sequence[BaseModel], found: Sequence[BaseModel]
) -> Iterator[str]:
    names = [[getattr(one, key) for one in some] for some in (stored, found)]
    if names[0] != names[1] and set(names[0]) == set(names[1]):
        yield f"{folder}: {kind}s are stored in another order or number than its table gives"
    before, now = ({getattr(one, key): one.model_dump() for one in some} for some in (stored, found))
    for name in dict.fromkeys([*before, *now]):
        if name not in now:
            yield f"{folder}: {kind} {name!r} is stored but no longer made"
        elif name not in before:
            yield f"{folder}: {kind} {name!r} is not stored; make the figure again"
        elif fields := [field for field in now[name] if not _same(before[name][field], now[name][field])]:
            was, is_ = before[name][fields[0]], now[name][fields[0]]
            yield f"{folder}: {kind} {name!r}: {fields[0]} is stored as {was!r}, its table says {is_!r}"


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, tuple | list) and isinstance(other, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-12)
    return bool(one == other)
