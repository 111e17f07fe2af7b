"""The relative rules, against numbers worked out by hand."""

import math

import pytest

from cotoolkit.evaluation.relative import (
    Levels,
    Scatter,
    binomial_spread,
    had_robustness,
    is_lost,
    loss_in_deviations,
    rise,
    surely_lost,
)

HAD = Levels(pgd=0.4, fgsm=0.44, clean=0.7)


@pytest.mark.parametrize(
    ("now", "lost"),
    [
        (Levels(0.02, 0.6, 0.72), True),
        (Levels(0.29, 0.66, 0.7), True),  # 72 % left, ratio 2.28 after 1.1
        (Levels(0.29, 0.6, 0.7), False),  # ratio 2.07 / 1.1 = 1.88
        (Levels(0.31, 0.95, 0.95), False),  # 78 % left
        (Levels(0.1, 0.11, 0.3), False),  # all fell
        (Levels(0.02, 0.1, 0.3), False),  # FGSM kept 23 %, clean 43 %
        (Levels(0.02, 0.1, 0.6), True),  # clean kept 86 %
        (Levels(0.0, 0.5, 0.7), True),
        (Levels(0.1, None, 0.7), True),  # without FGSM accuracy: a quarter left
        (Levels(0.25, None, 0.7), False),
        (Levels(0.1, None, 0.4), False),
        (Levels(0.1, None, None), False),
    ],
)
def test_what_is_lost(now, lost):
    assert is_lost(now, HAD) is lost


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.1])
def test_the_rule_has_no_unit(factor):
    def scaled(levels):
        return Levels(factor * levels.pgd, factor * levels.fgsm, factor * levels.clean)

    for now in (Levels(0.29, 0.66, 0.7), Levels(0.29, 0.6, 0.7), Levels(0.31, 0.9, 0.9)):
        assert is_lost(scaled(now), scaled(HAD)) is is_lost(now, HAD)


def test_rise_by_hand():
    assert rise(Levels(0.1, 0.5), Levels(0.4, 0.5)) == pytest.approx(4.0)
    assert rise(Levels(0.0, 0.5), Levels(0.5, 0.5)) == pytest.approx(5000.0)  # 0 counts as one in ten thousand
    assert rise(Levels(0.1), Levels(0.4, 0.5)) is None


def test_what_can_be_lost():
    assert had_robustness(Levels(0.15), classes=10)
    assert not had_robustness(Levels(0.14), classes=10)
    assert had_robustness(Levels(0.0075), classes=200)
    assert had_robustness(Levels(0.05, 0.1, 0.6), classes=None)  # one step nearly as good
    assert not had_robustness(Levels(0.02, 0.15, 0.6), classes=None)  # masked
    assert had_robustness(Levels(0.2, 0.9, 0.7), classes=None)  # a good part of clean accuracy
    assert not had_robustness(Levels(0.0, 0.0, 0.1), classes=None)


def test_the_spread_of_points_by_hand():
    spread = binomial_spread(Levels(0.2, 0.5), points=100)
    assert spread.pgd == pytest.approx(0.05)  # 1 / (2 sqrt 100)
    assert spread.ratio == pytest.approx(math.sqrt(0.8 / 20 + 0.5 / 50))


def test_deviations_by_hand():
    # asin sqrt 0.5 = pi / 4, asin sqrt 0.25 = pi / 6
    assert loss_in_deviations(0.25, 0.5, Scatter(0.1, 0.1), over=2.0) == pytest.approx(math.pi / 12 / 0.2)


@pytest.mark.parametrize(("points", "sure"), [(20, False), (1000, True)])
def test_few_points_are_no_evidence(points, sure):
    had, now = Levels(0.1, 0.11, 0.4), Levels(0.0, 0.15, 0.4)
    assert is_lost(now, had)
    assert surely_lost(now, had, binomial_spread(had, points), measurements=1, behind=9) is sure
