"""The pages in a real browser: Debian's chromium, headless, without a network."""

import json
import re
import shutil

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from cotoolkit.diagnosis.page import diagnosis_report
from cotoolkit.pages import Report, Section, write, write_report
from cotoolkit.pages.run_page import run_report
from cotoolkit.pages.study_page import study_report
from cotoolkit.training.run import run
from tests._helpers.made_comparison import made_comparison_report
from tests._helpers.made_pages import large_page, made_run, made_study
from tests._helpers.measured import diagnosis
from tests._helpers.small import small

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None, reason="Debian's packages chromium and chromium-driver are not installed"
    ),
]

BREAK = 240


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def plain_report() -> Report:
    """A page without a chart, as most analyses make it."""
    figure, axes = plt.subplots(figsize=(9, 3))
    axes.plot([0, 1], [0, 1])
    table = pd.DataFrame({"signal": ["a", "b"], "value": [0.25, 0.5]})
    return Report(
        "Diagnosis", "Robust.", [Section("one", "Evidence", "Read it so.", figure, "a line", table)], {"a": "b"}
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    trained, study = run(small(), root, device="cpu"), made_study(root / "study")
    reports = {
        "broken": run_report(made_run(root, breaks_at=BREAK, seed=50)),
        "diverged": run_report(made_run(root, state="diverged", seed=51)),
        "new": run_report(made_run(root, state="new", seed=53)),
        "trained": run_report(trained),
        "study": study_report(study, root / "study"),
        "plain": plain_report(),
        "diagnosis": diagnosis_report(diagnosis()),
        "comparison": made_comparison_report(root),
    }
    drawn = write._drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(write, "_drawn", lambda figure, kind: drawn(figure, kind) if kind == "svg" else b"")
        large = large_page(study, root / "study", root / "pages" / "large")
        written = {name: write_report(report, root / "pages" / name) for name, report in reports.items()}
    # Or a page would show the PNG file, which takes half a second to draw.
    assert all(path.stat().st_size <= write.LARGEST_SVG for path in root.glob("pages/*/*.svg"))
    return {"large": large, **written}


@pytest.fixture
def see(browser, pages):
    """Opens a page, waits for its charts, gives the browser; `fresh=False` takes a page as the last test left it."""

    def opened(name, fresh=True):
        resize(browser, 1280)
        if not fresh and browser.current_url == pages[name].as_uri():
            return browser
        browser.get_log("browser"), browser.get_log("performance")  # forget earlier pages
        browser.get(pages[name].as_uri())
        browser.execute_async_script(
            "const done = arguments[0]; const look = () => "
            "document.querySelectorAll('section:has(.interactive):not(.live)').length ? setTimeout(look, 20) : done();"
            "look();"
        )
        return browser

    browser.set_script_timeout(60)
    return opened


def until(browser, condition):
    """Wait for what the page does in its own time; a busy machine may take long."""
    WebDriverWait(browser, 30).until(lambda _: condition())


def resize(browser, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def cells(browser, column, table="#runs"):
    script = (
        "const [table, column] = arguments;"
        "return [...document.querySelectorAll(table + ' tbody tr')].filter((row) => !row.hidden)"
        ".map((row) => row.cells[column].textContent)"
    )
    return browser.execute_script(script, table, column)


def column_of(browser, name, table="#runs"):
    headers = browser.find_elements("css selector", f"{table} th button")
    return next(place for place, header in enumerate(headers) if header.text.startswith(name)), headers


def x_range(browser):
    return browser.execute_script("return document.querySelector('#timeline .chart').layout.xaxis.range")


def shown(browser, selector):
    script = "const e = document.querySelector(arguments[0]); return e !== null && e.getClientRects().length > 0"
    return browser.execute_script(script, selector)


@pytest.mark.parametrize(
    "name", ["broken", "diverged", "new", "trained", "study", "large", "plain", "diagnosis", "comparison"]
)
def test_no_error_no_request_and_no_scrolling_sideways(see, name):
    browser = see(name)
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any(url.endswith("report.html") for url in sent)
    assert {url.split(":")[0] for url in sent} <= {"file", "data", "blob"}
    widths = (
        "return [...document.querySelectorAll('.chart')].filter((chart) => chart._fullLayout)"
        ".map((chart) => chart._fullLayout.width)"
    )
    assert all(700 < width < 1280 for width in browser.execute_script(widths))
    resize(browser, 390)
    until(browser, lambda: all(300 < width < 390 for width in browser.execute_script(widths)))
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= 391
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("name", ["diagnosis", "comparison", "plain"])
def test_letters_of_pictures_are_nine_pixels_high_on_a_telephone(see, pages, name):
    browser = see(name)
    resize(browser, 390)
    shown = (
        "return [...document.querySelectorAll('figure img')].map((img) => [img.alt, img.getBoundingClientRect().width])"
    )
    pictures = {path.stem: path.read_text() for path in pages[name].parent.glob("*.svg")}
    widths = browser.execute_script(shown)
    assert len(widths) == len(pictures)
    by_section = browser.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('section:has(figure)')].map((section) =>"
        " [section.id, section.querySelector('figure img').getBoundingClientRect().width]))"
    )
    for stem, svg in pictures.items():
        drawn = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
        letters = [float(size) for size in re.findall(r"font(?:-size)?: (?:[a-z]+ )*([\d.]+)px", svg)]
        assert letters
        assert min(letters) * by_section[stem] / drawn > 8.95, stem


def test_what_is_wider_than_the_page_says_so_until_its_end_is_seen(see):
    browser = see("diagnosis")
    resize(browser, 390)
    box, hint = "#evidence .scroll", "#evidence .hint"
    until(browser, lambda: shown(browser, hint))
    goes_on = f"return document.querySelector('{box}').classList.contains('goes-on')"
    assert browser.execute_script(goes_on)
    assert "scroll" in browser.find_element("css selector", hint).text
    browser.execute_script(f"document.querySelector('{box}').scrollLeft = 1e6")
    until(browser, lambda: not browser.execute_script(goes_on))
    resize(browser, 1280)
    until(browser, lambda: not shown(browser, hint))


def media(browser, scheme, kind=""):
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": kind, "features": [feature]})


def luminance(browser, selector, of):
    """Of a colour as the browser computes it, in [0, 1]."""
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    red, green, blue = map(float, re.findall(r"[\d.]+", browser.execute_script(script, selector, of))[:3])
    return (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255


def test_a_dark_screen_gets_a_dark_page_whose_charts_can_be_read(see):
    browser, title = see("broken"), "#timeline .chart .xtitle"
    try:
        for scheme in ("dark", "light"):
            media(browser, scheme)
            ground, ink = (luminance(browser, "body", of) for of in ("backgroundColor", "color"))
            assert (ground < 0.1 and ink > 0.8) if scheme == "dark" else (ground > 0.9 and ink < 0.2)
            until(browser, lambda ink=ink: abs(luminance(browser, title, "fill") - ink) < 0.05)
    finally:
        media(browser, "light")


@pytest.mark.parametrize("name", ["diagnosis", "comparison"])
def test_tables_are_as_narrow_as_a_printed_page(see, name):
    browser = see(name)
    try:
        media(browser, "light", "print")
        # Of A4 with its margins: upright 182 mm, turned round 273 mm.
        for wide, width in (("", 182), (".wide", 273)):
            resize(browser, round(width / 25.4 * 96))
            rest = f".scroll{wide or ':not(.wide)'} table"
            found = browser.execute_script(
                "return [...document.querySelectorAll(arguments[0])].map((table) => table.scrollWidth)", rest
            )
            assert all(one <= round(width / 25.4 * 96) for one in found), rest
    finally:
        media(browser, "light")


def test_a_request_that_a_page_would_make_is_refused(see):
    browser = see("plain")
    script = "const done = arguments[0]; fetch('http://127.0.0.1:9/').then(() => done('sent'), (e) => done(String(e)))"
    assert "Failed to fetch" in browser.execute_async_script(script)
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))


def test_the_timeline_shows_the_breakpoint(see):
    browser = see("broken")
    shapes = browser.execute_script("return document.querySelector('#timeline .chart').layout.shapes")
    lines = [shape for shape in shapes if shape["type"] == "line" and shape.get("name") == f"breakpoint {BREAK}"]
    assert [(line["x0"], line["x1"]) for line in lines] == [(BREAK, BREAK)]
    bands = [(shape["x0"], shape["x1"]) for shape in shapes if shape["type"] == "rect"]
    assert bands == [(BREAK - 5, BREAK + 6)]
    # As drawn: a path as tall as all panels, at the iteration's place on the axis.
    drawn = browser.execute_script(
        "const chart = document.querySelector('#timeline .chart'), axis = chart._fullLayout.xaxis;"
        "return {places: [...chart.querySelectorAll('.shapelayer path')].map((path) => {"
        "  const box = path.getBBox(); return [box.x + box.width / 2, box.height]; }),"
        f" x: axis._offset + axis.d2p({BREAK}), height: chart._fullLayout._size.h}}"
    )
    assert any(
        abs(x - drawn["x"]) < 1 and height == pytest.approx(drawn["height"], abs=1) for x, height in drawn["places"]
    )
    legend = browser.find_element("css selector", "#timeline .legend").text
    assert {"PGD", "FGSM", "clean", f"breakpoint {BREAK}", "suspicion"} <= set(legend.split("\n"))


def test_buttons_go_around_the_breakpoint_and_back(see):
    browser = see("broken")
    whole, close = browser.find_elements("css selector", "#timeline .views button")
    start = x_range(browser)
    close.click()
    until(browser, lambda: close.get_attribute("aria-pressed") == "true")
    assert whole.get_attribute("aria-pressed") == "false"
    assert x_range(browser) == [BREAK - 30, BREAK + 30]
    # PertAlign lies at 0.8 before and 0.1 after: the axis fits what is seen.
    low, high = browser.execute_script(
        "const chart = document.querySelector('#timeline .chart');"
        "const trace = chart.data.find((trace) => trace.name.startsWith('PertAlign'));"
        "return chart.layout['yaxis' + trace.yaxis.slice(1)].range"
    )
    assert 0 < low < 0.1
    assert 0.8 < high < 0.9
    whole.click()
    until(browser, lambda: whole.get_attribute("aria-pressed") == "true")
    assert x_range(browser) == start
    browser.execute_script("Plotly.relayout(document.querySelector('#timeline .chart'), {'xaxis.range': [10, 12]})")
    until(browser, lambda: whole.get_attribute("aria-pressed") == "false")


def test_hovering_tells_the_iteration(see):
    browser = see("broken", fresh=False)
    browser.execute_script("Plotly.Fx.hover(document.querySelector('#timeline .chart'), {xval: 100}, 'xy')")
    texts = browser.execute_script(
        "return [...document.querySelectorAll('#timeline .hoverlayer .hovertext')].map((label) => label.textContent)"
    )
    assert any("PGD 32.5% at iteration 100" in text for text in texts)
    assert len(texts) >= 5  # all panels at once


def test_a_chart_has_no_button_that_uploads_it(see):
    browser = see("broken", fresh=False)
    titles = browser.execute_script(
        "return [...document.querySelectorAll('.modebar-btn')].map((each) => each.dataset.title ?? each.ariaLabel)"
    )
    assert titles
    assert not [title for title in titles if title is None or "hare" in title or "loud" in title]


def test_the_chart_of_a_trained_run_has_all_its_signals(see):
    browser = see("trained")
    names = set(browser.execute_script("return document.querySelector('#timeline .chart').data.map((t) => t.name)"))
    expected = {"PGD", "FGSM", "clean", "training loss (nats)", "PertAlign (cosine)", "gradient alignment (cosine)"}
    assert expected <= names


def test_tables_sort_by_number_and_by_text(see):
    browser = see("study")
    column, headers = column_of(browser, "breakpoint")
    headers[column].click()
    assert cells(browser, column) == ["200", "210", "220", *[""] * 9]
    assert headers[column].find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    headers[column].click()
    assert cells(browser, column) == ["220", "210", "200", *[""] * 9]
    assert headers[column].find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    column, headers = column_of(browser, "method")
    headers[column].send_keys("\n")  # from the keyboard
    assert cells(browser, column) == ["fgsm"] * 6 + ["pgd"] * 6
    assert len(browser.find_elements("css selector", "#runs th[aria-sort]")) == 1


def test_the_leaderboard_sorts_by_cost_and_by_name(see):
    browser = see("comparison")
    method, headers = column_of(browser, "method", "#leaderboard")
    assert cells(browser, method, "#leaderboard")[0] == "benign"  # made to be the most robust at the end
    passes, headers = column_of(browser, "passes", "#leaderboard")
    headers[passes].click()
    found = [float(value) for value in cells(browser, passes, "#leaderboard")]
    assert found == sorted(found)
    assert cells(browser, method, "#leaderboard")[0] == "standard"
    headers[passes].click()
    assert cells(browser, method, "#leaderboard")[0] == "trades"
    headers[method].send_keys("\n")
    assert cells(browser, method, "#leaderboard") == sorted(cells(browser, method, "#leaderboard"))
    assert headers[method].find_element("xpath", "..").get_attribute("aria-sort") == "ascending"


def test_numbers_sort_by_value_and_not_by_their_digits(browser, tmp_path):
    values = [10.0, 9.0, 1e-7, 123456.0, -2.0, 0.33333, 0.33334, None]
    table = pd.DataFrame({"value": values})
    path = write_report(Report("t", "l", [Section("runs", "Runs", table=table)], {}), tmp_path)
    browser.get(path.as_uri())
    browser.find_element("css selector", "#runs th button").click()
    script = "return [...document.querySelectorAll('td')].map((cell) => cell.textContent && Number(cell.dataset.value))"
    assert browser.execute_script(script) == [*sorted(value for value in values if value is not None), ""]


def test_long_tables_filter(see):
    browser = see("study")
    box = browser.find_element("css selector", "#runs .filter input")
    count = browser.find_element("css selector", "#runs .filter output")
    assert count.text == "12 of 12 rows"
    assert count.get_attribute("aria-live") == "polite"
    box.send_keys("Catastrophic")
    assert count.text == "3 of 12 rows"
    assert len(cells(browser, 0)) == 3
    box.clear()
    box.send_keys("none of them")
    assert count.text == "0 of 12 rows"
    assert not see("plain").find_elements("css selector", ".filter")


def test_a_seed_in_the_legend_hides_with_its_breakpoint(see):
    browser = see("study")
    chart = "document.querySelector('#timeline .chart')"
    (group,) = browser.execute_script(f"return {chart}.data.filter((t) => t.x[0] === 200).map((t) => t.legendgroup)")
    visible = (
        f"return {chart}._fullData.filter((trace) => trace.legendgroup === arguments[0]).map((trace) => trace.visible)"
    )
    assert group == "seed 0"
    before = browser.execute_script(visible, group)
    assert before == [True] * (4 * 2 + 1 + 1)  # two curves of four runs, one breakpoint, and the item itself
    item = browser.execute_script(
        "return [...document.querySelectorAll('#timeline g.traces')]"
        ".find((item) => item.__data__[0].trace.legendgroup === arguments[0]).querySelector('[class$=toggle]')",
        group,
    )
    browser.execute_script(
        "for (const kind of ['mousedown', 'mouseup'])"
        "  arguments[0].dispatchEvent(new MouseEvent(kind, {bubbles: true}))",
        item,
    )
    until(browser, lambda: browser.execute_script(visible, group) == ["legendonly"] * len(before))


def test_a_large_table_is_unpacked_when_it_is_asked_for(see):
    browser = see("large")
    identity, headers = column_of(browser, "identity")
    count = browser.find_element("css selector", "#runs .filter output")
    more = browser.find_element("css selector", "#runs .filter button")
    assert (len(cells(browser, 0)), count.text) == (4, "12 of 12 rows, the first 4 of them shown")
    assert not shown(browser, ".first")
    more.click()
    until(browser, lambda: count.text == "12 of 12 rows, the first 12 of them shown")
    assert not more.is_displayed()
    assert len(set(cells(browser, identity))) == 12
    accuracy, _ = column_of(browser, "PGD-3")
    for largest_first in (False, True):
        headers[accuracy].click()
        first = "60.0%" if largest_first else "5.0%"
        until(browser, lambda first=first: cells(browser, accuracy)[0] == first)
        values = [float(text.rstrip("%")) for text in cells(browser, accuracy) if text]
        assert values == sorted(values, reverse=largest_first)
        assert cells(browser, accuracy)[-1] == ""
    browser.find_element("css selector", "#runs .filter input").send_keys("catastrophic")
    until(browser, lambda: count.text == "3 of 12 rows, the first 3 of them shown")
    assert len(cells(browser, 0)) == 3


def test_the_course_of_a_run_is_drawn_when_it_is_asked_for(see):
    browser = see("large")
    assert not shown(browser, "#runs .course")
    browser.find_element("css selector", "#runs .filter input").send_keys("catastrophic")
    until(browser, lambda: len(cells(browser, 0)) == 3)
    chart = "document.querySelector('#runs .course .chart')"
    for place, button in enumerate(browser.find_elements("css selector", "#runs td button")):
        name = button.text
        button.click()
        title = f"return {chart}.layout?.title.text"
        until(browser, lambda name=name, title=title: browser.execute_script(title) == name)
        fgsm, pgd, at = browser.execute_script(f"return {chart}.data.map((trace) => [trace.name, trace.x, trace.y])")
        assert (fgsm[0], pgd[0]) == ("FGSM", "PGD")
        assert len(fgsm[1]) == len(pgd[2]) == 8
        assert (fgsm[2][-1], pgd[2][-1]) == (0.99, 0.02)
        assert at[1] == [200 + 10 * place] * 2
    assert shown(browser, "#runs .course")
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("name", ["broken", "study"])
def test_print_shows_the_picture(see, name):
    browser = see(name, fresh=False)
    assert shown(browser, "#timeline .chart")
    assert not shown(browser, "#timeline figure")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        assert not shown(browser, "#timeline .chart")
        assert not shown(browser, ".filter")
        assert shown(browser, "#timeline figure img")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_without_javascript_there_are_the_picture_and_a_plain_table(browser, pages):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(pages["study"].as_uri())
        assert shown(browser, "#timeline figure img")
        assert not shown(browser, "#timeline .interactive")
        assert len(cells(browser, 0)) == 12
        assert not browser.find_elements("css selector", "th button")
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
