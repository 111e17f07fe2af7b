"""The study on tiny runs: every group trains and is measured."""

import pytest

from analyses.core.plan import ArmGroup
from analyses.holistic_robust import losses
from analyses.holistic_robust.plan import HolisticPlan, looked_at, onset_arms, overfitting_arms, poison_arms
from analyses.holistic_robust.study import STUDY
from tests._helpers.runners import InProcessRunner
from tests._helpers.small import SMALL

TINY = {
    **{k: v for k, v in SMALL.items() if k != "epochs"},
    "evaluation": ("clean", "fgsm", "pgd-2"),
    "batch_size": 32,
    "monitor": {"interval": 0, "points": 20, "steps": 1, "trace_every": 1},
}
FGSM = {"name": "fgsm"}
PLAN = HolisticPlan(
    name="holistic",
    question="does anything break in a few steps?",
    scale="custom",
    groups={
        "overfitting": ArmGroup(
            settings={
                **TINY,
                "data": {"name": "digits", "test_size": 60, "train_size": 128},
                "keep": looked_at(8, 2),
            },
            seeds=(0,),
            arms=overfitting_arms(8, 4, shares=(0.5, 1.0), radii=(0.0, 0.2), inner=FGSM),
        ),
        "onset": ArmGroup(
            settings={**TINY, "epochs": 1},
            seeds=(0,),
            arms=onset_arms(((0, 0), (0.2, 0)), (0.2, 0), ("permuted", "norm_matched")),
        ),
        "poison": ArmGroup(settings={**TINY, "epochs": 1}, seeds=(0,), arms=poison_arms((0.0, 0.05, 0.25), inner=FGSM)),
    },
    points=64,
)


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    root = tmp_path_factory.mktemp("holistic")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "PROTOCOL", "pgd-5")
        return STUDY.run(PLAN, InProcessRunner(root / "runs", root / "out", jobs=1, device="cpu"))


def test_from_training_to_the_claims(findings):
    gaps, ends, poison, onsets = (findings.tables[name] for name in ("gaps", "ends", "wrong_labels", "onsets"))
    assert len(gaps) == 2 * 3 * 2  # shares, arms, looks
    assert len(ends) == 6
    assert set(gaps["iteration"]) == {4, 8}
    assert ends["G4"].between(-1, 1).all()
    assert (gaps["G5"] >= 0).all()
    assert gaps.loc[gaps["arm"] == "AT, 50%", ["share", "r"]].drop_duplicates().to_numpy().tolist() == [[0.5, 0.0]]
    assert ends["n_G5"].to_numpy() == pytest.approx((ends["G5"] * 128 * ends["share"]).to_numpy())
    assert set(ends["train_points"]) == {64}
    assert list(poison["arm"]) == list(PLAN.groups["poison"].arms)
    assert poison["poison_share"].between(0.05, 0.5).all()
    assert len(onsets) == 4
    assert not onsets["broke"].any()
    assert set(findings.claims) == {"robust overfitting", "poison", "catastrophic overfitting"}
    made = {one.claim.key for part in findings.claims.values() for one in part}
    assert set(STUDY.headlines) <= made


def test_the_ends_are_the_last_of_the_course(findings):
    gaps, row = findings.tables["gaps"], findings.tables["ends"].iloc[0]
    course = gaps[(gaps["arm"] == row["arm"]) & (gaps["seed"] == row["seed"])]
    assert row["G1"] == course.set_index("iteration").at[8, "G1"]
