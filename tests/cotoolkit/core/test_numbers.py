import pytest
from pydantic import TypeAdapter, ValidationError

from cotoolkit.core.numbers import NonNegative, Number, format_number, parse_number


@pytest.mark.parametrize(
    ("text", "value"), [("8/255", 8 / 255), ("0.5", 0.5), ("-1/4", -0.25), (3, 3), ("1e-3", 0.001)]
)
def test_numbers_as_text(text, value):
    assert parse_number(text) == value
    assert TypeAdapter(Number).validate_python(text) == value


@pytest.mark.parametrize("text", ["", "a", "1/0", "8/255/2", "inf", "nan"])
def test_text_that_is_no_number(text):
    with pytest.raises(ValueError, match="not a"):
        parse_number(text)
    with pytest.raises(ValidationError):
        TypeAdapter(NonNegative).validate_python(text)


@pytest.mark.parametrize("value", [8 / 255, 0.25, 0.0, 1.0, -4 / 255, 0.0314, 3.0])
def test_formatted_numbers_read_back(value):
    assert parse_number(format_number(value)) == pytest.approx(value, abs=1e-6)
