"""All recipes by paper, found in the papers' packages, and what the papers hold besides that was not reproduced."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.user_code import FAILURES, describe

if TYPE_CHECKING:
    from figures.recipe import Recipe


class NotReproduced(NamedTuple):
    """A figure or table without a recipe.

    Attributes:
        item: which.
        why: there is none.
    """

    item: str
    why: str


PAPERS = {
    "co_features": "Catastrophic overfitting can be induced with discriminative non-robust features (Ortiz-Jimenez et "
    "al., TMLR 2023)",
    "feature_purification": "Feature purification: how adversarial training performs robust deep learning (Allen-Zhu "
    "and Li, 2020)",
    "holistic_robust": "Certified robust neural networks: generalization and corruption resistance (Bennouna, Lucas "
    "and Van Parys, ICML 2023)",
    "benign_at": "Towards the memorization effect of neural networks in adversarial training (Xu et al., 2021)",
    "local_ball": "Improving local effectiveness for global robust training (Lu and Kumar, 2021)",
    "gradalign": "Understanding and improving fast adversarial training (Andriushchenko and Flammarion, NeurIPS 2020)",
    "method_comparison": "All training methods under one loop: who prevents catastrophic overfitting, at which cost",
    "field": "The field around them: boundary distortion (Kim et al., 2021), PertAlign (SORA, 2026)",
}
"""Papers by the package of their recipes."""


def recipes() -> dict[str, Recipe]:
    """All recipes by name: those that modules of the papers' packages define, in the order of their names."""
    from figures.recipe import Recipe

    found = {}
    for paper in PAPERS:
        package = importlib.import_module(f"figures.{paper}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            recipe = getattr(importlib.import_module(module.name), "RECIPE", None)
            if isinstance(recipe, Recipe):
                found[recipe.name] = recipe
    return found


def not_reproduced() -> dict[str, tuple[NotReproduced, ...]]:
    """What has no recipe, by paper."""
    return {paper: importlib.import_module(f"figures.{paper}").NOT_REPRODUCED for paper in PAPERS}


def find_recipes(name: str) -> list[Recipe]:
    """The recipes that a name means: "all", a paper, PAPER/FIGURE, FIGURE alone, or a file that defines RECIPE.

    Raises:
        ConfigError: none.
    """
    if name.endswith(".py"):
        return [_from_file(Path(name))]
    known = recipes()
    if name == "all":
        return list(known.values())
    found = [recipe for key, recipe in known.items() if name in (key, recipe.paper, key.partition("/")[2])]
    if not found:
        names = [*known, *(key.partition("/")[2] for key in known), *PAPERS]
        near = difflib.get_close_matches(name, names, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`cotoolkit figures list` shows all"
        raise ConfigError(f"no figure {name!r}: {hint}")
    return found


def _from_file(path: Path) -> Recipe:
    """A recipe of the user's own.

    Raises:
        ConfigError: no such file, no recipe in it, its name is taken by another module, or importing it fails.
    """
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    taken = importlib.util.find_spec(path.stem) if path.stem.isidentifier() else None
    if taken is not None and Path(taken.origin or "").resolve() != path.resolve():
        raise ConfigError(f"{path}: there is another module {path.stem} ({taken.origin}); rename the file")
    from figures.recipe import Recipe

    # Imported under its own name, not run: the processes that measure must find its functions.
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        module = importlib.import_module(path.stem)
    except FAILURES as failure:
        raise ConfigError(f"{path}: importing it failed: {describe(failure)}") from failure
    recipe = getattr(module, "RECIPE", None)
    if not isinstance(recipe, Recipe):
        raise ConfigError(f"{path}: defines no RECIPE; write RECIPE = figures.recipe.Recipe(...)")
    return recipe
