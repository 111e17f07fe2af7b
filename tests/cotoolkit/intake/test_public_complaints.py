"""What users of neighbouring libraries complain about in public: here the right number, or one clear line.

One row is one situation; its comment names the public thread that it is from.
"""

import copy
import logging
import re
from collections import namedtuple
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate, random_split
from torchvision import tv_tensors

from cotoolkit import BreakpointMonitor, ThreatModel, attacks, diagnose
from cotoolkit.core.errors import ConfigError, DataError, ModelError
from cotoolkit.evaluation import evaluate
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.intake.points import points_of
from interventions import Inject
from interventions.base import InterventionError
from tests._helpers.brought import POINTS, PROTOCOL, After, Before, refused


class Around(nn.Module):
    """A network and how it is called."""

    def __init__(self, network, call):
        super().__init__()
        self.network, self.call = network, call

    def forward(self, *args, **named):
        return self.call(self, *args, **named)


def with_hooks(network):
    for module in network.modules():
        if not list(module.children()):
            module.register_full_backward_hook(lambda *_: None)
    return network


def saving_gradients(self, images):
    logits = self.network(images)
    logits.register_hook(lambda gradient: setattr(self, "saved", gradient))
    return logits


def retaining(self, images):
    images.retain_grad()
    return self.network(images)


def in_training_aux(self, images):
    logits = self.network(images)
    outputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])
    return outputs(logits, logits / 2) if self.training else logits


def out_of_place(network):
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = False
    return network


def by_vmap(network):
    bare = out_of_place(network)
    weights, _ = stack_module_state([bare, bare])
    weights = {name: value.detach() for name, value in weights.items()}
    return Around(network, lambda _, images: vmap(lambda one: functional_call(bare, one, (images,)))(weights).mean(0))


def averaged(network):
    model = AveragedModel(network)
    model.update_parameters(network)
    return model


class EvalReturnsNone(Around):
    def train(self, mode=True):
        super().train(mode)

    def eval(self):
        self.train(False)


def refusing_compiler(*_):
    raise RuntimeError("no compiler here")


def masked(logits):
    return torch.cat([logits, logits[:, :2].detach() * 0 - torch.inf], 1)


MODELS = {
    # pytorch/pytorch#61519, pytorch/vision#4164, meta-pytorch/captum#837: "Output 0 of BackwardHookFunction is a view"
    "backward hooks and work in place": with_hooks,
    # frgfm/torch-cam#217, Comfy-Org/ComfyUI#4246: "cannot register a hook on a tensor that doesn't require gradient"
    "a forward that saves gradients": lambda m: Around(m, saving_gradients),
    # jacobgil/pytorch-grad-cam#187: Grad-CAM inside no_grad
    "a forward that retains gradients": lambda m: Around(m, retaining),
    # pytorch/pytorch#151726: code made by torch.fx and torch.export
    "traced by torch.fx": torch.fx.symbolic_trace,
    # pytorch/vision#302, pytorch/tutorials#468: Inception returns two heads in training mode
    "two heads in training mode": lambda m: Around(m, in_training_aux).train(),
    # Harry24k/adversarial-attacks-pytorch#193, bethgelab/foolbox#736: models of Hugging Face
    "pixel_values": lambda m: Around(
        m, lambda self, pixel_values=None, labels=None: SimpleNamespace(logits=self.network(pixel_values))
    ),
    # pytorch/pytorch#69413, Lightning-AI: averaged weights
    "averaged weights": averaged,
    # meta-pytorch/captum#1080: every weight is frozen
    "frozen weights": lambda m: m.requires_grad_(False),
    # pytorch/pytorch#28594, pytorch/pytorch#102981: weight_norm cannot be copied
    "old weight norm": lambda m: m.append(nn.utils.weight_norm(nn.Linear(10, 10))) and m[:-1],
    # BorealisAI/advertorch#17: several networks as one
    "an ensemble by vmap": by_vmap,
    # facebookresearch/segment-anything and others override `eval`
    "eval returns nothing": lambda m: EvalReturnsNone(m, lambda self, images: self.network(images)),
    # pytorch/pytorch#97436: a compiler that fails at the first call
    "a compiler that fails": lambda m: torch.compile(m, backend=refusing_compiler),
    # huggingface/pytorch-image-models#957: ImageNet's head on a subset of classes, others masked by -infinity
    "masked classes": lambda m: After(m, masked),
    # RobustBench/robustbench#116: 1000 outputs, ten labels
    "a thousand outputs": lambda m: After(m, lambda z: torch.cat([z, z.new_full((len(z), 990), -50.0)], 1)),
    # huggingface/accelerate#866: the forward is decorated
    "gradients switched on inside": lambda m: Around(m, torch.enable_grad()(lambda self, images: self.network(images))),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_the_number_of_such_a_model_is_that_of_the_plain_one(name, plain, expected):
    model, images, labels, threat = plain
    brought = MODELS[name](copy.deepcopy(model))
    assert abs(evaluate(brought, images, labels, threat, PROTOCOL).accuracy.value - expected.accuracy.value) <= 0.02
    clean = run_protocol(model, images, labels, threat, "clean").accuracy.value
    assert evaluate(brought, images, labels, threat, "clean").accuracy.value == pytest.approx(clean)
    monitor = BreakpointMonitor(brought, (images, labels), epsilon=threat.epsilon)
    right = BreakpointMonitor(copy.deepcopy(model), (images, labels), epsilon=threat.epsilon)
    assert monitor.probe().pgd == pytest.approx(right.probe().pgd, abs=0.02)


def test_hooks_are_there_afterwards_and_see_no_attack(plain):
    model, images, labels, threat = plain
    network, seen = out_of_place(copy.deepcopy(model)), []
    network[0].register_full_backward_hook(lambda *_: seen.append(1))
    evaluate(network, images, labels, threat, PROTOCOL)
    assert not seen
    network(images).sum().backward()
    assert seen == [1]


IMAGES = {
    # pytorch/pytorch#92680, aleju/imgaug#630: negative strides after a flip
    "negative strides": lambda x: np.ascontiguousarray(x.numpy()[..., ::-1])[..., ::-1],
    # numpy.load(mmap_mode="r"), pytorch/pytorch#47160: arrays that cannot be written to
    "read-only": lambda x: np.frombuffer(x.numpy().tobytes(), "float32").reshape(x.shape),
    # pytorch/pytorch#49593: FITS and IDX files are big-endian
    "big-endian": lambda x: x.numpy().astype(">f4"),
    # pytorch/pytorch#42300
    "channels last in memory": lambda x: x.contiguous(memory_format=torch.channels_last),
    # pytorch/vision#7494: subclasses of tensors
    "tv_tensors": tv_tensors.Image,
    # bethgelab/foolbox#293: one image after the other
    "a list of tensors": list,
    # MNIST in its own shape, bethgelab/foolbox#359
    "without channels": lambda x: x[:, 0],
    # pytorch/pytorch#16187: "Could not run 'aten::...' with arguments from the 'SparseCPU' backend"
    "sparse": torch.Tensor.to_sparse,
}  # fmt: skip


@pytest.mark.parametrize("name", IMAGES)
def test_the_number_on_such_images_is_that_on_plain_ones(name, plain, expected):
    model, images, labels, threat = plain
    found = evaluate(model, IMAGES[name](images.clone()), labels, threat, PROTOCOL)
    assert found.accuracy.value == pytest.approx(expected.accuracy.value)


WARNED = {
    # fra31/auto-attack#15, #74, #105: random defences look robust
    "random": (lambda m: After(m, lambda z: F.dropout(z, 0.5, training=True)), "two passes of the same images differ"),
    # Trusted-AI/adversarial-robustness-toolbox#368, #367: a vanishing gradient is no robustness
    "saturated": (lambda m: After(m, lambda z: 1e4 * z), "have a gradient of exactly zero: gradient attacks cannot move"),
    # Trusted-AI/adversarial-robustness-toolbox#883: outputs that are nan
    "nan": (lambda m: After(m, lambda z: z / 0 * 0), "are nan or infinite; they count as wrong"),
    # huggingface/pytorch-image-models#2290: num_classes=0
    "features": (
        lambda m: timm.create_model("resnet10t", num_classes=0, in_chans=1),
        r"greatest of 512 outputs is beyond every label \(0 to 9\): are these features",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WARNED)
def test_a_number_that_means_little_comes_with_a_warning(name, plain, caplog):
    model, images, labels, threat = plain
    change, message = WARNED[name]
    with caplog.at_level(logging.WARNING):
        evaluate(change(copy.deepcopy(model)), images, labels, threat, "pgd-1")
    assert any(re.search(message, record.message) for record in caplog.records), caplog.text


def test_a_random_model_gets_the_same_number_twice_and_the_callers_stream_goes_on(plain):
    # fra31/auto-attack#74: two evaluations differ
    model, images, labels, threat = plain
    shaky = After(model, lambda z: F.dropout(z, 0.5, training=True))
    torch.manual_seed(0)
    first, state = evaluate(shaky, images, labels, threat, PROTOCOL, seed=3), torch.get_rng_state()
    torch.manual_seed(1)
    assert torch.equal(first.correct, evaluate(shaky, images, labels, threat, PROTOCOL, seed=3).correct)
    assert torch.equal(state, torch.Generator().manual_seed(0).get_state())


class Refusing(Around):
    def train(self, mode=True):
        raise NotImplementedError("Calling train() or eval() is not supported yet.")


LINES = {
    # Harry24k/adversarial-attacks-pytorch#150: quantised weights have no gradient
    "rounded inside": (ModelError, lambda m: After(m, lambda z: (8 * z).round() / 8), {}, "no gradient reaches"),
    # pytorch/pytorch#151726
    "no evaluation mode": (ModelError, lambda m: Refusing(m, None), {}, "cannot be put into evaluation mode"),
    # huggingface/pytorch-image-models#1898: features_only=True
    "feature maps": (ModelError, lambda m: After(m, lambda z: [z, z]), {}, r"a list of 2; .*forward=lambda"),
    # FineTuned ViTs of timm: "Input height (8) doesn't match model (224)"
    "another size": (
        ModelError,
        lambda m: timm.create_model("vit_tiny_patch16_224", num_classes=10, in_chans=1, depth=1),
        {},
        "Input height",
    ),
    # pytorch/vision#105, kbressem/faimed3d#68: grey images for a network of colours
    "colours": (ModelError, lambda m: nn.Sequential(nn.Conv2d(3, 10, 8), nn.Flatten()), {}, "expected input"),
    # captum: additional_forward_args
    "two inputs": (ModelError, lambda m: Around(m, lambda self, x, meta: self.network(x)), {}, "'meta'"),
    # fastai/fastai#1352 and huggingface/transformers: weights that were never loaded
    "meta device": (ModelError, lambda m: m.to("meta"), {}, "on the meta device"),
    # Lightning-AI/pytorch-lightning#21028, lightly-ai/lightly-train#651: seeds that are none
    "seed None": (ConfigError, lambda m: m, {"seed": None}, "seed is None; give a whole number"),
    "seed 1.5": (ConfigError, lambda m: m, {"seed": 1.5}, "seed is 1.5; give a whole number"),
    # RobustBench/robustbench#116: what exactly is measured
    "steps for a protocol": (ConfigError, lambda m: m, {"protocol": 10}, "protocol is 10; give the name"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_what_cannot_be_measured_is_one_line(name, plain):
    model, images, labels, threat = plain
    error, change, options, message = LINES[name]
    options = {"protocol": "pgd-2", **options}
    refused(error, message, lambda: evaluate(change(copy.deepcopy(model)), images, labels, threat, **options))


def test_a_seed_of_numpy_is_a_seed(plain):  # stan-dev/cmdstanpy#647
    model, images, labels, threat = plain
    one, other = (evaluate(model, images, labels, threat, PROTOCOL, seed=seed) for seed in (3, np.int64(3)))
    assert torch.equal(one.correct, other.correct)


def test_diagnose_refuses_a_seed_in_one_line(plain):
    model, images, labels, threat = plain
    refused(ConfigError, "seed is None", lambda: diagnose(model, (images, labels), epsilon=threat.epsilon, seed=None))


SETTINGS = {
    # DebangLi/one-pixel-attack-pytorch#3: "'float' object cannot be interpreted as an integer"
    "steps 2.0": ("pgd", {"steps": 2.0, "generator": None}, "steps is 2.0; give a whole number"),
    "no queries": ("square_attack", {"queries": -1, "generator": torch.Generator()}, "queries is -1"),
    # pytorch/pytorch#62152: generators of another kind
    "a seed for a generator": ("pgd", {"generator": 7}, r"generator is 7; give torch.Generator\(\).manual_seed\(7\)"),
    # Harry24k/adversarial-attacks-pytorch: alpha in other units or signs
    "alpha in words": ("fgsm", {"alpha": "small"}, "alpha: not a number: 'small'; write 0.03 or 8/255"),
    "alpha below 0": ("fgsm", {"alpha": -0.1}, "alpha is -0.1"),
    # bethgelab/foolbox#648, #74: which mode
    "another mode": ("fgsm", {"bn_mode": "test"}, "bn_mode is 'test'; give train or eval"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_attacks_are_looked_at(name, plain):
    attack, settings, message = SETTINGS[name]
    refused(ConfigError, message, lambda: getattr(attacks, attack)(*plain, **settings))


def test_alpha_is_a_number_of_any_kind(plain):
    one, other = (attacks.fgsm(*plain, alpha=alpha).delta for alpha in ("2/255", 2 / 255))
    assert torch.equal(one, other)


class Broken(Dataset):
    def __init__(self, images, labels, broken):
        self.images, self.labels, self.broken = images, labels, broken

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        if index == 5 and self.broken is ValueError:
            raise ValueError("corrupt image 5")
        return None if index == 5 and self.broken is None else (self.images[index], int(self.labels[index]))


def test_data_sets_that_break(plain):
    _, images, labels, _ = plain
    # fastai, pytorch/pytorch#1137: a worker that fails; a collate function that leaves None out
    refused(DataError, "ValueError: corrupt image 5", lambda: points_of(Broken(images, labels, ValueError)))
    refused(DataError, "of NoneType; give pairs", lambda: points_of(Broken(images, labels, None)))
    loader = DataLoader(
        Broken(images, labels, None), batch_size=16, collate_fn=lambda items: default_collate([i for i in items if i])
    )
    assert len(points_of(loader).labels) == POINTS - 1


def test_a_split_has_its_own_labels(plain):  # pytorch/pytorch#97944
    _, images, labels, _ = plain
    whole = TensorDataset(images, labels)
    part = random_split(whole, [60, 40], torch.Generator().manual_seed(0))[0]
    found = points_of(part)
    assert torch.equal(found.labels.sort().values, labels[torch.as_tensor(part.indices)].sort().values)


INJECTED = {
    "numpy": (lambda x, y: (x.numpy(), y), "images must be a tensor"),
    "list": (lambda x, y: (x, y.tolist()), "labels must be a tensor of integers, not a list"),
    # pytorch/vision#546, #567: ToTensor does not scale floats
    "levels": (lambda x, y: (255 * x, y), r"images reach 255; give them in \[0, 1\]"),
    # bethgelab/foolbox#187: channels last
    "channels last": (lambda x, y: (x.permute(0, 2, 3, 1), y), "channels first"),
}


@pytest.mark.parametrize("name", INJECTED)
def test_an_intervention_takes_tensors_in_the_unit_range(name, plain):
    _, images, labels, _ = plain
    change, message = INJECTED[name]
    refused(InterventionError, message, lambda: Inject("paired", beta="8/255")(*change(images, labels), classes=10))


def test_labels_from_1(plain):  # pytorch/vision#98: SVHN's labels run from 1 to 10
    model, images, labels, threat = plain
    refused(
        DataError,
        "labels go up to 10, and the model has 10 outputs",
        lambda: evaluate(model, images, labels + 1, threat, PROTOCOL),
    )


def test_one_image_in_training_mode(plain):  # pytorch/pytorch#4534: "Expected more than 1 value per channel"
    _, images, labels, threat = plain
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Linear(16, 10))
    found = attacks.fgsm(network.train(), images[:1], labels[:1], ThreatModel(threat.epsilon), bn_mode="eval")
    assert found.delta.shape == (1, 1, 8, 8)
    assert network.training


def test_everything_in_half_a_pixel(plain):  # RobustBench/robustbench#155: float16 images
    model, images, labels, threat = plain
    found = evaluate(model, images.half(), labels, threat, PROTOCOL)
    right = run_protocol(model, images.half().float(), labels, threat, PROTOCOL)
    assert torch.equal(found.correct, right.correct)


def test_gradients_are_on_only_where_they_are_needed(plain, expected):  # torch.set_grad_enabled(False) in a notebook
    model, images, labels, threat = plain
    with torch.no_grad():
        assert evaluate(Before(torch.clone, model), images, labels, threat, PROTOCOL).accuracy == expected.accuracy
