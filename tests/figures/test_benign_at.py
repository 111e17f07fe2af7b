"""What the recipes on memorisation compute by themselves."""

import pandas as pd
import pytest
import torch

from analyses.memorisation.arms import breaking, controls, halves, references
from analyses.memorisation.settings import PLANS as WHOLE
from cotoolkit.config import RunConfig
from cotoolkit.data import load, planted_truth
from cotoolkit.data.image_set import as_float
from cotoolkit.runs.checkpoints import trained
from cotoolkit.runs.folder import RunFolder
from cotoolkit.studies.overrides import apply
from cotoolkit.training.run import run
from figures.benign_at import course, flagged, trade_off
from figures.benign_at.plan import PLAN, WORLD, watched


def test_a_point_above_a_curve():
    points = [
        ("alpha", 0.0, 0.9, 0.0), ("alpha", 4.0, 0.7, 0.5),  # the strongest alpha counts
        ("epsilon", 1.0, 0.6, 0.4), ("epsilon", 0.5, 0.8, 0.2),  # 0.3 at clean accuracy 0.7
        ("beta", 6.0, 0.8, 0.45), ("beta", 1.0, 0.9, 0.1),  # flat below 0.8
    ]  # fmt: skip
    data = pd.DataFrame(points, columns=["knob", "value", "clean", "robust"]).assign(seed=0)
    assert trade_off.above_curve(data, "epsilon").tolist() == pytest.approx([0.2])
    assert trade_off.above_curve(data, "beta").tolist() == pytest.approx([0.05])


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
    shown = flagged.choose(suspects, images)
    assert shown.groupby("line")["index"].apply(list).to_dict() == {"flagged": [1, 0], "spared": [2, 3]}
    assert shown["place"].tolist() == [0, 1, 0, 1]


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> tuple[RunConfig, RunFolder]:
    config = watched()[0].config
    config = RunConfig.parse(apply(config.to_data(), {"epochs": 1, "keep": (5, 10)}))
    root = tmp_path_factory.mktemp("runs")
    run(config, root, device="cpu")
    return config, RunFolder.of(root, config)


def test_accuracies_over_training(short):
    config, folder = short
    found = course.accuracies(folder, WORLD.radii).set_index(["iteration", "part", "group"])
    assert len(found) == 2 * 2 * 2
    test = load(config.data, config.seed).test
    with torch.no_grad():
        right = trained(folder, 10)(as_float(test.images)).argmax(1) == test.labels
    common = torch.tensor(planted_truth(test.images).of_kind("common"))
    assert found.loc[(10, "test", "typical"), "clean"] == pytest.approx(right[common].double().mean().item())
    assert found.loc[(10, "test", "atypical"), "clean"] == pytest.approx(right[~common].double().mean().item())
    assert (found["robust"] <= found["robust_small"]).all()
    assert (found["robust_small"] <= found["clean"]).all()


def test_runs_are_those_of_the_analysis():
    whole = WHOLE["smoke"]
    world = whole.worlds[0]

    def names(arms) -> set[str]:
        return {arm.config.identity for arm in arms}

    assert names(halves(WORLD, "standard")) < names(halves(world, "standard"))
    assert names(references(WORLD, "adversarial")) < names(references(world, "adversarial"))
    assert names(controls(WORLD, {})) < names(controls(world, {}))
    assert names(breaking(PLAN.dynamics, {})) < names(breaking(whole.dynamics, {}))
