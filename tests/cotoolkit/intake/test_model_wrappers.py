"""Precisions, devices and wrappers: the network inside is what is measured."""

import pytest
import torch
from torch import nn

from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.core.errors import ModelError
from tests._helpers.prepared_models import images, logits, net, subject, texts


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_copied_to_float32(dtype):
    network = net().to(dtype)
    found, findings = subject(network)
    (text,) = texts(findings, "handled")
    assert text.startswith("a copy of the model in float32 on cpu is measured: its weights are ")
    assert network.conv.weight.dtype == dtype
    assert torch.equal(logits(found, images()), network.float()(images()))


def test_mixed_precisions_are_named():
    network = net()
    network.head.half()
    assert "float16 and float32" in texts(subject(network)[1])[0]


def test_tensors_made_in_inference_mode_get_gradients():
    with torch.inference_mode():
        network = nn.Sequential(nn.Flatten(), nn.Linear(192, 10)).eval()
    found, findings = subject(network)
    assert "inference mode" in texts(findings)[0]
    gradient = input_gradient(found, images(), torch.zeros(16, dtype=torch.int64)).gradient
    assert gradient.abs().sum() > 0
    with torch.inference_mode():
        inside, _ = subject(net())
    assert input_gradient(inside, images(), torch.zeros(16, dtype=torch.int64)).gradient.abs().sum() > 0


def test_data_parallel_is_taken_off():
    network = net()
    found, findings = subject(nn.DataParallel(network))
    assert found.network is network
    assert texts(findings) == ["the model is wrapped (DataParallel); the network inside is measured"]


def test_compiled_networks_run_as_they_were_written():
    def backend(graph, inputs):
        raise AssertionError("must not be compiled")

    network = net()
    network.conv.compile(backend=backend)
    network.head = torch.compile(network.head, backend=backend)
    found, findings = subject(torch.compile(network, backend=backend))
    assert found.network is network
    assert "(OptimizedModule)" in texts(findings)[0]
    assert "parts of the model are compiled" in texts(findings)[1]
    assert torch.equal(logits(found, images()), net()(images()))


class Fabric(nn.Module):
    def __init__(self):
        super().__init__()
        self._original_module = net()

    def forward(self, x):
        raise AssertionError("the wrapper must not run")


def test_fabric_is_taken_off():
    assert "Fabric" in texts(subject(Fabric())[1])[0]


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.inner(x).float()


def test_half_precision_inside_is_a_warning():
    (text,) = texts(subject(Autocast())[1], "warning")
    assert "computes in half precision although its weights are float32" in text


def test_autocast_of_the_caller_has_no_effect():
    found, _ = subject(net())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = logits(found, images())
    assert torch.equal(got, net()(images()))


class Uncopyable(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = net().half()

    def __deepcopy__(self, memo):
        raise RuntimeError("no copies")

    def forward(self, x):
        return self.inner(x)


class Keeping(nn.Module):
    """Keeps what it returned, which has a history and cannot be copied."""

    def __init__(self):
        super().__init__()
        self.inner = net().half()

    def forward(self, x):
        self.last = self.inner(x)
        return self.last


def test_a_model_that_keeps_what_it_returned_is_copied():
    network = Keeping()
    network(images().half())
    found, _ = subject(network)
    assert torch.equal(logits(found, images()), network.inner.float()(images()))


def test_a_model_that_cannot_be_copied_is_told():
    with pytest.raises(ModelError, match=r"its weights are float16, and it cannot be \(RuntimeError: no copies\)"):
        subject(Uncopyable())
