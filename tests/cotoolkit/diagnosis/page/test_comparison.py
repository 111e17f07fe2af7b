from cotoolkit.diagnosis.compare import ComparedNetworks, compare_diagnoses
from cotoolkit.diagnosis.page.comparison import write_comparison
from tests._helpers.measured import diagnosis


def test_the_page_of_a_pair_leads_to_both_diagnoses(tmp_path, monkeypatch):
    last, best, written = diagnosis(), diagnosis(), []
    write = "cotoolkit.diagnosis.page.comparison.write_diagnosis"
    monkeypatch.setattr(write, lambda one, folder: written.append((one, folder)))
    page = write_comparison(
        ComparedNetworks(compare_diagnoses(last, best, names=("last", "best")), last, best), tmp_path
    )
    text = page.read_text()
    for name, part in (("last", "first"), ("best", "second")):
        assert f'<dt>Diagnosis of {name}</dt><dd><a href="{part}/report.html">' in text
    assert written[0][0] is last
    assert written[1][0] is best
    assert [folder for _, folder in written] == [tmp_path / "first", tmp_path / "second"]
