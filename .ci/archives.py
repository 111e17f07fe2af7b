"""The archives that are handed out hold the packages, and neither the gallery nor broken links.

python .ci/archives.py FOLDER
"""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

LIMIT = 3_000_000
"""Bytes; the gallery alone has many times as many."""

PARTS = {"analyses", "cotoolkit", "figures", "interventions"}


def check(folder: Path) -> None:
    """Say what each archive holds; fail with what it should not."""
    (wheel,), (sources,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        inside = archive.namelist()
        metadata = archive.read(next(name for name in inside if name.endswith("METADATA"))).decode()
    with tarfile.open(sources) as archive:
        source_files = [name.partition("/")[2] for name in archive.getnames()]
    for path, names in ((wheel, inside), (sources, source_files)):
        size = path.stat().st_size
        print(f"{path.name}: {size / 1e6:.2f} MB, {len(names)} files")
        assert size < LIMIT, f"{path.name} is larger than {LIMIT} bytes"
        assert set(PARTS) <= {name.partition("/")[0] for name in names}, f"{path.name} lacks a package"
        strays = [name for name in names if name.startswith(("figures/gallery/", "tests/", "docs/"))]
        assert not strays, f"{path.name} holds {strays[:3]}"
        assert "cotoolkit/py.typed" in names, f"{path.name} lacks the mark of type hints"
    links = re.findall(r"\]\((?!https://)[^)]*\)", metadata)
    assert not links, f"the description would show broken links on an index: {links[:3]}"


check(Path(sys.argv[1]))
