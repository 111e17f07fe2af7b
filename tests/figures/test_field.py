"""What the field's recipes measure, against cases that are known."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.runs.checkpoints import Points
from figures.field.breakpoint_statistics import aligned, before_after, network_statistics, spacing_of
from figures.field.gradalign_sweep import breaking_radius, robust_by_radius
from figures.field.pertalign_timeline import alarms, lead, means_around


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


def rows(arm, seed, statistic, iterations, values):
    return pd.DataFrame(
        {"arm": arm, "seed": seed, "statistic": statistic, "iteration": iterations, "value": values, "scale": "smoke"}
    )


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


def test_the_rule_of_quarters_fires_when_a_window_has_fallen_by_half():
    steps = np.arange(2, 402, 2)
    align = np.where(steps < 300, 0.9, 0.2)
    data = pd.concat(
        [
            rows("breaks", 0, "pert_align", steps, align),
            rows("intact", 0, "pert_align", steps, np.full(len(steps), 0.9)),
            rows("breaks", 0, "breakpoint", [320], [320.0]),
        ],
        ignore_index=True,
    )
    # 12 of the 16 newest values must be low for a mean fall of 0.7 * 12 / 16 = 0.525: 300, 302, ..., 322.
    assert alarms(data, "breaks")[0][0] == 322
    assert alarms(data, "intact")[0] == []
    assert lead(data)[0] == -2
    pair = means_around(data, "pert_align").loc[0]
    # before: 300..314 from the eight steps 300, ..., 314, all low
    assert pair["before"] == pytest.approx(0.2)
    assert pair["after"] == pytest.approx(0.2)


def test_radius_of_collapse_counts_a_diverged_run_as_broken():
    data = pd.DataFrame(
        {
            "method": "fgsm",
            "epsilon": [0.1, 0.2, 0.3] * 2,
            "seed": [0, 0, 0, 1, 1, 1],
            "robust": [0.8, 0.05, 0.0, 0.8, 0.6, 0.5],
        }
    )
    data.loc[1, "robust"] = np.nan
    assert robust_by_radius(data, "fgsm").loc[0].tolist() == [0.8, 0.0, 0.0]
    found = breaking_radius(data, "fgsm")
    assert found[0] == 0.2
    assert np.isnan(found[1])
