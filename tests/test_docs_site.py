"""The site as it is built: without warnings, with all its links, and with nothing to fetch from elsewhere.

Only where the group `docs` is installed: `uv run --group docs pytest -n 0 tests/test_docs_site.py`.
"""

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("mkdocs", reason="the group `docs` is not installed")
pytest.importorskip("nbconvert", reason="the group `docs` is not installed")

ROOT = Path(__file__).parents[1]
FETCHING = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href", "object": "data"}
"""What a browser fetches by itself, by the tag and the attribute that names it; a link to click on is none."""

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

LOOKED_AT = ("", "concepts", "faq", "configuration", "cost_matrix", "signal_matrix", "tutorials/induce_it", "monitor")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder)],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """Addresses that a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("canonical", "next", "prev"):
            return
        self.addresses += filter(None, [given.get(FETCHING.get(tag, ""))])


def test_nothing_is_fetched_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        fetched = Fetched()
        fetched.feed(page.read_text(encoding="utf-8"))
        assert fetched.addresses
        for address in fetched.addresses:
            parts = urlsplit(address)
            assert parts.scheme in ("", "data"), f"{page}: {address}"
            assert not parts.netloc, f"{page}: {address}"
            local = (page.parent if not parts.path.startswith("/") else site) / parts.path.lstrip("/")
            assert parts.scheme == "data" or local.exists(), f"{page}: {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8")), sheet


def test_notebooks_are_pages_with_their_pictures(site):
    page = (site / "tutorials/induce_it/index.html").read_text(encoding="utf-8")
    assert page.count("What the cell above draws") == 2
    assert "catastrophic overfitting" in page
    assert ".ipynb" in page  # to download
    assert (site / "tutorials/induce_it.ipynb").exists()


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="chromium and its driver are not installed")
@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_is_wider_than_the_window(site, width):
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        # A window of chromium is at least 500 wide; a device that is told is not.
        screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        for name in LOOKED_AT:
            browser.get((site / name / "index.html").as_uri())
            found = browser.execute_script("return [document.documentElement.scrollWidth, window.innerWidth]")
            assert found[0] <= width == found[1], name
    finally:
        browser.quit()
