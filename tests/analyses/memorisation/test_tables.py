import numpy as np
import pandas as pd
import pytest
import torch

from analyses.memorisation.dynamics import across, alignment_gain, onset_table
from analyses.memorisation.effects import Accuracies, accuracy_table, summary
from analyses.memorisation.flags import area, enrichment, flag_table, found, jaccard, noise_table
from analyses.memorisation.sets import atypical, easy_and_hard, freeze, half_of_clusters, highest, pick
from cotoolkit.core.errors import DataError
from cotoolkit.data import DataConfig, load
from cotoolkit.data.sources.planted import clusters


def bools(text):
    return np.array([letter == "1" for letter in text])


# --- sets -------------------------------------------------------------------------------------------------------------


def test_atypical_and_chosen_images():
    memory = np.array([0.3, np.nan, 0.25, -0.1, 0.9])
    assert atypical(memory).tolist() == [True, False, False, False, True]
    assert highest(memory, 2).tolist() == [True, False, False, False, True]
    assert highest(memory, 5).all()
    chosen = pick(bools("110111"), 3, seed=0)
    assert chosen.sum() == 3
    assert not chosen[2]
    assert pick(bools("1100"), 9, seed=0).tolist() == [True, True, False, False]
    assert (pick(bools("1" * 40), 20, 0) != pick(bools("1" * 40), 20, 1)).any()


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
    name = freeze(marks, tmp_path / "m.npy")
    config = DataConfig(name="planted", split=0, only=name)
    assert config.only == name
    assert DataConfig.model_validate(config.model_dump(mode="json")) == config
    part = load(config, seed=7).train
    assert torch.equal(part.images, whole.images[torch.from_numpy(marks)])
    freeze(~marks, tmp_path / "m.npy")
    with pytest.raises(DataError, match=r"data\.only: .* has changed since"):
        load(config, seed=7)


def test_sets_that_cannot_be_trained_on(tmp_path):
    short = freeze(np.ones(5, dtype=bool), tmp_path / "short.npy")
    with pytest.raises(DataError, match="has 5 marks, but there are 1800 training images"):
        load(DataConfig(name="planted", only=short), seed=0)
    none = freeze(np.zeros(1800, dtype=bool), tmp_path / "none.npy")
    with pytest.raises(DataError, match="marks no training image"):
        load(DataConfig(name="planted", only=none), seed=0)
    with pytest.raises(ValueError, match="both choose a part"):
        DataConfig(name="planted", only=none, subset={"number": 0})
    with pytest.raises(ValueError, match="no marks file"):
        DataConfig(name="planted", only=str(tmp_path / "nowhere.npy"))


# --- flags ------------------------------------------------------------------------------------------------------------


def test_measures_of_flags_by_hand():
    flagged, wanted = bools("11100000"), bools("11010000")
    assert enrichment(flagged, wanted) == pytest.approx((2 / 3) / (3 / 8))
    assert found(flagged, wanted) == pytest.approx((2 / 3, 2 / 3))
    overlap, by_chance = jaccard(flagged, wanted)
    assert overlap == pytest.approx(2 / 4)
    assert by_chance == pytest.approx((9 / 8) / (6 - 9 / 8))
    assert np.isnan(enrichment(bools("00"), bools("10")))
    assert np.isnan(jaccard(bools("00"), bools("00"))[0])
    assert np.isnan(found(bools("00"), bools("10"))[1])
    assert area(np.array([1.0, 1, 1, 1]), bools("1100")) == 0.5
    assert np.isnan(area(np.array([1.0, 2]), bools("11")))


def test_chance_of_an_overlap_against_draws():
    rng = np.random.default_rng(0)
    drawn = [
        jaccard(pick(bools("1" * 60), 20, a), pick(bools("1" * 60), 30, b))[0]
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


def test_noise_table():
    table = looks([(0, 9, i, i in (0, 1), c, int(i == 0), 0) for i, c in enumerate((0.9, 0.8, 0.1, 0.2))])
    row = noise_table(table).iloc[0]
    assert (row["recall"], row["precision"], row["by_chance"], row["area"]) == (1, 0.5, 0.25, 1)


# --- accuracies -------------------------------------------------------------------------------------------------------


def test_accuracies_and_their_differences():
    rows = [
        {"kind": "adversarial", "arm": arm, "seed": seed, "part": "test", "index": i, "clean": right}
        for arm, seed, wrong in (("all", 0, 0), ("all", 1, 1), ("less", 0, 2), ("less", 1, 1), ("less", 2, 0))
        for i in (3, 1, 0, 2)
        for right in [i >= wrong]
    ]
    groups = {("all", None): bools("1111"), ("first", None): bools("1100"), ("linked", 0): bools("0011")}
    unmeasured = pd.DataFrame(rows).assign(robust=np.nan)
    table = accuracy_table(unmeasured, groups)
    assert set(table["event"]) == {"clean"}
    read = Accuracies(table)
    assert read.of("adversarial", "less", "all", "clean").to_dict() == {0: 0.5, 1: 0.75, 2: 1.0}
    assert read.less("adversarial", "all", "less", "first", "clean").tolist() == [1.0, 0.0]
    assert read.of("adversarial", "all", "linked", "clean").to_dict() == {0: 1.0}
    assert read.less("adversarial", "all", "nobody", "all", "clean").tolist() == []
    shown = summary(table, ["all"], "all").set_index("arm")
    assert shown.loc["less", "change"] == pytest.approx(-0.25)
    assert shown.loc["less", "seeds"] == 3


# --- dynamics ---------------------------------------------------------------------------------------------------------


def test_flags_across_a_break():
    course = pd.DataFrame(
        {
            "arm": "weights",
            "seed": 0,
            "iteration": [16, 48, 80, 112],
            "flagged": [0.5, 0.4, 0.1, 0.05],
            "flagged_pgd": [0.6, 0.5, 0.9, 0.95],
            "clean_error": [0.1, 0.1, 0.04, 0.04],
        }
    )
    onsets = pd.DataFrame({"arm": ["weights"] * 3, "seed": [0, 1, 2], "onset": [75, np.nan, np.nan], "last": 112})
    row = across(course, onsets, "weights", 32).iloc[0]
    assert (row["before"], row["after"], row["before_pgd"], row["after_pgd"]) == (0.4, 0.05, 0.5, 0.95)
    assert across(course, onsets, "weights", 80).empty
    assert across(course, onsets, "nobody", 32).empty


def test_medians_count_runs_that_did_not_break_as_late():
    onsets = pd.DataFrame(
        {
            "arm": ["plain"] * 3 + ["b"] * 3,
            "onset": [1, 2, np.nan, 5, np.nan, np.nan],
            "flagged_at_start": 0.4,
            "clean": 1.0,
            "pgd-10": 0.5,
            "last": 9,
        }
    )
    table = onset_table(onsets).set_index("arm")
    assert table["broke"].tolist() == [2, 1]
    assert table.loc["plain", "median_onset"] == 2
    assert np.isnan(table.loc["b", "median_onset"])


def test_alignment_is_compared_before_the_plain_run_breaks():
    course = pd.DataFrame(
        {
            "arm": ["plain"] * 3 + ["weights"] * 3,
            "seed": 0,
            "iteration": [16, 32, 48] * 2,
            "alignment": [0.9, 0.8, 0.1, 0.9, 0.85, 0.7],
        }
    )
    onsets = pd.DataFrame({"arm": ["plain", "plain", "weights"], "seed": [0, 1, 0], "onset": [40, np.nan, np.nan]})
    assert alignment_gain(course, onsets, "weights") == pytest.approx([0.05])
    assert len(alignment_gain(course, onsets, "nobody")) == 0
