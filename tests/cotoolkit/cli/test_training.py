"""What the command line says of trainings."""

from cotoolkit.cli.display import breakpoint_advice


def test_a_breakpoint_that_lasts_is_told_with_what_to_do():
    warned, broken = {"kind": "suspicion", "iteration": 3112}, {"kind": "breakpoint", "iteration": 3120, "detail": {}}
    (line,) = breakpoint_advice([broken, warned])
    assert line == (
        "catastrophic overfitting at iteration 3,120: go back to checkpoint before_break, continue with N-FGSM or a "
        "smaller radius"
    )
    assert breakpoint_advice([]) == breakpoint_advice([warned]) == []
    assert breakpoint_advice([broken, {"kind": "recovered", "iteration": 3200}]) == []
    assert breakpoint_advice([broken, {"kind": "rolled back", "iteration": 3000}]) == []


def test_help_shows_lists_as_they_are_typed(cli):
    _, out, _ = cli("study", "run", "--help")
    assert "method=[fgsm,n_fgsm] epsilon=[4/255,8/255]" in " ".join(out.split())
    assert "[a,b] and 0..4 are several values" in " ".join(out.split())
