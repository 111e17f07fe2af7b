"""The second round: who trains on which frozen sets."""

import numpy as np
import pandas as pd
import pytest

from analyses.memorisation.image_groups import freeze_marks
from analyses.memorisation.plan import BREAKING, PLANS
from analyses.memorisation.retraining import breaking_without, plan_retraining, retrained_groups
from cotoolkit.data import DataConfig, load, planted_truth
from cotoolkit.data.sources.planted import KINDS

PLAN = PLANS["digits"].part({"planted standard": 2, "planted adversarial": 2, "digits standard": 1, BREAKING: 1})


def test_every_seed_trains_on_its_own_sets(tmp_path):
    arms = ("without flagged", "without atypical", "without harmful")
    masks = {
        (arm, seed): freeze_marks(np.arange(2000) % (7 + seed) > 0, tmp_path / f"{arm}{seed}.npy")
        for arm in arms
        for seed in (0, 1)
    }
    flags = {("static", seed): freeze_marks(np.arange(2000) < 9, tmp_path / "flags.npy") for seed in (0, 1)}
    again = PLAN.model_copy(update={"groups": retrained_groups(PLAN, "planted", masks, flags)})
    runs = {(run.group, run.arm): run.config for run in again.runs()}
    assert len(runs) == 2 * (3 + 1 + 2)
    assert runs["planted adversarial 1", "without harmful"].data.only == masks["without harmful", 1]
    assert runs["planted adversarial 1", "without harmful"].seed == 1
    assert runs["planted standard 0", "without flagged"].data.only == masks["without flagged", 0]
    static = runs["planted adversarial 0", "static"]
    assert (static.data.only, static.method.weights, static.method.inner.name) == (None, "given", "pgd")


class MadeUp:
    """A runner that trains nothing: everybody flags the first three of 2,000 images."""

    def __init__(self, folder):
        self.folder = folder

    def measure(self, wanted):
        one = pd.DataFrame({"index": range(2000), "flagged": np.arange(2000) < 3, "confidence": 0.9})
        one = one.assign(label=0, true_label=np.arange(2000) < 2)
        looks = [one.assign(seed=w.config.seed, iteration=iteration) for w in wanted for iteration in w.config.keep]
        return pd.concat(looks, ignore_index=True)


@pytest.mark.parametrize("count", [1, 2])
def test_flags_of_the_run_itself_are_marked(count, tmp_path):
    truth = planted_truth(load(DataConfig(name="planted", holdout=0, split=0), seed=0).train.images)
    images = pd.DataFrame(
        {"truth": np.array(KINDS)[truth.kind], "cluster": truth.cluster, "atypical": ~truth.of_kind("common")}
    ).assign(mem_standard_clean=0.0)
    part = PLAN.part({"planted standard": count, "planted adversarial": count})
    second = plan_retraining(part, "planted", images, MadeUp(tmp_path))
    removed = second.tables["removed"]
    assert set(removed.loc[removed["own_flags"], "arm"]) == ({"without flagged"} if count == 1 else set())
    sizes = removed[~removed["arm"].isin(["without harmful", "without benign"])].groupby("seed")["images"]
    assert (sizes.nunique() == 1).all()
    assert (sizes.max() == 3).all()
    for seed, clusters in second.partners.items():
        left_out = removed[(removed["arm"] == "without atypical") & (removed["seed"] == seed)]
        assert np.isin(truth.cluster, list(clusters)).sum() == left_out["images"].item()


def test_training_that_breaks_does_without_as_many_typical_images(tmp_path):
    images = pd.DataFrame({"atypical": np.arange(1293) < 101})
    group = breaking_without(PLAN, images, tmp_path)[BREAKING]
    counts = {}
    for arm in group.arms:
        config = group.config(arm, 0)
        counts[arm] = int((~np.load(config.data.only.partition("#")[0])).sum())
        assert config.method.name == "fgsm"
        assert config.keep == tuple(range(16, 24 * ((1293 - 50) // 64) + 1, 16))
    assert counts == {"without atypical": 50, "without typical": 50}


def test_where_few_are_typical_as_many_atypical_images_are_left_out(tmp_path):
    images = pd.DataFrame({"atypical": np.arange(1293) < 1273})
    arms = breaking_without(PLAN, images, tmp_path)[BREAKING].arms
    assert {int((~np.load(arm["data.only"].partition("#")[0])).sum()) for arm in arms.values()} == {20}
