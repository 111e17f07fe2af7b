"""Networks inside of the wrappers of torch, Fabric and several processes."""

import logging

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from cotoolkit.core.errors import ModelError
from cotoolkit.methods import FGSM, NFGSM
from cotoolkit.monitor.actions import Rescue
from tests._helpers.any_networks import mlp
from tests._helpers.networks import conv_net
from tests._helpers.watching import monitor_of, points


def test_handled_traps_are_told_at_a_low_level(caplog):
    with caplog.at_level(logging.INFO):
        monitor_of(nn.DataParallel(conv_net()))
    assert [record.levelname for record in caplog.records] == ["INFO"]


@pytest.mark.parametrize("package", ["lightning_fabric", "lightning.fabric"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true", "64-true"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_a_loop_of_either_fabric(package, precision, compiled):
    fabric = pytest.importorskip(package).Fabric(accelerator="cpu", precision=precision)
    torch.manual_seed(0)
    bare = mlp()
    model = torch.compile(bare, backend="eager") if compiled else bare
    model, optimizer = fabric.setup(model, torch.optim.SGD(bare.parameters(), lr=0.1, momentum=0.9))
    monitor = monitor_of(model, optimizer=optimizer, method=FGSM(), on={"breakpoint": Rescue()})
    assert monitor.network is bare
    images, labels = points()
    for _ in range(4):
        adversarial = monitor.attack(images, labels).requires_grad_(monitor.trace)
        losses = F.cross_entropy(model(adversarial), labels, reduction="none")
        optimizer.zero_grad()
        fabric.backward(losses.mean())
        optimizer.step()
        monitor.step(losses=losses, adversarial=adversarial, labels=labels)
    assert monitor.last_probe.points == 20
    assert monitor.events == []
    monitor.rescue(NFGSM())


@pytest.fixture
def one_process(tmp_path):
    """A process group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_several_processes_wrappers(one_process):
    network = conv_net()
    assert monitor_of(nn.parallel.DistributedDataParallel(network)).network is network
    with pytest.raises(ModelError, match="sharded"):
        monitor_of(nn.Sequential(fully_shard(conv_net(), mesh=init_device_mesh("cpu", (1,)))))
