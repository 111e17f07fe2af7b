import torch

from analyses.holistic_robust.losses import sample_losses
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.evaluation.protocol import run_protocol
from tests._helpers.networks import conv_net


def test_losses_agree_with_the_evaluation():
    model = conv_net().train()
    images, labels = torch.rand(30, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 4
    threat = ThreatModel(0.02)
    found = sample_losses(model, images, labels, threat, seed=5)
    assert model.training
    assert torch.equal(found.survived, run_protocol(model, images, labels, threat, "pgd-20", seed=5).correct)
    assert torch.equal(found.correct, run_protocol(model, images, labels, threat, "clean").correct)
    assert (found.robust >= torch.maximum(found.clean, found.fgsm)).all()
    step = 1e-3
    tiny = sample_losses(model, images, labels, ThreatModel(step, box="none"))
    torch.testing.assert_close(tiny.fgsm - tiny.clean, step * tiny.gradient, rtol=0.05, atol=1e-5)
