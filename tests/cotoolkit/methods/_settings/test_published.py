import numpy as np
import pytest

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.methods._settings.published import published_value

TABLE = {8: 1.5, 12: 5.0, 16: 8.5, 32: 2.75}


@pytest.mark.parametrize("level", TABLE)
def test_published_radii_have_the_published_values(level):
    assert published_value(TABLE, level / 255) == TABLE[level]
    assert published_value(TABLE, ThreatModel(f"{level}/255").epsilon) == TABLE[level]
    assert published_value(TABLE, float(np.float32(level / 255))) == TABLE[level]


def test_between_and_beyond_them():
    for level in np.random.default_rng(0).uniform(0, 60, 40):
        expected = np.interp(level, list(TABLE), list(TABLE.values()))
        assert published_value(TABLE, level / 255) == pytest.approx(expected, abs=1e-3)
    assert published_value(TABLE, 0.0) == 1.5
    assert published_value(TABLE, 1.0) == 2.75
    assert published_value({8: 3.0}, 0.5) == published_value({8: 3.0}, 0.0) == 3.0
