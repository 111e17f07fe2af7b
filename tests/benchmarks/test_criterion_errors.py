"""The error rates of the criterion, by simulation: what docs/monitor.md prints, on fewer draws."""

import pytest

from benchmarks.criterion_errors import error_rates
from cotoolkit.monitor.config import MonitorConfig


@pytest.mark.parametrize(("classes", "had"), [(10, 0.2), (10, 0.5), (100, 0.05), (100, 0.2), (200, 0.05), (200, 0.2)])
def test_one_probe_hardly_errs_with_the_points_of_its_classes(classes, had):
    found = error_rates(classes, MonitorConfig().points_for(classes), had, 150)
    assert found.unchanged <= 0.02
    assert found.all_lower <= 0.02
    assert found.missed <= 0.04
    assert found.missed_all <= 0.04


def test_few_points_miss_losses_of_many_classes():
    assert error_rates(100, 128, 0.05, 150).missed > 0.1


def test_points_follow_the_classes():
    assert [MonitorConfig(points=64).points_for(classes) for classes in (2, 25, 50, 200, 1000)] == [
        64,
        64,
        128,
        512,
        512,
    ]
