"""Smoke is the first seed of digits, everywhere; digits has ten; and neither trains another run than before."""

import importlib

import pytest

from cotoolkit.studies.scale import DIGITS_SEEDS
from figures.catalogue import recipes
from figures.co_features.setups.setup import SETUPS

RECIPES = {name: recipe for name, recipe in recipes().items() if "digits" in recipe.studies}

KNOWN = {
    ("breakpoint_mixtures", "induced", "fgsm"): "01d747bf86b6",
    ("holistic_robust", "onset", "AT"): "a70e2f122f35",
    ("local_ball", "digits", "lbt"): "aa3da1a99bd6",
    ("memorisation", "planted adversarial", "weights"): "ba75c12eb9fd",
    ("memorisation", "planted halves", "half"): "f92de7dfcd7f",
}
"""Identities of runs of seed 2, as in version 0.3.0, so that what was trained is not trained again."""


def runs_by_arm(recipe, scale):
    """Seeds by everything else."""
    found = {}
    for study in recipe.at(scale):
        for run in study.runs():
            rest = {name: value for name, value in run.to_data().items() if name != "seed"}
            found.setdefault(str(rest), set()).add(run.seed)
    return found


@pytest.mark.parametrize("name", [n for n in RECIPES if not n.startswith("benign_at/")])
def test_ten_seeds_of_every_arm_and_the_first_at_smoke(name):
    digits, smoke = (runs_by_arm(RECIPES[name], scale) for scale in ("digits", "smoke"))
    assert list(digits) == list(smoke)
    assert all(seeds == set(DIGITS_SEEDS) for seeds in digits.values())
    assert all(seeds == {0} for seeds in smoke.values())


@pytest.mark.parametrize("name", [name for name in RECIPES if name.startswith("benign_at/")])
def test_runs_at_smoke_are_some_of_those_at_digits(name):
    digits, smoke = (
        {run.identity for study in RECIPES[name].at(scale) for run in study.runs()} for scale in ("digits", "smoke")
    )
    assert smoke < digits
    assert len(smoke) <= 26


@pytest.mark.parametrize(("place", "identity"), KNOWN.items(), ids=lambda value: "-".join(value).replace(" ", "-"))
def test_runs_keep_their_identities(place, identity):
    study, group, arm = place
    plans = importlib.import_module(f"analyses.{study}.plan").PLANS
    assert plans["digits"].groups[group].config(arm, 2).identity == identity


def test_the_setup_of_most_figures_keeps_its_runs():
    setup = SETUPS["digits"]
    assert setup.config(setup.arm(), 2).identity == "5429d8370869"
