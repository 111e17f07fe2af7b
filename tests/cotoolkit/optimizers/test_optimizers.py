import pytest
import torch
from torch import nn

from cotoolkit.optimizers import OPTIMIZERS, SGD, Adam, Updates

STEPS = 7
RATES = [0.1, 0.03, 0.2, 0.01, 0.05, 0.4, 0.02]

LIBRARY = [
    ("sgd", {}, torch.optim.SGD, {"momentum": 0.9}),
    ("sgd", {"momentum": 0.0}, torch.optim.SGD, {}),
    ("sgd", {"momentum": 0.7, "nesterov": True}, torch.optim.SGD, {"momentum": 0.7, "nesterov": True}),
    ("adam", {}, torch.optim.Adam, {}),
    ("adam", {"beta1": 0.5, "beta2": 0.9, "eps": 1e-4}, torch.optim.Adam, {"betas": (0.5, 0.9), "eps": 1e-4}),
    ("adamw", {"beta1": 0.8}, torch.optim.AdamW, {"betas": (0.8, 0.999)}),
]


def network(seed):
    torch.manual_seed(seed)
    built = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4))
    built.frozen = nn.Parameter(torch.ones(2), requires_grad=False)
    built.unreached = nn.Parameter(torch.ones(2, 2))
    return built


def losses(model, steps):
    draws = torch.Generator().manual_seed(3)
    for _ in range(steps):
        images = torch.randn(5, 2, 4, 4, generator=draws)
        yield nn.functional.cross_entropy(model(images), torch.randint(4, (5,), generator=draws))


def equal(first, second):
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize(("name", "fields", "library", "options"), LIBRARY)
@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_every_step_has_the_bits_of_torch_optim(name, fields, library, options, decay):
    ours, theirs = network(0), network(0)
    rule = OPTIMIZERS.parse({"name": name, **fields})
    updates = Updates(rule, ours, decay, decay_norm_and_bias=True)
    optimizer = library([p for p in theirs.parameters() if p.requires_grad], lr=1.0, weight_decay=decay, **options)
    for rate, loss, other in zip(RATES, losses(ours, STEPS), losses(theirs, STEPS), strict=True):
        updates.step(loss, rate, rule.momentum)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        other.backward()
        optimizer.step()
        equal(ours.state_dict(), theirs.state_dict())
    assert not torch.equal(ours[0].weight, network(0)[0].weight)
    assert torch.equal(ours.frozen, torch.ones(2))
    assert torch.equal(ours.unreached, torch.ones(2, 2))


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_norms_and_biases_may_be_spared_from_decay(name):
    ours, theirs = network(1), network(1)
    updates = Updates(OPTIMIZERS.parse(name), ours, 0.3, decay_norm_and_bias=False)
    library = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim <= 1 and p.requires_grad]
    groups = [{"params": matrices, "weight_decay": 0.3}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = library(groups, lr=0.05, **({"momentum": 0.9} if name == "sgd" else {}))
    for loss, other in zip(losses(ours, 3), losses(theirs, 3), strict=True):
        updates.step(loss, 0.05, 0.9)
        optimizer.zero_grad()
        other.backward()
        optimizer.step()
    equal(ours.state_dict(), theirs.state_dict())


@pytest.mark.parametrize("name", OPTIMIZERS.names())
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_state_put_back_goes_on_with_the_same_bits(name, layout):
    model = network(2).to(memory_format=layout)
    updates = Updates(OPTIMIZERS.parse(name), model, 0.01, decay_norm_and_bias=True)
    assert updates.state() == {}
    every = list(losses(model, 1))
    updates.step(every[0], 0.1, 0.9)
    weights, state = {n: t.clone() for n, t in model.state_dict().items()}, updates.state()

    def go_on():
        for loss in losses(model, 4):
            updates.step(loss, 0.1, 0.9)
        return {n: t.clone() for n, t in model.state_dict().items()}, updates.state()

    first = go_on()
    model.load_state_dict(weights)
    updates.load_state({n: t.contiguous() for n, t in state.items()})
    second = go_on()
    equal(first[0], second[0])
    equal(first[1], second[1])
    assert not torch.equal(first[0]["0.weight"], weights["0.weight"])  # the state was a copy


def test_the_first_steps_by_hand():
    weight = nn.Linear(1, 1, bias=False)
    weight.weight.data.fill_(1.0)
    gradient = 2.0  # of loss = 2 w
    updates = Updates(SGD(momentum=0.5), weight, 0.0, decay_norm_and_bias=True)
    updates.step((gradient * weight.weight).sum(), 0.1, 0.5)
    assert weight.weight.item() == pytest.approx(1 - 0.1 * 2)
    updates.step((gradient * weight.weight).sum(), 0.1, 0.5)
    assert weight.weight.item() == pytest.approx(0.8 - 0.1 * (0.5 * 2 + 2))
    weight.weight.data.fill_(1.0)
    updates = Updates(Adam(), weight, 0.0, decay_norm_and_bias=True)
    updates.step((gradient * weight.weight).sum(), 0.1, 0.9)
    assert weight.weight.item() == pytest.approx(0.9)  # Adam's first step is the rate, whatever the gradient


def test_nonsense_is_refused():
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
        OPTIMIZERS.parse({"name": "sgd", "momentum": 0, "nesterov": True})
    with pytest.raises(ValueError, match="did you mean adam"):
        OPTIMIZERS.parse("adm")
    with pytest.raises(ValueError, match="has no field 'momentum'"):
        OPTIMIZERS.parse({"name": "adam", "momentum": 0.9})
    with pytest.raises(ValueError, match="less than 1"):
        OPTIMIZERS.parse({"name": "adam", "beta2": 1.0})
