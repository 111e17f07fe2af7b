"""Do flags mean what they should?"""

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.memorisation.flags import (
    area_under_curve,
    enrichment,
    flag_table,
    jaccard,
    noise_table,
    recall_and_precision,
)
from analyses.memorisation.image_groups import pick_random
from cotoolkit.core.errors import ConfigError


def bools(text):
    return np.array([letter == "1" for letter in text])


def test_measures_of_flags_by_hand():
    flagged, wanted = bools("11100000"), bools("11010000")
    assert enrichment(flagged, wanted) == pytest.approx((2 / 3) / (3 / 8))
    assert recall_and_precision(flagged, wanted) == pytest.approx((2 / 3, 2 / 3))
    overlap, by_chance = jaccard(flagged, wanted)
    assert overlap == pytest.approx(2 / 4)
    assert by_chance == pytest.approx((10 * 0 + 30 * 1 / 5 + 15 * 2 / 4 + 1 * 3 / 3) / 56)
    assert jaccard(bools("1000"), bools("0100")) == pytest.approx((0, 1 / 4))
    assert jaccard(bools("1110"), bools("0111"))[1] == pytest.approx(3 / 4 * 2 / 4 + 1 / 4)
    assert jaccard(bools("1111"), bools("0000")) == (0, 0)
    assert np.isnan(enrichment(bools("00"), bools("10")))
    assert np.isnan(jaccard(bools("00"), bools("00"))[0])
    assert np.isnan(recall_and_precision(bools("00"), bools("10"))[1])
    assert area_under_curve(np.array([1.0, 1, 1, 1]), bools("1100")) == 0.5
    assert np.isnan(area_under_curve(np.array([1.0, 2]), bools("11")))


def test_chance_of_an_overlap_against_draws():
    rng = np.random.default_rng(0)
    drawn = [
        jaccard(pick_random(bools("1" * 60), 20, a), pick_random(bools("1" * 60), 30, b))[0]
        for a, b in rng.integers(9**9, size=(400, 2))
    ]
    assert np.mean(drawn) == pytest.approx(jaccard(bools("1" * 20 + "0" * 40), bools("1" * 30 + "0" * 30))[1], abs=0.01)


def looks(rows):
    return pd.DataFrame(rows, columns=["seed", "iteration", "index", "flagged", "confidence", "label", "true_label"])


def test_flag_table():
    table = looks(
        [
            *[(0, 5, i, i < 2, c, 0, 0) for i, c in enumerate((0.9, 0.2, 0.1, 0.3))],
            *[(0, 9, i, i < 1, 0.5, 0, 0) for i in range(4)],
            *[(1, 5, i, i < 3, c, 0, 0) for i, c in enumerate((0.9, 0.8, 0.7, 0.1))],
            *[(1, 9, i, i < 2, 0.5, 0, 0) for i in range(4)],
        ]
    )
    images = pd.DataFrame(
        {"mem_standard_clean": [0.9, 0.4, 0.0, 0.0], "truth": ["harmful", "benign", "common", "common"]}
    )
    found_table = flag_table(table, images, (0.25,))
    assert found_table["flagged_halfway"].tolist() == [0.5, 0.75]
    assert found_table["flagged"].tolist() == [0.25, 0.5]
    assert found_table["enrichment"].tolist() == [2, 2]
    assert found_table["area"].tolist() == [0.75, 1.0]
    assert found_table["jaccard"].tolist() == [0.5, 0.5]
    assert found_table["harmful"].tolist() == [1, 1]
    assert found_table["benign"].tolist() == [0, 1]
    alone = flag_table(table[table["seed"] == 0], images, (0.25,))
    assert alone[["jaccard", "jaccard_random"]].isna().all(axis=None)
    assert alone["flagged"].tolist() == [0.25]


def test_noise_table():
    table = looks([(0, 9, i, i in (0, 1), c, int(i == 0), 0) for i, c in enumerate((0.9, 0.8, 0.1, 0.2))])
    row = noise_table(table).iloc[0]
    assert (row["recall"], row["precision"], row["by_chance"], row["area"]) == (1, 0.5, 0.25, 1)


MEASURES = {
    "area": lambda marks: area_under_curve([0.1, 0.4, 0.35, 0.8], marks),
    "enrichment": lambda marks: enrichment(marks, bools("0111")),
    "jaccard": lambda marks: jaccard(marks, bools("0111")),
    "recall": lambda marks: recall_and_precision(marks, bools("0111")),
}


@pytest.mark.parametrize("measure", MEASURES)
def test_marks_are_booleans_or_zeros_and_ones(measure):
    found = MEASURES[measure](bools("0011"))
    for marks in ([0, 0, 1, 1], np.array([0, 0, 1, 1]), torch.tensor([0, 0, 1, 1]), pd.Series([0.0, 0, 1, 1])):
        assert MEASURES[measure](marks) == found
    for marks in ([2, 3], [2, 3, 0, 1], [0.5, 0, 1, 1], bools("011"), [[0, 0, 1, 1]]):
        with pytest.raises(ConfigError):
            MEASURES[measure](marks)
