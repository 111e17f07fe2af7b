import pytest

import analyses.features
import analyses.mixtures
from analyses.core.statistic_registry import StatisticRegistry, explained


def registry():
    found = StatisticRegistry()

    @found.register("{which}_{power}", "from 0", which={"min": "smallest", "max": "largest"}, power={1: "1", 2: "2"})
    def _power(values, which, power):
        """The {which} value

        to the power of {power}.
        """
        return {"min": min, "max": max}[which](values) ** power

    return found


def test_a_family_has_a_statistic_for_each_combination():
    found = registry()
    assert list(found) == ["min_1", "min_2", "max_1", "max_2"]
    assert [statistic.compute([2, 3]) for statistic in found.values()] == [2, 4, 3, 9]


def test_the_meaning_is_the_docstring_in_one_line_with_words_in_place_of_names():
    table = explained(registry(), ["max_2", "min_1"])
    assert table.to_numpy().tolist() == [
        ["max_2", "from 0", "The largest value to the power of 2."],
        ["min_1", "from 0", "The smallest value to the power of 1."],
    ]
    with pytest.raises(KeyError):
        explained(registry(), ["max_3"])


@pytest.mark.parametrize("statistics", [analyses.features.STATISTICS, analyses.mixtures.STATISTICS])
def test_every_statistic_is_explained(statistics):
    table = explained(statistics, statistics)
    assert table["meaning"].str.fullmatch(r"\S.*[^.]\.").all()
    assert not table["meaning"].str.contains(r"[{}\n]").any()
    assert not table["unit"].str.contains(r"^$|\.$").any()
    assert not table["meaning"].duplicated().any()
