"""Whatever network somebody trains: measured as it is and as it once was, and left as it was, bit for bit."""

import logging

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.utils.data import DataLoader, TensorDataset

from cotoolkit import BreakpointMonitor
from cotoolkit.core.errors import ConfigError, CotoolkitError, DataError, ModelError
from cotoolkit.data.image_set import ImageSet
from cotoolkit.methods import FGSM, NFGSM
from cotoolkit.monitor.actions import Rescue, Save
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.monitor.weight_history import named_tensors, weights_in_place, weights_of
from tests._helpers.any_networks import NETWORKS, Around, Encoded, Hidden, mlp
from tests._helpers.networks import conv_net

OFTEN = MonitorConfig(interval=2, points=20, steps=3)


def points(count=30):
    draws = torch.Generator().manual_seed(0)
    return torch.rand(count, 1, 6, 6, generator=draws, dtype=torch.float32), torch.arange(count) % 4


def monitor_of(network, given=None, **options):
    return BreakpointMonitor(network, points() if given is None else given, epsilon=0.1, **{"config": OFTEN, **options})


def state(network):
    """Values, gradients and modes of a network, to compare."""
    network = getattr(network, "_orig_mod", network)
    values = {name: value.detach().clone() for name, value in named_tensors(network).items()}
    return values, [module.training for module in network.modules()], [p.grad for p in network.parameters()]


def unchanged(before, network):
    values, modes, gradients = state(network)
    return (
        all(torch.equal(value, values[name]) for name, value in before[0].items())
        and (modes, len(gradients)) == (before[1], len(before[2]))
        and all(one is other for one, other in zip(gradients, before[2], strict=True))
    )


def update(network, optimizer, inputs, labels):
    outputs = network(1 * inputs.clone().requires_grad_())  # a gradient, which re-entrant checkpoints ask for
    if not isinstance(outputs, torch.Tensor):
        outputs = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
    optimizer.zero_grad()
    F.cross_entropy(outputs, labels).backward()
    optimizer.step()


@pytest.mark.parametrize("kind", NETWORKS)
def test_any_network_is_measured_as_it_once_was_and_left_as_it_is(kind):
    torch.manual_seed(0)
    network = NETWORKS[kind]().train()
    before, random = state(network), torch.get_rng_state()
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    monitor = monitor_of(network, optimizer=optimizer, method=FGSM(), on={"breakpoint": Rescue()})
    assert unchanged(before, network)
    assert torch.equal(torch.get_rng_state(), random)
    assert not optimizer.state_dict()["state"]
    first, found = monitor.snapshot(), monitor.probe()
    images, labels = points()
    images = images.to(next(network.parameters()).dtype)
    given = images.clone()
    update(network, optimizer, monitor.attack(images, labels), labels)
    assert torch.equal(images, given)
    after = state(network)
    assert monitor._measure(first.weights) == found
    assert monitor._measure() != found
    assert unchanged(after, network)
    monitor.rescue(NFGSM())
    assert all(torch.equal(value, before[0][name]) for name, value in named_tensors(monitor.network).items())
    assert monitor.events == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(Hidden(tied=True), Hidden(tied=False), id="tied"),
        pytest.param(Encoded(twice=True), Encoded(twice=False), id="shared"),
    ],
)
def test_tied_weights_are_dated_like_the_same_net_registered_once(one, other):
    other.load_state_dict({name: one.state_dict()[name].clone() for name in other.state_dict()})
    found = []
    for network in (one, other):
        monitor = monitor_of(network, snapshot_every=1, config=MonitorConfig(interval=0, points=20, steps=3))
        for _ in range(4):
            with torch.no_grad():
                for value in {id(v): v for v in named_tensors(network).values() if v.is_floating_point()}.values():
                    value.mul_(0.7).add_(0.02)
            if network is other and isinstance(network, Hidden):
                network.second.weight.data.copy_(network.first.weight)
            monitor.step()
        found.append([monitor._measure(snapshot.weights) for snapshot in monitor.history.snapshots])
        assert len(found[-1]) == 5
    assert found[0] == found[1]


def test_a_graph_that_the_loop_still_holds_is_not_touched():
    network = mlp()
    monitor = monitor_of(network)
    first = monitor.snapshot()
    with torch.no_grad():
        network[3].weight.mul_(2)
    images, _ = points()
    images.requires_grad_()
    held, expected = network(images).sum(), torch.autograd.grad(network(images).sum(), images)[0]
    monitor._measure(first.weights)
    assert torch.equal(torch.autograd.grad(held, images)[0], expected)


def test_weights_come_back_when_the_measurement_is_interrupted():
    network = mlp()
    before, past = weights_of(network), {name: value + 1 for name, value in weights_of(network).items()}

    def interrupted():
        with weights_in_place(network, past):
            assert all(torch.equal(value, past[name]) for name, value in network.state_dict().items())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_saved_weights_load_into_the_network(tmp_path):
    from safetensors.torch import load_file

    network = NETWORKS["buffered"]()
    monitor = monitor_of(network, on={"failure": Save(tmp_path)})
    monitor.failures.note("something", "for a reason")
    (path,) = tmp_path.iterdir()
    assert load_file(path).keys() == network.state_dict().keys()  # without the buffer that is in no state dict


@pytest.mark.parametrize("output", [lambda z: z, lambda z: z[:, 0]], ids=["column", "row"])
def test_one_logit_is_a_binary_model(output):
    images, labels = points()
    labels = labels % 2
    binary = Around(lambda network, x: output(network(x)), outputs=1)
    two = Around(lambda network, x: torch.cat([0 * network(x), network(x)], 1), outputs=1)
    two.load_state_dict(binary.state_dict())
    expected = monitor_of(two, (images, labels)).probe()
    for options in ({}, {"binary": True}):
        monitor = monitor_of(binary, (images, labels), **options)
        assert monitor.probe() == expected
        z = binary(images)
        monitor.observe(logits=z, labels=labels)
        monitor._close_step()
        correct = ((z.reshape(-1) > 0) == labels).float().mean().item()
        assert monitor._signals()[-1][1]["train_accuracy"] == pytest.approx(correct)


@pytest.mark.parametrize(
    "output", [torch.sigmoid, lambda z: torch.sigmoid(z)[:, 0], lambda z: torch.sigmoid(z).squeeze(1).float()]
)
def test_one_probability_is_told_from_a_logit_by_its_make(output, caplog):
    images, labels = points()
    labels = labels % 2
    logit = Around(lambda network, x: network(x), outputs=1)
    probability = Around(lambda network, x: output(network(x)), outputs=1)
    probability.load_state_dict(logit.state_dict())
    found = monitor_of(probability, (images, labels)).probe()
    assert "taken for the probability of class 1" in caplog.text
    expected = monitor_of(logit, (images, labels)).probe()
    assert (found.clean, found.fgsm, found.pgd) == (expected.clean, expected.fgsm, expected.pgd)
    assert len(set(found.robust)) == 2


def test_logits_that_lie_in_the_unit_interval_at_first_stay_logits():
    images, labels = points()
    network = mlp(1)
    with torch.no_grad():
        network[3].weight.mul_(0.01)
        network[3].bias.fill_(0.5)
    monitor = monitor_of(network, (images, labels % 2))
    with torch.no_grad():
        network[3].bias.fill_(-0.5)
    assert monitor.probe().clean == 0.5  # all are of class 0; as probabilities they would be refused


def test_a_softmax_at_the_end_is_taken_off():
    network = mlp()
    found = monitor_of(nn.Sequential(network, nn.Softmax(1))).probe()
    expected = monitor_of(network).probe()
    assert (found.clean, found.fgsm, found.pgd) == (expected.clean, expected.fgsm, expected.pgd)
    assert found.gradient_alignment == pytest.approx(expected.gradient_alignment, abs=1e-3)


def test_forward_says_how_the_model_is_called():
    network = Around(lambda inner, images: (inner(images), images))
    found = monitor_of(network, forward=lambda model, images: model(images)[0])
    assert found.probe() == monitor_of(network.network).probe()
    with pytest.raises(ModelError, match="a tuple of 2; say which part"):
        monitor_of(network)


def as_items(images, labels):
    return [(image, int(label)) for image, label in zip(images, labels, strict=True)]


SOURCES = {
    "dataset": TensorDataset,
    "loader": lambda images, labels: DataLoader(TensorDataset(images, labels), batch_size=7),
    "items": as_items,
    "bytes": lambda images, labels: ((images * 255).to(torch.uint8), labels),
    "arrays": lambda images, labels: (images.numpy(), labels.numpy()),
    "lists": lambda images, labels: (images, labels.tolist()),
    "column": lambda images, labels: (images, labels[:, None].to(torch.int32)),
    "float64": lambda images, labels: (images.double(), labels),
    "image-set": lambda images, labels: ImageSet("mine", images, labels, 4, tuple("abcd")),
}


@pytest.mark.parametrize("source", SOURCES)
def test_points_are_taken_as_diagnose_takes_them(source):
    images, labels = points()
    images = (images * 255).round() / 255
    expected = monitor_of(conv_net(), (images, labels)).probe()
    found = monitor_of(conv_net(), SOURCES[source](images, labels)).probe()
    assert found == expected


def test_everything_works_inside_inference_mode():
    network = conv_net()
    expected = monitor_of(network).probe()
    with torch.inference_mode():
        monitor = monitor_of(network, method=FGSM())
        assert monitor.probe() == expected
        images, labels = points()
        monitor.attack(images, labels)
        monitor.step(losses=torch.rand(30))
        monitor.step(losses=torch.rand(30), labels=labels)
    monitor.step(losses=torch.rand(30))
    monitor.probe()
    assert monitor.events == []


def test_a_default_of_float64_changes_nothing():
    network = conv_net()
    expected = monitor_of(network).probe()
    torch.set_default_dtype(torch.float64)
    try:
        assert monitor_of(network).probe() == expected
        double = mlp()
        monitor_of(double, method=FGSM()).attack(*points())
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda network, images: network(images.detach()), id="detached"),
        pytest.param(lambda network, images: network(torch.as_tensor(images.numpy())), id="numpy"),
    ],
)
def test_a_network_without_gradients_is_refused(call):
    with pytest.raises(
        ModelError, match=r"no gradient reaches the images .*: the monitor's probes are gradient attacks"
    ):
        monitor_of(Around(call))


def test_a_probe_without_any_gradient_decides_nothing():
    monitor = monitor_of(Around(lambda network, images: network((255 * images).round() / 255)))
    for _ in range(6):
        monitor.step()
    (failure,) = monitor.events
    assert "following gradients failed, training goes on (at no point is there one" in failure.reason
    assert monitor.criterion.best == 0
    assert monitor.good is None


class NoState:
    """An optimiser of somebody's own."""

    param_groups = ()

    def state_dict(self):
        return {"base": {}}


class NoLoading(torch.optim.SGD):
    def load_state_dict(self, state_dict):
        raise NotImplementedError("not here")


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (NoState(), "'state'"),
        (NoLoading(mlp().parameters(), lr=0.1), "not here"),
        ("adam", "str"),
    ],
)
def test_an_optimiser_that_cannot_be_rolled_back_is_refused_at_once(optimizer, message):
    with pytest.raises(ConfigError, match=f"optimizer: its state cannot be rolled back .*{message}"):
        monitor_of(conv_net(), optimizer=optimizer)


def test_the_state_of_an_optimiser_is_the_same_after_the_rehearsal():
    network = mlp()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.01)
    update(network, optimizer, *points())
    groups, tensors = optimizer.param_groups[0], [id(state["exp_avg"]) for state in optimizer.state.values()]
    monitor_of(network, optimizer=optimizer)
    assert optimizer.param_groups[0] is groups
    assert [id(state["exp_avg"]) for state in optimizer.state.values()] == tensors


def test_a_method_that_cannot_attack_the_model_is_refused_at_once():
    class OnlyWhole(nn.Module):
        """In training mode it takes batches of 8 only."""

        def __init__(self):
            super().__init__()
            self.network = mlp()

        def forward(self, images):
            assert not self.training or len(images) % 8 == 0, "batches of 8"
            return self.network(images)

    monitor_of(OnlyWhole().train())
    with pytest.raises(ModelError, match="n_fgsm cannot attack the model: AssertionError: batches of 8"):
        monitor_of(OnlyWhole().train(), on={"breakpoint": Rescue()})


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mean": 127.5, "std": 127.5}, ConfigError, "mean must lie in the bounds, 0 to 1"),
        ({"mean": 0.5, "std": 57.0}, ConfigError, "std is above the width of the bounds"),
        (
            {"mean": (0.5, 0.5, 0.5), "std": (0.2, 0.2, 0.2)},
            ConfigError,
            "mean has 3 numbers, the images have 1 channel",
        ),
        ({"mean": 0.5}, ConfigError, "mean and std go together"),
        ({"mean": 0.5, "std": 0.0}, ConfigError, "std"),
        ({"mean": "half", "std": 0.5}, ConfigError, "mean"),
        ({"bounds": (1.0, 0.0)}, ConfigError, "bounds"),
        ({"bounds": (0, 255)}, DataError, r"as in \[0, 1\] and not as in the bounds"),
        ({"binary": True}, ConfigError, "binary: the model has 4 outputs"),
        ({"method": "fgsm"}, ConfigError, "method: give an attack"),
        ({"snapshot_every": 2.5}, ConfigError, "snapshot_every"),
    ],
)
def test_options_that_contradict_each_other_are_one_line(options, error, message):
    with pytest.raises(error, match=message) as caught:
        monitor_of(conv_net(), **options)
    assert "\n" not in str(caught.value)


def test_normalised_points_are_refused():
    images, labels = points()
    with pytest.raises(DataError, match="before normalisation"):
        monitor_of(conv_net(), ((images - 0.5) / 0.25, labels), mean=0.5, std=0.25)


def test_labels_beyond_the_outputs_are_refused():
    with pytest.raises(CotoolkitError, match="4 outputs, the data 10 classes"):
        monitor_of(conv_net(), (points()[0], torch.arange(30) % 10))


def test_array_statistics_are_taken():
    found = [
        monitor_of(conv_net(), mean=mean, std=std).probe()
        for mean, std in [(0.5, 0.25), (np.float32(0.5), np.float32(0.25)), (torch.tensor([0.5]), [0.25])]
    ]
    assert found[0] == found[1] == found[2]


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
