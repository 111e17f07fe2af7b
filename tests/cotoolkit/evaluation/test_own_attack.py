import random
import re
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from cotoolkit import RunConfig, ThreatModel
from cotoolkit.core.errors import ConfigError, ModelError
from cotoolkit.evaluation import OwnAttack, evaluate
from cotoolkit.evaluation.protocol import known_protocol, run_protocol
from cotoolkit.runs.checkpoints import evaluation_points, trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.training.run import imports_of, run
from tests._helpers.networks import Linear, conv_net
from tests._helpers.small import small

THREAT = ThreatModel(0.1)

STAND_IN = '''
    """The call signature of torchattacks: CLASS(model, eps=..., ...), then attack(images, labels)."""
    import torch
    import torch.nn.functional as F


    class PGD:
        def __init__(self, model, eps=8 / 255, alpha=2 / 255, steps=10, random_start=True):
            self.model, self.eps, self.alpha, self.steps, self.random_start = model, eps, alpha, steps, random_start
            self.device = next(model.parameters()).device

        def __call__(self, images, labels):
            training = self.model.training
            self.model.eval()
            images = images.clone().detach().to(self.device)
            found = images.clone()
            if self.random_start:
                found = (found + torch.empty_like(found).uniform_(-self.eps, self.eps)).clamp(0, 1).detach()
            for _ in range(self.steps):
                found.requires_grad = True
                (gradient,) = torch.autograd.grad(F.cross_entropy(self.model(found), labels), found)
                found = found.detach() + self.alpha * gradient.sign()
                found = (images + (found - images).clamp(-self.eps, self.eps)).clamp(0, 1).detach()
            if training:
                self.model.train()
            return found


    class Minimal(PGD):
        """Knows no radius, as DeepFool and Carlini and Wagner's attack."""

        def __init__(self, model, steps=1):
            super().__init__(model, eps=0.5, alpha=0.5, steps=steps)


    def half(model, images, labels, threat):
        return PGD(model, eps=threat.epsilon / 2, alpha=threat.epsilon / 2, steps=1, random_start=False)(images, labels)


    def noise(model, images, labels, threat):
        import random
        import numpy
        shift = torch.rand(1).item() * numpy.random.rand() * random.random()
        return images + threat.project(images, torch.full_like(images, shift * threat.epsilon))


    def backward(model, images, labels, threat):
        images.requires_grad_()
        F.cross_entropy(model(images), labels).backward()
        return images + threat.project(images, threat.epsilon * images.grad.sign())


    def far(model, images, labels, threat):
        return images + 2 * threat.epsilon


    def dark(model, images, labels, threat):
        return images - threat.epsilon


    def lost(model, images, labels, threat):
        return images * float("nan")


    def pair(model, images, labels, threat):
        return images, labels


    def crash(model, images, labels, threat):
        raise RuntimeError("out of luck\\nand more")


    NOTHING = 3
'''


@pytest.fixture(autouse=True)
def _module(tmp_path, monkeypatch):
    """Modules of a user's in the working directory."""
    (tmp_path / "my_attacks.py").write_text(textwrap.dedent(STAND_IN))
    foolbox = "from foolbox.attacks import LinfPGD\n\nthrice = LinfPGD(steps=3, random_start=False)\n"
    (tmp_path / "my_foolbox.py").write_text(foolbox)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in ("my_attacks", "my_foolbox"):
        sys.modules.pop(name, None)


def points(count=40, *, model=None):
    images = torch.rand(count, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(4, (count,), generator=torch.Generator().manual_seed(2))
    if model is not None:
        with torch.no_grad():
            labels[: count // 2] = model.eval()(images).argmax(1)[: count // 2]
    return images, labels


def two_classes():
    """Images in the middle of the range, and the margins by which a linear model tells them apart."""
    weight = torch.tensor([1.0, -2.0, 0.5, 0.25])
    images = 0.5 + 0.2 * (torch.rand(60, 1, 2, 2, generator=torch.Generator().manual_seed(0)) - 0.5)
    model = Linear(weight)
    score = images.flatten(1) @ weight
    return model, images, (score > 0).long(), score.abs(), weight.abs().sum()


@pytest.mark.parametrize(
    "name", ["my_attacks:PGD", "foolbox.attacks:LinfBasicIterativeAttack", "foolbox.attacks:LinfFastGradientAttack"]
)
def test_a_linear_models_accuracy_by_hand(name):
    model, images, labels, margin, reach = two_classes()
    threat = ThreatModel(0.03)
    found = evaluate(model, images, labels, threat, f"attack={name}")
    expected = margin > threat.epsilon * reach  # a sign step moves the score by epsilon * |w|_1
    assert 0.1 < expected.float().mean() < 0.9
    assert torch.equal(found.correct, expected)
    assert found.gradient_evaluations > 0
    assert found.gradient_evaluations % len(images) == 0


def test_foolbox_in_l2_by_hand():
    model, images, labels, margin, _ = two_classes()
    threat = ThreatModel(0.05, "l2")
    found = evaluate(model, images, labels, threat, "attack=foolbox.attacks:L2FastGradientAttack")
    assert torch.equal(found.correct, margin > threat.epsilon * model.weight.detach().norm())
    assert 0 < found.accuracy.value < 1


def test_an_attack_that_is_made_and_one_that_is_a_function():
    model = conv_net()
    images, labels = points(model=model)
    by_hand = run_protocol(model, images, labels, ThreatModel(0.05), "fgsm").correct
    clean = run_protocol(model, images, labels, ThreatModel(0.05), "clean").correct
    found = evaluate(model, images, labels, THREAT, "attack=my_attacks:half")
    assert torch.equal(found.correct, by_hand & clean)
    assert found.gradient_evaluations == len(images)
    made = evaluate(model, images, labels, THREAT, "attack=my_foolbox:thrice")
    assert made.gradient_evaluations == 3 * len(images)
    assert not (made.correct & ~clean).any()


def test_numbers_drawn_globally_are_the_seeds_and_are_put_back():
    model, images, labels, *_ = two_classes()
    random.seed(7)
    before = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    attack = OwnAttack("my_attacks:PGD")
    first, again, other = (
        evaluate(model, images, labels, ThreatModel(0.02), "attack=my_attacks:noise", seed=seed, batch_size=7)
        for seed in (0, 0, 5)
    )
    assert torch.equal(first.correct, again.correct)
    assert (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()) == before  # noqa: NPY002
    assert other.card == first.card
    # by parts, each part's draws are those that it has in one call
    parts = [
        evaluate(conv, x, y, ThreatModel(0.02), attack, first=20 * number, batch_size=20).correct
        for conv in (conv_net(),)
        for number, (x, y) in enumerate(zip(*(one.split(20) for one in points(40, model=conv)), strict=True))
    ]
    whole = evaluate(conv_net(), *points(40, model=conv_net()), ThreatModel(0.02), attack, batch_size=20).correct
    assert torch.equal(torch.cat(parts), whole)


def test_what_was_handed_over_stays_as_it_was():
    model = conv_net()
    model.train()
    model(points()[0]).sum().backward()
    kept = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    images, labels = points()
    same = images.clone()
    with torch.no_grad():
        evaluate(model, images, labels, THREAT, "attack=my_attacks:backward")
    assert all(torch.equal(parameter.grad, kept[name]) for name, parameter in model.named_parameters())
    assert model.training
    assert torch.equal(images, same)
    assert not images.requires_grad


def test_a_label_that_is_wrong_at_the_image_stays_wrong():
    model, images, labels, *_ = two_classes()
    found = evaluate(model, images, 1 - labels, ThreatModel(0.05), "attack=my_attacks:PGD")
    assert found.accuracy.value == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("far", r"left the ball of linf 0.1, .* on 60 of 60 images, by up to 0.1; return images \+ threat.project"),
        ("Minimal", "left the ball"),
        ("lost", "nan or infinite"),
        ("pair", r"returned tuple for images \(60, 1, 2, 2\)"),
        ("crash", r"attack=my_attacks:crash failed: RuntimeError: out of luck \(my_attacks.py, line \d+\)"),
        ("nobody", "'nobody' does not exist"),
        ("NOTHING", "is not callable"),
    ],
)
def test_what_is_no_attack_inside_the_ball_is_refused(name, message):
    model, images, labels, *_ = two_classes()
    with pytest.raises(ConfigError, match=message) as caught:
        evaluate(model, images, labels, THREAT, f"attack=my_attacks:{name}")
    assert "\n" not in str(caught.value)


def test_steps_that_do_not_cross_the_ball_are_told_once(caplog):
    """The default of 10 steps of 2/255 at radius 0.1, above 20/255."""
    model, (images, labels) = conv_net(classes=4), points()
    evaluate(model, images, labels, THREAT, "attack=my_attacks:PGD", batch_size=10)
    evaluate(model, images, labels, ThreatModel("20/255"), "attack=my_attacks:PGD")
    told = [record.message for record in caplog.records if "never cross" in record.message]
    assert told == [
        "PGD: 10 steps of 2/255 never cross a radius of 0.1, so the accuracy is too high; set steps and alpha in a "
        "function of your own"
    ]


def test_the_range_counts_unless_the_threat_has_none():
    model, images, labels, *_ = two_classes()
    dark = images - images.amin()
    with pytest.raises(ConfigError, match=r"left the range of images: from -0.1 to"):
        evaluate(model, dark, labels, THREAT, "attack=my_attacks:dark")
    free = ThreatModel(0.1, box="none")
    assert evaluate(model, dark - 0.3, labels, free, "attack=my_attacks:dark").accuracy.points == 60
    assert evaluate(model, dark - 0.3, labels, free, "attack=foolbox.attacks:LinfPGD").accuracy.points == 60


def test_an_attack_of_another_norm_is_refused():
    model, images, labels, *_ = two_classes()
    with pytest.raises(ConfigError, match=r"measures in l2; the threat model is linf 0\.1"):
        evaluate(model, images, labels, THREAT, "attack=foolbox.attacks:L2PGD")
    with pytest.raises(ConfigError, match=r"left the ball of l2 0\.1"):
        evaluate(model, images, labels, ThreatModel(0.1, "l2"), "attack=my_attacks:PGD")


class Rounded(torch.nn.Module):
    """No gradient reaches its images."""

    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(()))

    def forward(self, images):
        return (images.detach().flatten(1)[:, :2] * self.scale).round(decimals=2)


def test_a_model_without_gradient_is_refused_only_where_one_was_followed():
    images, labels = points()
    model, labels = Rounded(), labels % 2
    evaluate(model, images, labels, THREAT, "attack=my_attacks:noise")
    with pytest.raises(ModelError, match=r"no gradient reaches the images, and .*my_attacks:PGD.* follows it"):
        evaluate(model, images, labels, THREAT, "attack=my_attacks:PGD")


@pytest.mark.parametrize("name", ["attack=", "attack=pgd", "attack=a:b:c", "attack=1:x", "attack=my attacks:x"])
def test_names_of_another_form_are_refused(name):
    with pytest.raises(ConfigError, match=r"names no attack; write attack=module:function"):
        known_protocol(name)
    with pytest.raises(ConfigError, match="evaluation"):
        RunConfig.parse({"evaluation": [name]})


def test_the_card_tells_packages_by_version_and_own_code_by_its_file(tmp_path):
    assert OwnAttack("foolbox.attacks:LinfPGD").card(THREAT)["protocol"]["package"].startswith("foolbox 3.")
    own = OwnAttack("my_attacks:half").card(THREAT)
    assert own["hash"] != OwnAttack("my_attacks:far").card(THREAT)["hash"]
    assert own == OwnAttack("my_attacks:half").card(THREAT)
    path = tmp_path / "my_attacks.py"
    path.write_text(path.read_text() + "\n# changed\n")
    assert OwnAttack("my_attacks:half").card(THREAT)["hash"] != own["hash"]


def test_a_configuration_names_attacks_without_importing_them():
    config = RunConfig.parse({"evaluation": ["clean", "attack=not_yet.there:attack"]})
    assert config.evaluation[1] == "attack=not_yet.there:attack"
    assert RunConfig.parse(config.to_data()).identity == config.identity != RunConfig().identity


def test_the_function_of_the_page_runs_with_the_stand_in(tmp_path):
    page = (Path(__file__).parents[3] / "docs" / "your_models.md").read_text()
    (block,) = [one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if one.startswith("# my_attacks.py")]
    (tmp_path / "torchattacks.py").write_text(textwrap.dedent(STAND_IN))
    (tmp_path / "of_the_page.py").write_text(block)
    model, images, labels, margin, reach = two_classes()
    try:
        found = evaluate(model, images, labels, ThreatModel(0.03), "attack=of_the_page:longer")
    finally:
        for name in ("torchattacks", "of_the_page"):
            sys.modules.pop(name, None)
    assert torch.equal(found.correct, margin > ThreatModel(0.03).epsilon * reach)
    assert found.gradient_evaluations == 100 * len(images)


def test_a_run_measures_under_such_attacks_and_refuses_missing_ones_before_it_trains(tmp_path):
    name = "attack=my_attacks:half"
    folder = run(small(evaluation=["clean", name], epochs=1), tmp_path / "runs", device="cpu")
    points = evaluation_points(folder.config())
    again = run_protocol(trained(folder), points.images, points.labels, folder.config().threat, name)
    result = folder.result()["evaluation"][name]
    assert result["value"] == again.accuracy.value
    assert result["card"] == again.card
    assert "code" in result["card"]["protocol"]
    missing = small(evaluation=["attack=my_attacks:nobody"], epochs=1)
    with pytest.raises(ConfigError, match="'nobody' does not exist"):
        run(missing, tmp_path / "runs", device="cpu")
    assert not list(RunFolder.of(tmp_path / "runs", missing).path.glob("metrics*"))


def test_processes_import_a_script_that_defines_an_attack(monkeypatch):
    config = RunConfig.parse({"evaluation": ["attack=__main__:attack"]})
    asked = []
    monkeypatch.setattr("cotoolkit.core.importing.workers._script", lambda: asked.append(1) or {"init_main": "script"})
    imports_of(RunConfig())
    assert not asked
    assert imports_of(config).script == {"init_main": "script"}
