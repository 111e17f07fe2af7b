import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from analyses.features.maximisation import (
    activations,
    choose_units,
    default_radius,
    maximise,
    maximise_from_noise,
    stability,
    total_variation,
)
from cotoolkit.core.errors import ConfigError, ModelError
from tests._helpers.toys import conv_net, fingerprint, linear


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.01, 10))
def test_a_linear_units_maximiser_in_the_ball_lies_along_its_weights(seed, radius):
    weight, starts = draw(4, 2, 3, 5, seed=seed) - 0.5, draw(3, 2, 3, 5, seed=seed + 1)
    found = maximise(linear(weight), "1", [2, 0], starts, radius, 8, box=False)
    for row, unit in enumerate((2, 0)):
        length = weight[unit].norm()
        for column in range(3):
            expected = starts[column] + radius * weight[unit] / length
            torch.testing.assert_close(found.images[row, column], expected)
            assert found.gain[row, column].item() == pytest.approx(float(radius * length))
    torch.testing.assert_close(stability(found.changes), torch.ones(2, dtype=torch.float64))


def test_a_linear_units_maximiser_in_the_box_is_a_corner_where_the_ball_holds_it():
    weight, starts = draw(2, 1, 3, 3) - 0.5, draw(2, 1, 3, 3, seed=1)
    found = maximise(linear(weight), "1", [0, 1], starts, 50.0, 50)
    for row in range(2):
        torch.testing.assert_close(found.images[row], (weight[row] > 0).double().expand(2, -1, -1, -1))


def test_the_gain_in_ball_and_box_matches_an_independent_solver():
    weight, start = draw(1, 1, 3, 3, seed=3) - 0.5, draw(1, 1, 3, 3, seed=4)
    gain = maximise(linear(weight), "1", [0], start, 0.6, 300).gain.item()
    x, w = start.numpy().ravel(), weight.numpy().ravel()

    def change(scale):  # the optimum is clip(x + scale * w) - x, with the scale that fills the ball (KKT)
        return np.clip(x + scale * w, 0, 1) - x

    low, high = 0.0, 1e3
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if np.linalg.norm(change(middle)) < 0.6 else (low, middle)
    best = float(w @ change(low))
    assert best * 0.99 < gain <= best + 1e-9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 3), st.sampled_from(["0", "3", "7"]), st.booleans())
def test_images_stay_in_ball_and_box_and_gain_never_falls_below_the_start(seed, radius, layer, centre):
    starts = draw(2, 1, 6, 6, seed=seed).float()
    position = "centre" if centre else "mean"
    model = conv_net()
    found = maximise(model, layer, [1, 4, 5], starts, radius, 6, position=position)
    assert found.images.shape == (3, 2, 1, 6, 6)
    assert found.images.min() >= -1e-6
    assert found.images.max() <= 1 + 1e-6
    assert found.changes.flatten(2).norm(dim=2).max() <= radius * (1 + 1e-5)
    assert found.gain.min() >= 0
    after = activations(model, layer, found.images.flatten(0, 1), position).reshape(3, 2, -1)
    before = activations(model, layer, starts, position)
    for row, unit in enumerate((1, 4, 5)):
        torch.testing.assert_close(after[row, :, unit] - before[:, unit], found.gain[row], atol=1e-5, rtol=1e-4)


def test_a_larger_ball_and_more_steps_gain_more():
    starts = draw(4, 1, 6, 6).float()
    model = conv_net()
    gains = [maximise(model, "7", range(10), starts, radius, 40).gain.mean().item() for radius in (0.2, 0.5, 1, 2)]
    assert gains == sorted(gains)
    assert gains[0] > 0


def test_a_batch_gives_what_each_unit_and_start_gives_alone():
    starts, model = draw(2, 1, 6, 6).float(), conv_net()
    together = maximise(model, "3", [0, 6], starts, 1.0, 5)
    for row, unit in enumerate((0, 6)):
        for column in range(2):
            alone = maximise(model, "3", [unit], starts[column : column + 1], 1.0, 5)
            torch.testing.assert_close(together.images[row, column], alone.images[0, 0], atol=1e-5, rtol=1e-4)


def test_the_pre_activation_is_read_before_an_activation_in_place():
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU(inplace=True))
    model[0].weight.data.fill_(-2.0)
    image = torch.zeros(1, 1, 4, 4)
    image[0, 0, 2, 2] = 1.0  # the centre of 4 x 4
    assert activations(model, "0", image).item() == -2
    assert activations(model, "0", image, "mean").item() == pytest.approx(-2 / 16)


@pytest.mark.parametrize(("tokens", "centre"), [(4, 2), (5, 2)])
def test_of_tokens_the_middle_one_or_the_mean_is_read(tokens, centre):
    model, images = nn.Sequential(nn.Flatten(2), nn.Linear(6, 3)), draw(2, tokens, 2, 3).float()
    expected = model(images)
    assert torch.equal(activations(model, "1", images), expected[:, centre])
    torch.testing.assert_close(activations(model, "1", images, "mean"), expected.mean(1))


def test_units_are_chosen_by_variance():
    scale = torch.tensor([3.0, 9.0, 1.0, 5.0, 7.0, 4.0, 2.0, 8.0, 6.0])  # of weights, hence of activations
    model = linear(scale.view(9, 1, 1, 1))
    images = torch.linspace(0, 1, 7).view(7, 1, 1, 1)
    # by falling variance the units are 1 7 4 8 3 5 0 6 2
    assert choose_units(model, "1", images, 4) == [1, 7, 8, 3]
    assert choose_units(model, "1", images, 3) == [1, 7, 3]
    assert choose_units(model, "1", images, 1) == [1]
    assert choose_units(model, "1", images, 20) == [1, 7, 4, 8, 3, 5, 0, 6, 2]
    assert len(set(choose_units(model, "1", images, 8))) == 8


def test_from_noise_a_linear_unit_drives_pixels_to_their_corners():
    weight = draw(2, 1, 4, 4, seed=5) - 0.5
    found = maximise_from_noise(linear(weight), "1", [1], weight[0], starts=3, step=1.0)
    torch.testing.assert_close(found.images[0], (weight[1] > 0).double().expand(3, -1, -1, -1))
    assert found.starts.mean().item() == pytest.approx(0.5, abs=0.03)
    again = maximise_from_noise(linear(weight), "1", [1], weight[0], starts=3, step=1.0)
    assert torch.equal(again.images, found.images)


def test_smoothness_lowers_the_total_variation():
    model, image = conv_net(), torch.zeros(1, 6, 6)
    rough, smooth = (
        maximise_from_noise(model, "3", [0, 1, 2], image, steps=80, smoothness=weight) for weight in (0, 0.5)
    )
    assert total_variation(smooth.images).mean() < total_variation(rough.images).mean()


def test_total_variation_and_stability_by_hand():
    image = torch.tensor([[[0.0, 1.0], [3.0, 1.0]]])  # down: 3 + 0; across: 1 + 2
    assert total_variation(image).item() == 6
    changes = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [[1.0, 2.0], [-2.0, -4.0], [0.5, 1.0]]])
    expected = torch.tensor([2 / 2**0.5 / 3, 1.0], dtype=torch.float64)
    torch.testing.assert_close(stability(changes.view(2, 3, 1, 1, 2)), expected)


def test_the_default_radius_keeps_the_change_per_entry():
    assert default_radius(torch.zeros(3, 32, 32)) == 2
    assert default_radius(torch.zeros(1, 8, 8)) == pytest.approx(2 * (64 / 3072) ** 0.5)


def test_the_model_is_left_as_it_was_even_on_errors():
    model, images = conv_net(), draw(5, 1, 6, 6).float()
    before = fingerprint(model)
    choose_units(model, "3", images)
    maximise(model, "3", [0], images, 1.0, 3)
    maximise_from_noise(model, "3", [0], images[0], steps=2, smoothness=0.1)
    with pytest.raises(ConfigError, match="units 0 to 7"):
        maximise(model, "3", [8], images, 1.0, 3)
    with pytest.raises(RuntimeError):
        maximise(model, "3", [0], images[:, :, :3], 1.0, 3)
    assert fingerprint(model) == before


def test_bad_input_is_refused_in_one_line():
    model, images = conv_net(), draw(2, 1, 6, 6).float()
    with pytest.raises(ModelError, match="no layer 'conv9'; it has: 0, 1,"):
        maximise(model, "conv9", [0], images, 1.0, 3)
    with pytest.raises(ConfigError, match="radius=0"):
        maximise(model, "0", [0], images, 0, 3)
    for units, starts, steps in (([], images, 3), ([0], images[:0], 3), ([0], images, 0)):
        with pytest.raises(ConfigError, match="at least one"):
            maximise(model, "0", units, starts, 1.0, steps)
    odd = nn.Sequential(nn.Unflatten(2, (2, 3)), nn.Flatten())
    with pytest.raises(ModelError, match="units need"):
        activations(odd, "0", images)
