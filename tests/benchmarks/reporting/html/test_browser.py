"""The page in a browser: its looks, its keys, and axe-core's opinion of it.

Needs Chromium with its driver, selenium, and axe-core: AXE_CORE names axe.min.js, or it lies in a node_modules here
or above (`npm install axe-core` in a folder of its own). Each part is skipped, saying why, where its tool is absent.
"""

import pytest

from dcgan_features.benchmarks.reporting.diff import compare_reports
from dcgan_features.benchmarks.reporting.html import make_page
from dcgan_features.benchmarks.reporting.table import read_report
from tests.benchmarks.reporting.html.conftest import add_row, finish

pytestmark = pytest.mark.browser


@pytest.fixture
def shown(driver, everything, tmp_path):
    """Open the page at a width, light or dark; returns the driver."""
    after = read_report(everything / "tiny.json")
    add_row(tmp_path / "before", "first", 0.5, 3)
    finish(tmp_path / "before")
    changes = compare_reports(read_report(tmp_path / "before" / "tiny.json"), after)
    path = tmp_path / "report.html"
    path.write_text(make_page([after], everything, changes, "an earlier report"), encoding="utf-8")

    def show(width=1400, scheme="light"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(path.as_uri())
        driver.execute_script("try { localStorage.clear() } catch { }")
        return driver

    return show


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_the_page_is_shown_without_faults(shown, width, scheme):
    driver = shown(width, scheme)
    dark = driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert dark == (scheme == "dark")
    for step in ("", "document.querySelectorAll('details').forEach(item => item.open = true)",
                 "document.querySelector('a[href^=\"#about-\"]').click()"):  # fmt: skip
        driver.execute_script(step)
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert driver.execute_script("return document.querySelector('dialog[open] .dialog-body').scrollWidth") <= width
    assert driver.get_log("browser") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_axe_finds_nothing_serious(shown, axe, width, scheme):
    driver = shown(width, scheme)
    driver.execute_script(axe)
    look = """const done = arguments[0];
        axe.run(document).then(found => done(found.violations.filter(fault => fault.impact !== 'minor')
            .map(fault => [fault.impact, fault.id, fault.nodes.map(node => node.target.join(' '))])));"""
    driver.execute_script("document.querySelectorAll('details').forEach(item => item.open = true)")
    assert driver.execute_async_script(look) == []
    if (width == 400) == (scheme == "dark"):
        driver.execute_script("document.querySelector('a[href^=\"#about-\"]').click()")
        assert driver.execute_async_script(look.replace("document", "'dialog[open]'", 1)) == []


def row_names(driver):
    return [
        cell.text for cell in driver.find_element("class name", "results").find_elements("css selector", "tbody th")
    ]


def test_tables_are_sorted_by_the_keyboard(shown):
    from selenium.webdriver.common.keys import Keys

    driver = shown()
    first = ["First & <best>", "Second", "Third"]  # as in the table; the third has no figure and stays last
    assert row_names(driver) == first
    button = driver.find_elements("css selector", ".results th button")[2]  # Measured
    heading = button.find_element("xpath", "..")
    for expected, order in (("descending", [0, 1, 2]), ("ascending", [1, 0, 2])):
        button.send_keys(Keys.ENTER)
        assert heading.get_attribute("aria-sort") == expected
        assert row_names(driver) == [
            ["First & <best>", "Second", "Third"][index] for index in order
        ]  # Third: no figure
    name = driver.find_elements("css selector", ".results th button")[0]
    name.send_keys(Keys.SPACE)
    assert heading.get_attribute("aria-sort") == "none"
    assert row_names(driver) == first


def test_a_figure_opens_its_origin_and_escape_closes_it(shown):
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    driver = shown()
    link = driver.find_element("css selector", "td.measured a")
    link.send_keys(Keys.ENTER)
    dialog = driver.find_element("id", "about-tiny-first")
    assert dialog.get_attribute("open") is not None
    assert driver.execute_script("return arguments[0].contains(document.activeElement)", dialog)
    assert driver.current_url.endswith("#about-tiny-first")
    driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert dialog.get_attribute("open") is None
    WebDriverWait(driver, 20).until(lambda driver: "#" not in driver.current_url)  # "close" is told of a moment later
    assert "#" not in driver.current_url
    assert driver.switch_to.active_element == link
    driver.get(f"{driver.current_url}#about-tiny-second")
    driver.refresh()
    assert driver.find_element("id", "about-tiny-second").get_attribute("open") is not None


def test_light_and_dark_can_be_chosen(shown):
    driver = shown(scheme="dark")
    button = driver.find_element("id", "theme")
    assert button.get_attribute("aria-pressed") == "true"
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    assert driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(252, 252, 250)"


def test_the_first_key_skips_to_the_results(shown):
    from selenium.webdriver.common.keys import Keys

    driver = shown()
    driver.find_element("tag name", "body").send_keys(Keys.TAB)
    skip = driver.switch_to.active_element
    assert skip.text == "Skip to the results"
    skip.send_keys(Keys.ENTER)
    assert driver.switch_to.active_element.get_attribute("id") == "main"
