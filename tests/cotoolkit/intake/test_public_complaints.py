"""What users of neighbouring libraries complain about in public: here the right number, or one clear line.

One row is one situation; its comment names the public thread that it is from.
"""

import copy
import logging
import re
import warnings
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

from cotoolkit import BreakpointMonitor, ThreatModel, attacks, diagnose
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.evaluation import evaluate
from cotoolkit.evaluation.protocol import run_protocol
from cotoolkit.monitor.config import MonitorConfig
from tests._helpers.brought import PROTOCOL, Before, refused
from tests._helpers.brought_networks import After


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


def with_weight_norm(network):
    with warnings.catch_warnings(action="ignore"):
        network[8] = nn.utils.weight_norm(network[8])
    network(torch.rand(2, 1, 8, 8))
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
    # pytorch/pytorch#69413: averaged weights
    "averaged weights": averaged,
    # jacobgil/pytorch-grad-cam#40: every weight is frozen
    "frozen weights": lambda m: m.requires_grad_(False),
    # pytorch/pytorch#28594, pytorch/pytorch#102981: weight_norm cannot be copied
    "old weight norm": with_weight_norm,
    # BorealisAI/advertorch#17: several networks as one
    "an ensemble by vmap": by_vmap,
    # pytorch/vision#821: `train` is overridden
    "eval returns nothing": lambda m: EvalReturnsNone(m, lambda self, images: self.network(images)),
    # ultralytics/ultralytics#25115: torch.compile fails at the first pass, not when it is called
    "a compiler that fails": lambda m: torch.compile(m, backend=refusing_compiler),
    # huggingface/pytorch-image-models#176, #2456, facebookresearch/vissl#408: ImageNet's head with classes masked
    "masked classes": lambda m: After(m, masked),
    # RobustBench/robustbench#116: 1000 outputs, ten labels
    "a thousand outputs": lambda m: After(m, lambda z: torch.cat([z, z.new_full((len(z), 990), -50.0)], 1)),
    # huggingface/accelerate#866: the forward is decorated
    "gradients switched on inside": lambda m: Around(m, torch.enable_grad()(lambda self, images: self.network(images))),
}  # fmt: skip


SHORT = MonitorConfig(steps=3)


@pytest.fixture(scope="module")
def probed(plain):
    """What a monitor's probe finds on the plain network."""
    model, images, labels, threat = plain
    return BreakpointMonitor(copy.deepcopy(model), (images, labels), epsilon=threat.epsilon, config=SHORT).probe().pgd


@pytest.mark.parametrize("name", MODELS)
def test_the_number_of_such_a_model_is_that_of_the_plain_one(name, plain, expected, probed):
    model, images, labels, threat = plain
    brought = MODELS[name](copy.deepcopy(model))
    assert abs(evaluate(brought, images, labels, threat, PROTOCOL).accuracy.value - expected.accuracy.value) <= 0.02
    clean = run_protocol(model, images, labels, threat, "clean").accuracy.value
    assert evaluate(brought, images, labels, threat, "clean").accuracy.value == pytest.approx(clean)
    monitor = BreakpointMonitor(brought, (images, labels), epsilon=threat.epsilon, config=SHORT)
    assert monitor.probe().pgd == pytest.approx(probed, abs=0.02)


def test_hooks_are_there_afterwards_and_see_no_attack(plain):
    model, images, labels, threat = plain
    network, seen = out_of_place(copy.deepcopy(model)), []
    network[0].register_full_backward_hook(lambda *_: seen.append(1))
    evaluate(network, images, labels, threat, PROTOCOL)
    assert not seen
    network(images).sum().backward()
    assert seen == [1]


WARNED = {
    # fra31/auto-attack#15, #74, #105: random defences look robust
    "random": (lambda m: After(m, lambda z: F.dropout(z, 0.5, training=True)), "two passes of the same images differ"),
    # Trusted-AI/adversarial-robustness-toolbox#368, #367: a vanishing gradient is no robustness
    "saturated": (lambda m: After(m, lambda z: 1e4 * z), "gradient of exactly zero: gradient attacks cannot move"),
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
    torch.manual_seed(0)  # of 512 features at random, one of the first ten may be the greatest everywhere
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
    "rounded inside": (ModelError, lambda m: After(m, lambda z: (8 * z).to(torch.int8) / 8), {}, "no gradient reaches"),
    # pytorch/pytorch#151726
    "no evaluation mode": (ModelError, lambda m: Refusing(m, None), {}, "cannot be put into evaluation mode"),
    # huggingface/pytorch-image-models#1898: features_only=True
    "feature maps": (ModelError, lambda m: After(m, lambda z: [z, z]), {}, r"a list of 2; .*forward=lambda"),
    # huggingface/pytorch-image-models, which sizes a ViT takes: "Input height (8) doesn't match model (224)"
    "another size": (
        ModelError,
        lambda m: timm.create_model("vit_tiny_patch16_224", num_classes=10, in_chans=1, depth=1),
        {},
        "Input height",
    ),
    # pytorch/vision#105, kbressem/faimed3d#68: grey images for a network of colours
    "colours": (ModelError, lambda m: nn.Sequential(nn.Conv2d(3, 10, 8), nn.Flatten()), {}, "expected input"),
    # meta-pytorch/captum#1080: a network of several inputs
    "two inputs": (ModelError, lambda m: Around(m, lambda self, x, meta: self.network(x)), {}, "'meta'"),
    # models made on the meta device, whose weights were never loaded
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


def test_one_image_in_training_mode(plain):  # pytorch/pytorch#4534: "Expected more than 1 value per channel"
    _, images, labels, threat = plain
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.BatchNorm1d(16), nn.Linear(16, 10))
    found = attacks.fgsm(network.train(), images[:1], labels[:1], ThreatModel(threat.epsilon), bn_mode="eval")
    assert found.delta.shape == (1, 1, 8, 8)
    assert network.training


def test_gradients_are_on_only_where_they_are_needed(plain, expected):  # torch.set_grad_enabled(False) in a notebook
    model, images, labels, threat = plain
    with torch.no_grad():
        assert evaluate(Before(torch.clone, model), images, labels, threat, PROTOCOL).accuracy == expected.accuracy
