import json
import re
import site
import sys
import sysconfig
from pathlib import Path

import pandas as pd
import pytest

from cotoolkit.core.errors import DataError, ModelError
from cotoolkit.core.user_code import describe, import_callable, is_installed, located


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory; the Python path is restored afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in ("code_of_mine", "neighbour_of_mine", "empty", "number"):
        sys.modules.pop(name, None)


def test_code_of_the_working_directory_is_found_and_sees_its_neighbours(here):
    (here / "neighbour_of_mine.py").write_text("VALUE = 5")
    (here / "code_of_mine.py").write_text("def f():\n    import neighbour_of_mine\n    return neighbour_of_mine.VALUE")
    assert import_callable("code_of_mine:f", ModelError)() == 5


def test_code_of_the_python_path_is_found():
    assert import_callable("os.path:join", ModelError)("a", "b") == "a/b"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("nocolon", "write module:function"),
        ("module:", "write module:function"),
        ("no_such_module:f", "no module 'no_such_module' in"),
        ("os.no_such_part:f", "no module 'os.no_such_part' in"),
        ("needs_more:f", "importing needs_more failed: No module named 'not_installed'"),
        ("broken:f", "importing broken failed: ZeroDivisionError: division by zero"),
        ("empty:f", "'f' does not exist in .*empty.py"),
        ("number:f", "'f' is not callable in .*number.py"),
        ("empty.py:f", "a module is wanted and not its file: in the folder that holds it, write empty:f"),
        ("./empty.py:f", "in the folder that holds it, write empty:f"),
        ("/somewhere/else/empty.py:f", "in the folder that holds it, write empty:f"),
        ("nets/empty:f", "in the folder that holds it, write empty:f"),
        (".empty:f", "in the folder that holds it, write empty:f"),
        ("..\\empty.py:f", "in the folder that holds it, write empty:f"),
    ],
)
def test_what_is_wrong_with_a_reference_is_one_line(here, reference, message):
    (here / "needs_more.py").write_text("import not_installed")
    (here / "broken.py").write_text("1 / 0")
    (here / "empty.py").write_text("")
    (here / "number.py").write_text("f = 5")
    with pytest.raises(DataError, match=message) as caught:
        import_callable(reference, DataError)
    assert "\n" not in str(caught.value)


def test_a_failure_on_one_line():
    assert describe(ValueError("first\nsecond")) == "ValueError: first"
    assert describe(KeyboardInterrupt()) == "KeyboardInterrupt"


def test_a_failure_inside_of_a_package_is_placed_where_that_was_called():
    with pytest.raises(KeyError) as missing:
        pd.DataFrame({"a": [1]})["b"]
    assert re.fullmatch(r"KeyError: 'b' \(test_user_code.py, line \d+\)", located(missing.value))
    with pytest.raises(ValueError, match="Expecting") as broken:
        json.loads("{")
    assert "(test_user_code.py, line" in located(broken.value)


def test_what_was_never_in_a_file_raises_nothing():
    with pytest.raises(ZeroDivisionError) as failure:
        exec("1 / 0")
    assert "(test_user_code.py, line" in located(failure.value)


def test_packages_of_the_user_and_of_the_system_are_installed():
    for folder in (*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("stdlib")):
        assert is_installed(Path(folder) / "torch/nn/functional.py")
    assert not is_installed(Path(__file__))
