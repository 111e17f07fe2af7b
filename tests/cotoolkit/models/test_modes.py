"""An attack leaves modes, flags and buffers as they were."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm

from cotoolkit.attacks.gradient import fgsm, input_gradient, pgd
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.models.modes import attack_mode
from tests._helpers.networks import conv_net


class Counting(nn.Module):
    """Counts its calls in place."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, images):
        self.calls += 1
        return images


class Averaging(nn.Module):
    """Keeps a moving average, in place or by a new tensor, with its graph or past autograd."""

    def __init__(self, how):
        super().__init__()
        self.how = how
        self.register_buffer("average", torch.zeros(1))

    def forward(self, images):
        mean = images.mean().view(1)
        match self.how:
            case "in-place":
                self.average.mul_(0.9).add_(0.1 * mean.detach())
            case "replaced":
                self.average = 0.9 * self.average + 0.1 * mean.detach()
            case "with-its-graph":
                self.average = 0.9 * self.average + 0.1 * mean
            case "data":
                self.average.data.lerp_(mean.detach(), 0.1)
            case "new-data":
                self.average.data = mean.detach()
            case "grown":
                self.average.data = torch.cat([self.average, mean.detach()])
            case "other-type":
                self.average = self.average.double() + 1
        return images


class Lazy(nn.Module):
    """Makes its buffer at the first call."""

    def __init__(self, how):
        super().__init__()
        self.how, self.ready = how, False
        if how == "none":
            self.register_buffer("scale", None)

    def forward(self, images):
        if self.how == "none" and self.scale is None:
            self.scale = images.detach().amax()
        elif (self.how == "flag" and not self.ready) or (self.how == "hasattr" and not hasattr(self, "scale")):
            self.register_buffer("scale", images.detach().amax())
            self.ready = True
        return images / self.scale


class EvenInEval(nn.BatchNorm2d):
    """A BatchNorm of one's own that minds neither mode nor flag."""

    def forward(self, images):
        return nn.functional.batch_norm(images, self.running_mean, self.running_var, training=True, momentum=0.1)


class Root(nn.Module):
    """Its buffer is its own, and one tensor stands under two names."""

    def __init__(self):
        super().__init__()
        self.body = conv_net()
        self.register_buffer("seen", torch.zeros(2))
        self.register_buffer("again", self.seen)

    def forward(self, images):
        self.seen[0] += 1
        return self.body(images)


def with_layer(layer):
    return nn.Sequential(layer, *conv_net())


NETWORKS = {
    "plain": conv_net,
    "instance-norm": lambda: with_layer(nn.InstanceNorm2d(1, affine=True, track_running_stats=True)),
    "spectral-norm": lambda: with_layer(spectral_norm(nn.Conv2d(1, 1, 3, padding=1))),
    "parametrized-spectral-norm": lambda: with_layer(parametrizations.spectral_norm(nn.Conv2d(1, 1, 3, padding=1))),
    "counting": lambda: with_layer(Counting()),
    **{how: lambda how=how: with_layer(Averaging(how)) for how in ("in-place", "replaced", "with-its-graph", "data")},
    **{how: lambda how=how: with_layer(Averaging(how)) for how in ("new-data", "grown", "other-type")},
    **{f"lazy-{how}": lambda how=how: with_layer(Lazy(how)) for how in ("none", "flag", "hasattr")},
    "own-batch-norm": lambda: with_layer(EvenInEval(1)),
    "root": Root,
    "scripted": lambda: torch.jit.script(with_layer(nn.InstanceNorm2d(1, track_running_stats=True))),
    "traced": lambda: torch.jit.trace(conv_net(), torch.rand(4, 1, 6, 6)),
    "frozen": lambda: torch.jit.freeze(torch.jit.script(conv_net().eval())),
}


def state(model):
    modules = list(model.modules())
    return (
        {name: None if buffer is None else buffer.clone() for m in modules for name, buffer in m._buffers.items()},
        {id(buffer) for m in modules for _, buffer in m._buffers.items()},
        [getattr(module, "training", None) for module in modules],
        [module.track_running_stats for module in modules if isinstance(module, nn.BatchNorm2d)],
        [(parameter.requires_grad, parameter.grad) for parameter in model.parameters()],
    )


def same(one, other):
    return one[1:] == other[1:] and one[0].keys() == other[0].keys() and all(
        value is other[0][name] or (torch.equal(value, other[0][name]) and value.dtype == other[0][name].dtype)
        for name, value in one[0].items()
    )  # fmt: skip


@pytest.fixture
def points():
    return torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 3])


@pytest.mark.parametrize("bn_mode", ["train", "eval"])
@pytest.mark.parametrize("called", [False, True], ids=["fresh", "used"])
@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluating"])
@pytest.mark.parametrize("name", NETWORKS)
def test_an_attack_leaves_everything_as_it_was(points, name, training, called, bn_mode):
    torch.manual_seed(0)
    model = NETWORKS[name]()
    if name != "frozen":
        model.train(training)
    if called:
        model(points[0])
    before = state(model)
    with torch.no_grad():
        fgsm(model, *points, ThreatModel(0.1), bn_mode=bn_mode)
    assert same(state(model), before)
    pgd(model, *points, ThreatModel(0.1), steps=3, generator=torch.Generator(), bn_mode=bn_mode)
    assert same(state(model), before)
    model(points[0])  # it still works


@pytest.mark.parametrize("name", ["counting", "instance-norm", "parametrized-spectral-norm", "lazy-flag", "root"])
@pytest.mark.parametrize("bn_mode", ["train", "eval"])
def test_so_does_one_that_fails(points, name, bn_mode):
    model = NETWORKS[name]().train()
    before = state(model)

    def fail(images):
        with attack_mode(model, bn_mode):
            model(images)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(points[0])
    assert same(state(model), before)


class Merging(nn.Linear):
    """An adapter whose product is part of the weights in evaluation, as in LoRA, which rounds."""

    def __init__(self):
        super().__init__(36, 4)
        self.down, self.up = nn.Parameter(torch.randn(2, 36)), nn.Parameter(torch.randn(4, 2))
        self.merged = False

    def train(self, mode=True):
        super().train(mode)
        if mode is self.merged:
            self.weight.data += (-1 if mode else 1) * self.up @ self.down
            self.merged = not mode
        return self

    def forward(self, x):
        outputs = nn.functional.linear(x, self.weight, self.bias)
        return outputs if self.merged else outputs + x @ self.down.T @ self.up.T


@pytest.mark.parametrize("training", [True, False])
def test_a_module_that_works_when_its_mode_changes_hears_of_the_way_back(points, training):
    adapter = Merging()
    model = nn.Sequential(nn.Flatten(), adapter).train(training)
    before, outputs = state(model), model(points[0]).detach()
    for _ in range(3):
        with attack_mode(model, "eval"):
            assert adapter.merged
            assert torch.allclose(model(points[0]), outputs, atol=1e-5)
        assert adapter.merged is not training
        assert same(state(model), before)


def test_training_after_an_attack_is_training_without_one(points):
    torch.manual_seed(0)
    layers = (parametrizations.spectral_norm(nn.Conv2d(1, 1, 3, padding=1)), Counting(), Averaging("replaced"))
    attacked = nn.Sequential(*layers, *conv_net()).train()
    alone = copy.deepcopy(attacked)
    for _ in range(3):
        pgd(attacked, *points, ThreatModel(0.1), steps=2, generator=None)
        assert torch.equal(attacked(points[0]), alone(points[0]))
    assert attacked[1].calls == 3


def test_a_graph_through_a_constant_survives(points):
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("scale", torch.full((1,), 2.0))
            self.register_buffer("wide", torch.ones(1).expand(5))
            self.body = conv_net()

        def forward(self, images):
            return self.body(images * self.scale) * self.wide[0]

    model = Scaled()
    with attack_mode(model, "train"):
        found = input_gradient(model, *points, create_graph=True)
    found.gradient.square().sum().backward()
    assert all(parameter.grad is not None for name, parameter in model.named_parameters() if "weight" in name)


def test_hooks_see_what_they_see(points):
    model, seen = NETWORKS["counting"]().train(), []
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(int(module.calls)))
    with attack_mode(model, "train"):
        model(points[0])
        model(points[0])
    model(points[0])
    assert seen == [1, 2, 1]


def test_what_holds_no_such_buffer_copies_nothing(monkeypatch):
    model = nn.Sequential(*(layer for _ in range(20) for layer in conv_net()[:3]))
    monkeypatch.setattr(torch.Tensor, "clone", None)
    for bn_mode in ("train", "eval"):
        with attack_mode(model, bn_mode):
            pass
