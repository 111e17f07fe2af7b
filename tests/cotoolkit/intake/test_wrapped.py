import pytest
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.intake.wrapped import WrappedModel, input_statistics, unwrapped
from cotoolkit.models.normalise import Normalised, Statistics
from tests._helpers.networks import conv_net

PLAIN = Statistics((0.0,), (1.0,))


def test_wrappers_come_off():
    network = conv_net()
    compiled = torch.compile(network, backend="eager")
    for wrapped in (network, nn.DataParallel(network), compiled, nn.DataParallel(compiled)):
        assert unwrapped(wrapped)[0] is network


@pytest.fixture
def one_process(tmp_path):
    """A process group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_several_processes_wrappers(one_process):
    network = conv_net()
    assert unwrapped(nn.parallel.DistributedDataParallel(network))[0] is network
    with pytest.raises(ModelError, match="sharded"):
        unwrapped(nn.Sequential(fully_shard(conv_net(), mesh=init_device_mesh("cpu", (1,)))))


def test_what_is_no_module_is_refused():
    with pytest.raises(ModelError, match=r"a torch.nn.Module is needed, not a function"):
        unwrapped(conv_net)


@pytest.mark.parametrize("compiled", [False, True])
def test_fabric_comes_off_and_leaves_its_precision(compiled):
    fabric = Fabric(accelerator="cpu", precision="bf16-mixed")
    network = conv_net()
    model = fabric.setup(torch.compile(network, backend="eager") if compiled else network)
    bare, autocast = unwrapped(model)
    assert bare is network
    images = torch.rand(3, 1, 6, 6)
    logits = WrappedModel(bare, PLAIN, autocast)(images)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, logits.bfloat16().float())  # computed in bfloat16
    assert not torch.equal(logits, network(images))
    # What Fabric's own wrapper forbids:
    images.requires_grad_()
    assert torch.autograd.grad(WrappedModel(bare, PLAIN, autocast)(images).sum(), images)[0].dtype == torch.float32


def test_low_precision_weights_get_what_they_take():
    network = conv_net().bfloat16()
    assert WrappedModel(network, PLAIN, unwrapped(network)[1])(torch.rand(2, 1, 6, 6)).dtype == torch.float32


def test_other_weights_are_seen_without_touching_the_network():
    network = conv_net()
    images = torch.rand(4, 1, 6, 6)
    past = {name: value.clone() for name, value in network.state_dict().items()}
    expected = network.eval()(images)
    with torch.no_grad():
        network[-1].weight.add_(1)
    now = network(images)
    autocast = unwrapped(network)[1]
    assert torch.equal(WrappedModel(network, PLAIN, autocast, past)(images), expected)
    assert torch.equal(network(images), now)


@pytest.mark.parametrize(
    ("given", "low", "high"),
    [
        ({"mean": (0.5, 0.4), "std": (0.2, 0.1)}, (-2.5, -4.0), (2.5, 6.0)),
        ({"mean": 0.5, "std": 0.25}, (-2.0, -2.0), (2.0, 2.0)),
        ({"bounds": (-1.0, 1.0)}, (-1.0, -1.0), (1.0, 1.0)),
        ({"bounds": (0.0, 255.0)}, (0.0, 0.0), (255.0, 255.0)),
    ],
)
def test_images_become_what_the_model_takes_and_back(given, low, high):
    statistics = input_statistics(**{"mean": None, "std": None, "bounds": (0.0, 1.0), **given})
    watched = WrappedModel(conv_net(2), statistics, unwrapped(conv_net(2))[1])
    for value, expected in ((0.0, low), (1.0, high)):
        inputs = watched.to_input(torch.full((1, 2, 6, 6), value))
        assert torch.allclose(inputs, torch.tensor(expected).view(1, 2, 1, 1).expand(1, 2, 6, 6), atol=1e-5)
    images = torch.rand(3, 2, 6, 6)
    assert torch.allclose(watched.to_images(watched.to_input(images)), images, atol=1e-6)
    if "mean" in given and isinstance(given["mean"], tuple):
        layer = Normalised(watched.network, Statistics(given["mean"], given["std"]))
        assert torch.allclose(watched.eval()(images), layer.eval()(images), atol=1e-6)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mean": 0.5}, "mean and std go together"),
        ({"mean": 0.5, "std": 0.0}, "std"),
        ({"mean": 0.5, "std": 0.5, "bounds": (-1.0, 1.0)}, "not both"),
        ({"bounds": (1.0, 0.0)}, "bounds"),
    ],
)
def test_senseless_input_ranges_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        input_statistics(**{"mean": None, "std": None, "bounds": (0.0, 1.0), **given})


def test_models_that_do_not_return_logits_are_refused():
    class Pair(nn.Module):
        def forward(self, images):
            return images.flatten(1), images

    with pytest.raises(ModelError, match="the model returns a tuple"):
        WrappedModel(Pair(), PLAIN, unwrapped(Pair())[1])(torch.rand(2, 1, 6, 6))
    with pytest.raises(ModelError, match=r"returns \(2, 1, 6, 6\)"):
        WrappedModel(nn.Identity(), PLAIN, unwrapped(nn.Identity())[1])(torch.rand(2, 1, 6, 6))
