"""Occlusion, ablation by frequency band and conductance, against cases by hand and slow loops."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from analyses.features import attribute as attribute_anything
from analyses.features import band_ablation as ablate_anything
from analyses.features import unit_conductance as conduct_anything
from analyses.features.attributions.attribution import attribute, patch_of
from analyses.features.attributions.conductance import unit_conductance
from analyses.features.attributions.frequency_bands import band_ablation
from analyses.features.attributions.integrated_gradients import baseline_images
from analyses.features.attributions.pictures import band_figure, conductance_figure
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.plotting.style import save
from interventions.frequency import dct2, idct2
from tests._helpers.toys import Quadratic, conv_net, fingerprint, linear


def draw(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# --- occlusion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("baseline", ["zero", "blurred"])
def test_occlusion_of_a_linear_model_by_hand(baseline):
    weight, images, labels = draw(3, 2, 8, 8) - 0.5, draw(4, 2, 8, 8, seed=1), torch.arange(4) % 3
    maps = attribute(linear(weight), images, labels, "occlusion", baseline=baseline)
    drop = (weight[labels] * (images - baseline_images(images, baseline))).sum(1, keepdim=True)  # of one pixel
    torch.testing.assert_close(maps, (drop / 2).expand(-1, 2, -1, -1), atol=1e-6, rtol=1e-5)


def test_occlusion_of_a_network_against_a_slow_loop():
    model, images, labels = conv_net(side=16).eval(), draw(3, 1, 16, 16, seed=2).float(), torch.tensor([0, 2, 1])
    assert patch_of(images) == (2, 1)
    total, seen = torch.zeros(3, 16, 16), torch.zeros(16, 16)
    with torch.no_grad():
        before = model(images).gather(1, labels[:, None])[:, 0]
        for row in range(15):
            for column in range(15):
                covered = images.clone()
                covered[:, :, row : row + 2, column : column + 2] = 0
                drop = before - model(covered).gather(1, labels[:, None])[:, 0]
                total[:, row : row + 2, column : column + 2] += drop[:, None, None]
                seen[row : row + 2, column : column + 2] += 1
    maps = attribute(model, images, labels, "occlusion")
    torch.testing.assert_close(maps[:, 0], total / seen, atol=1e-5, rtol=1e-4)
    alone = attribute(model, images[:1], labels[:1], "occlusion")
    torch.testing.assert_close(alone, maps[:1], atol=1e-5, rtol=1e-4)


class Rounded(nn.Module):
    """Sees whether each pixel of the first column is bright, and passes no gradient on."""

    def forward(self, images):
        bright = images.detach()[:, 0, :, 0].round().sum(1)
        return torch.stack([bright, torch.zeros_like(bright)], 1) + 0 * images.sum()


def test_occlusion_finds_what_gradients_do_not():
    images = torch.ones(2, 1, 8, 8)
    maps = attribute(Rounded(), images, torch.tensor([0, 0]), "occlusion")
    assert maps[:, 0, :, 0].tolist() == [[1.0] * 8] * 2
    assert maps[..., 1:].count_nonzero() == 0
    assert attribute(Rounded(), images, torch.tensor([0, 0]), "saliency").count_nonzero() == 0


# --- bands of frequencies ---------------------------------------------------------------------------------------------


def test_bands_of_a_linear_model_by_hand():
    weight, images, labels = draw(3, 2, 6, 6) - 0.5, draw(4, 2, 6, 6, seed=1), torch.arange(4) % 3
    found = band_ablation(linear(weight, bias=0.3), images, labels, bands=3)
    assert found.edges.tolist() == [0, 2, 4, 6]
    # In the orthonormal DCT w . x is the sum over coefficients of the products of both spectra.
    products = (dct2(weight[labels]) * dct2(images)).sum(1)
    shell = torch.maximum(torch.arange(6)[:, None], torch.arange(6)[None, :])
    expected = torch.stack([products[:, (shell >= low) & (shell < low + 2)].sum(1) for low in (0, 2, 4)], 1)
    torch.testing.assert_close(found.drop, expected)
    torch.testing.assert_close(found.drop.sum(1), (weight[labels] * images).flatten(1).sum(1))


def test_bands_of_a_quadratic_model_against_a_slow_loop():
    weight, images = draw(1, 6, 9) - 0.5, draw(3, 1, 6, 9, seed=1)
    model, labels = Quadratic(weight), torch.zeros(3, dtype=torch.long)
    found = band_ablation(model, images, labels, bands=4)
    assert found.edges.tolist() == [0, 2, 4, 7, 9]
    shell = torch.maximum(torch.arange(6)[:, None], torch.arange(9)[None, :])
    for band, (low, high) in enumerate([(0, 2), (2, 4), (4, 7), (7, 9)]):
        without = idct2(dct2(images) * ~((shell >= low) & (shell < high)))
        expected = (model(images) - model(without))[:, 0]
        torch.testing.assert_close(found.drop[:, band], expected.detach())


@pytest.mark.parametrize("bands", [0, 7])
def test_other_numbers_of_bands_are_refused(bands):
    model, images = conv_net(), draw(2, 1, 6, 6).float()
    with pytest.raises(ConfigError, match=rf"bands={bands}: images of 6 x 6 have 1 to 6 bands"):
        band_ablation(model, images, torch.tensor([0, 1]), bands=bands)


# --- conductance ------------------------------------------------------------------------------------------------------


def test_conductance_of_a_linear_layer_by_hand():
    first, second = draw(3, 4, seed=3) - 0.5, draw(2, 3, seed=4) - 0.5
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False)).double()
    model[1].weight.data, model[2].weight.data = first, second
    images, labels = draw(5, 1, 2, 2), torch.arange(5) % 2
    for baseline in ("zero", "blurred"):
        change = (images - baseline_images(images, baseline)).flatten(1) @ first.T  # of the units
        found = unit_conductance(model, images, labels, "1", baseline=baseline, steps=1)
        torch.testing.assert_close(found, change * second[labels])


def slow_conductance(model, index, images, labels, steps):
    """The sum over points of the way of (gradient of the logit at the layer) times (change of the layer)."""
    model = model.eval()
    total = 0
    for step in range(steps):
        before, after = (model[: index + 1](images * share / steps).detach() for share in (step, step + 1))
        inner = before.clone().requires_grad_()
        logits = model[index + 1 :](inner * 1)
        (slope,) = torch.autograd.grad(logits.gather(1, labels[:, None]).sum(), inner)
        total = total + slope * (after - before)
    return total.flatten(2).sum(2) if total.ndim > 2 else total


@pytest.mark.parametrize("index", [0, 3, 7])  # followed by work in place, too
def test_conductance_of_a_network_against_a_slow_loop(index):
    model, images, labels = conv_net(), draw(4, 1, 6, 6).float(), torch.tensor([0, 1, 2, 0])
    expected = slow_conductance(conv_net(), index, images, labels, 20)
    before = fingerprint(model)
    found = unit_conductance(model, images, labels, str(index), steps=20)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)
    assert fingerprint(model) == before
    assert not found.requires_grad
    alone = unit_conductance(model, images[:1], labels[:1], str(index), steps=20)
    torch.testing.assert_close(alone, found[:1], atol=1e-5, rtol=1e-3)


def test_conductance_over_a_layer_sums_to_the_change_of_the_logit():
    model, images, labels = conv_net().eval(), draw(6, 1, 6, 6).float(), torch.arange(6) % 3
    with torch.no_grad():
        change = (model(images) - model(torch.zeros_like(images))).gather(1, labels[:, None])[:, 0]
    gaps = [
        float((unit_conductance(model, images, labels, "7", steps=steps).sum(1) - change).abs().max())
        for steps in (10, 160)
    ]
    assert gaps[1] < gaps[0] / 4
    assert gaps[1] < 0.02 * change.abs().max()


def test_bad_layers_and_steps_are_refused():
    model, images = conv_net(), draw(2, 1, 6, 6).float()
    with pytest.raises(ModelError, match="no layer 'conv9'"):
        unit_conductance(model, images, torch.tensor([0, 1]), "conv9")
    with pytest.raises(ConfigError, match="steps=0"):
        unit_conductance(model, images, torch.tensor([0, 1]), "0", steps=0)


# --- anybody's network, and pictures ----------------------------------------------------------------------------------


def test_anybodys_network_takes_its_own_images():
    model, images = conv_net().eval(), draw(3, 1, 6, 6).float()
    levels = (images * 255).round()
    takes = {"bounds": (0, 255), "mean": 127.5, "std": 255.0}
    plain, labels = (levels - 127.5) / 255, [0, 1, 2]

    def shifted(x):
        return model((255 * x - 127.5) / 255)

    unit = levels / 255
    bands = ablate_anything(model, levels, labels, bands=3, **takes).drop
    whole = idct2(dct2(unit) * (torch.maximum(torch.arange(6)[:, None], torch.arange(6)[None, :]) >= 2))
    with torch.no_grad():
        expected = (model(plain) - shifted(whole)).diagonal()
    torch.testing.assert_close(bands[:, 0], expected, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        change = (model(plain) - shifted(torch.zeros_like(unit))).diagonal()
    conducted = conduct_anything(model, levels, labels, "7", steps=100, **takes)
    torch.testing.assert_close(conducted.sum(1), change, atol=0.01, rtol=0.05)
    assert attribute_anything(model, levels, labels, "occlusion", **takes).shape == images.shape


def test_the_picture_of_bands(tmp_path):
    images, labels = draw(5, 1, 6, 6), torch.arange(5) % 3
    found = {
        name: band_ablation(linear(draw(3, 1, 6, 6, seed=seed) - 0.5), images, labels, bands=4)
        for seed, name in enumerate(("before", "after"))
    }
    figure, (axis,) = band_figure(found)
    lines = {line.get_label(): line.get_ydata() for line in axis.lines[1:]}
    for name, one in found.items():
        assert lines[name] == pytest.approx(one.drop.mean(0).numpy())
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0–1", "2", "3", "4–5"]
    assert save(figure, tmp_path / "bands.png").stat().st_size > 0
    with pytest.raises(ConfigError, match="of the same bands are needed"):
        band_figure({**found, "other": band_ablation(linear(draw(3, 1, 6, 6)), images, labels, bands=3)})
    with pytest.raises(ConfigError, match="0 sets"):
        band_figure({})


def test_the_picture_of_conductance(tmp_path):
    before, after = torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.0, 0.5]]), torch.tensor([[0.0, 4.0, 1.0]])
    figure, (axis,) = conductance_figure({"before": before, "after": after})
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "2", "1"]  # means 2, 0.5, -1
    assert [list(line.get_ydata()) for line in axis.lines[1:]] == [[2.0, 0.5, -1.0], [0.0, 1.0, 4.0]]
    assert save(figure, tmp_path / "conductance.png").stat().st_size > 0
    many = conductance_figure({"one": torch.arange(40.0)[None]})[1][0]
    assert [label.get_text() for label in many.get_xticklabels()] == [str(unit) for unit in range(39, 23, -1)]
    with pytest.raises(ConfigError, match="of one layer"):
        conductance_figure({"before": before, "after": after[:, :2]})


def test_the_example_of_the_pages_runs(tmp_path, monkeypatch):
    page = (Path(__file__).parents[3] / "docs" / "pieces.md").read_text()
    (block,) = [one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "band_ablation" in one]
    monkeypatch.chdir(tmp_path)
    images, labels = draw(6, 1, 6, 6).float(), torch.arange(6) % 3
    names = {"before": conv_net(seed=0), "after": conv_net(seed=1), "images": images, "labels": labels, "layer": "7"}
    exec(block, names)
    assert {path.name for path in tmp_path.iterdir()} == {"occlusion.png", "bands.png", "units.png"}
    assert names["bands"]["after"].drop.shape == (6, 6)
