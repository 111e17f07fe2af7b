"""Which images are left out, and how their files are frozen."""

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.memorisation.image_groups import (
    above_threshold,
    easy_and_hard,
    freeze_marks,
    half_of_clusters,
    highest,
    left_out_groups,
    pick_random,
)
from cotoolkit.core.errors import DataError
from cotoolkit.data import DataConfig, load
from cotoolkit.data.sources.planted import clusters


def bools(text):
    return np.array([letter == "1" for letter in text])


def test_atypical_and_chosen_images():
    memory = np.array([0.3, np.nan, 0.25, -0.1, 0.9])
    assert above_threshold(memory).tolist() == [True, False, False, False, True]
    assert highest(memory, 2).tolist() == [True, False, False, False, True]
    assert highest(memory, 5).all()
    chosen = pick_random(bools("110111"), 3, seed=0)
    assert chosen.sum() == 3
    assert not chosen[2]
    assert pick_random(bools("1100"), 9, seed=0).tolist() == [True, True, False, False]
    assert (pick_random(bools("1" * 40), 20, 0) != pick_random(bools("1" * 40), 20, 1)).any()


def test_half_of_the_rare_clusters():
    chosen = half_of_clusters(0)
    assert len(chosen) == 50
    assert (clusters().truth.kind[chosen] > 0).all()
    assert set(chosen) != set(half_of_clusters(1))


def test_easy_and_hard_test_images():
    easy, hard = easy_and_hard(np.array([1.0, 0.9, 0.8, 0.7, 0.1, 0.05]))
    assert easy.tolist() == [True, True, False, False, False, False]
    assert hard.tolist() == [False, False, False, True, True, False]


def test_a_frozen_set_is_trained_on_alone(tmp_path):
    whole = load(DataConfig(name="planted", split=0), seed=0).train
    marks = np.arange(len(whole)) % 3 == 0
    name = freeze_marks(marks, tmp_path / "m.npy")
    config = DataConfig(name="planted", split=0, only=name)
    assert config.only == name
    assert DataConfig.model_validate(config.model_dump(mode="json")) == config
    part = load(config, seed=7).train
    assert torch.equal(part.images, whole.images[torch.from_numpy(marks)])
    freeze_marks(~marks, tmp_path / "m.npy")
    with pytest.raises(DataError, match=r"data\.only: .* has changed since"):
        load(config, seed=7)


def test_sets_that_cannot_be_trained_on(tmp_path):
    short = freeze_marks(np.ones(5, dtype=bool), tmp_path / "short.npy")
    with pytest.raises(DataError, match="has 5 marks, but there are 1800 training images"):
        load(DataConfig(name="planted", only=short), seed=0)
    none = freeze_marks(np.zeros(1800, dtype=bool), tmp_path / "none.npy")
    with pytest.raises(DataError, match="marks no training image"):
        load(DataConfig(name="planted", only=none), seed=0)
    with pytest.raises(ValueError, match="both choose a part"):
        DataConfig(name="planted", only=none, subset={"number": 0})
    with pytest.raises(ValueError, match="no marks file"):
        DataConfig(name="planted", only=str(tmp_path / "nowhere.npy"))


def test_where_truth_is_unknown_half_of_the_memorised_images_are_left_out():
    images = pd.DataFrame({"atypical": bools("1111000000"), "mem_standard_clean": np.linspace(0.9, 0, 10)})
    suspects = pd.DataFrame({"seed": [0] * 10 + [1] * 10, "index": [*range(10)] * 2, "confidence": 0.5}).assign(
        flagged=[False] * 9 + [True] + [True] + [False] * 9
    )
    found = left_out_groups(images, suspects, (0, 1), planted=False)
    assert found["without atypical", 0].sum() == found["without typical", 0].sum() == 2
    assert not (found["without atypical", 0] & bools("0000111111")).any()
    assert found["without flagged", 0].tolist() == bools("1000000000").tolist()  # of the other seed
    assert found["without flagged", 1].tolist() == bools("0000000001").tolist()
    assert found["without most memorised", 1].tolist() == bools("1100000000").tolist()
    assert len(found) == 8
