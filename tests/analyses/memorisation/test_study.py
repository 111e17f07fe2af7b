"""The whole study on tiny runs, in this process: what it trains, freezes, measures and claims."""

import numpy as np
import pytest

from analyses.core.plan import evenly
from analyses.memorisation.claims import BREAKING_ROWS, ROWS
from analyses.memorisation.images import measurement
from analyses.memorisation.measures import correct_images
from analyses.memorisation.plan import BREAKING, PLANS, MemorisationPlan, setting_groups
from analyses.memorisation.study import STUDY
from cotoolkit.data import load, planted_truth
from cotoolkit.runs.folder import RunFolder
from tests._helpers.runners import InProcessRunner

DIGITS, LAPTOP = PLANS["digits"], PLANS["laptop"]


def tiny() -> MemorisationPlan:
    """Planted data and digits, everything small; CIFAR-100 is not there."""
    planted = DIGITS.groups["planted standard"].settings
    shared = {
        "data": {**planted["data"], "test_size": 500},
        "model": {"name": "mlp", "hidden": [32]},
        **{name: planted[name] for name in ("learning_rate", "weight_decay")},
        "batch_size": 200,
        "monitor": {"interval": 0, "points": 40, "steps": 1},
    }
    robust = {"epochs": 1, "method": {"name": "pgd", "steps": 1}, "epsilon": 0.07}
    groups = setting_groups(
        "planted", "tiny", shared, images=2000, standard={"epochs": 2}, adversarial=robust, halves=4, robust_halves=4,
        seeds=2,
    )  # fmt: skip
    breaking = DIGITS.groups[BREAKING]
    settings = {**breaking.settings, "epochs": 2, "evaluation": ["clean", "pgd-10"]}
    weights = {"method": {"name": "benign", "alpha": 4.0, "start": 0.25}}
    keep = {"keep": evenly(settings, 1293, 4)}
    arms = {arm: {**keep, **own} for arm, own in {"plain": {"method": {"name": "fgsm"}}, "weights": weights}.items()}
    groups[BREAKING] = breaking.model_copy(update={"settings": settings, "seeds": (0,), "arms": arms})
    groups |= {name: group for name, group in LAPTOP.groups.items() if name.startswith("cifar100")}
    radii = {"planted": DIGITS.radii["planted"], "cifar100": LAPTOP.radii["cifar100"]}
    return DIGITS.model_copy(
        update={"scale": "custom", "groups": groups, "radii": radii, "points": 64, "breaks_without": None}
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COTOOLKIT_DATA", raising=False)
        folder = tmp_path_factory.mktemp("study")
        runner = InProcessRunner(folder / "runs", folder / "out", jobs=1, device="cpu")
        return runner, STUDY.run(tiny(), runner)


def test_tables_have_a_row_per_image(found):
    runner, findings = found
    tables = findings.tables
    images = tables["images"]
    assert len(images) == 2000
    assert (images["atypical"] == (images["truth"] != "common")).all()
    assert {"mem_standard_clean", "mem_adversarial_clean", "mem_adversarial_robust", "early_loss"} < set(images.columns)
    assert images["mem_standard_clean"].between(-1, 1).all()
    assert tables["estimates"].set_index("kind")[["models", "images", "undefined"]].to_numpy().tolist() == 4 * [
        [4, 2000, 0]
    ]
    assert len(tables["tests"]) == 500
    assert sorted(tables["rank_correlations"]["proxy"]) == ["early_loss", "forgetting", "inconsistency", "variance"]
    assert tables["rare_area"].empty  # 16 models make one estimate
    assert tables["left_out"]["setting"].tolist() == ["cifar100"]
    assert "COTOOLKIT_DATA" in tables["left_out"]["why"].iloc[0]
    assert len(tables["noise"]) == 4
    assert tables["influence"].groupby("event").size().to_dict() == {"clean": 2, "robust": 2, "robust_small": 2}
    assert len(tables["suspects"]) == 2000
    assert (runner.folder / "sets" / "planted-without-atypical-1.npy").exists()


def test_runs_do_without_what_they_should(found):
    runner, findings = found
    assert not findings.tables["removed"]["own_flags"].any()
    counts = findings.tables["removed"].pivot_table(index="arm", columns="seed", values="images")
    assert (counts.loc["without harmful"] == 100).all()
    equal = ["without atypical", "without typical", "without flagged", "without most memorised"]
    assert (counts.loc[equal] == counts.loc["without atypical"]).all(axis=None)
    kept = ~np.load(runner.folder / "sets" / "planted-without-atypical-1.npy")
    assert kept.sum() == counts.loc["without atypical", 1]
    run = next(tiny().runs(["planted standard"]))
    truth = planted_truth(load(run.config.data, 0).train.images)
    assert not truth.of_kind("common")[kept].any()
    assert not set(truth.cluster[kept]) & set(truth.cluster[~kept])  # whole sub-clusters


def test_every_arm_is_measured_on_every_seed(found):
    _, findings = found
    table = findings.tables["accuracies"]
    arms = {"all", "weights", "permuted", "scaled", "opposite", "discrimination", "dom", "static", "oracle"}
    assert arms < set(table["arm"])
    assert "noise" not in set(table["arm"])
    robust = table[(table["kind"] == "adversarial") & (table["group"] == "all")]
    assert (robust.groupby(["arm", "event"])["seed"].nunique() == 2).all()
    assert set(table.loc[table["kind"] == "standard", "event"]) == {"clean"}


def test_the_course_follows_the_kept_iterations(found):
    _, findings = found
    course, onsets = findings.tables["course"], findings.tables["onsets"]
    assert (course.groupby("arm")["iteration"].max() == onsets["last"].iloc[0]).all()
    assert course["flagged_pgd"].between(0, 1).all()
    flagged = onsets.set_index("arm")["flagged_at_start"]
    assert np.isnan(flagged["plain"])
    assert 0 <= flagged["weights"] <= 1


def test_claims_have_different_keys_and_those_of_the_headlines_are_asked(found):
    _, findings = found
    keys = [result.claim.key for part in findings.claims.values() for result in part]
    assert len(keys) == len(set(keys))
    assert {key for key in STUDY.headlines if not key.startswith("h_")} <= set(keys)
    assert set(STUDY.headlines) <= {row.claim.key for row in (*ROWS, *BREAKING_ROWS)}


def test_the_training_images_are_measured_where_asked_for(found):
    runner, _ = found
    run = next(tiny().runs(["planted halves"]))
    folder = RunFolder.of(runner.root, run.config)
    assert set(correct_images(folder, radii={})["part"]) == {"test"}
    table = correct_images(folder, radii={"robust": 0.1}, train=True)
    assert table.groupby("part").size().to_dict() == {"train": 2000, "test": 500}
    assert (table["robust"] <= table["clean"]).all()
    plain, other = (measurement(run, "standard", correct_images, radii={}, train=train) for train in (False, True))
    assert plain.path(runner.root, runner.folder) != other.path(runner.root, runner.folder)
