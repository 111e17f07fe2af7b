import pytest
import torch
from torch import nn

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.attacks.stand_ins import Averaged, StraightThrough


class Behind(nn.Module):
    """A linear layer behind an operation."""

    def __init__(self, operation):
        super().__init__()
        self.operation = operation
        self.layer = nn.Linear(4, 3)
        with torch.no_grad():
            self.layer.weight.copy_(torch.arange(12.0).view(3, 4) / 10 - 0.5)
            self.layer.bias.zero_()

    def forward(self, images):
        return self.layer(self.operation(images.flatten(1)))


IMAGES = torch.tensor([[0.1, 0.4, 0.6, 0.9], [0.3, 0.2, 0.8, 0.7]]).view(2, 1, 2, 2)
LABELS = torch.tensor([0, 2])


@pytest.mark.parametrize(
    "operation",
    [
        lambda x: (8 * x).round() / 8, lambda x: torch.floor(8 * x) / 8, lambda x: (x - 0.5).sign() + 0 * x,
        lambda x: x.detach() + 0 * x, lambda x: torch.tanh(1e4 * x), lambda x: nn.functional.hardtanh(50 * x),
        nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Sigmoid()), lambda x: (1e6 * x).sigmoid(),
        lambda x: (9 * x + 2).clamp(0, 1),
    ],
)  # fmt: skip
def test_the_gradient_goes_through_and_the_output_stays(operation):
    model = Behind(operation)
    cut, led = (input_gradient(one, IMAGES, LABELS) for one in (model, StraightThrough(model)))
    assert torch.equal(cut.logits, led.logits)
    assert (led.gradient != 0).flatten(1).any(1).all()
    with torch.no_grad():
        assert torch.equal(StraightThrough(model)(IMAGES), model(IMAGES))


def test_rounding_has_the_gradient_of_the_identity():
    rounded, plain = Behind(lambda x: (x * 8).round() / 8), Behind(lambda x: x)
    found = input_gradient(StraightThrough(rounded), IMAGES, LABELS).gradient
    # At the rounded images the plain network has the same outputs, and so the same gradient.
    expected = input_gradient(plain, (IMAGES * 8).round() / 8, LABELS).gradient
    assert torch.allclose(found, expected, atol=1e-6)


def test_what_has_a_gradient_keeps_it():
    smooth = Behind(nn.Sequential(nn.Linear(4, 4), nn.Softplus()))
    through = StraightThrough(smooth)
    found = input_gradient(through, IMAGES, LABELS).gradient
    assert torch.equal(input_gradient(smooth, IMAGES, LABELS).gradient, found)


def test_the_average_of_a_random_network_is_that_of_its_probabilities():
    class Alternating(nn.Module):
        calls = 0

        def forward(self, images):
            self.calls += 1
            logits = torch.tensor([[2.0, 0.0]]) if self.calls % 2 else torch.tensor([[0.0, 1.0]])
            return logits.expand(len(images), 2) + 0 * images.flatten(1).sum(1, keepdim=True)

    found = Averaged(Alternating(), 4)(IMAGES).exp()
    expected = (torch.tensor([2.0, 0]).softmax(0) + torch.tensor([0.0, 1]).softmax(0)) / 2
    assert torch.allclose(found, expected.expand(2, 2), atol=1e-6)
