"""What every registered intervention must hold to, checked over the whole registry."""

import dataclasses
import hashlib
import json
import sys

import pytest
import torch

from interventions import (
    CARRIERS,
    INTERVENTIONS,
    BandPass,
    BandStop,
    Clip,
    Compose,
    Given,
    HighPass,
    Inject,
    InjectCorrelated,
    InjectIndependent,
    InjectPermuted,
    InjectReversed,
    InterventionError,
    LabelNoise,
    LowPass,
    Poison,
    Project,
    ProjectThenInject,
    ReleasedProject,
    ReleasedRowLowPass,
    SwapFrequencies,
    fingerprint,
    from_json,
    to_json,
)

EXAMPLES = [
    LowPass(3),
    LowPass(2.5, domain="dft", shape="radial"),
    HighPass(3),
    BandPass(1, 3),
    BandStop(1, 3, shape="radial"),
    ReleasedRowLowPass(2),
    SwapFrequencies(3, taken="low"),
    *(Inject(name, "8/255") for name in CARRIERS.names() if name != "given"),
    Inject(Given(torch.arange(1, 1 + 10 * 3 * 8 * 12).reshape(10, 3, 8, 12) / 7), 0.1, only=(0, 2)),
    InjectReversed("paired", 0.1),
    InjectPermuted("zigzag", 0.1, seed=4),
    InjectPermuted("paired", 0.1, pi=(1, 2, 3, 4, 5, 6, 7, 8, 9, 0)),
    InjectIndependent("paired", 0.1),
    InjectCorrelated("paired", 0.1, rho="1/3"),
    Project("paired"),
    ReleasedProject("zigzag"),
    ProjectThenInject("paired", 0.1),
    LabelNoise(0.5),
    LabelNoise(0.5, kind="pair"),
    Poison(0.5),
    Poison("1/4", target=3),
    Poison(0.5, kind="noise"),
    Poison(1, kind="image"),
    Clip(),
    Compose([SwapFrequencies(2), LabelNoise(0.5), InjectCorrelated("paired", 0.7, rho=0.5), Clip()]),
]
NAMED = {example.name for example in EXAMPLES}
for name in INTERVENTIONS.names():
    fields = dataclasses.fields(INTERVENTIONS[name])
    if name not in NAMED and all(field.default is not dataclasses.MISSING for field in fields):
        EXAMPLES.append(INTERVENTIONS.parse(name))  # a new one needs no line here unless a field has no default
every = pytest.mark.parametrize("intervention", EXAMPLES, ids=repr)


def seeded(seed=0, device="cpu"):
    return torch.Generator(device).manual_seed(seed)


def test_the_examples_cover_the_registry():
    # "own" calls a user's function and has tests of its own.
    assert {example.name for example in EXAMPLES} == set(INTERVENTIONS.names()) - {"own"}
    assert {example.carrier.name for example in EXAMPLES if hasattr(example, "carrier")} == set(CARRIERS.names())


@every
def test_json_round_trip_and_fingerprint(intervention):
    text = to_json(intervention)
    again = from_json(text)
    assert again == intervention
    assert hash(again) == hash(intervention)
    assert to_json(again) == text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    assert fingerprint(again) == fingerprint(intervention) == hashlib.sha256(text.encode()).hexdigest()


def test_fingerprints_tell_interventions_apart_and_never_change():
    assert len({fingerprint(example) for example in EXAMPLES}) == len(EXAMPLES)
    # Written down once: results on disk carry these.
    assert to_json(Inject("paired", "8/255")) == (
        '{"beta":0.03137254901960784,"carrier":{"band":"low","name":"paired","norm":"linf","wave":"sign"},'
        '"name":"inject","only":null}'
    )
    assert fingerprint(Inject("paired", "8/255")) == (
        "538b4ee2fe25619aba8d4456036678c29fd13dc64aedb4857bc742b5a8a07137"
    )


@every
def test_it_never_writes_to_its_input_and_is_decided_by_the_generator(intervention, images, labels):
    before = images.clone(), labels.clone()
    one = intervention(images, labels, seeded(), classes=10)
    again = intervention(images, labels, seeded(), classes=10)
    assert torch.equal(images, before[0])
    assert torch.equal(labels, before[1])
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not (torch.equal(one[0], images) and torch.equal(one[1], labels)) or intervention.name == "clip"
    other = intervention(images, labels, seeded(1), classes=10)
    differs = not (torch.equal(one[0], other[0]) and torch.equal(one[1], other[1]))
    assert differs == intervention.random


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_dtypes_are_kept_and_agree(intervention, dtype, images, labels):
    exact, _ = intervention(images.to(dtype).double(), labels, seeded(), classes=10)
    out, out_labels = intervention(images.to(dtype), labels.int(), seeded(), classes=10)
    assert out.dtype == dtype
    assert out_labels.dtype == torch.int32
    # A handful of roundings; the released projection computes its basis in float32 whatever the images are.
    tolerance = max(8 * torch.finfo(dtype).eps, 1e-5 if intervention.name == "released_project" else 1e-12)
    torch.testing.assert_close(out.double(), exact, atol=tolerance, rtol=tolerance)


ODD_SHAPES = [
    pytest.param(example, shape, id=f"{example!r}-{shape}")
    for example in EXAMPLES
    for shape in [(0, 3, 8, 12), (1, 3, 8, 12), (3, 1, 7, 5), (2, 2, 9, 4)]
    if shape[1:] == (3, 8, 12) or "given" not in repr(example).lower()  # given vectors fix the image shape
]


@pytest.mark.parametrize(("intervention", "shape"), ODD_SHAPES)
def test_odd_sizes_other_channels_single_images_and_no_images(intervention, shape):
    images, labels = torch.rand(shape, generator=seeded()), torch.arange(shape[0])
    out, out_labels = intervention(images, labels, seeded(), classes=10)
    assert out.shape == images.shape
    assert out_labels.shape == labels.shape
    assert out.isfinite().all()


@every
def test_labels_may_be_left_out_just_where_it_says_so(intervention, images, labels):
    if intervention.needs_labels:
        with pytest.raises(InterventionError, match="needs labels"):
            intervention(images, None, seeded(), classes=10)
    else:
        out, none = intervention(images, None, seeded(), classes=10)
        assert none is None
        assert torch.equal(out, intervention(images, labels, seeded(), classes=10)[0])


@every
def test_the_other_flags_say_what_it_does(intervention, images, labels):
    if intervention.random:
        with pytest.raises(InterventionError, match="is random: pass generator="):
            intervention(images, labels, classes=10)
    else:
        assert torch.equal(intervention(images, labels, classes=10)[0], intervention(images, labels, classes=10)[0])
    x = images.clone().requires_grad_()
    out, _ = intervention(x, labels, seeded(), classes=10)
    assert out.requires_grad == intervention.differentiable
    (gradient,) = torch.autograd.grad(out[0].square().sum(), x)  # which images does the first output depend on?
    assert bool(gradient[1:].any()) == intervention.mixes_images


@every
@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (torch.rand(3, 8, 12), torch.tensor([0]), r"images must be \(B, C, H, W\), not \(3, 8, 12\)"),
        (
            torch.zeros(1, 3, 8, 12, dtype=torch.uint8),
            torch.tensor([0]),
            "must be floating.*divide pixel levels by 255",
        ),
        (torch.rand(1, 3, 8, 12), torch.tensor([0.0]), "labels must be integers"),
        (torch.rand(1, 3, 8, 12), torch.tensor([True]), "labels must be integers"),
        (torch.rand(1, 3, 8, 12), torch.tensor([0, 1]), r"1 images need labels of shape \(1,\), not \(2,\)"),
        (torch.rand(1, 3, 8, 12), torch.tensor([[0]]), r"need labels of shape \(1,\), not \(1, 1\)"),
        (torch.rand(2, 3, 8, 12), torch.tensor([0, 10]), r"labels run from 0 to 10, they must lie in 0 \.\. 9"),
        (torch.rand(2, 3, 8, 12), torch.tensor([-1, 3]), "labels run from -1 to 3"),
    ],
)
def test_batches_that_do_not_fit_are_refused_in_one_line(intervention, images, labels, message):
    with pytest.raises(InterventionError, match=message) as caught:
        intervention(images, labels, seeded(), classes=10)
    assert "\n" not in str(caught.value)


def test_without_a_number_of_classes_labels_are_unbounded_but_not_negative(images):
    assert LowPass()(images, torch.arange(20) * 100)[1][-1] == 1900
    with pytest.raises(InterventionError, match="labels run from -1 to -1"):
        LowPass()(images, torch.full((20,), -1))


@every
def test_autocast_does_not_reach_inside(intervention, images, labels):
    images = images.float()
    expected, _ = intervention(images, labels, seeded(), classes=10)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, _ = intervention(images, labels, seeded(), classes=10)
    assert torch.equal(out, expected)


@every
def test_every_new_tensor_is_made_on_the_device_of_the_images(intervention, images, labels):
    """The meta device refuses to mix with the CPU, as CUDA does; its generator stays on the CPU, as it may for CUDA."""
    images, labels = images.float().to("meta"), labels.to("meta")
    out, out_labels = intervention(images, labels, seeded(), classes=10)
    assert out.device.type == out_labels.device.type == "meta"
    assert (out.shape, out.dtype) == (images.shape, images.dtype)


@every
def test_a_default_device_set_by_the_user_is_no_danger(intervention, images, labels):
    generator = seeded()
    for module_cache in ("carriers.base._placed", "projection._span", "frequency._dct_matrix"):
        module, name = module_cache.rsplit(".", 1)
        getattr(sys.modules[f"interventions.{module}"], name).cache_clear()
    with torch.device("meta"):
        again = from_json(to_json(intervention))
        out, _ = again(images, labels, generator, classes=10)
    assert torch.equal(out, intervention(images, labels, seeded(), classes=10)[0])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@every
@pytest.mark.parametrize("generator_device", ["cpu", "cuda"])
def test_cuda_agrees_with_the_cpu(intervention, generator_device, images, labels):
    images = images.float()
    out, out_labels = intervention(images.cuda(), labels.cuda(), seeded(device=generator_device), classes=10)
    assert out.device.type == out_labels.device.type == "cuda"
    if generator_device == "cpu" or not intervention.random:  # the two devices' generators draw differently
        expected, expected_labels = intervention(images, labels, seeded(), classes=10)
        torch.testing.assert_close(out.cpu(), expected, atol=1e-5, rtol=0)
        assert torch.equal(out_labels.cpu(), expected_labels)
