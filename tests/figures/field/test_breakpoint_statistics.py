import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.data.points import Points
from figures.field.breakpoint_statistics import (
    INTACT_HOLDS,
    aligned,
    before_after,
    in_every_seed,
    network_statistics,
    spacing_of,
)
from tests._helpers.statistic_rows import rows


class Linear(nn.Module):
    """Two classes by the sign of the mean pixel."""

    def forward(self, images):
        mean = images.flatten(1).mean(1)
        return torch.stack([-mean, mean], dim=1)


class Ridge(nn.Module):
    """Class 1 unless the mean pixel lies in a narrow band between 0.4 and 0.45."""

    def forward(self, images):
        mean = images.flatten(1).mean(1)
        inside = (0.025 - (mean - 0.425).abs()) * 10
        return torch.stack([inside + 1e-3 * mean, torch.zeros_like(mean)], dim=1)


THREAT = ThreatModel(0.25, box="none")


def test_a_linear_network():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(8, 1, 4, 4, generator=generator) + 0.3  # means from about 0.6 on: nothing crosses zero
    found = network_statistics(Linear(), Points(images, torch.ones(8, dtype=torch.int64), 2), THREAT, seed=0)
    assert found["gradient_alignment"] == pytest.approx(1.0, abs=1e-5)
    assert found["perturbation_alignment"] == pytest.approx(1.0, abs=1e-5)
    assert [found[name] for name in ("clean", "fgsm", "pgd", "distortion", "fooling_fraction")] == [1, 1, 1, 0, 1]


def test_a_network_that_is_wrong_only_inside_the_segment():
    images = torch.full((2, 1, 4, 4), 0.5)
    # FGSM goes down from 0.5, towards the band, and steps over it to 0.25, where the network is right again.
    found = network_statistics(Ridge(), Points(images, torch.ones(2, dtype=torch.int64), 2), THREAT, seed=0)
    assert found["clean"] == found["fgsm"] == 1
    assert found["distortion"] == 1
    assert found["pgd"] == 0
    assert found["fooling_fraction"] == pytest.approx(1 / 3)  # 0.4167 lies in the band


@pytest.fixture
def course():
    """Seed 0 breaks at 110, seed 1 never; clean accuracy is the iteration."""
    kept = np.arange(0, 241, 24)
    parts = [rows(arm, seed, "clean", kept, kept.astype(float)) for arm in ("breaks", "intact") for seed in (0, 1)]
    return pd.concat([*parts, rows("breaks", 0, "breakpoint", [110], [110.0])], ignore_index=True)


def test_before_and_after_are_well_away_from_the_break(course):
    assert spacing_of(course) == 24
    pair = before_after(course, "clean")
    assert pair.to_dict("index") == {0: {"before": 72.0, "after": 192.0}}  # 110 - 32 = 78, 110 + 64 = 174
    assert before_after(course, "clean", "intact").to_dict("index") == pair.to_dict("index")


def test_aligned_by_the_break_of_the_same_seed(course):
    placed = aligned(course, ["clean"], 24)
    assert set(placed["seed"]) == {0}
    assert set(placed["arm"]) == {"breaks", "intact"}
    assert placed.loc[placed["value"] == 120.0, "offset"].tolist() == [0, 0]  # 10 iterations behind
    assert placed.loc[placed["value"] == 96.0, "offset"].tolist() == [-24, -24]  # 14 before is nearer to 24 than to 0


def test_intact_runs_that_break_are_counted(course):
    assert INTACT_HOLDS.value(course).found.mean == 0
    broken = pd.concat([course, rows("intact", 1, "breakpoint", [150], [150.0])], ignore_index=True)
    assert INTACT_HOLDS.value(broken).found.mean == 0.5


def test_courses_end_where_the_first_seed_ends():
    reach = [(0, 0), (0, 64), (0, 128), (1, 0), (1, 64)]
    rows = pd.DataFrame(reach, columns=["seed", "offset"]).assign(arm="breaks", statistic="pgd", value=0.0)
    assert sorted(set(in_every_seed(rows)["offset"])) == [0, 64]
