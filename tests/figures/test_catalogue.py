import re
import shutil
import sys
from collections import Counter

import pytest

from analyses.core.claims import ClaimTable
from cotoolkit.core.errors import ConfigError
from figures.catalogue import find_recipes
from tests._helpers import made_figure


def test_a_recipe_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    file = tmp_path / "own_figure_for_a_test.py"
    shutil.copy(made_figure.__file__, file)
    (found,) = find_recipes(str(file))
    assert found.name == "field/made_up"
    with pytest.raises(ConfigError, match=r"absent\.py: no such file"):
        find_recipes(str(tmp_path / "absent.py"))
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / "statistics.py").write_text("RECIPE = None")
    with pytest.raises(ConfigError, match="there is another module statistics"):
        find_recipes(str(tmp_path / "apart" / "statistics.py"))
    (tmp_path / "broken_figure_for_a_test.py").write_text("1 / 0")
    with pytest.raises(ConfigError, match="importing it failed: ZeroDivisionError"):
        find_recipes(str(tmp_path / "broken_figure_for_a_test.py"))
    (tmp_path / "empty_figure_for_a_test.py").write_text("")
    with pytest.raises(ConfigError, match="defines no RECIPE"):
        find_recipes(str(tmp_path / "empty_figure_for_a_test.py"))


def test_names():
    assert [recipe.name for recipe in find_recipes("figure_1")] == ["co_features/figure_1"]
    assert "co_features/figure_1" in [recipe.name for recipe in find_recipes("co_features")]
    with pytest.raises(ConfigError, match="did you mean figure_1"):
        find_recipes("figure_2")


def test_a_claim_stands_in_one_figure_of_its_paper():
    stated = Counter(
        (recipe.paper, row.claim.statement, row.claim.measure)
        for recipe in find_recipes("all")
        if isinstance(recipe.claims, ClaimTable)
        for row in recipe.claims.rows
    )
    assert [claim for claim, figures in stated.items() if figures > 1] == []


def test_what_readers_see_is_whole_sentences_and_cites_nothing_that_they_cannot_open():
    recipes = find_recipes("all")
    rows = [row for recipe in recipes if isinstance(recipe.claims, ClaimTable) for row in recipe.claims.rows]
    claims = [row.claim for row in rows]
    assert [claim.statement for claim in claims if claim.statement[0].islower()] == []
    assert [recipe.item for recipe in recipes if recipe.item[0].islower() or not recipe.item.count(" ")] == []
    texts = [*(claim.source for claim in claims), *(recipe.item for recipe in recipes)]
    assert [text for text in texts if re.search(r"\bspec\b|specification", text)] == []
