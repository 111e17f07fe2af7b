"""Which methods a rollback goes on with, and every remedy as data."""

import dataclasses

import pytest

from cotoolkit.core.errors import ConfigError
from cotoolkit.core.registry import InvalidFields
from cotoolkit.methods import NFGSM, PGD
from cotoolkit.remedies import REMEDIES, EarlyStop, Remedy, Rollback
from tests._helpers.small import small


def test_the_methods_are_those_given_or_larger_and_larger_noise():
    assert Rollback().successors() == (NFGSM(), NFGSM(k=3.0), NFGSM(k=4.0))
    assert Rollback(methods=["pgd"]).successors() == (PGD(),)
    assert EarlyStop().successors() is None


@pytest.mark.parametrize("name", REMEDIES.names())
def test_every_remedy_tells_where_its_defaults_come_from_and_is_json(name):
    cls = REMEDIES[name]
    assert set(cls.constants) == {field.name for field in dataclasses.fields(cls)}
    assert cls.source
    remedy = REMEDIES.parse(name)
    assert REMEDIES.parse(REMEDIES.dump(remedy)) == remedy


def test_a_run_without_a_remedy_has_the_identity_that_it_had():
    assert small(remedy=None).identity == small().identity == small(remedy="none").identity
    assert small(remedy="early_stop").identity != small().identity
    assert small(remedy="early_stop") == small(remedy={"name": "early_stop", "drop": 0.2})
    assert small(remedy__name="early_stop", remedy__drop=0.1).remedy == EarlyStop(drop=0.1)


def test_what_cannot_be_is_said_in_one_line():
    with pytest.raises(ConfigError, match="unknown remedy 'earlystop': did you mean early_stop"):
        small(remedy="earlystop")
    with pytest.raises(InvalidFields, match="no field 'drops': did you mean drop"):
        EarlyStop(drops=1)
    # A method that a rollback may go on with has to fit the run, too.
    with pytest.raises(ConfigError, match=r"set method\.weight"):
        small(remedy={"name": "rollback", "methods": ["gradalign"]}, epsilon=0.25)


def test_of_itself_a_remedy_does_nothing():
    assert (Remedy().due(5, 5), Remedy().decide([0.5, 0.0]), Remedy().successors()) == (False, "pass", None)
