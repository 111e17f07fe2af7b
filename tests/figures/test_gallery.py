"""The stored figures are what their tables say, and every recipe has one."""

from pathlib import Path

import pytest

import figures
from figures.catalogue import PAPERS, not_reproduced, recipes
from figures.records.files import folder_of, read_record
from figures.records.gallery_page import changed_pages, gallery_pages
from figures.records.stored import inconclusive_share, stored_figures
from figures.records.verify import strays, verify
from figures.source_tags import WHOSE

FOLDER = Path(figures.__file__).parent
GALLERY = FOLDER / "gallery"
RECIPES = recipes()
STORED = [
    (recipe, scale)
    for recipe in RECIPES.values()
    for scale in recipe.studies
    if folder_of(GALLERY, recipe.name, scale).exists()
]


@pytest.mark.parametrize("name", RECIPES)
def test_a_stored_figure_is_what_its_table_says(name):
    assert verify([RECIPES[name]], GALLERY, complete=False) == []


def test_every_folder_of_the_gallery_has_a_recipe():
    assert strays(list(RECIPES.values()), GALLERY) == []


def test_the_pages_are_generated_from_the_stored_figures():
    assert changed_pages(GALLERY) == []
    assert set(gallery_pages(GALLERY)) == {FOLDER / "README.md", *(FOLDER / paper / "README.md" for paper in PAPERS)}


def test_at_most_a_quarter_of_the_judged_claims_is_inconclusive():
    inconclusive, judged = inconclusive_share(stored_figures(RECIPES.values(), GALLERY))
    assert judged > 100
    assert inconclusive <= judged / 4


def test_every_module_with_a_recipe_is_listed():
    found = {
        f"{path.parent.name}/{path.stem}"
        for paper in PAPERS
        for path in (FOLDER / paper).glob("*.py")
        if "\nRECIPE = " in path.read_text()
    }
    assert found == set(RECIPES)


@pytest.mark.parametrize(("recipe", "scale"), STORED, ids=lambda value: getattr(value, "name", value))
def test_every_stored_figure_says_whose_its_claims_are_and_what_made_it(recipe, scale):
    record = read_record(folder_of(GALLERY, recipe.name, scale))
    keys = [claim.key for claim in record.claims]
    assert len(set(keys)) == len(keys)
    for claim in record.claims:
        assert claim.source.split(":")[0].split()[0] in WHOSE, claim.source
        unread = [tag for tag in ("[M]", "[D]", "[H]", "[U]", "[R-") if tag in claim.source]
        assert claim.source.startswith("ours") or not unread, claim.source
    assert record.making.command == f"cotoolkit figures make {recipe.name} --scale {scale}"
    for key in ("python", "torch", "device", "matplotlib"):
        assert record.making.environment[key]
    assert bool(record.making.runs) == bool(record.making.protocols)


def test_what_is_not_built_says_why():
    for missing in not_reproduced().values():
        for one in missing:
            assert len(one.why) > 20, one
