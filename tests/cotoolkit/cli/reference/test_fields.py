"""Fields in words, against classes whose words are known."""

from typing import Annotated, Literal

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic.dataclasses import dataclass

from cotoolkit.cli.reference.fields import REQUIRED, Setting, settings_in_words
from cotoolkit.cli.reference.markdown import markdown_table, plain_cell
from cotoolkit.core.numbers import NonNegative, Number, Radius, Share, Whole
from cotoolkit.methods import MethodField
from cotoolkit.methods.n_fgsm import NFGSM


@dataclass(frozen=True)
class Inner:
    """Within.

    Args:
        depth: how deep
            it goes.
    """

    depth: Whole = 1


@dataclass(frozen=True)
class Base:
    """Its words count for those who inherit.

    Args:
        radius: of a ball.
        word: to be said otherwise below.
    """

    radius: Radius
    word: Literal["a", "b"] = "a"


@dataclass(frozen=True)
class Outer(Base):
    """All kinds of fields.

    Args:
        word: one of two: a or b.
        rate: strictly inside.
        share: of a whole, `x|y`.
        steps: or none.
        limits: a list.
        inner: within.
        method: of training.
        on: or off.
    """

    rate: Annotated[Number, Gt(0), Lt(1)] = 0.5
    share: Share = 8 / 255
    steps: Annotated[Whole, Ge(1), Le(9)] | None = None
    limits: tuple[NonNegative, ...] = (0.5, 2.0)
    inner: Inner = Inner()
    method: MethodField = NFGSM(k=3)
    on: bool = True


def test_fields_in_words():
    assert settings_in_words(Outer) == [
        Setting("radius", "radius", REQUIRED, "≥ 0", "of a ball.", ()),
        Setting("word", "word", "a", "`a`, `b`", "one of two: a or b.", ()),
        Setting("rate", "number", "0.5", "> 0, < 1", "strictly inside.", ()),
        Setting("share", "number", "8/255", "≥ 0, ≤ 1", "of a whole, `x|y`.", ()),
        Setting("steps", "whole number or null", "null", "≥ 1, ≤ 9", "or none.", ()),
        Setting("limits", "list of: number", "(0.5,2)", "≥ 0", "a list.", ()),
        Setting("inner", "fields", "", "", "within.", (Inner,)),
        Setting("method", "method", "n_fgsm k=3", "", "of training.", ()),
        Setting("on", "true or false", "true", "", "or off.", ()),
    ]
    (depth,) = settings_in_words(Inner)
    assert depth.meaning == "how deep it goes."


def test_a_field_that_no_docstring_explains_is_refused():
    @dataclass
    class Silent:
        """Says nothing."""

        strength: float = 1.0

    with pytest.raises(ValueError, match="the docstring of Silent does not say what strength is"):
        settings_in_words(Silent)


def test_tables_keep_bars_and_stars_out_of_the_markup():
    given = {"a|b": "a|b", "2 * 3\n  * 4": r"2 \* 3 \* 4", "`a*b` < d": r"`a*b` \< d"}
    assert {text: plain_cell(text) for text in given} == given
    assert markdown_table(["x"], [["a|b"]]) == "| x |\n| --- |\n| a\\|b |\n"
