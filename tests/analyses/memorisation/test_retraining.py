"""The second round: who trains on which frozen sets."""

import numpy as np
import pandas as pd

from analyses.memorisation.image_groups import freeze_marks
from analyses.memorisation.plan import BREAKING, PLANS
from analyses.memorisation.retraining import breaking_without, retrained_groups

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
