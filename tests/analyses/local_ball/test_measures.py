"""Tables of measures on networks whose values are known."""

import pytest
import torch
from torch import nn

from analyses.local_ball import diagnostics, measures
from cotoolkit.attacks.threat_model import ThreatModel
from tests._helpers.networks import conv_net
from tests.analyses.local_ball.test_diagnostics import Bump

THREAT = ThreatModel(0.1, "linf", "none")


def profile_of(losses, monkeypatch):
    monkeypatch.setattr(diagnostics, "profile", lambda *_: losses)
    rows = measures.profile_rows(nn.Identity(), *3 * [torch.zeros(1)], THREAT)
    return {row["statistic"]: row["value"] for row in rows if row["statistic"] != "profile"}


def peaks_at(places):
    losses = torch.zeros(11, len(places))
    for column, place in enumerate(places):
        losses[round(10 * place), column] = 1.0
    return losses


def test_medians_are_those_of_the_middle_two(monkeypatch):
    found = profile_of(peaks_at([1.0, 1.0, 0.6, 0.2]), monkeypatch)
    assert found["needed_median"] == pytest.approx(0.2)  # of 0, 0, 0.4 and 0.8
    assert found["needed_median_interior"] == pytest.approx(0.6)
    assert found["interior_share"] == pytest.approx(0.5)
    assert found["needed_mean"] == pytest.approx(0.3)
    assert profile_of(peaks_at([1.0, 0.6, 0.2]), monkeypatch)["needed_median"] == pytest.approx(0.4)


def test_images_without_a_finite_loss_have_no_peak(monkeypatch):
    losses = torch.cat([peaks_at([0.6, 0.2]), torch.full((11, 3), torch.nan)], 1)
    found = profile_of(losses, monkeypatch)
    assert found["needed_median"] == found["needed_mean"] == pytest.approx(0.6)
    assert found["interior_share"] == 1
    assert all(torch.tensor(value).isnan() for value in profile_of(losses[:, 2:], monkeypatch).values())


@pytest.mark.parametrize("model", [Bump(), conv_net()], ids=["bump", "network"])
def test_the_worst_change_never_falls_as_the_ball_grows(model):
    if isinstance(model, Bump):
        images, labels = torch.full((40, 1, 2, 2), 0.5), torch.zeros(40, dtype=torch.long)
    else:
        source = torch.Generator().manual_seed(0)
        images, labels = torch.rand(6, 1, 6, 6, generator=source), torch.arange(6) % 4
    rows = list(measures.ball_rows(model, images, labels, images, THREAT, 0))
    worst = [row["value"] for row in rows if row["statistic"] == "kappa_worst"]
    random = [row["value"] for row in rows if row["statistic"] == "kappa_random"]
    assert [row["place"] for row in rows if row["statistic"] == "kappa_worst"] == list(measures.RADII)
    assert worst == sorted(worst)
    assert all(most > some for most, some in zip(worst, random, strict=True))
