import copy

import pytest
import torch
from torch import nn

from analyses.mixtures import graft, put_back_mean, put_back_parts, random_control, remove_direction, units_of
from analyses.mixtures.edits import reestimate_batch_norm
from analyses.mixtures.statistics.change import split_by_reference
from analyses.mixtures.statistics.directions import coefficients
from analyses.mixtures.units.hidden_units import unit_length
from cotoolkit.core.errors import ConfigError, ModelError
from tests._helpers.planted_mixtures import random_rows


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 3))


def normed(seed):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.BatchNorm2d(6), nn.Dropout(), nn.Flatten(), nn.Linear(24, 3), nn.BatchNorm1d(3)
    )


def direction(seed, n_in):
    return unit_length(random_rows(seed, 1, n_in))[0]


def weight(model, layer="0"):
    return units_of(model)[layer].weight


@pytest.fixture(autouse=True)
def _originals_are_untouched(request):
    models = request.getfixturevalue("models") if "models" in request.fixturenames else []
    before = [copy.deepcopy(model.state_dict()) for model in models]
    yield
    for model, state in zip(models, before, strict=True):
        assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.fixture
def models():
    return network(0), network(1)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_removal_takes_that_share_and_nothing_else(models, share):
    model, _ = models
    u = direction(2, 18)
    edited = remove_direction(model, {"0": u}, share)
    before, after = weight(model), weight(edited)
    assert torch.allclose(after @ u, (1 - share) * (before @ u), atol=1e-6)
    across = torch.eye(18) - torch.outer(u, u)
    assert torch.allclose(after @ across, before @ across, atol=1e-6)
    assert torch.equal(weight(edited, "3"), weight(model, "3"))
    assert torch.equal(edited[0].bias, model[0].bias)


def test_put_back_mean_adds_the_mean_coefficient(models):
    robust, clean = models
    u = direction(3, 18)
    edited = put_back_mean(robust, clean, {"0": u})
    added = weight(edited) - weight(robust)
    amount = float(coefficients(weight(clean), u).mean())
    assert torch.allclose(added, amount * weight(robust).norm(dim=1)[:, None] * u, atol=1e-6)
    assert torch.equal(weight(edited, "3"), weight(robust, "3"))


def test_put_back_parts_gives_each_unit_its_own(models):
    robust, clean = models
    edited = put_back_parts(robust, clean, ["0"])
    rest = split_by_reference(weight(clean), weight(robust)).rest
    assert torch.allclose(weight(edited) - weight(robust), rest, atol=1e-6)
    u = direction(4, 18)
    along = put_back_parts(robust, clean, {"0": u})
    assert torch.allclose(weight(along) - weight(robust), torch.outer(rest @ u, u), atol=1e-6)


@pytest.mark.parametrize("rank", [1, 3])
def test_graft_is_the_best_change_of_that_rank(models, rank):
    clean, robust = models
    edited = graft(clean, robust, rank)
    for layer in ("0", "3"):
        change, whole = weight(edited, layer) - weight(clean, layer), weight(robust, layer) - weight(clean, layer)
        assert torch.linalg.matrix_rank(change, rtol=1e-4) == rank
        values = torch.linalg.svdvals(whole)  # Eckart & Young
        assert float((whole - change).norm()) == pytest.approx(float(values[rank:].norm()), abs=1e-5)


def test_graft_of_full_rank_gives_the_robust_units_in_the_layers_named(models):
    clean, robust = models
    edited = graft(clean, robust, 18, ["0"])
    assert torch.allclose(weight(edited), weight(robust), atol=1e-6)
    assert torch.equal(weight(edited, "3"), weight(clean, "3"))


def test_the_control_changes_every_unit_as_much_in_another_direction(models):
    model, other = models
    edited = put_back_parts(model, other, ["0"])
    control = random_control(model, edited, 0)
    change, random = weight(edited) - weight(model), weight(control) - weight(model)
    assert torch.allclose(random.norm(dim=1), change.norm(dim=1), atol=1e-5)
    assert torch.allclose(torch.linalg.svdvals(random), torch.linalg.svdvals(change), atol=1e-5)
    assert (unit_length(random) * unit_length(change)).sum(1).abs().mean() < 0.6
    assert torch.equal(weight(control, "3"), weight(model, "3"))
    assert torch.equal(weight(random_control(model, edited, 0)), weight(control))
    assert not torch.equal(weight(random_control(model, edited, 1)), weight(control))


def test_the_control_of_one_shared_direction_is_one_shared_direction(models):
    model, _ = models
    edited = remove_direction(model, {"0": direction(5, 18)})
    random = weight(random_control(model, edited, 0)) - weight(model)
    values = torch.linalg.svdvals(random)
    assert values[1] < 1e-5 * values[0]


def test_the_random_frame_has_no_preferred_side():
    model = nn.Linear(5, 4, bias=False)
    edited = remove_direction(model, {"model": direction(5, 5)})
    left = torch.linalg.svd(weight(edited, "model") - weight(model, "model")).U[:, 0]
    first = [
        float(left @ (weight(random_control(model, edited, seed), "model") - weight(model, "model"))[:, 0])
        for seed in range(60)
    ]
    assert 15 <= sum(value > 0 for value in first) <= 45


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (5, 5)])
def test_the_control_does_not_depend_on_the_signs_of_singular_vectors(shape, monkeypatch):
    model, other = (nn.Linear(*reversed(shape), bias=False) for _ in range(2))
    control = weight(random_control(model, other, 0), "model")
    found = torch.linalg.svd

    def turned(*args, **kwargs):
        left, values, right = found(*args, **kwargs)
        signs = torch.tensor([-1.0, 1.0]).repeat(len(values))[: len(values)]
        return left * signs, values, right * signs[:, None]

    monkeypatch.setattr(torch.linalg, "svd", turned)
    torch.testing.assert_close(weight(random_control(model, other, 0), "model"), control, atol=1e-5, rtol=0)


def test_batch_norm_is_estimated_anew_on_the_copy():
    model, images = normed(6), 0.4 + torch.rand(40, 2, 4, 4)
    edited = remove_direction(model, {"0": direction(7, 18)}, images=images, leave=True)
    seen = edited[0](images)
    assert torch.allclose(edited[1].running_mean, seen.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(edited[1].running_var, seen.var((0, 2, 3)), atol=1e-5)
    assert torch.equal(model[1].running_mean, torch.zeros(6))
    assert edited[1].momentum == 0.1
    assert all(module.training for module in edited.modules())


def test_batch_norm_of_several_batches_is_their_mean():
    model, images = normed(8), torch.randn(30, 2, 4, 4)
    reestimate_batch_norm(model, images, batch_size=10)
    means = [model[0](batch).mean((0, 2, 3)) for batch in images.split(10)]
    assert torch.allclose(model[1].running_mean, torch.stack(means).mean(0), atol=1e-5)


def test_no_image_is_left_alone_in_the_last_batch():
    model, images = normed(8), torch.randn(21, 2, 4, 4)
    reestimate_batch_norm(model, images, batch_size=10)
    means = [model[0](batch).mean((0, 2, 3)) for batch in images.split(7)]
    assert torch.allclose(model[1].running_mean, torch.stack(means).mean(0), atol=1e-5)


def test_momentum_comes_back_after_an_error():
    model = normed(8)
    with pytest.raises(RuntimeError):
        reestimate_batch_norm(model, torch.randn(4, 2, 5, 5))  # fails at the linear layer
    assert model[1].momentum == model[5].momentum == 0.1


def test_what_cannot_be_edited_is_said_in_a_line(models):
    with pytest.raises(ConfigError, match="give images"):
        remove_direction(normed(9), {"0": direction(10, 18)})
    with pytest.raises(ModelError, match="no layer 1; it has: 0, 3"):
        remove_direction(models[0], {"1": direction(10, 18)})
    with pytest.raises(ModelError, match="layer 0: 6 units x 18 weights in the network to edit"):
        graft(models[0], nn.Sequential(nn.Conv2d(1, 6, 3)), 1)
    with pytest.raises(ConfigError, match="rank: give a whole number, 1 or more, not 0"):
        graft(*models, 0)
