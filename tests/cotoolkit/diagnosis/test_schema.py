import json
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.diagnosis import measurements as measured
from cotoolkit.diagnosis import schema
from cotoolkit.diagnosis.budget import BUDGETS, Budget, budget_of
from cotoolkit.diagnosis.schema import Diagnosis
from cotoolkit.diagnosis.shares import Rate
from cotoolkit.intake.findings import Finding
from tests._helpers.measured import diagnosis

DOCS = Path(__file__).parents[3] / "docs" / "diagnosis.md"


def test_it_survives_the_way_through_json():
    before = diagnosis()
    after = Diagnosis.from_json(before.to_json())
    assert after == before
    assert after.verdict.speaks_for == before.verdict.speaks_for


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": 1}, "schema version 1, and this cotoolkit reads 3"),
        ({"schema_version": None}, "schema version None"),
        ({"verdict": {}}, "damaged: verdict"),
        ({"surprise": 1}, "damaged: surprise"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(change, said):
    text = json.dumps({**json.loads(diagnosis().to_json()), **change})
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        Diagnosis.from_json(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_what_is_no_diagnosis_is_refused(text):
    with pytest.raises(DataError):
        Diagnosis.from_json(text)


def test_nan_is_refused_not_written():
    with pytest.raises(ValidationError):
        Rate(value=float("nan"), low=0, high=1, points=1)


def test_the_document_names_every_field():
    text = DOCS.read_text(encoding="utf-8")
    classes = [*vars(schema).values(), *vars(measured).values()]
    records = [one for one in classes if isinstance(one, type) and issubclass(one, measured.SchemaPart)]
    assert len(records) > 15
    missing = [
        f"{record.__name__}.{field}"
        for record in [*records, Budget, Finding]
        for field in record.model_fields
        if f"`{field}`" not in text
    ]
    assert not missing


def test_the_document_states_every_threshold():
    from cotoolkit.diagnosis import thresholds

    text = DOCS.read_text(encoding="utf-8")
    numbers = [value for name, value in vars(thresholds).items() if name.isupper() and isinstance(value, float | int)]
    numbers += thresholds.STRONGER.values()
    assert len(numbers) > 10
    assert not [number for number in numbers if not re.search(rf"(?<![\d.]){re.escape(f'{number:g}')}(?![\d])", text)]


def test_budgets_grow():
    quick, standard, thorough = (BUDGETS[name] for name in ("quick", "standard", "thorough"))
    for field in (
        "points", "few", "steps", "strong_steps", "restarts", "queries", "targets", "target_steps", "most_steps",
        "most_queries", "evidence_points", "label_classes", "segment", "surface",
    ):  # fmt: skip
        first, second, third = (getattr(budget, field) for budget in (quick, standard, thorough))
        assert first <= second <= third
    for budget in BUDGETS.values():
        assert 1.0 in budget.fgsm_radii
        assert 1.0 in budget.pgd_radii
        assert budget.segment % 3 == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fgsm_radii": (0.5, 2.0)}, "needs 1"),
        ({"fgsm_radii": (1.0, 0.5)}, "growing"),
        ({"pgd_radii": ()}, "growing"),
        ({"step_grid": (1, 1)}, "growing"),
        ({"segment": 10}, "multiple of 3"),
        ({"restarts": 0}, "restarts"),
        ({"surface": 1}, "surface"),
    ],
)
def test_a_budget_that_cannot_be_measured_with_is_refused(change, said):
    with pytest.raises(ValidationError, match=said):
        Budget(**{**BUDGETS["quick"].model_dump(), **change})


def test_an_unknown_budget_names_the_nearest():
    with pytest.raises(ConfigError, match="standard"):
        budget_of("standart")
