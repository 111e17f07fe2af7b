"""What the recipes on memorisation compute by themselves."""

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.core.study import Findings
from analyses.memorisation.plan import PLANS
from cotoolkit.config import RunConfig
from cotoolkit.data import load, planted_truth
from cotoolkit.data.image_set import as_float
from cotoolkit.runs.checkpoints import trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.overrides import apply
from cotoolkit.training.run import run
from figures.benign_at import course, finding_a, flagged, memorisation, trade_off
from figures.benign_at.data import BREAK_PLANS, ESTIMATES, PLANTED_PLANS
from figures.records.files import as_stored


def test_a_point_above_a_curve():
    points = [
        ("alpha", 0.0, 0.9, 0.0), ("alpha", 1.0, 0.85, 0.3), ("alpha", 4.0, 0.7, 0.5),
        ("epsilon", 1.0, 0.6, 0.4), ("epsilon", 0.5, 0.8, 0.2),  # 0.3 at the strongest alpha's clean accuracy, 0.7
        ("beta", 6.0, 0.8, 0.45), ("beta", 1.0, 0.9, 0.1),  # not down to 0.7; 0.275 at 0.85
    ]  # fmt: skip
    data = pd.DataFrame(points, columns=["knob", "value", "clean", "robust"]).assign(seed=0)
    assert trade_off.above_curve(data, "epsilon").tolist() == pytest.approx([0.2])
    assert trade_off.above_curve(data, "beta").tolist() == pytest.approx([0.025])
    apart = data.assign(clean=data["clean"].where(data["knob"] != "beta", 0.1 * data["clean"]))
    assert trade_off.above_curve(apart, "beta").isna().all()
    five = pd.concat([apart.assign(seed=seed) for seed in range(5)])
    assert {one.claim.key: one.verdict for one in trade_off.CLAIMS(five)}["above_beta"] == "untestable"


def test_the_most_confident_flags_are_shown_and_atypical_images_without_a_flag():
    suspects = pd.DataFrame(
        {
            "index": [0, 1, 2, 3, 4],
            "label": 0,
            "taken_for": 1,
            "confidence": [0.6, 0.9, 0.1, 0.2, 0.1],
            "flagged": [True, True, False, False, False],
        }
    )
    images = pd.DataFrame({"index": range(5), "atypical": [True, True, True, True, False]})
    shown = flagged.choose_shown(suspects, images)
    assert shown.groupby("line")["index"].apply(list).to_dict() == {"flagged": [1, 0], "spared": [2, 3]}
    assert shown["place"].tolist() == [0, 1, 0, 1]


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> tuple[RunConfig, RunFolder]:
    config = next(course.COURSE_PLANS["digits"].runs()).config
    config = RunConfig.parse(apply(config.to_data(), {"epochs": 1, "keep": (5, 10)}))
    root = tmp_path_factory.mktemp("runs")
    run(config, root, device="cpu")
    return config, RunFolder.of(root, config)


def test_accuracies_over_training(short):
    config, folder = short
    radii = {course.TRAINED: config.threat.epsilon, **PLANTED_PLANS["digits"].radii["planted"]}
    found = course.accuracy_course(folder, radii=radii).set_index(["iteration", "part", "group"])
    assert len(found) == 2 * 2 * 2
    test = load(config.data, config.seed).test
    with torch.no_grad():
        right = trained(folder, 10)(as_float(test.images)).argmax(1) == test.labels
    common = torch.tensor(planted_truth(test.images).of_kind("common"))
    assert found.loc[(10, "test", "typical"), "clean"] == pytest.approx(right[common].double().mean().item())
    assert found.loc[(10, "test", "atypical"), "clean"] == pytest.approx(right[~common].double().mean().item())
    assert (found["robust"] <= found[course.TRAINED]).all()
    assert (found[course.TRAINED] <= found["robust_small"]).all()
    assert (found["robust_small"] <= found["clean"]).all()


class Asked:
    """A runner that trains nothing and keeps what should be measured."""

    def train(self, study):
        self.runs = [run.identity for run in study.runs()]

    def measure(self, wanted):
        self.wanted = wanted
        return pd.DataFrame({"seed": [one.config.seed for one in wanted]})


def test_the_course_is_also_measured_at_the_radius_of_training():
    runner = Asked()
    course.collect("digits", runner)
    radii = PLANTED_PLANS["digits"].radii["planted"]
    assert len(runner.wanted) == len(runner.runs) == 10
    for one in runner.wanted:
        assert one.given["radii"] == {course.TRAINED: one.config.threat.epsilon, **radii}
        assert one.given["radii"][course.TRAINED] == pytest.approx(0.75 * radii["robust"])


def test_what_is_fitted_is_judged_at_the_radius_of_training():
    accuracies = {
        ("train", "atypical"): 0.9,
        ("test", "atypical"): 0.5,
        ("train", "typical"): 1,
        ("test", "typical"): 1,
    }
    rows = [
        {"iteration": iteration, "part": part, "group": group, "seed": seed, "robust": 0.0}
        | {course.TRAINED: accuracy - 0.01 * seed if iteration == 20 else 0.0}
        for (part, group), accuracy in accuracies.items()
        for seed in range(5)
        for iteration in (10, 20)
    ]
    found = {one.claim.key: one for one in course.CLAIMS(pd.DataFrame(rows))}
    assert found["fitted"].verdict == "holds"
    assert found["fitted"].found.mean == pytest.approx(0.88)
    assert found["not_carried_over"].found.mean == pytest.approx(0.4)
    assert found["not_carried_over"].established
    assert all("radius of training" in one.claim.measure for one in found.values())


def test_runs_are_those_of_the_study():
    def names(plan) -> set[str]:
        return {run.config.identity for run in plan.runs()}

    for plan in (PLANTED_PLANS["digits"], ESTIMATES["digits"], BREAK_PLANS["digits"]):
        assert names(plan) < names(PLANS["digits"])
    assert names(BREAK_PLANS["laptop"]) < names(PLANS["laptop"])


@pytest.fixture
def estimates() -> pd.DataFrame:
    """Four planted images, of which one is memorised and one has no estimate, and two of a second setting."""
    images = pd.DataFrame(
        {
            "setting": ["planted"] * 4 + ["digits"] * 2,
            "mem_standard_clean": [-0.1, 0.2, 1.0, np.nan, 0.0, 0.5],
            "se_standard_clean": [0.1, 0.1, 0.0, np.nan, 0.0, 0.1],
            "seen_standard_clean": [0.8, 1.0, 1.0, 1.0, 1.0, 0.5],
            "unseen_standard_clean": [0.9, 0.8, 0.0, np.nan, 1.0, 0.0],
        }
    )
    counts = pd.DataFrame(
        {
            "setting": ["planted", "digits"],
            "kind": "standard_clean",
            "models": [64, 32],
            "images": [4, 2],
            "undefined": [1, 0],
        }
    )
    influence = pd.DataFrame({"event": ["clean", "robust"] * 3, "pair": [0, 0, 1, 1, 2, 2], "value": [0.4, 0.1] * 3})
    tables = {
        "images": images,
        "estimates": counts,
        "influence": influence.assign(setting="planted"),
        "rare_area": pd.DataFrame({"setting": "planted", "area": [0.95, 0.96, 0.97]}),
    }
    return as_stored(memorisation.estimate_table(Findings(ESTIMATES["digits"], tables, {})))


def test_images_are_counted_by_memorisation(estimates):
    bars = estimates[(estimates["part"] == "histogram") & (estimates["setting"] == "planted")]
    assert (bars["place"] * 18).round().tolist() == [0, 3, 17]
    assert bars["images"].tolist() == [1, 1, 1]
    assert bars["models"].tolist() == [64] * 3
    steps = estimates[(estimates["part"] == "accuracy") & (estimates["setting"] == "planted")]
    assert steps["place"].tolist() == pytest.approx([-0.1, 0.2, 1.0])
    assert steps["unseen"].tolist() == pytest.approx([0.9, 0.8, 0.0])


def test_images_without_an_estimate_are_counted(estimates):
    undefined = estimates[estimates["part"] == "undefined"].set_index("setting")["images"]
    assert undefined.to_dict() == {"planted": 1, "digits": 0}
    titles = {axis.get_title() for axis in memorisation.draw(estimates).axes}
    assert titles == {"planted, 1 undefined", "digits", ""}


def test_claims_about_memorisation(estimates):
    found = {result.claim.key: result for result in memorisation.CLAIMS(estimates)}
    assert found["rare_found"].found.mean == pytest.approx(0.96)
    assert found["influence_clean"].found.mean == pytest.approx(0.4)
    assert found["influence_less_robust"].found.mean == pytest.approx(0.3)


def test_where_dependence_is_unknown_all_hard_images_are_shown():
    rows = [
        {"kind": "adversarial", "arm": arm, "seed": seed, "group": "linked", "event": event, "accuracy": accuracy}
        for arm, accuracy in (("all", 0.5), ("without atypical", 0.4), ("without typical", 0.45))
        for seed in range(3)
        for event in ("clean", "robust", "robust_small")
    ]
    figure = finding_a.draw(pd.DataFrame(rows))
    assert [axis.get_title() for axis in figure.axes] == ["test images: hard, whatever is left out"]
