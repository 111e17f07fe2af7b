import ctypes
import os
import subprocess
import sys

import pytest
import torch

from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.models import SmallCNN
from cotoolkit.models.memory_format import is_channels_last
from cotoolkit.training import preparation
from cotoolkit.training.trainer import Trainer
from tests._helpers.formats import drifting
from tests._helpers.small import small

LAST, FIRST = torch.channels_last, torch.contiguous_format
UNSAFE = "its layer 'shortcut' is a 1 x 1 convolution with stride 2 and 4 input channels"


def heap_checks():
    """Environment in which the C library, where it can, checks its heap and ends the process if that is damaged."""
    checked = {"MALLOC_CHECK_": "3", "MALLOC_PERTURB_": "165"}
    try:
        ctypes.CDLL("libc_malloc_debug.so.0")  # since glibc 2.34 the checks are in a library of their own
    except OSError:
        return checked
    return {**checked, "LD_PRELOAD": "libc_malloc_debug.so.0"}


TRAIN = """
import copy
import multiprocessing
import os
import torch
import torch.nn.functional as F
from cotoolkit.core.seeding import fork_global_rng
from cotoolkit.training import preparation
from cotoolkit.training.trainer import Trainer
from tests._helpers.small import small

torch.set_num_threads(1)

def train(instructions):
    os.environ["ONEDNN_MAX_CPU_ISA"] = instructions  # which is read at the first convolution of a process
    for width in (4, 16):
        model = {"name": "preact_resnet18", "width": width}
        trainer = Trainer(small(model=model), device="cpu")
        with fork_global_rng(0, "layers"):
            trainer.advance(6)
        images, labels, *_ = trainer.batches.batch(0)
        first = trainer.module.eval()
        last = copy.deepcopy(first).double().to(memory_format=torch.contiguous_format)
        found, expected = (
            torch.autograd.grad(F.cross_entropy(network(x), labels), list(network.parameters()))
            for network, x in (
                (first, images.contiguous(memory_format=trainer.memory_format)),
                (last, images.double()),
            )
        )
        for gradient, reference in zip(found, expected):
            assert (gradient - reference).norm() <= 1e-3 * reference.norm()
        print(instructions, trainer.memory_format, flush=True)

for instructions in ("AVX2", "AVX512_CORE"):
    process = multiprocessing.get_context("fork").Process(target=train, args=(instructions,))
    process.start()
    process.join()
    print(instructions, process.exitcode, flush=True)
"""


@pytest.mark.slow
def test_narrow_networks_train_without_harm_and_wide_ones_in_channels_last():
    words = [sys.executable, "-X", "faulthandler", "-c", TRAIN]
    done = subprocess.run(words, env={**os.environ, **heap_checks()}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = [f"{instructions} {word}" for instructions in ("AVX2", "AVX512_CORE") for word in (FIRST, LAST, 0)]
    assert done.stdout.splitlines() == told, done.stderr


def trained(config):
    trainer = Trainer(config, device="cpu")
    with fork_global_rng(0, "layers"):
        trainer.advance(3)
    return trainer


def test_the_check_changes_no_bit(monkeypatch):
    model = {"name": "preact_resnet18", "width": 16}
    data = {"name": "tests._helpers.small:colours", "holdout": 0.2}
    config = small(model=model, method="rs_fgsm", data=data, batch_size=8)
    checked = []
    inner = preparation.gradient_mismatch
    monkeypatch.setattr(preparation, "gradient_mismatch", lambda *given: checked.append(given) or inner(*given))
    first = trained(config).snapshot()
    assert len(checked) == 1
    monkeypatch.setattr(preparation, "worth_checking", lambda network, own: False)
    second = trained(config).snapshot()
    assert len(checked) == 1
    assert all(torch.equal(tensor, second.model[name]) for name, tensor in first.model.items())


def test_a_network_of_ours_with_wrong_gradients_goes_on_in_the_contiguous_format(monkeypatch, caplog):
    monkeypatch.setattr(SmallCNN, "build", lambda self, shape, classes: drifting(1.0, shape[0], classes))
    trainer = trained(small())
    (record,) = caplog.records
    assert "the gradient of '2.weight' in channels_last differs from that in the contiguous format by 100%" in (
        record.getMessage()
    )
    assert record.getMessage().endswith("; it is trained in the contiguous format")
    assert trainer.memory_format == FIRST
    assert not is_channels_last(trainer.module)


@pytest.mark.parametrize(
    ("model", "last", "message"),
    [
        ("narrow", False, None),
        ("right_last", True, None),
        ("drifting_last", True, "the gradient of '2.weight' in channels_last differs"),
    ],
)
def test_an_own_network_keeps_its_memory_format(model, last, message, caplog):
    trainer = trained(small(model=f"tests._helpers.formats:{model}"))
    assert is_channels_last(trainer.module) == last
    assert trainer.memory_format == FIRST
    texts = [record.getMessage() for record in caplog.records]
    assert [message in text for text in texts] == ([] if message is None else [True])


def test_an_own_network_in_channels_last_with_an_unsafe_layer_is_named(monkeypatch, caplog):
    def never(*given):
        raise AssertionError("the check itself would corrupt memory")

    monkeypatch.setattr(preparation, "gradient_mismatch", never)
    trainer = Trainer(small(model="tests._helpers.formats:narrow_last"), device="cpu")  # and is not trained here
    assert is_channels_last(trainer.module)
    (record,) = caplog.records
    assert UNSAFE in record.getMessage()
