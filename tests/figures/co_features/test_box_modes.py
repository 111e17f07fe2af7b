from __future__ import annotations

import torch

from cotoolkit.attacks.threat_model import ThreatModel


def test_the_two_orders_of_the_box_agree_up_to_beta_epsilon_and_not_beyond() -> None:
    draws = torch.Generator().manual_seed(0)
    clean = torch.rand(64, 1, 8, 8, generator=draws).round(decimals=1)  # some pixels at 0 and at 1
    delta = torch.rand(64, 1, 8, 8, generator=draws) * 2 - 1
    for beta, equal in ((0.0, True), (0.15, True), (0.25, True), (0.4, False)):
        images = clean + beta * (torch.rand(clean.shape, generator=draws) < 0.5).float().mul(2).sub(1)
        sound, released = (
            ThreatModel(0.25, box=box).project(images, delta) for box in ("box_then_eps", "eps_then_box")
        )
        assert torch.allclose(sound, released, atol=1e-6) == equal
