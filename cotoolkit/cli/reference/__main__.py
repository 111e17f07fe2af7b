"""Writes the pages: `python -m cotoolkit.cli.reference`, at the root of the repository."""

from __future__ import annotations

from cotoolkit.cli.reference.pages import PAGES

if __name__ == "__main__":
    for path, page in PAGES.items():
        path.write_text(page(), encoding="utf-8")
