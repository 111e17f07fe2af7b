from cotoolkit.config import RunConfig
from figures.catalogue import find_recipes
from figures.records.setting import setting_of, setting_sentence

DIGITS = {"data": "digits", "epsilon": 0.25, "epochs": 24, "batch_size": 64, "learning_rate": 0.1}


def test_the_setting_names_data_network_methods_radii_epochs_optimiser_and_seeds():
    pgd = {"method": {"name": "pgd", "steps": 3}, "epsilon": "8/255"}
    runs = [RunConfig.parse({**DIGITS, **arm, "seed": seed}) for arm in ({}, pgd) for seed in (0, 1)]
    assert setting_sentence(runs) == (
        "1,293 training images of scikit-learn's digits, 8 × 8; a small CNN of width 16; training: FGSM, PGD-3; linf "
        "radius 8/255 or 0.25; 24 epochs in batches of 64; SGD, cyclic learning rate up to 0.1; 2 seeds."
    )
    assert setting_sentence([*runs, RunConfig.parse({**DIGITS, "seed": 2})]).endswith("up to 3 seeds.")
    assert setting_sentence([]) == ""


def test_every_figure_of_the_gallery_says_what_was_trained():
    recipes = find_recipes("all")
    assert [
        (recipe.name, scale) for recipe in recipes for scale in recipe.studies if not setting_of(recipe, scale)
    ] == []
