import pytest
import torch

from interventions import Clip, Compose, Inject, InjectIndependent, LabelNoise, LowPass, SwapFrequencies


def test_parts_apply_from_left_to_right(images, labels):
    inject, low_pass = Inject("zigzag", 0.2), LowPass(2)
    one, _ = Compose([inject, low_pass])(images, labels, classes=10)
    other, _ = Compose([low_pass, inject])(images, labels, classes=10)
    assert torch.equal(one, low_pass(inject(images, labels, classes=10)[0])[0])
    assert torch.equal(other, inject(low_pass(images)[0], labels, classes=10)[0])
    assert (one - other).abs().max() > 0.01


def test_parts_draw_from_one_generator_in_turn(images, labels):
    noise, independent = LabelNoise(0.5), InjectIndependent("zigzag", 0.2)
    whole = Compose([noise, independent])(images, labels, torch.Generator().manual_seed(3), classes=10)
    generator = torch.Generator().manual_seed(3)
    step = noise(images, labels, generator, classes=10)
    step = independent(*step, generator, classes=10)
    assert torch.equal(whole[0], step[0])
    assert torch.equal(whole[1], step[1])


def test_injection_after_label_noise_follows_the_noisy_label(images, labels, generator):
    out, noisy = Compose([LabelNoise(1), Inject("zigzag", 0.2)])(images, labels, generator, classes=10)
    assert torch.equal(out, Inject("zigzag", 0.2)(images, noisy, classes=10)[0])


def test_nothing_to_compose_is_the_identity(images):
    assert Compose()(images, None) == (images, None)
    assert Compose() == Compose([])


def test_clip_is_the_box(images, labels):
    injected, _ = Inject("paired", 0.3)(images, labels, classes=10)
    clipped, _ = Compose([Inject("paired", 0.3), Clip()])(images, labels, classes=10)
    assert torch.equal(clipped, injected.clamp(0, 1))
    assert not torch.equal(clipped, injected)


@pytest.mark.parametrize("flag", ["needs_labels", "random", "train_only", "mixes_images", "differentiable"])
@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((), {"differentiable"}),
        ((LowPass(),), {"differentiable"}),
        ((LowPass(), Inject("paired", 0.1)), {"needs_labels", "differentiable"}),
        ((LabelNoise(0.1),), {"needs_labels", "random", "train_only", "differentiable"}),
        ((LabelNoise(0.1), LowPass()), {"needs_labels", "random", "differentiable"}),
        ((SwapFrequencies(), LowPass()), {"random", "mixes_images", "differentiable"}),
    ],
)
def test_flags_of_the_whole_follow_from_the_parts(parts, expected, flag):
    assert getattr(Compose(parts), flag) == (flag in expected)


def test_a_part_that_stops_gradients_stops_them_for_the_whole(monkeypatch):
    monkeypatch.setattr(Clip, "differentiable", False)
    assert not Compose([LowPass(), Clip()]).differentiable


def test_at_test_drops_what_is_for_training_only():
    inject, noise = Inject("paired", 0.1), LabelNoise(0.1)
    assert inject.at_test() == inject
    assert noise.at_test() == Compose()
    assert Compose([noise, inject, Compose([inject, noise])]).at_test() == Compose([inject, Compose([inject])])
