"""The rule of the best weights, by hand."""

from cotoolkit.remedies import BestOnTrain


def test_it_keeps_what_is_better_than_all_before():
    rule, course = BestOnTrain(), [0.0, 0.2, 0.1, 0.2, 0.3]
    assert [rule.decide(course[:end]) for end in range(1, 6)] == ["keep", "keep", "pass", "pass", "keep"]


def test_it_measures_at_the_ends_of_epochs_or_at_an_interval():
    assert [at for at in range(1, 13) if BestOnTrain().due(at, 4)] == [4, 8, 12]
    assert [at for at in range(1, 13) if BestOnTrain(every=5).due(at, 4)] == [5, 10]
