"""Which column is which: guessed from names, told by the user, never chosen between equals."""

import pandas as pd
import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.diagnosis.logs.reading.columns import find_columns


def table(*names, rows=4):
    """Whole numbers that differ in every row, runs' columns apart."""
    return pd.DataFrame({name: [row // 2 if name in RUNS else row for row in range(rows)] for name in names})


RUNS = ("method", "seed", "run", "Dataset")

GUESSED = [
    ("epoch clean fgsm pgd", "epoch clean fgsm pgd"),
    ("Epoch Test_Acc FGSM-8 PGD-50-10", "Epoch Test_Acc FGSM-8 PGD-50-10"),
    ("iteration test_acc test_fgsm_acc test_pgd10_acc train_acc lr", "iteration test_acc test_fgsm_acc test_pgd10_acc"),
    (
        "global_step val/clean_accuracy val/fgsm val/robust_accuracy",
        "global_step val/clean_accuracy val/fgsm val/robust_accuracy",
    ),
    ("epoch train_pgd test_pgd train_fgsm test_fgsm train_acc test_acc", "epoch test_acc test_fgsm test_pgd"),
    ("epoch clean fgsm pgd wa_clean wa_fgsm wa_pgd", "epoch clean fgsm pgd"),
    ("epoch nat_err fgsm_err adv_err pgd_loss", "epoch nat_err fgsm_err adv_err"),
    ("epoch std_acc fgsm_acc pgd_acc pgd_std best_pgd", "epoch std_acc fgsm_acc pgd_acc"),
    ("epoch clean fgsm pgd aa_acc adv_acc", "epoch clean fgsm pgd"),
    ("epoch iteration clean fgsm pgd", "iteration clean fgsm pgd"),
    ("iteration probe_clean probe_fgsm probe_pgd loss", "iteration probe_clean probe_fgsm probe_pgd"),
    ("step acc robust_acc", "step acc - robust_acc"),
    (
        "epoch clean_acc_mean clean_acc_std fgsm_acc_mean pgd_acc_mean pgd_acc_var",
        "epoch clean_acc_mean fgsm_acc_mean pgd_acc_mean",
    ),
    ("epoch test_sa test_ra", "epoch test_sa - test_ra"),
    ("epoch clean_acc sa ra", "epoch clean_acc - ra"),
    ("epoch acc std_acc pgd_acc", "epoch std_acc - pgd_acc"),
    ("epoch clean pgd_defense_success", "epoch clean - pgd_defense_success"),
    ("epoch top1 top5 pgd_top1 pgd_top5", "epoch top1 - pgd_top1"),
    ("Step clean_acc__MIN clean_acc clean_acc__MAX fgsm fgsm__MAX pgd pgd__MIN Step__MAX", "Step clean_acc fgsm pgd"),
    ("step evaluation/pgd-50 probe_pgd evaluation/clean probe_clean", "step probe_clean - probe_pgd"),
    ("epoch test_acc test_robust_acc train_pgd_acc train_clean_acc", "epoch test_acc - test_robust_acc"),
    ("epoch test_acc test_aa train_pgd_acc", "epoch test_acc - test_aa"),
    ("epoch clean fgsm train_robust_acc", "epoch clean fgsm train_robust_acc"),
    (
        "epoch fgsm_rs_test_acc fgsm_rs_fgsm_acc fgsm_rs_pgd_acc",
        "epoch fgsm_rs_test_acc fgsm_rs_fgsm_acc fgsm_rs_pgd_acc",
    ),
    ("epoch FGSM-AT/clean FGSM-AT/fgsm FGSM-AT/pgd", "epoch FGSM-AT/clean FGSM-AT/fgsm FGSM-AT/pgd"),
    ("epoch pgd_at_acc pgd_at_pgd_acc", "epoch pgd_at_acc - pgd_at_pgd_acc"),
    (
        "step evaluation/pgd-50 evaluation/clean evaluation/fgsm",
        "step evaluation/clean evaluation/fgsm evaluation/pgd-50",
    ),
]


@pytest.mark.parametrize(("names", "chosen"), GUESSED, ids=[names for names, _ in GUESSED])
def test_names_that_people_use(names, chosen):
    made = table(*names.split())
    if "iteration" in made and "epoch" in made:
        made["epoch"] = made["epoch"] // 2
    found = find_columns(made, {})
    assert [found.time, found.clean, found.fgsm or "-", found.pgd] == chosen.split()
    assert set(found.how.values()) == {"guessed"}


AMBIGUOUS = [
    ("epoch clean fgsm pgd10 pgd50", "2 columns fit pgd equally well: pgd10, pgd50; name one with --pgd COLUMN"),
    ("epoch clean fgsm test_pgd val_pgd", "test_pgd, val_pgd"),
    ("epoch test_acc val_acc fgsm pgd", "2 columns fit clean equally well: test_acc, val_acc"),
    ("epoch clean fgsm", "no column of PGD accuracy with values among epoch, clean, fgsm; name it with --pgd COLUMN"),
    (
        "clean fgsm pgd",
        "no column of epoch, iteration or step with values among clean, fgsm, pgd; name it with --time COLUMN",
    ),
]


@pytest.mark.parametrize(("names", "message"), AMBIGUOUS)
def test_no_choice_between_equals(names, message):
    with pytest.raises(ConfigError) as error:
        find_columns(table(*names.split()), {})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_of_equal_names_the_one_with_a_course_is_taken():
    made = table("epoch", "clean", "fgsm", "pgd10", "pgd50", rows=20)
    assert find_columns(made.assign(pgd50=made["pgd50"].where(made["epoch"] > 17)), {}).pgd == "pgd10"
    with pytest.raises(ConfigError, match="2 columns fit pgd equally well"):
        find_columns(made.assign(pgd50=made["pgd50"].where(made["epoch"] > 9)), {})


def test_what_is_named_is_taken():
    made = table("epoch", "clean", "fgsm", "pgd10", "pgd50", "mine")
    found = find_columns(made, {"pgd": "pgd50", "clean": "mine", "fgsm": "none"})
    assert (found.pgd, found.clean, found.fgsm) == ("pgd50", "mine", None)
    assert (found.how["pgd"], found.how["time"]) == ("named", "guessed")
    with pytest.raises(ConfigError, match="--pgd pgd20: no such column; the table has epoch, clean"):
        find_columns(made, {"pgd": "pgd20"})


def test_columns_of_runs():
    made = table("method", "seed", "epoch", "clean", "fgsm", "pgd").assign(Dataset="cifar10")
    assert find_columns(made, {}).run == ("method", "seed")  # what is the same everywhere tells nothing apart
    assert find_columns(made, {}, []).run == ()
    assert find_columns(made, {}, ["seed"]).run == ("seed",)


@pytest.mark.parametrize("seeds", [1, 2])
def test_what_changes_in_the_course_of_a_run_does_not_tell_runs_apart(seeds):
    course = pd.DataFrame({"epoch": range(8), "eps": [1, 2, 3, *[4] * 5], "schedule": [*["warm"] * 4, *["main"] * 4]})
    runs = pd.concat([course.assign(seed=seed, clean=0.5, fgsm=0.4, pgd=0.3) for seed in range(seeds)])
    assert find_columns(runs, {}).run == (("seed",) if seeds > 1 else ())


def test_a_record_of_settings_tells_no_runs_apart():
    rows = pd.DataFrame({"epoch": range(4), "clean": 0.5, "pgd": 0.4})
    table = pd.concat([pd.DataFrame({"config.lr": [0.1]}), rows], ignore_index=True)
    assert find_columns(table, {}).run == ()
