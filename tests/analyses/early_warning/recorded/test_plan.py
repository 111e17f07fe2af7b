import re

import pytest

from analyses.early_warning.recorded.plan import FITTED_ON, SETTINGS, chosen_runs, planned_runs
from analyses.early_warning.recorded.settings import FIT, HELD_OUT_CIFAR, HELD_OUT_DIGITS, HELD_OUT_FASHION
from cotoolkit.core.errors import ConfigError


def test_every_run_is_another_one_and_has_a_setting():
    found = list(planned_runs())
    assert len({run.config.identity for run in found}) == len(found) == sum(setting.seeds for setting in SETTINGS)
    assert [run.config.seed for run in found] == sorted(run.config.seed for run in found)
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_settings_are_fitted_on_or_held_out():
    held_out = {s.name for part in (HELD_OUT_DIGITS, HELD_OUT_FASHION, HELD_OUT_CIFAR) for s in part}
    assert {setting.name for setting in FIT} == FITTED_ON
    assert not FITTED_ON & held_out
    assert len(FITTED_ON) + len(held_out) == len(SETTINGS)
    # A setting is held out by what it is, not by its name alone.
    shown = {repr(sorted(setting.config.items(), key=str)) for setting in SETTINGS}
    assert len(shown) == len(SETTINGS)


def test_parts_make_up_the_whole_and_share_no_run():
    whole = {run.config.identity for run in planned_runs()}
    parts = [{run.config.identity for run in chosen_runs(f"{k}/3")} for k in range(1, 4)]
    assert set.union(*parts) == whole
    assert sum(len(part) for part in parts) == len(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_runs_are_chosen_by_the_beginning_of_their_settings_name():
    cifar = chosen_runs(settings=["cifar-10"])
    assert {run.setting for run in cifar} == {setting.name for setting in HELD_OUT_CIFAR}
    both = chosen_runs(settings=["CIFAR-10, FGSM, ε 4/255", "digits, RS-FGSM, ε 0.15"], seeds=2)
    assert [(run.setting.split(",")[0], run.config.seed) for run in both] == [
        ("digits", 0), ("CIFAR-10", 0), ("digits", 1), ("CIFAR-10", 1),
    ]  # fmt: skip


def test_the_settings_held_out_are_enough_to_show_one_in_a_hundred():
    breaking = re.compile("injected, (RS-)?FGSM|Fashion-MNIST, FGSM, ε 0.2|ε 1[06]/255")
    counts = {True: 0, False: 0}
    for setting in (*HELD_OUT_DIGITS, *HELD_OUT_FASHION, *HELD_OUT_CIFAR):
        counts[bool(breaking.search(setting.name))] += setting.seeds
    assert counts[True] >= 200  # not all of them will
    assert counts[False] >= 300


def test_some_runs_are_long():
    long = [run for run in chosen_runs(seeds=1) if run.setting.endswith("long")]
    of_an_epoch = {"digits": 20, "fashion_mnist": 39}
    assert len(long) == 4
    assert all(of_an_epoch[config.data.name] * config.epochs >= 2000 for _, config in long)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"settings": ["imagenet"]},
            "no setting begins with 'imagenet'; they begin with CIFAR-10, Fashion-MNIST, digits",
        ),
        ({"part": "3/2"}, "write i/n with i from 1 to n"),
    ],
)
def test_a_choice_of_nothing_is_one_line(options, message):
    with pytest.raises(ConfigError, match=message):
        chosen_runs(**options)
