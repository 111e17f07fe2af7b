"""What figures cost, before they are made."""

from pathlib import Path

import pytest
import yaml

from cotoolkit.studies.study import Study
from figures.plan import GALLERY, PAGE, TrainingCost, epoch_images, plan_page
from tests._helpers.small import small

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"name": "cifar10"}, 45_000),
        ({"name": "cifar10", "holdout": 1000}, 49_000),
        ({"name": "cifar10", "train_size": 320}, 320),
        ({"name": "fashion_mnist", "subset": {"number": 0, "share": 0.5}}, 27_000),
        ({"name": "digits"}, None),
    ],
)
def test_images_of_an_epoch(data, expected):
    assert epoch_images(small(data=data)) == expected


def test_passes_are_images_times_epochs_times_those_of_the_method():
    fgsm = small(epochs=7)
    pgd = small(method={"name": "pgd", "steps": 5}, data__train_size=100, epochs=2)
    free = small(data={"name": "digits"}, epochs=3)
    assert TrainingCost.of([fgsm, fgsm]) == TrainingCost(1, 7, 320 * 7 * 2, 320 * 7 * 2, 0)
    both = TrainingCost.of([fgsm, pgd])
    assert both == TrainingCost(2, 9, 320 * 7 * 2 + 100 * 2 * 6, 320 * 7 * 2 + 100 * 2 * 6, 0)
    assert TrainingCost.of([fgsm, free]).uncounted == 1
    assert both.hours(10) == pytest.approx((320 * 7 * 2 + 100 * 2 * 6) / 36_000)


@pytest.mark.slow
def test_the_page_is_up_to_date():
    assert (ROOT / PAGE).read_text(encoding="utf-8") == plan_page(ROOT / GALLERY), "run: python -m figures.plan"


@pytest.mark.slow
def test_a_plan_through_the_command_line_and_its_study(cli, tmp_path):
    code, out, _ = cli("figures", "plan", "co_features/steps", "--images-per-second", "1000", "--write", "all.yaml")
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("co_features/steps"))
    assert line.split()[1:3] == ["6", "180"]
    forward, backward = map(float, line.split()[3:5])
    hours = float(line.split()[-2])
    assert hours == pytest.approx((forward + backward) / 2 * 1e6 / 1000 / 3600, abs=0.1)
    assert len(Study.model_validate(yaml.safe_load((tmp_path / "all.yaml").read_text())).runs()) == 6
    code, out, _ = cli("figures", "plan", "co_features/steps", "--scale", "digits", "--images-per-second", "1000")
    assert code == 0
    assert "device-hours" not in out
    code, _, err = cli("figures", "plan", "local_ball")
    assert code == 2
    assert "has no figure at scale paper" in err
