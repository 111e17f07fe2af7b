import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.config import RunConfig
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import Batch, GradAlign
from cotoolkit.methods.gradalign import published_weight
from tests._helpers.networks import conv_net
from tests._helpers.stepping import batch, sgd


@pytest.mark.parametrize("anchor", ["clean", "adversarial"])
@pytest.mark.parametrize("noise", ["ball", "ball_and_box"])
def test_gradalign_gradient_against_plain_autograd(anchor, noise):
    model, twin, given = conv_net(norm=False), conv_net(norm=False), batch()
    GradAlign(weight=0.7, anchor=anchor, noise=noise).step(model, given, sgd(model))

    def gradient(images, create_graph=False):
        images = images.detach().requires_grad_()
        loss = F.cross_entropy(twin(images), given.labels, reduction="sum")
        return torch.autograd.grad(loss, images, create_graph=create_graph)[0]

    clean = gradient(given.images)
    delta = given.threat.project(given.images, given.threat.epsilon * clean.sign())
    anchored = clean if anchor == "clean" else gradient(given.images + delta)
    start = 2 * torch.rand(given.images.shape, generator=torch.Generator().manual_seed(0)) - 1
    noisy = given.images + given.threat.epsilon * start
    assert noisy.min() < 0
    assert noisy.max() > 1
    if noise == "ball_and_box":
        noisy = noisy.clamp(0, 1)
    moving = gradient(noisy, create_graph=True)
    cosine = F.cosine_similarity(anchored.flatten(1), moving.flatten(1)).mean()
    sgd(twin)(F.cross_entropy(twin(given.images + delta), given.labels) + 0.7 * (1 - cosine))
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_gradaligns_regulariser_against_differences_of_the_formula(seed, norm):
    """Of a smooth network in float64: input gradients sample by sample, the update by central differences."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    images, labels = torch.randint(2, (6, 1, 3, 3)).double(), torch.randint(3, (6,))  # corners: half the noise leaves
    updated = []
    for weight in (0.0, 2.0):
        twin = copy.deepcopy(model)
        given = Batch(images, labels, ThreatModel(0.3, norm), torch.Generator().manual_seed(seed))
        GradAlign(weight=weight).step(twin, given, sgd(twin, rate=1.0))
        updated.append(parameters_to_vector(twin.parameters()).detach())
    found = updated[0] - updated[1]

    draws = torch.Generator().manual_seed(seed)
    eta = 0.3 * (2 * torch.rand(images.shape, generator=draws) - 1)
    if norm == "l2":
        eta = torch.randn(images.shape, generator=draws).flatten(1)
        radius = 0.3 * torch.rand(6, 1, generator=draws) ** (1 / 9)
        eta = (eta / eta.norm(dim=1, keepdim=True) * radius).view(images.shape)

    def gradients(points):
        def loss(point, label):
            return F.cross_entropy(model(point[None]), label[None])

        pairs = zip(points, labels, strict=True)
        return [torch.autograd.functional.jacobian(lambda x, y=y: loss(x, y), x).flatten() for x, y in pairs]

    anchors, start = gradients(images), parameters_to_vector(model.parameters()).detach()

    def penalty(parameters):
        vector_to_parameters(parameters, model.parameters())
        cosines = [a @ g / a.norm() / g.norm() for a, g in zip(anchors, gradients(images + eta), strict=True)]
        return 2.0 * (1 - sum(cosines) / 6)

    steps = 1e-5 * torch.eye(len(start), dtype=torch.float64)
    expected = torch.stack([(penalty(start + step) - penalty(start - step)) / 2e-5 for step in steps])
    torch.testing.assert_close(found, expected.detach(), atol=1e-5, rtol=1e-4)


def test_published_weights_of_gradalign():
    assert published_weight(8 / 255) == pytest.approx(0.2)
    assert published_weight(6 / 255) == pytest.approx(0.1125, abs=1e-4)
    assert published_weight(16 / 255) == pytest.approx(2.0)
    with pytest.raises(ConfigError, match=r"set method\.weight"):
        published_weight(0.25)


def test_a_run_beyond_the_fitted_radii_needs_a_weight():
    with pytest.raises(ConfigError, match=r"set method\.weight"):
        RunConfig.parse({"method": "gradalign", "epsilon": 0.25})
    assert RunConfig.parse({"method": {"name": "gradalign", "weight": 1}, "epsilon": 0.25}).method == GradAlign(1)
