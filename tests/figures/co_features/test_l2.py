from __future__ import annotations

from figures.co_features.l2 import radius
from figures.co_features.setups.setup import SETUPS

DIGITS = SETUPS["digits"]


def test_the_l2_radius_lies_between_the_balls_inside_and_around() -> None:
    assert radius(DIGITS) == 0.25 * 8 / 2
