"""Which attack fooled which point."""

import numpy as np
import pandas as pd
import pytest
import torch

from cotoolkit import diagnose
from cotoolkit.diagnosis.budget import BUDGETS
from cotoolkit.diagnosis.points import few_points, point_outcomes, points_table
from tests._helpers.networks import Linear


def bools(*signs):
    return torch.tensor(signs, dtype=torch.bool)


def outcomes():
    held = {"clean": bools(1, 1, 0, 1), "fgsm@0.5": bools(1, 1, 0, 1), "fgsm": bools(1, 0, 1, 1),
            "fgsm@2": bools(0, 0, 1, 1), "pgd-20": bools(1, 0, 0, 0)}  # fmt: skip
    few_held = {"margin-20": bools(1, 0), "square-200": bools(0, 0)}
    return point_outcomes(torch.tensor([7, 3, 9, 0]), torch.tensor([1, 0, 1, 0]), torch.tensor([0, 3]), held, few_held)


def test_the_first_attack_within_epsilon_that_fools_a_point_is_named():
    table = points_table(outcomes())
    assert table["place"].tolist() == [7, 3, 9, 0]
    # Point 0 falls to Square alone, at twice epsilon not counted; 1 to FGSM; 2 is wrong without any; 3 to PGD.
    assert table["fooled_by"].tolist() == ["square-200", "fgsm", "clean", "pgd-20"]
    assert table["few"].tolist() == [True, False, False, True]


def test_what_was_not_tried_is_missing():
    table = points_table(outcomes())
    assert table["margin-20"].tolist() == [True, pd.NA, pd.NA, False]
    assert table["worst"].tolist() == [False, pd.NA, pd.NA, False]
    assert table["clean"].tolist() == [True, True, False, True]


def test_a_point_that_nothing_fools_says_so(tmp_path):
    found = outcomes().model_copy(update={"few_held": {"margin-20": "11"}})
    table = points_table(found)
    assert table["fooled_by"].tolist()[0] == "none"
    table.to_parquet(tmp_path / "points.parquet")
    assert pd.read_parquet(tmp_path / "points.parquet")["worst"].tolist()[0] is True


def test_places_of_a_part_are_those_in_the_whole():
    assert outcomes().placed(torch.arange(100, 120)).places == (107, 103, 109, 100)


def test_the_few_are_the_same_for_a_seed_and_keep_the_class_shares():
    labels = torch.arange(40) % 4
    few = few_points(labels, 8, 3)
    assert torch.equal(few, few_points(labels, 8, 3))
    assert torch.bincount(labels[few]).tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("count", [12, 40])
def test_a_diagnosis_says_which_images_its_points_are(count):
    draws = torch.Generator().manual_seed(count)
    images = torch.rand(40, 1, 2, 2, generator=draws)
    model = Linear(torch.tensor([1.0, -1.0, 2.0, 0.5]))
    with torch.no_grad():
        labels = model(images).argmax(1)
        labels[::5] = 1 - labels[::5]
        right = model(images).argmax(1) == labels
    budget = BUDGETS["quick"].model_copy(update={"points": count, "few": 10, "queries": 5, "surface": 4})
    found = diagnose(model, (images, labels), epsilon=0.05, budget=budget, device="cpu")
    places = list(found.points.places)
    assert len(set(places)) == count
    assert found.points.labels == tuple(labels[places].tolist())
    assert np.array_equal(found.points.on_all("clean"), right[places].numpy())
    assert found.points.worst.mean() == pytest.approx(found.measurements.hardest.value)
    assert found.change is None
    assert [way.attack for way in found.ways] == ["fgsm", "pgd-10"]
