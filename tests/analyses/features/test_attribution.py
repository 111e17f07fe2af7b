import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.features.attributions.attribution import attribute
from analyses.features.attributions.faithfulness import deletion_insertion, randomised_correlation
from analyses.features.attributions.integrated_gradients import (
    MOST_PARTS,
    TOLERANCE,
    baseline_images,
    completeness_gap,
    integrated_gradients,
)
from cotoolkit.core.errors import ConfigError, ModelError
from tests._helpers.toys import Quadratic, conv_net, fingerprint, linear


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


METHODS = ("integrated_gradients", "saliency", "gradient_shap", "input_x_gradient")


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**31))
def test_a_linear_models_maps_by_hand(seed):
    weight, images, labels = draw(3, 2, 4, 4, seed=seed) - 0.5, draw(5, 2, 4, 4, seed=seed + 1), torch.arange(5) % 3
    model, own = linear(weight, bias=0.7), weight[torch.arange(5) % 3]
    torch.testing.assert_close(attribute(model, images, labels, "saliency"), own.abs())
    torch.testing.assert_close(attribute(model, images, labels, "input_x_gradient"), own * images)
    for baseline in ("zero", "blurred"):
        start = baseline_images(images, baseline)
        maps = attribute(model, images, labels, baseline=baseline)
        torch.testing.assert_close(maps, own * (images - start), atol=1e-6, rtol=1e-5)
        assert completeness_gap(model, images, labels, maps, baseline).max() < 1e-5


def test_gradient_shap_of_a_linear_model_is_the_mean_over_the_pool():
    weight, images = draw(1, 1, 3, 3) - 0.5, draw(4, 1, 3, 3, seed=1)
    labels = torch.zeros(4, dtype=torch.long)
    maps = attribute(linear(weight), images, labels, "gradient_shap", steps=4000)
    torch.testing.assert_close(maps, weight * (images - images.mean(0)), atol=0.02, rtol=0)
    for same in (images[:1], images[:1].repeat(3, 1, 1, 1)):  # their maps would be zeros
        with pytest.raises(ConfigError, match="baselines from the images; give at least two different ones"):
            attribute(linear(weight), same, labels[: len(same)], "gradient_shap", steps=3)


def test_a_quadratic_models_maps_by_hand():
    weight, images = draw(1, 3, 3) - 0.5, draw(4, 1, 3, 3, seed=1)
    model, labels = Quadratic(weight), torch.zeros(4, dtype=torch.long)
    # the gradient is 2 w x; its mean on the way from b to x is w (x + b)
    torch.testing.assert_close(attribute(model, images, labels, "saliency"), (2 * weight * images).abs())
    torch.testing.assert_close(attribute(model, images, labels, "input_x_gradient"), 2 * weight * images.square())
    torch.testing.assert_close(attribute(model, images, labels), weight * images.square(), atol=1e-6, rtol=1e-5)
    blurred = baseline_images(images, "blurred")
    maps = attribute(model, images, labels, baseline="blurred")
    torch.testing.assert_close(maps, weight * (images.square() - blurred.square()), atol=1e-6, rtol=1e-5)
    assert attribute(model, images, 1 - labels, "saliency").count_nonzero() == 0  # the other logit is constant


@pytest.mark.parametrize("baseline", ["zero", "blurred"])
def test_integrated_gradients_of_a_network_of_relus_take_points_until_they_are_complete(baseline):
    model, images, labels = conv_net(side=8), draw(20, 1, 8, 8).float(), torch.arange(20) % 3
    found = integrated_gradients(model, images, labels, baseline=baseline)
    assert found.gap.max() <= TOLERANCE
    torch.testing.assert_close(found.gap, completeness_gap(model, images, labels, found.maps, baseline))
    assert set(found.steps.tolist()) <= {50 * 2**k for k in range(5)}
    assert len(found.steps.unique()) > 1
    assert torch.equal(attribute(model, images, labels, baseline=baseline), found.maps)


def test_a_path_that_stays_incomplete_ends_and_says_so():
    model, images, labels = conv_net(side=8), draw(20, 1, 8, 8).float(), torch.arange(20) % 3
    found = integrated_gradients(model, images, labels, steps=1)
    assert found.steps.max() == MOST_PARTS
    assert found.gap.max() > TOLERANCE
    assert ((found.gap <= TOLERANCE) | (found.steps == MOST_PARTS)).all()


@pytest.mark.parametrize("baseline", ["zero", "blurred"])
def test_a_smooth_models_path_takes_no_more_points_than_it_needs(baseline):
    weight, images = draw(1, 3, 3) - 0.5, draw(4, 1, 3, 3, seed=1)
    for model in (Quadratic(weight), linear(torch.cat([weight, -weight])[:, None])):
        found = integrated_gradients(model, images, torch.zeros(4, dtype=torch.long), baseline=baseline, steps=2)
        assert found.steps.tolist() == [2] * 4  # Gauss-Legendre is exact up to degree 3
        assert found.gap.max() < 1e-6
    constant = integrated_gradients(Quadratic(weight), images, torch.ones(4, dtype=torch.long), baseline=baseline)
    assert constant.maps.count_nonzero() == 0
    assert constant.gap.isnan().all()


def test_the_completeness_gap_by_hand():
    model = linear(torch.tensor([1.0, 2.0]).view(1, 1, 1, 2))
    images, labels = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).view(2, 1, 1, 2), torch.tensor([0, 0])
    maps = torch.tensor([[1.0, 0.5], [0.0, 2.0]]).view(2, 1, 1, 2)  # f(x) - f(0) is 1 and 2, of mean 1.5
    assert completeness_gap(model, images, labels, maps).tolist() == pytest.approx([0.5 / 1.5, 0])


@pytest.mark.parametrize("method", METHODS)
def test_parts_of_a_batch_change_nothing_and_the_seed_decides(method, monkeypatch):
    monkeypatch.setattr("analyses.features.attributions.integrated_gradients.MOST_PARTS", 2)
    model, images, labels = conv_net(), draw(7, 1, 6, 6).float(), torch.arange(7) % 3
    whole = attribute(model, images, labels, method, steps=40, seed=3)
    assert torch.equal(whole, attribute(model, images, labels, method, steps=40, seed=3))
    if method == "gradient_shap":
        assert not torch.equal(whole, attribute(model, images, labels, method, steps=40, seed=4))
    else:
        for module in ("attribution", "integrated_gradients"):
            monkeypatch.setattr(f"analyses.features.attributions.{module}.ROWS", 10)
        torch.testing.assert_close(attribute(model, images, labels, method, steps=40), whole)


def test_the_global_random_numbers_the_images_and_the_model_are_left_alone():
    model, images, labels = conv_net(), draw(4, 1, 6, 6).float(), torch.arange(4) % 3
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = fingerprint(model), images.clone(), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002
    for method in METHODS:
        assert not attribute(model, images, labels, method, steps=3).requires_grad
    randomised_correlation(model, images, labels)
    deletion_insertion(model, images, labels, images)
    with pytest.raises(RuntimeError):
        attribute(model, images[:, :, :3], labels)
    after = fingerprint(model), images, torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()  # noqa: NPY002
    assert after[0] == before[0]
    assert torch.equal(after[1], before[1])
    assert after[2:] == before[2:]
    assert not images.requires_grad


def test_a_random_last_layer_changes_the_map():
    model, images, labels = conv_net(), draw(30, 1, 6, 6).float(), torch.arange(30) % 3
    maps = [randomised_correlation(model, images, labels, "input_x_gradient", seed) for seed in (0, 0, 1)]
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])
    assert maps[0].mean() < 0.8
    with pytest.raises(ModelError, match="no convolution"):
        randomised_correlation(torch.nn.Flatten(), images, labels)


def test_deletion_and_insertion_by_hand():
    model = linear(torch.tensor([[[[2.0, 1.0]]], [[[0.0, 0.0]]]]))
    image, labels = torch.ones(1, 1, 1, 2), torch.tensor([0])
    s = [1 / (1 + np.exp(-z)) for z in range(4)]  # probability of class 0 at logit z
    curves = deletion_insertion(model, image, labels, torch.tensor([[[[2.0, 1.0]]]]), steps=2)
    assert curves.deletion.item() == pytest.approx((s[3] + 2 * s[1] + s[0]) / 4)  # logits 3, 1, 0
    assert curves.insertion.item() == pytest.approx((s[0] + 2 * s[2] + s[3]) / 4)  # logits 0, 2, 3
    curves = deletion_insertion(model, image, labels, torch.tensor([[[[-2.0, 1.0]]]]), steps=2)
    assert curves.deletion.item() == pytest.approx((s[3] + 2 * s[2] + s[0]) / 4)  # the signed order


def test_bad_input_is_refused():
    model, images, labels = conv_net(), draw(2, 1, 6, 6).float(), torch.tensor([0, 1])
    with pytest.raises(ConfigError, match="no attribution method 'lime'; choose from integrated_gradients"):
        attribute(model, images, labels, "lime")
    for method in ("integrated_gradients", "gradient_shap"):
        with pytest.raises(ConfigError, match="steps=0"):
            attribute(model, images, labels, method, steps=0)
    with pytest.raises(ConfigError, match="steps=0"):
        integrated_gradients(model, images, labels, steps=0)
    with pytest.raises(ConfigError, match="steps=0"):
        deletion_insertion(model, images, labels, images, steps=0)
