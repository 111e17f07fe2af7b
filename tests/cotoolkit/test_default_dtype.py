"""Nothing depends on torch's default type: images and perturbations are float32, and so is all that meets them."""

import contextlib
import copy

import pytest
import torch

from cotoolkit import BreakpointMonitor, diagnose
from cotoolkit.attacks import fgsm, margin_attack, n_fgsm, pgd, rs_fgsm, square_attack
from cotoolkit.attacks.threat_model import ThreatModel
from cotoolkit.evaluation import evaluate
from cotoolkit.methods import FGSM, METHODS
from cotoolkit.models import MODELS, build_model
from cotoolkit.monitor.config import MonitorConfig
from cotoolkit.optimizers import OPTIMIZERS
from cotoolkit.training.run import run
from interventions import from_json, to_json
from tests._helpers.networks import conv_net
from tests._helpers.small import small
from tests._helpers.stepping import batch, remembering, sgd
from tests.interventions.test_every_intervention import EXAMPLES

NETWORK = conv_net()


@contextlib.contextmanager
def float64_default():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def same(found, expected):
    """Whether nested results are equal, types of tensors included."""
    if isinstance(expected, torch.Tensor):
        return found.dtype == expected.dtype and torch.equal(found.nan_to_num(), expected.nan_to_num())
    if isinstance(expected, dict):
        return found.keys() == expected.keys() and all(same(found[key], expected[key]) for key in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return found == expected or repr(found) == repr(expected)


def with_both_defaults(compute):
    expected = compute()
    with float64_default():
        found = compute()
    assert same(found, expected)


@pytest.fixture(scope="module")
def points():
    draws = torch.Generator().manual_seed(0)
    return torch.rand(12, 1, 6, 6, generator=draws), torch.arange(12) % 4


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("name", METHODS.names())
def test_a_step_of_every_method(name, norm):
    method = METHODS.parse({"name": name, "weight": 0.2} if name == "gradalign" else name)
    if norm == "l2" and name == "local_ball":
        pytest.skip("local balls are written for linf")

    def step():
        given = batch(ThreatModel(0.1, norm), indices=torch.arange(6), progress=0.9)
        network = copy.deepcopy(NETWORK)
        given = remembering(method, network, given)
        record = method.step(network, given, sgd(network))
        weights = network.state_dict().values()
        return [*weights, record.losses, record.logits, record.delta, dict(record.measures), given.memory]

    with_both_defaults(step)


@pytest.mark.parametrize("name", [name for name in MODELS.names() if name not in ("own", "timm", "torchvision")])
def test_the_weights_of_every_model(name):
    with_both_defaults(lambda: build_model(name, (3, 32, 32), 10, 0, "cifar10").state_dict())


@pytest.mark.parametrize("intervention", EXAMPLES, ids=repr)
def test_every_intervention(intervention):
    draws = torch.Generator().manual_seed(0)
    images, labels = torch.rand(20, 3, 8, 12, generator=draws, dtype=torch.float32), torch.arange(20) % 10
    with_both_defaults(
        lambda: from_json(to_json(intervention))(images, labels, torch.Generator().manual_seed(0), classes=10)
    )


ATTACKS = {
    "fgsm": lambda *given: fgsm(*given, bn_mode="eval").delta,
    "rs_fgsm": lambda *given: rs_fgsm(*given, generator=torch.Generator().manual_seed(0)).delta,
    "n_fgsm": lambda *given: n_fgsm(*given, generator=torch.Generator().manual_seed(0)).delta,
    "pgd": lambda *given: pgd(*given, steps=3, generator=torch.Generator().manual_seed(0)).delta,
    "margin": lambda *given: margin_attack(*given, steps=3, draws=2, generator=torch.Generator().manual_seed(0)),
    "square": lambda *given: square_attack(*given, queries=20, generator=torch.Generator().manual_seed(0)),
    "evaluate": lambda *given: evaluate(*given, "pgd-5-2").correct,
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_every_attack(points, attack, norm):
    if attack != "square" or norm == "linf":
        with_both_defaults(lambda: ATTACKS[attack](NETWORK, *points, ThreatModel(0.1, norm)))


@pytest.mark.parametrize("optimizer", OPTIMIZERS.names())
def test_a_run_and_its_measures(tmp_path, optimizer):
    config = small(optimizer=optimizer, epochs=1, method="pgd", learning_rate=0.01, data__augment="crop")

    def trained():
        folder = run(config, tmp_path / str(torch.get_default_dtype()), device="cpu")
        result = {name: value for name, value in folder.result().items() if "seconds" not in name}
        return [result, folder.metrics().drop(columns="seconds", errors="ignore").to_csv()]

    with_both_defaults(trained)


def test_a_monitored_loop(points):
    def watched():
        network, config = copy.deepcopy(NETWORK), MonitorConfig(interval=2, steps=2, points=12)
        monitor = BreakpointMonitor(network, points, epsilon=0.1, method=FGSM(), config=config)
        optimizer = torch.optim.SGD(network.parameters(), 0.1)
        for _ in range(4):
            delta = monitor.attack(*points)
            loss = torch.nn.functional.cross_entropy(network(points[0] + delta), points[1])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            monitor.step()
        return [*network.state_dict().values(), monitor.last_probe.metrics()]

    with_both_defaults(watched)


def test_a_diagnosis(points):
    def diagnosed():
        return diagnose(NETWORK, points, epsilon=0.1, budget="quick", points=12, device="cpu").measurements

    with_both_defaults(diagnosed)
