"""Logits from probabilities: found where they are, their gradients those of the network without its last function."""

import copy
import functools
import math

import pytest
import torch
from torch import nn

from cotoolkit import diagnose
from cotoolkit.attacks.gradient import input_gradient
from cotoolkit.attacks.margin import margin_gradient
from cotoolkit.intake.outputs.probabilities import Link, link_of, recovered
from cotoolkit.intake.preparation import image_model
from tests._helpers.brought_networks import After
from tests._helpers.networks import conv_net
from tests._helpers.small_budget import SMALL_BUDGET


def logits(rows=200, classes=10, scale=4.0, seed=0):
    return scale * torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed))


SOFTMAX = {
    "softmax": lambda z: z.softmax(1),
    "percent": lambda z: 100 * z.softmax(1),
    "a tiny share": lambda z: 1e-3 * z.softmax(1),
    "large": lambda z: 1e4 * z.softmax(1),
    "in float16": lambda z: z.half().softmax(1).float(),
    "in bfloat16": lambda z: z.bfloat16().softmax(1).float(),
}
SIGMOID = {"sigmoid": lambda z: z.sigmoid(), "sigmoid, in percent": lambda z: 100 * z.sigmoid()}
LOGITS = {
    "logits": lambda z: z,
    "log-probabilities": lambda z: z.log_softmax(1),
    "log-sigmoid": nn.functional.logsigmoid,
    "ReLU": lambda z: z.relu(),
    "ReLU up to 1": lambda z: z.relu() / z.max(),
    "scores from 0 to 10": lambda z: 10 * z.sigmoid(),
    "unit length": lambda z: z / z.norm(dim=1, keepdim=True),
    "a zero sum": lambda z: z - z.mean(1, keepdim=True),
    "zeros": lambda z: 0 * z,
    "a large offset": lambda z: z + 1e5,
    "a large offset of two": lambda z: z[:, :2] + 1e5,
    "a large offset, rounded": lambda z: z + 1e7,
    "the same for all images": lambda z: torch.arange(10.0).expand_as(z),
    "one large value": lambda z: z.clone().index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(-1e9)),
}


@pytest.mark.parametrize("name", SOFTMAX)
def test_probabilities_and_their_multiples_call_for_the_logarithm(name):
    link, findings = link_of(SOFTMAX[name](logits()))
    assert link.name == "log"
    assert [finding.kind for finding in findings] == ["handled"]
    factor = {"percent": 100, "a tiny share": 1e-3, "large": 1e4}.get(name, 1)
    assert link.total == pytest.approx(factor, rel=1e-3)
    assert (f"times {factor:g}" in findings[0].text) == (factor != 1)


@pytest.mark.parametrize("name", SIGMOID)
def test_a_probability_for_each_class_calls_for_log_odds(name):
    link, findings = link_of(SIGMOID[name](logits()))
    assert link == Link("log-odds", 100.0 if "percent" in name else 1.0)
    assert [finding.kind for finding in findings] == ["warning"]


@pytest.mark.parametrize("name", LOGITS)
def test_logits_stay_as_they_are(name):
    outputs = LOGITS[name](logits())
    assert link_of(outputs) == (Link("identity"), [])
    assert torch.equal(recovered(outputs, Link("identity")), outputs)


def test_broken_rows_do_not_decide_and_stay_broken():
    outputs = logits(6).softmax(1)
    outputs[1, 3], outputs[4, 0] = torch.nan, torch.inf
    link, _ = link_of(outputs)
    assert link.name == "log"
    assert recovered(outputs, link).isfinite().all(1).tolist() == [True, False, True, True, False, True]
    assert link_of(outputs[[1, 4]]) == (Link("identity"), [])


@pytest.mark.parametrize("name", [*SOFTMAX, *SIGMOID])
@pytest.mark.parametrize("scale", [0.01, 4.0, 300.0])
def test_the_decision_is_that_of_the_outputs(name, scale):
    """Also where rounding brings outputs together, and where the greatest ones are neighbours in float32."""
    outputs = {**SOFTMAX, **SIGMOID}[name](logits(3000, 100, scale))
    top = outputs.max()
    outputs[0] = top / 2
    outputs[0, 70] = torch.nextafter(top / 2, top)
    for link in (Link("log", 1.0), Link("log-odds", 100.0 if "percent" in name else 1.0)):
        assert torch.equal(recovered(outputs, link).argmax(1), outputs.argmax(1))


def test_rows_that_leave_the_range_keep_their_order():
    outputs = torch.tensor([[-3.0, -1.0, -2.0], [0.2, 0.5, 0.3], [0.2, 1.5, 1.2], [0.0, 0.0, 0.0]])
    for name in ("log", "log-odds"):
        assert recovered(outputs, Link(name, 1.0)).argmax(1).tolist() == [1, 1, 1, 0]


def test_logits_come_back_up_to_a_constant():
    z = logits(scale=3).double().float()
    for name, link in (("softmax", Link("log")), ("percent", Link("log", 100.0)), ("sigmoid", Link("log-odds"))):
        found = recovered({**SOFTMAX, **SIGMOID}[name](z), link)
        assert torch.allclose(found, z - z.amax(1, keepdim=True), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "link"), [("softmax", Link("log")), ("percent", Link("log", 100.0)), ("a tiny share", Link("log", 1e-3))]
)
@pytest.mark.parametrize("gap", [1.0, 10.0, 30.0, 80.0])
def test_gradients_are_those_of_the_network_until_probabilities_vanish(name, link, gap):
    """The exact ones, that is: above a gap of 17 that of the logits' cross-entropy lacks a part in float32."""
    network, images = conv_net().eval(), torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        first, second = network(images).topk(2, 1).values.T
        for part in (network[-1].weight, network[-1].bias):
            part.mul_(gap / (first - second).max())
        labels = network(images).argmax(1)
    exact, at = copy.deepcopy(network).double(), images.double().requires_grad_()
    values = exact(at)
    others = values.scatter(1, labels[:, None], -torch.inf)
    own = values.gather(1, labels[:, None]).squeeze(1)
    cross_entropy = nn.functional.softplus(others.logsumexp(1) - own)
    linked = image_model(After(network, SOFTMAX[name]), shape=(1, 6, 6))
    linked.link = link
    for found, loss in (
        (input_gradient(linked, images, labels).gradient, cross_entropy),
        (margin_gradient(linked, images, labels), others.amax(1) - own),
    ):
        expected = torch.autograd.grad(loss.sum(), at, retain_graph=True)[0]
        assert torch.cosine_similarity(found.double().flatten(1), expected.flatten(1), eps=1e-300).min() > 0.999


@pytest.mark.parametrize("name", ["softmax", "percent", "a tiny share", "large", *SIGMOID])
@pytest.mark.parametrize("scale", [30.0, 1000.0])
def test_gradients_stay_finite_where_float32_saturates(name, scale):
    values = logits(scale=scale).requires_grad_()
    outputs = {**SOFTMAX, **SIGMOID}[name](values)
    link, _ = link_of(outputs)
    loss = nn.functional.cross_entropy(recovered(outputs, link), torch.arange(200) % 10, reduction="sum")
    assert torch.autograd.grad(loss, values)[0].isfinite().all()


# --- whole diagnoses --------------------------------------------------------------------------------------------------


BUDGET = SMALL_BUDGET.model_copy(update={"points": 64, "segment": 3})


def diagnosed(model, trained):
    data = (trained.images, trained.labels)
    return diagnose(model, data, epsilon=trained.epsilon, budget=BUDGET, device="cpu")


@pytest.fixture(scope="module")
def confident(standard):
    """A network whose logits are five times as large, so that the probabilities of most points round to 0 and 1."""
    return standard._replace(model=After(standard.model, lambda z: 5 * z), epsilon=0.12)


@pytest.fixture(scope="module")
def plain(request):
    """Diagnoses of networks that give logits, by the names of their fixtures."""

    @functools.cache
    def of(name):
        trained = request.getfixturevalue(name)
        return diagnosed(trained.model, trained)

    return of


def compare(plain, trained, function, tolerance):
    """The same network with and without a function of its logits; returns the diagnosis of the first."""
    found = diagnosed(After(trained.model, function), trained)
    assert abs(found.measurements.worst.value - plain.measurements.worst.value) <= tolerance
    assert found.measurements.clean == plain.measurements.clean
    assert found.verdict.label == plain.verdict.label
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["softmax", "percent", "a tiny share", "log-probabilities"])
def test_the_accuracy_under_all_attacks_does_not_depend_on_a_softmax(name, plain, confident):
    function = {**SOFTMAX, **LOGITS}[name]
    found = compare(plain("confident"), confident, function, tolerance=0.05)  # 3 of 64 points
    assert found.protocol.link == ("identity" if name == "log-probabilities" else "log")
    assert any("probabilities" in finding.text for finding in found.findings) == (name != "log-probabilities")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whose", "name"), [("standard", "sigmoid"), ("robust", "sigmoid"), ("overfitted", "sigmoid, in percent")]
)
def test_nor_on_sigmoids(whose, name, plain, request):
    """Less exactly: a sigmoid of a logit above 17 rounds to 1 and has no gradient left."""
    found = compare(plain(whose), request.getfixturevalue(whose), SIGMOID[name], tolerance=0.1)
    assert found.protocol.link == "log-odds"


@pytest.mark.slow
def test_without_the_link_sigmoids_hide_what_there_is(plain, overfitted, monkeypatch):
    """The tests above could not fail if it did not."""
    expected = plain("overfitted")
    monkeypatch.setattr("cotoolkit.intake.model.link_of", lambda outputs: (Link("identity"), []))
    hidden = diagnosed(After(overfitted.model, SIGMOID["sigmoid"]), overfitted)
    starved, fed = (found.measurements.strong[0].accuracy.value for found in (hidden, expected))
    assert starved > fed + 0.1


def test_what_rounding_takes_out_of_the_range_is_a_probability_all_the_same():
    outputs = torch.tensor([[0.7, 0.3, -6e-8], [1 + 1e-7, -1e-7, 0.0]] * 8, requires_grad=True)
    link, _ = link_of(outputs)
    assert link.name == "log"
    logits = recovered(outputs, link)
    assert logits.isfinite().all()
    assert torch.equal(logits.argmax(1), outputs.argmax(1))
    assert logits[0, 1].item() == pytest.approx(math.log(3 / 7), rel=1e-6)
    loss = torch.nn.functional.cross_entropy(logits, torch.tensor([1, 0] * 8))
    assert torch.autograd.grad(loss, outputs)[0].isfinite().all()
    assert link_of(outputs.detach() - torch.tensor([0, 0, 1e-3]))[0].name == "identity"
