import dataclasses
from dataclasses import replace

import pytest

from analyses.core.judging.verdicts import Claim, check
from cotoolkit.core.files import write_atomically
from figures.catalogue import PAPERS, not_reproduced
from figures.make import make
from figures.recipe import Comparison
from figures.records.gallery_page import changed_pages, gallery_pages
from figures.records.stored import inconclusive_share, stored_figures, totals, verdict_counts
from figures.records.system_page import system_page
from tests._helpers.made_figure import CLAIM, RECIPE, slopes

PRINTED = Claim("steep", "it is steep", "slope", "above", 2.0, 0.0, "paper [P]: abstract")
UNTRAINED = Claim("learned", "the network learned", "accuracy", "above", 3.0, 0.0)


def judged(data):
    """One claim that the first figure has, too; one of the paper; one whose premise fails; one with two seeds."""
    values = slopes(data)
    behind = check(replace(CLAIM, key="vacuous", statement="it matters"), values)
    return [
        check(CLAIM, values),
        check(PRINTED, values),
        behind.behind([check(UNTRAINED, values)]),
        replace(behind, claim=replace(behind.claim, key="too")).behind([check(UNTRAINED, values)]),
        check(replace(CLAIM, key="few"), [*values[:2], float("nan")]),
        check(replace(CLAIM, key="same"), [1.0] * 5),
        check(replace(CLAIM, key="proven", statement="it must", unjudged="guaranteed by construction"), values),
    ]


@pytest.fixture
def two(gallery, runner):
    second = dataclasses.replace(RECIPE, name="field/second", claims=judged)
    make(second, "digits", runner, gallery)
    return stored_figures([RECIPE, second], gallery)


def test_a_claim_counts_once(two):
    first, second = two
    assert [claim.key for claim in first.own] == ["rises"]
    assert [claim.key for claim in second.own] == ["steep", "vacuous", "too", "few", "same", "proven"]
    assert [(claim.key, name) for claim, name in second.elsewhere] == [("rises", "field/made_up")]
    assert verdict_counts(two) == "1 supported, 1 inconclusive, 2 not testable here; 1 the same in every seed; 2 shown"


def test_totals_say_how_many_claims_keep_their_p_after_holm_and_how_many_are_inconclusive(two):
    lines = "".join(totals(two))
    assert "Scale digits, 2 figures: 1 supported, 1 inconclusive, 2 not testable here;" in lines
    assert "Holm's p is below 0.05 for 1 of the 1 supported at scale digits.\n" in lines
    assert inconclusive_share(two) == (1, 2)


def test_p_is_adjusted_for_the_judged_claims_of_the_paper(two):
    first, second = two
    (rises,), (steep, *_) = first.own, second.own
    assert first.adjusted == {"rises": pytest.approx(2 * rises.p)}
    assert second.adjusted == {"steep": pytest.approx(steep.p)}  # neither facts nor the untestable count


def test_the_page_tells_whose_a_claim_is_and_what_it_rests_on(two):
    page = system_page("field", two, "gallery")
    assert page.startswith(f"# {PAPERS['field']}\n")
    theirs, ours = page.partition("## second")[2].split("Our claims:")
    assert "it is steep (slope; `steep`) | inconclusive | 2.2 [1.81, 2.59] | 5 | above 2 | 0.23 | 0.23 |" in theirs
    assert 'not testable here: "the network learned" does not hold (2.2 [1.81, 2.59], expected above 3)' in ours
    assert ours.count("expected above 3") == 1  # a premise is told once
    assert "`too`) | not testable here: as `vacuous` |" in ours
    assert "`few`) | shown | 1.9 [" in ours
    assert "| 2 of 3 | above 0.5 |" in ours
    assert "shown: guaranteed by construction" in ours
    assert "t interval" in ours
    assert "Shown here too, and counted in another figure: `rises` ([made_up](#made_up))." in ours


def test_checks_of_data_and_code_stand_at_the_end_and_do_not_count(gallery, runner):
    checking = dataclasses.replace(RECIPE, appendix=True)
    make(checking, "digits", runner, gallery)
    made = stored_figures([checking], gallery)
    page = system_page("field", made, "gallery")
    assert page.index("## Appendix: calibration") < page.index("### made_up")
    assert "supported" in page
    assert "Scale digits, " not in page  # they are not counted
    assert made[0].adjusted == {}
    assert "Holm's p" not in page


def test_tables_have_no_column_of_p_where_nothing_was_judged(gallery, runner):
    few = dataclasses.replace(RECIPE, claims=lambda data: [check(CLAIM, slopes(data)[:3])])
    make(few, "digits", runner, gallery)
    page = system_page("field", stored_figures([few], gallery), "gallery")
    assert "| claim | verdict | found | n | expected | interval or test | source |" in page


def test_a_printed_number_stands_beside_the_seeds_that_have_ours(gallery, runner):
    def compare(data):
        return [Comparison("slope", "2", "repository [R]", slopes(data).where(lambda value: value > 2.1), "made up")]

    partly = dataclasses.replace(RECIPE, compare=compare)
    make(partly, "digits", runner, gallery)
    page = system_page("field", stored_figures([partly], gallery), "gallery")
    assert "| 2 (repository [R]) | 2.4 [1.9, 2.9] | 3 of 5 | digits | made up |" in page


def test_the_pages_of_a_gallery(tmp_path):
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    pages = gallery_pages(gallery)
    front = pages[tmp_path / "README.md"]
    assert set(pages) == {tmp_path / "README.md", *(tmp_path / paper / "README.md" for paper in PAPERS)}
    for missing in not_reproduced().values():
        for one in missing:
            assert f"- {one.item}: {one.why}\n" in front
    assert len(changed_pages(gallery)) == len(pages)
    for path, text in pages.items():
        write_atomically(path, text.encode())
    assert changed_pages(gallery) == []
    (tmp_path / "README.md").write_text(front.replace("not made", "supported"))
    assert changed_pages(gallery) == [
        f"{tmp_path / 'README.md'}: is not what the records say; run `cotoolkit figures page`"
    ]
