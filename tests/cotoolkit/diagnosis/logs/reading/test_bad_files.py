"""Files that are no logs: one line says so."""

import pytest

from cotoolkit import diagnose_log
from cotoolkit.core.errors import ConfigError, DataError
from cotoolkit.diagnosis.logs.reading.read import read_log

BAD = {
    "empty.csv": ("", "cannot be read as .csv"),
    "header.csv": ("epoch,pgd\n", "no row in it"),
    "broken.jsonl": ('{"epoch": 0}\n{"epoch"', "line 2 is no JSON"),
    "numbers.json": ("[1, 2]", "its records are no objects"),
    "words.log": ("nothing to see\nhere", "no record found: a line `Epoch 3: clean"),
    "longer.csv": ("epoch,clean,pgd\n0,0.5,0.4\n1,0.5,0.4,0.3\n", "Expected 3 fields in line 3, saw 4"),
    "weights.npz": ("PK\0\1", "no text; a table may be .csv"),
    "broken.parquet": ("no parquet", "cannot be read as .parquet"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_line(tmp_path, name):
    text, message = BAD[name]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as error:
        diagnose_log(tmp_path / name)
    assert message in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_nothing_there(tmp_path):
    with pytest.raises(ConfigError, match="no such log"):
        read_log(tmp_path / "none.csv")
    with pytest.raises(ConfigError, match=r"neither metrics.parquet nor a file named events.out.tfevents"):
        read_log(tmp_path)
