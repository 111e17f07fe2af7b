"""Induced catastrophic overfitting (spec: co_features.md)."""

from figures.catalogue import Unbuilt

RECIPES: tuple[str, ...] = ("figure_1",)
"""Modules of this package, in the order of the gallery."""

UNBUILT: tuple[Unbuilt, ...] = ()
