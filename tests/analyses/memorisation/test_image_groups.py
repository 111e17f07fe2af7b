"""Which images are left out, and how their files are frozen."""

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.memorisation.image_groups import (
    above_threshold,
    easy_and_hard,
    freeze_marks,
    groups_of_tests,
    half_of_clusters,
    highest,
    left_out_groups,
    pick_random,
    whole_clusters,
)
from cotoolkit.core.errors import DataError
from cotoolkit.data import DataConfig, load, planted_truth
from cotoolkit.data.sources.planted import KINDS, clusters


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


def test_sub_clusters_are_taken_whole_as_far_as_they_fit():
    cluster, chosen = np.array([7, 5, 5, 3, 3, 7, 8]), np.array([5, 7, 3])
    assert whole_clusters(cluster, chosen, 7).tolist() == bools("1111110").tolist()
    assert whole_clusters(cluster, chosen, 5).tolist() == bools("1110010").tolist()
    assert whole_clusters(cluster, chosen, 3).tolist() == bools("0110000").tolist()
    assert whole_clusters(cluster, np.array([5, 8]), 1).tolist() == bools("0000001").tolist()
    assert not whole_clusters(cluster, chosen, 1).any()


def table_of_suspects(flagged, seeds=2):
    """Looks of so many seeds that all flag the first images, the earlier the more confidently."""
    one = pd.DataFrame(
        {"index": range(len(flagged)), "flagged": flagged, "confidence": np.linspace(0.9, 0.5, len(flagged))}
    )
    return pd.concat([one.assign(seed=seed) for seed in range(seeds)], ignore_index=True)


EQUAL = ("without atypical", "without typical", "without flagged", "without most memorised")


@pytest.mark.parametrize("flags", [10, 60, 500])
def test_arms_are_of_one_size_where_few_are_flagged(flags):
    images = pd.DataFrame({"atypical": np.arange(500) < 100, "mem_standard_clean": np.linspace(0.9, 0, 500)})
    found = left_out_groups(images, table_of_suspects(np.arange(500) < flags), (0, 1), planted=False)
    assert {int(found[arm, seed].sum()) for arm in EQUAL for seed in (0, 1)} == {min(50, flags)}
    few = images.assign(atypical=np.arange(500) < 480)
    found = left_out_groups(few, table_of_suspects(np.arange(500) < flags), (0, 1), planted=False)
    assert {int(found[arm, seed].sum()) for arm in EQUAL for seed in (0, 1)} == {min(20, flags)}


@pytest.mark.parametrize("flags", [30, 130])
def test_few_flags_on_planted_data_leave_whole_sub_clusters_out(flags):
    truth = planted_truth(load(DataConfig(name="planted", holdout=0, split=0), seed=0).train.images)
    common = truth.of_kind("common")
    memory = np.where(common, 0.0, 0.5)
    kinds = np.array(KINDS)[truth.kind]
    images = pd.DataFrame({"atypical": ~common, "mem_standard_clean": memory, "truth": kinds, "cluster": truth.cluster})
    found = left_out_groups(images, table_of_suspects(np.arange(2000) < flags), (0, 1), planted=True)
    for seed in (0, 1):
        left_out = found["without atypical", seed]
        whole = np.isin(truth.cluster, half_of_clusters(seed)).sum()
        assert {int(found[arm, seed].sum()) for arm in EQUAL} == {int(left_out.sum())}
        assert left_out.sum() == whole if flags == 130 else left_out.sum() == flags
        assert not set(truth.cluster[left_out]) & set(truth.cluster[~left_out])


def test_nothing_flagged_is_no_arm():
    images = pd.DataFrame({"atypical": np.arange(40) < 10, "mem_standard_clean": np.linspace(0.9, 0, 40)})
    found = left_out_groups(images, table_of_suspects(np.zeros(40, dtype=bool)), (0, 1), planted=False)
    assert {arm for arm, _ in found} == set(EQUAL) - {"without flagged"}
    assert {int(marks.sum()) for marks in found.values()} == {5}


def test_linked_test_images_are_those_of_the_sub_clusters_left_out():
    tests = pd.DataFrame({"typical": bools("10000"), "atypical": bools("01111"), "cluster": [0, 7, 7, 8, 9]})
    groups = groups_of_tests(tests.assign(threatened=False), {0: {7, 9}, 1: {8}, 2: None})
    assert groups["linked", 0].tolist() == bools("01101").tolist()
    assert groups["unlinked", 0].tolist() == bools("00010").tolist()
    assert groups["linked", 1].tolist() == bools("00010").tolist()
    assert groups["linked", 2].tolist() == bools("01111").tolist()
    assert not groups["unlinked", 2].any()


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
        flagged=[False] * 8 + [True] * 2 + [True] * 2 + [False] * 8
    )
    found = left_out_groups(images, suspects, (0, 1), planted=False)
    assert found["without atypical", 0].sum() == found["without typical", 0].sum() == 2
    assert not (found["without atypical", 0] & bools("0000111111")).any()
    assert found["without flagged", 0].tolist() == bools("1100000000").tolist()  # of the other seed
    assert found["without flagged", 1].tolist() == bools("0000000011").tolist()
    assert found["without most memorised", 1].tolist() == bools("1100000000").tolist()
    assert len(found) == 8
