import pytest

from figures.co_features.setups.setup import SETUPS

IMAGES = {"digits": 1437, "cifar10": 50_000}
"""Training images, those held out included."""


@pytest.mark.parametrize("scale", SETUPS)
def test_no_iteration_is_kept_beyond_the_last_one(scale):
    config = SETUPS[scale].config(SETUPS[scale].arm(0.0), 0)
    data, images = config.data, IMAGES[config.data.name]
    held_out = data.holdout if isinstance(data.holdout, int) else round(data.holdout * images)
    last = config.epochs * ((data.train_size or images - held_out) // config.batch_size)
    assert 0 < config.keep[-1] <= last
    assert scale != "paper" or config.keep[-1] == last
