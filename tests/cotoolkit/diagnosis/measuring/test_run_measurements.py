"""What the measurements do with networks and images that are out of the ordinary."""

import math

import pytest
import torch
from torch import nn

from cotoolkit import diagnose
from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.budget import BUDGETS
from cotoolkit.diagnosis.measuring import run_measurements
from cotoolkit.diagnosis.measuring.landscape import eigenvalues

TINY = BUDGETS["quick"].model_copy(
    update={
        "name": "tiny", "points": 20, "few": 12, "strong_steps": 3, "restarts": 1, "queries": 6, "margin_steps": 2,
        "smoothed_steps": 1, "smoothed_draws": 1, "steps": 2, "step_grid": (1, 2), "surface": 3, "surface_points": 4,
        "targets": 1, "target_steps": 2, "most_steps": 4, "most_queries": 6, "evidence_points": 4, "label_classes": 2,
    }
)  # fmt: skip


def data(*shape):
    return torch.rand(20, *shape, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 4


class _Refused(torch.autograd.Function):
    @staticmethod
    def forward(context, values):
        return values.clone()

    @staticmethod
    def backward(context, gradient):
        raise RuntimeError("derivative for slope is not implemented")


class _Slope(torch.autograd.Function):
    """An operation whose gradient cannot be differentiated, as of many kernels written by hand."""

    @staticmethod
    def forward(context, values):
        return values * 2

    @staticmethod
    def backward(context, gradient):
        return _Refused.apply(gradient * 2)


class _Once(torch.autograd.Function):
    """The same by PyTorch's own mark, which loses the second derivative without an error."""

    @staticmethod
    def forward(context, values):
        return values * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, gradient):
        return gradient * 2


class Through(nn.Module):
    def __init__(self, operation):
        super().__init__()
        self.operation = operation
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = nn.Linear(25, 4)

    def forward(self, images):
        return self.layer(self.operation(images).flatten(1))


@pytest.mark.parametrize(("operation", "reason"), [(_Slope, "not implemented"), (_Once, "differentiable once")])
def test_a_network_without_second_derivatives_is_diagnosed_without_its_hessian(operation, reason):
    found = diagnose(Through(operation.apply), data(1, 5, 5), epsilon=0.1, budget=TINY, device="cpu")
    assert found.measurements.signal("top_hessian_eigenvalue").mean is None
    assert found.measurements.signal("input_curvature").mean is not None
    (finding,) = [one for one in found.findings if "top_hessian_eigenvalue" in one.text]
    assert reason in finding.text


def test_a_linear_layer_has_the_hessian_of_its_softmax():
    model = Through(lambda images: images)
    images, labels = data(1, 5, 5)
    gradient = input_gradient(model, images[:3], labels[:3]).gradient
    found, findings = eigenvalues(model, images[:3], labels[:3], gradient, 0)
    weight = model.layer.weight.detach()
    for image, value in zip(images[:3], found, strict=True):
        shares = model(image[None]).detach().softmax(1)[0]
        hessian = weight.T @ (shares.diag() - shares.outer(shares)) @ weight
        assert math.isclose(float(torch.linalg.eigvalsh(hessian)[-1]), float(value), rel_tol=0.02)
    assert findings == []


def test_large_images_go_through_in_small_batches(monkeypatch):
    class Watching(Through):
        most = 0

        def forward(self, images):
            if images.requires_grad:
                self.most = max(self.most, len(images))
            return super().forward(images)

    monkeypatch.setattr(run_measurements, "PIXELS", 5 * 25)
    model = Watching(lambda images: images.relu())
    diagnose(model, data(1, 5, 5), epsilon=0.1, budget=TINY.model_copy(update={"hessian_points": 2}), device="cpu")
    assert model.most == 5


def test_no_points_are_refused():
    with pytest.raises(ConfigError, match="points: give a whole number, 1 or more, not 0"):
        diagnose(Through(lambda images: images), data(1, 5, 5), epsilon=0.1, budget=TINY, points=0)


def test_classes_in_another_order_are_told_from_a_network_that_guesses():
    labels = torch.arange(200) % 4
    images = torch.zeros(200, 1, 5, 5).index_put((torch.arange(200), torch.tensor(0), torch.tensor(0), labels),
                                                 torch.tensor(1.0))  # fmt: skip
    model = Through(lambda images: images)
    with torch.no_grad():
        model.layer.weight.copy_(torch.eye(25)[[1, 2, 3, 0]])  # every class under its neighbour's number
        model.layer.bias.zero_()
    found = diagnose(model, (images, labels), epsilon=0.1, budget=TINY, points=200, device="cpu")
    assert found.measurements.clean.accuracy.value == 0
    assert found.measurements.renamed.value == 1
    assert found.verdict.label == "inconclusive"
    assert "another order" in found.verdict.reason
