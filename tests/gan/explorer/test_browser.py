"""The page in a browser; skipped, saying why, where NiceGUI, selenium or Chromium is absent."""

import json
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from dcgan_features.gan.explorer.answers import Answers, address
from dcgan_features.gan.explorer.state import read_names
from dcgan_features.gan.figures.grid import draw_sheet
from dcgan_features.gan.figures.latent import Arithmetic, arithmetic_sheet
from dcgan_features.gan.figures.options import read_choice
from dcgan_features.gan.latent.sampler import LatentSampler

pytestmark = pytest.mark.browser
SECONDS = 60
PRESS = """return [...document.querySelectorAll('button')].find(
    button => [button.getAttribute('aria-label'), button.textContent.trim()].includes(arguments[0]))"""


class Page:
    """The page as a visitor sees it."""

    def __init__(self, driver, home):
        self.driver, self.home = driver, home

    def open(self, query="", width=1400, scheme="light"):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(f"{self.home}/{query}")
        self.until(lambda: self.count("button.sample") == 16)

    def until(self, holds):
        """Wait until it holds; the page may be in the middle of a change."""
        from selenium.common.exceptions import WebDriverException

        end = time.monotonic() + SECONDS
        while True:
            try:
                if found := holds():
                    return found
            except WebDriverException:
                pass
            assert time.monotonic() < end, f"{holds} does not come true"
            time.sleep(0.02)

    def press(self, name):
        """Press a button by its label or its text."""

        def pressed():
            self.driver.execute_script(PRESS, name).click()
            return True

        self.until(lambda: self.driver.execute_script(PRESS, name) is not None)
        self.until(pressed)

    def count(self, selector):
        return len(self.driver.find_elements("css selector", selector))

    def sources(self, selector):
        """The addresses of images, in order."""
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(image => image.src)", selector
        )

    def text(self, selector):
        return self.driver.find_element("css selector", selector).text


@pytest.fixture
def page(driver, explorer):
    page = Page(driver, explorer[0])
    driver.get_log("performance")
    yield page
    assert driver.get_log("browser") == []
    sent = [json.loads(line["message"])["message"] for line in driver.get_log("performance")]
    asked = [one["params"]["request"]["url"] for one in sent if one["method"] == "Network.requestWillBeSent"]
    asked += [one["params"]["url"] for one in sent if one["method"] == "Network.webSocketCreated"]
    hosts = {urlsplit(url).netloc for url in asked if urlsplit(url).scheme in ("http", "https", "ws", "wss")}
    assert hosts == {urlsplit(page.home).netloc}


@pytest.fixture(scope="module")
def answers(checkpoint):
    return Answers(LatentSampler.load(checkpoint, "cpu"))


def addresses(images):
    return [address(image) for image in images]


def test_samples_are_shown_pinned_and_named(page, answers):
    page.open()
    assert page.sources("button.sample img") == addresses(answers.images(read_names("0:0-15")))
    page.press("Pin 0:3")
    page.until(lambda: page.sources(".pins img") == addresses(answers.images(read_names("0:3"))))
    page.press("Next")
    page.until(lambda: page.sources("button.sample img") == addresses(answers.images(read_names("0:16-31"))))
    field = page.driver.find_element("css selector", ".panel input")
    assert field.get_attribute("value") == "0:16-31"
    for text, names in (("2:5,0:3", "2:5, 0:3"),):
        field.send_keys("\ue009a\ue000")  # control and a
        field.send_keys(f"{text}\ue007")  # enter
        page.until(
            lambda names=names: page.sources("button.sample img") == addresses(answers.images(read_names(names)))
        )
    assert page.count("button.sample[aria-pressed='true']") == 1
    page.driver.refresh()  # what is pinned stands in the address
    page.until(lambda: page.sources(".pins img") == addresses(answers.images(read_names("0:3"))))
    page.press("Unpin 0:3")
    page.until(lambda: page.count(".pins img") == 0)


def test_what_names_no_sample_is_said_on_the_page(page):
    page.open("?pinned=rubbish")
    page.until(lambda: "'rubbish' is not a number" in page.text("[role=alert]"))
    field = page.driver.find_element("css selector", ".panel input")
    field.send_keys("9\ue007")  # to 0:0-159
    page.until(lambda: "too many" in page.text("[role=alert]"))
    assert page.count("button.sample") == 16
    page.press("Next")
    page.until(lambda: page.text("[role=alert]") == "")


def test_arithmetic_shows_the_result_its_neighbours_and_the_control(page, answers):
    page.open("?pinned=0:1,0:2,1:5")
    page.press("Arithmetic")
    for name, slot in (("0:1", "A"), ("0:2", "B"), ("1:5", "C"), ("0:2", "C")):
        page.press(f"{name} in {slot}")
        page.until(lambda name=name, slot=slot: page.count(f"[aria-label='{name} in {slot}'][aria-pressed='true']"))
    result = answers.arithmetic({"A": read_names("0:1"), "B": read_names("0:2"), "C": read_names("1:5, 0:2")})
    expected = addresses([*result.means, *result.around, result.control])
    page.until(lambda: page.sources(".equation img") == expected)
    assert page.sources(".chosen img") == [expected[7]]
    page.press("Choice (JSON)")
    page.until(lambda: "seeds 0, 1" in page.text("[role=alert]"))


def test_a_walk_follows_its_slider(page, answers):
    page.open("?pinned=0:1,0:2,1:5")
    names = read_names("0:1, 0:2, 1:5")
    page.press("Walk")
    page.until(lambda: page.sources(".strip img") == addresses(answers.walk(names, 8).reshape(-1, 8, 8, 3)))
    assert page.sources("img.large") == addresses(answers.images(names[:1]))
    slider = page.driver.find_element("css selector", "input[type=range]")
    slider.send_keys("\ue010")  # end
    page.until(lambda: page.sources("img.large") == addresses(answers.images(names[2:])))
    for _ in range(30):
        slider.send_keys("\ue012")  # left
    page.until(lambda: page.sources("img.large") == addresses([answers.walk_at(names, 1.7)]))
    assert page.text(".place") == "0:2 to 1:5: 70% of the way"


def test_a_walk_needs_two_samples(page):
    page.open("?pinned=0:1")
    page.press("Walk")
    page.until(lambda: "at least two pinned samples" in page.text("[role=alert]"))


def test_directions_move_a_sample_and_let_it_go(page, answers):
    page.open("?pinned=0:4")
    name = read_names("0:4")
    page.press("Directions")
    page.until(lambda: page.count(".slider input") == 5)
    page.until(lambda: page.sources("img.large") == addresses(answers.images(name)))
    slider = page.driver.find_elements("css selector", ".slider input")[1]
    slider.send_keys("\ue011")  # home
    page.until(lambda: page.sources("img.large") == addresses([answers.moved(name[0], 0, [0.0, -2.0])]))
    assert "-2.0 sd" in page.text(".sliders")
    page.press("Reset")
    page.until(lambda: page.sources("img.large") == addresses(answers.images(name)))
    page.until(lambda: "-2.0 sd" not in page.text(".sliders"))


def test_an_object_is_boxed_with_the_mouse_and_forgotten(page, answers):
    from selenium.webdriver import ActionChains

    page.open("?pinned=0:1,0:2")
    page.press("Forget")
    page.until(lambda: page.count(".drawable") == 2)
    area = page.driver.find_elements("css selector", ".drawable")[1]
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", area)
    drawing = ActionChains(page.driver, duration=50)
    drawing.move_to_element_with_offset(area, -90, -90).click_and_hold().move_by_offset(80, 120).release().perform()
    page.until(lambda: page.count(".drawable .frame") == 1)
    boxes = [(read_names("0:2")[0], (1, 1, 4, 5))]  # 256 for 8 pixels: from 38 to 118 and to 158
    assert page.count("[aria-label='Remove the box 1, 1, 4, 5 on 0:2']") == 1
    page.driver.find_element("css selector", "summary").click()
    page.press("Add the box")  # as it stands: the upper left quarter of the first
    page.until(lambda: page.count(".drawable .frame") == 2)
    boxes.append((read_names("0:1")[0], (0, 0, 4, 4)))
    page.press("Forget what is in the boxes")
    result = answers.forget(boxes, read_names("0:0-15"))
    pairs = [image for pair in zip(result.before, result.after, strict=True) for image in pair]
    page.until(lambda: page.sources(".pair img") == addresses(pairs))
    page.press("Remove the boxes")
    page.until(lambda: page.count(".drawable .frame") == 0)
    page.press("Forget what is in the boxes")
    page.until(lambda: "there is no box" in page.text("[role=alert]").lower())


def test_filters_show_what_a_map_responds_to(page, answers):
    page.open("?pinned=0:1,0:2,0:3")
    page.press("Filters")
    names = read_names("0:1-3")

    def expected(number):
        looked = answers.looked(names, 2, number)
        return addresses([image for one in looked for image in (one.image, one.gradient)])

    page.until(lambda: page.sources(".pair img") == expected(0))
    page.press("Next map")
    page.until(lambda: page.sources(".pair img") == expected(1))


def test_what_is_chosen_can_be_downloaded(page, answers, tmp_path):
    behaviour = {"behavior": "allow", "downloadPath": str(tmp_path)}
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", behaviour)
    page.open("?pinned=0:1,0:2,0:5")
    page.press("Download 0:5 as PNG")
    page.until((tmp_path / "0-5.png").is_file)
    assert np.array_equal(np.array(Image.open(tmp_path / "0-5.png")), answers.images(read_names("0:5"))[0])
    page.press("Settings (JSON)")
    page.until((tmp_path / "explorer.json").is_file)
    assert json.loads((tmp_path / "explorer.json").read_text())["pinned"] == ["0:1", "0:2", "0:5"]
    page.press("Arithmetic")
    for name, slot in (("0:1", "A"), ("0:2", "B"), ("0:5", "C")):
        page.press(f"{name} in {slot}")
        page.until(lambda name=name, slot=slot: page.count(f"[aria-label='{name} in {slot}'][aria-pressed='true']"))
    page.press("Choice (JSON)")
    page.until((tmp_path / "arithmetic.json").is_file)
    choice = read_choice(Arithmetic, str(tmp_path / "arithmetic.json"))
    page.press("Figure (PNG)")
    page.until((tmp_path / "arithmetic.png").is_file)
    expected = draw_sheet(arithmetic_sheet(answers.sampler, choice))
    assert np.array_equal(np.array(Image.open(tmp_path / "arithmetic.png")), np.array(expected))


def test_the_keyboard_keeps_its_place(page):
    page.open()
    button = page.driver.find_elements("css selector", "button.sample")[5]
    button.send_keys("\ue00d")  # space
    page.until(lambda: page.count("button.sample[aria-pressed='true']") == 1)
    page.until(lambda: page.driver.switch_to.active_element.get_attribute("aria-label") == "Pin 0:5")


def test_no_press_is_lost_when_one_follows_another_at_once(page, answers):
    page.open()
    press = "for (const name of arguments[0]) { const find = () => {" + PRESS.replace("arguments[0]", "name") + "};"
    names = [f"Pin 0:{index}" for index in (3, 1, 4, 15, 9)]
    page.driver.execute_script(press + "find().click() }", names)
    page.until(lambda: page.sources(".pins img") == addresses(answers.images(read_names("0:3,1,4,15,9"))))
    panels = ["Filters", "Samples", "Walk", "Directions", "Arithmetic", "Forget"]
    page.driver.execute_script(press + "find().click() }", panels)
    page.until(lambda: page.count(".panel .drawable") == 5)
    assert page.text("nav [aria-current=true]") == "Forget"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_no_panel_is_wider_than_the_screen_or_fails_axe(page, width, scheme, request):
    page.open("?pinned=" + ",".join(f"0:{index}" for index in range(12)), width, scheme)
    colour = page.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(20, 23, 26)") == (scheme == "dark")
    shown = {
        "Samples": "button.sample", "Arithmetic": "figure .bar", "Walk": ".strip img", "Directions": ".slider input",
        "Forget": ".drawable", "Filters": ".pair img",
    }  # fmt: skip
    look = """const done = arguments[0];
        axe.run(document).then(found => done(found.violations.filter(fault => fault.impact !== 'minor')
            .map(fault => [fault.impact, fault.id, fault.nodes.map(node => node.target.join(' '))])));"""
    for panel, content in shown.items():
        page.press(panel)
        page.until(lambda content=content: page.count(f".panel {content}") > 0)
        assert page.driver.execute_script("return document.documentElement.scrollWidth") <= width, panel
    page.driver.execute_script(request.getfixturevalue("axe"))
    for panel, content in shown.items():
        page.press(panel)
        page.until(lambda content=content: page.count(f".panel {content}") > 0)
        assert page.driver.execute_async_script(look) == [], panel
