"""Who trains, as data: halves, whole sets, and what each scale needs."""

import pytest

from analyses.core.plan import at_scale, iterations
from analyses.memorisation.plan import BREAKING, PLANS
from cotoolkit.core.errors import ConfigError
from cotoolkit.data import load


def test_halves_are_complements_with_seeds_of_their_own():
    runs = list(PLANS["digits"].runs(["planted halves"]))
    assert [run.config.seed for run in runs] == list(range(64))
    first, second = (load(run.config.data, run.config.seed).train for run in runs[:2])
    assert len(first) == len(second) == 1000
    rows = {image.numpy().tobytes() for image in first.images}
    assert not rows & {image.numpy().tobytes() for image in second.images}


@pytest.mark.parametrize(("group", "images"), [("planted standard", 2000), ("digits standard", 1293), (BREAKING, 1293)])
def test_the_plan_knows_how_many_images_there_are(group, images):
    run = next(PLANS["digits"].runs([group]))
    assert len(load(run.config.data, run.config.seed).train) == images
    last = iterations(PLANS["digits"].groups[group].settings, images)
    assert run.config.keep[-1] <= last < run.config.keep[-1] + run.config.keep[0]


def test_scales():
    assert set(PLANS) == {"smoke", "digits", "laptop"}
    for plan in PLANS.values():
        assert len({run.config.identity for run in plan.runs()}) == len(list(plan.runs()))
    assert not PLANS["laptop"].planted("fashion_mnist")
    assert PLANS["digits"].planted("planted")
    assert PLANS["digits"].seeds("digits") == ()
    with pytest.raises(ConfigError, match="choose from smoke, digits, laptop"):
        at_scale(PLANS, "paper")


def test_a_part_keeps_what_belongs_to_its_groups():
    part = PLANS["digits"].part({"planted halves": 4, "planted standard": 1, BREAKING: 2})
    assert len(list(part.runs())) == 4 + 1 + 5 * 2
    assert list(part.radii) == ["planted"]
    assert part.breaks_without is None
    assert PLANS["digits"].part({"digits standard": 1}).breaks_without is None
    assert PLANS["digits"].part({"digits standard": 1, BREAKING: 1}).breaks_without == "digits"
