"""The search for the radius at which the verdict changes, on verdicts that are made up."""

import pytest

from cotoolkit.diagnosis.change import change_in_words, find_change
from cotoolkit.diagnosis.schema import VerdictAt
from tests._helpers.measured import share


def at(epsilon, label):
    return VerdictAt(epsilon=epsilon, label=label, confidence="high", worst=share(0.5, 64))


def search(epsilon, verdict, looks):
    asked = []

    def judge(radius):
        asked.append(radius)
        return at(radius, verdict(radius))

    return find_change(at(epsilon, verdict(epsilon)), judge, looks), asked


@pytest.mark.parametrize("edge", [0.013, 0.03, 0.045, 0.11, 0.15])
@pytest.mark.parametrize("epsilon", [0.04, 0.05])
def test_the_change_lies_between_the_radii(edge, epsilon):
    found, asked = search(epsilon, lambda radius: "robust" if radius < edge else "not robust", 8)
    assert found.low < edge <= found.high
    assert (found.below, found.above) == ("robust", "not robust")
    assert found.high / found.low < 1.2
    assert len(asked) == len(set(asked)) == 8
    assert [one.epsilon for one in found.looked] == sorted([epsilon, *asked])


def test_it_ends_at_eight_times_epsilon_and_at_the_whole_range():
    found, asked = search(0.01, lambda radius: "robust", 8)
    assert asked == pytest.approx([0.02, 0.04, 0.08])
    assert found.low is found.high is found.below is found.above is None
    assert "the same" in change_in_words(found)
    assert search(0.4, lambda radius: "robust", 8)[1] == pytest.approx([0.8])


def test_what_is_inconclusive_belongs_to_neither_end():
    def verdict(radius):
        return "robust" if radius < 0.02 else "inconclusive" if radius < 0.05 else "catastrophic overfitting"

    found, _ = search(0.1, verdict, 6)
    assert (found.below, found.above) == ("robust", "catastrophic overfitting")
    assert found.low < 0.02
    assert found.high >= 0.05
    assert "from robust to catastrophic overfitting" in change_in_words(found)


def test_no_more_radii_are_judged_than_were_asked_for():
    found, asked = search(0.1, lambda radius: "robust" if radius < 0.06 else "not robust", 1)
    assert asked == pytest.approx([0.05])
    assert (found.low, found.high) == pytest.approx((0.05, 0.1))
