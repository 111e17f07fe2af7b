import pytest
import torch
from torch.nn.functional import relu

from analyses.purification.synthetic_world.network import SymmetricNet, regulariser_gradient

SEEDS, UNITS, D, POINTS = 3, 11, 7, 13


@pytest.fixture(params=[0.0, 0.4])
def case(request):
    random = torch.Generator().manual_seed(11)
    weights = torch.randn(SEEDS, UNITS, D, generator=random, dtype=torch.float64)
    x = torch.randn(SEEDS, POINTS, D, generator=random, dtype=torch.float64)
    y = torch.randint(0, 2, (SEEDS, POINTS), generator=random).double() * 2 - 1
    return SymmetricNet.ruled(weights, beta=0.3, sigma_rho=request.param), x, y


def reference(net, x):
    """The definition, with the smoothing integral done by quadrature."""
    u, b = torch.einsum("sbd,smd->sbm", x, net.weights), net.bias[:, None]
    if net.smoothing is None:
        return (relu(u - b) - relu(-u - b)).sum(-1)
    nodes = torch.linspace(-9, 9, 20_001, dtype=torch.float64)
    density = torch.exp(-nodes.square() / 2)
    total = torch.zeros(u.shape, dtype=torch.float64)
    for node, weight in zip(nodes[::5], (density / density[::5].sum())[::5], strict=True):
        rho = node * net.smoothing[:, None]
        total = total + weight * (relu(u + rho - b) - relu(-u + rho - b))
    return total.sum(-1)


def test_output_is_the_definition(case):
    net, x, _ = case
    torch.testing.assert_close(net(x), reference(net, x), atol=1e-5, rtol=1e-5)


def test_smoothing_is_the_mean_over_noise():
    random = torch.Generator().manual_seed(5)
    weights = torch.randn(1, 4, D, generator=random, dtype=torch.float64)
    x = torch.randn(1, 3, D, generator=random, dtype=torch.float64)
    net = SymmetricNet.ruled(weights, 0.3, 0.5)
    u, b, s = net.preactivations(x), net.bias[:, None], net.smoothing[:, None]
    rho = torch.randn(200_000, 1, 1, 4, generator=random, dtype=torch.float64) * s
    draws = (relu(u + rho - b) - relu(-u + rho - b)).sum(-1)
    error = 5 * draws.std(0) / 200_000**0.5
    assert ((draws.mean(0) - net(x)).abs() < error).all()


def test_gradients_are_those_of_autograd(case):
    net, x, y = case
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(leaf).sum(), leaf)
    torch.testing.assert_close(net.input_gradient(x), expected, atol=1e-12, rtol=1e-10)
    output, gradient = net.output_and_gradient(x)
    torch.testing.assert_close(output, net(x))
    torch.testing.assert_close(gradient, expected, atol=1e-12, rtol=1e-10)

    weights = net.weights.clone().requires_grad_()
    free = SymmetricNet(weights, net.bias, net.smoothing)  # biases and smoothing are constants
    (expected,) = torch.autograd.grad(torch.logaddexp(torch.zeros_like(y), -y * free(x)).mean(-1).sum(), weights)
    torch.testing.assert_close(net.loss_gradient(x, y), expected, atol=1e-12, rtol=1e-10)


def test_gates_are_shares_of_time_and_the_output_is_odd(case):
    net, x, _ = case
    gates = net.gates(net.preactivations(x))
    assert ((gates >= 0) & (gates <= 1)).all()
    assert torch.equal(gates, net.gates(net.preactivations(-x)))
    torch.testing.assert_close(net(-x), -net(x))


def test_little_smoothing_is_none():
    random = torch.Generator().manual_seed(6)
    weights, x = torch.randn(1, 5, D, generator=random), torch.randn(1, 9, D, generator=random)
    torch.testing.assert_close(SymmetricNet.ruled(weights, 0.3, 1e-4)(x), SymmetricNet.ruled(weights, 0.3)(x))


@pytest.mark.parametrize("cubic", [False, True])
def test_regulariser_gradient_is_that_of_autograd(cubic):
    weights = torch.randn(2, 5, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    norms = weights.norm(dim=-1)
    total = 0.3 * (norms.square() / 2 + (norms**3 / 3 if cubic else 0)).sum()
    (expected,) = torch.autograd.grad(total, weights)
    torch.testing.assert_close(regulariser_gradient(weights.detach(), 0.3, cubic=cubic), expected)
