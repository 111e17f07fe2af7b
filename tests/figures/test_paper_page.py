"""A made-up study, its recipes, and their page."""

import pandas as pd
import pytest

from analyses.core.claims import ClaimTable, claim, judge_claims
from analyses.core.plan import ArmGroup, Plan
from analyses.core.study import PlannedStudy
from cotoolkit.core.errors import ConfigError
from cotoolkit.pages import write_report
from figures.elements import new_figure
from figures.paper_page import study_page
from figures.recipe import Recipe
from figures.study_recipes import StudyRecipes
from tests._helpers.runners import InProcessRunner
from tests._helpers.small import small

ROWS = (claim("rises", "it rises", "slope", above=0.5, source="[R]", value=lambda n: n["y"]),)


def settings():
    return {key: value for key, value in small().to_data().items() if key not in ("seed", "method")}


PLAN = Plan(
    name="made-up",
    question="does it rise?",
    scale="smoke",
    groups={"tiny": ArmGroup(why="it is quick", settings=settings(), seeds=(0,), arms={"fgsm": {"method": "fgsm"}})},
)


def collect(plan, runner):
    table = plan.labelled(runner.train(plan.study()))
    return {"runs": table.loc[[0] * 5, ["arm", "seed"]].assign(y=[0.9, 1.0, 1.1, 0.95, 1.05], note="None")}


STUDY = PlannedStudy(
    title="Made up",
    plans={"smoke": PLAN},
    collect=collect,
    judge=lambda plan, tables: {
        "slope": judge_claims(ROWS, tables["runs"], arms=plan.groups["tiny"].arms),
        "nothing": [],
    },
    headlines=("rises",),
    caveat="Nobody measured this.",
)


def draw(data):
    assert data["note"].tolist() == ["None"] * 5  # as it comes back from its file
    figure, axis = new_figure(3, 2)
    axis.plot(data["y"])
    return figure


OF_STUDY = StudyRecipes(STUDY, {"smoke": PLAN}).recipe(
    "paper/slope",
    shows="A slope",
    item="none",
    table=lambda findings: findings.tables["runs"],
    draw=draw,
    claims=ClaimTable(ROWS, lambda data: data),
)
OWN = Recipe(
    "paper/own", "A line", "none", {"smoke": ()}, lambda scale, runner: pd.DataFrame({"y": [1], "note": ["None"]}),
    lambda data: new_figure(3, 2)[0], lambda data: [],
)  # fmt: skip
ELSEWHERE = Recipe("paper/big", "Nothing", "none", {"laptop": ()}, None, None, None)


@pytest.fixture(scope="module")
def runner(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return InProcessRunner(root=folder / "runs", folder=folder / "out", jobs=1, device="cpu")


def test_the_page_shows_recipes_claims_and_what_made_them(runner):
    report, findings = study_page(STUDY, [OF_STUDY, OWN, ELSEWHERE], "smoke", runner, "cotoolkit analyse made-up")
    assert [one.verdict for one in findings.claims["slope"]] == ["holds"]
    text = write_report(report, runner.folder).read_text()
    assert "Claims: 1 supported." in text
    assert "It rises: supported" in text
    assert "Nobody measured this." in text
    assert [section.name for section in report.sections] == ["slope", "own", "claims-slope"]
    facts = report.facts
    assert facts["command"] == "cotoolkit analyse made-up"
    assert facts["runs"] == "1"
    assert facts["tiny"] == "1 arms, seeds 0; it is quick"
    assert {"torch", "verdicts", "tags", "question"} <= set(facts)
    for name in ("slope.svg", "slope_data.csv", "runs.csv", "claims.csv"):
        assert (runner.folder / name).exists()
    assert pd.read_csv(runner.folder / "claims.csv")["question"].tolist() == ["slope"]


def test_the_recipe_makes_the_same_table_by_itself(runner):
    assert OF_STUDY.collect("smoke", runner)["y"].tolist() == [0.9, 1.0, 1.1, 0.95, 1.05]
    assert [run.identity for study in OF_STUDY.at("smoke") for run in study.runs()] == [
        run.config.identity for run in PLAN.runs()
    ]


def test_an_unknown_scale_is_named(runner):
    with pytest.raises(ConfigError, match="choose from smoke"):
        study_page(STUDY, [], "laptop", runner, "")
