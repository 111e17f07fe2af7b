"""Recipes."""

from figures.catalogue import Unbuilt

RECIPES: tuple[str, ...] = ()

UNBUILT: tuple[Unbuilt, ...] = ()
