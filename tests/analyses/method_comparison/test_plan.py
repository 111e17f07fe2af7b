"""Who is compared: all that are registered, unless they refuse the settings."""

import pytest

from analyses.method_comparison.plan import comparison_plan, group_name, parse_radii, parse_seeds, steps_of, trainable
from analyses.method_comparison.settings import SCALES
from cotoolkit.core.errors import ConfigError
from cotoolkit.methods import METHODS
from cotoolkit.methods.standard import Standard


@pytest.mark.parametrize("scale", SCALES)
def test_all_registered_methods_are_compared_or_left_out_with_a_reason(scale):
    plan = comparison_plan(scale)
    refused = {(one.group, one.method) for one in plan.left_out}
    for name, group in plan.groups.items():
        assert {*group.arms, *(method for where, method in refused if where == name)} == set(METHODS.names())
    assert all(one.reason and "\n" not in one.reason for one in plan.left_out)
    assert len({run.config.identity for run in plan.runs()}) == len(list(plan.runs()))


def test_a_new_method_is_compared_without_being_named_anywhere(registered):
    class NewOne(Standard):
        """Another clean one."""

    registered(NewOne, "new_one")
    assert "new_one" in comparison_plan("smoke").methods


def test_a_method_that_refuses_is_left_out_with_its_reason(registered):
    class ForFewImages(Standard):
        """One that refuses."""

        def check_config(self, config):
            if config.threat.epsilon > 0.1:
                raise ConfigError("too wide for it")

        def check_data(self, images):
            if images > 100:
                raise ConfigError(f"{images} images are too many for it")

    registered(ForFewImages, "for_few_images")
    plan = comparison_plan("smoke", ["for_few_images", "fgsm"], radii=(0.05, 0.25))
    assert [(one.group, one.method, one.reason) for one in plan.left_out] == [
        ("ε 0.25", "for_few_images", "too wide for it")
    ]
    fitting = trainable(plan)
    assert {one.reason for one in fitting.left_out} == {"too wide for it", "1293 images are too many for it"}
    assert fitting.methods == ["fgsm"]
    with pytest.raises(ConfigError, match="no method is left to compare: for_few_images: 1293 images are too many"):
        trainable(comparison_plan("smoke", ["for_few_images"], radii=(0.05,)))


def test_defaults_and_what_is_put_over_them():
    plan = comparison_plan("digits")
    (group,) = plan.groups.values()
    assert group.config("gradalign", 0).method.weight == 1.0  # beyond the published law
    assert group.config("n_fgsm", 0).method == METHODS.parse("n_fgsm")
    assert group.seeds == tuple(range(10))
    chosen = comparison_plan("laptop", ["fgsm_rs", "rs_fgsm", "pgd"], exclude=["pgd"], seeds=(3,))
    assert chosen.methods == ["rs_fgsm"]
    assert list(chosen.groups) == ["ε 8/255", "ε 10/255", "ε 16/255"]
    assert [run.seed for run in chosen.runs()] == [3, 3, 3]
    assert not chosen.autoattack
    assert comparison_plan("paper").autoattack


def test_a_method_of_several_updates_a_step_makes_as_many_updates():
    plan = comparison_plan("digits", ["free", "fgsm"])
    (group,) = plan.groups.values()
    free, fgsm = group.config("free", 0), group.config("fgsm", 0)
    assert free.epochs * free.method.updates_per_step() == fgsm.epochs
    assert free.schedule.epsilon_warmup * 8 == fgsm.schedule.epsilon_warmup
    assert (free.monitor.interval, free.schedule.kind) == (8, "cyclic")
    (longer,) = comparison_plan("laptop", ["free"], radii=(8 / 255,)).groups.values()
    assert longer.config("free", 0).epochs == 4  # of 30: the nearest whole number


def test_iterations_are_counted_from_the_data(tiny):
    assert steps_of(comparison_plan("smoke")) == {"ε 0.05": 3}
    assert group_name("100 epochs", 16 / 255) == "100 epochs, ε 16/255"


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: comparison_plan("huge"), "not compared at scale 'huge'; choose from smoke"),
        (lambda: comparison_plan("smoke", ["fgms"]), "did you mean"),
        (lambda: comparison_plan("smoke", exclude=["fgms"]), "did you mean"),
        (lambda: comparison_plan("smoke", ["fgsm"], exclude=["fgsm"]), "no method is left"),
        (lambda: comparison_plan("digits", autoattack=True), "clips images to"),
        (lambda: parse_radii("8/255,x"), "--radii 8/255,x: not a number: 'x'"),
        (lambda: parse_radii("0.1,0.1"), "--radii 0.1,0.1: give radii above 0 that differ"),
        (lambda: parse_radii("0.1,0.1000001"), "--radii 0.1,0.1000001: give radii above 0 that differ"),
        (lambda: comparison_plan("smoke", radii=(0.1, 0.1000001)), "radii: give radii above 0 that differ"),
        (lambda: parse_radii("0"), "give radii above 0"),
        (
            lambda: parse_radii("8"),
            "--radii 8: a radius is 8; give a share of the pixel range, at most 1, such as 8/255",
        ),
        (lambda: parse_radii("8/255,8"), "--radii 8/255,8: a radius is 8; give a share"),
        (lambda: parse_seeds("0..2,1"), "stands twice"),
        (lambda: parse_seeds("a"), "give whole numbers"),
        (lambda: parse_seeds("true"), "give whole numbers"),
        (lambda: parse_seeds("-1"), "give whole numbers"),
        (lambda: parse_seeds(""), "at least one value"),
    ],
)
def test_bad_input_is_one_line(ask, message):
    with pytest.raises(ConfigError) as failure:
        ask()
    assert message in str(failure.value)
    assert "\n" not in str(failure.value)
