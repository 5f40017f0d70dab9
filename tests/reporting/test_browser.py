"""The page in a real browser: clicks, keys, hover, both themes, wide and narrow, and names that try to be markup."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alcli.reporting.rendering import render
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from tests.reporting import pages

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="chromium or chromedriver is not installed",
    ),
]

WIDE, NARROW = (1400, 900), (360, 740)


class Browser:
    """Headless Chromium on one page, with what these tests ask of it."""

    def __init__(self, folder: Path) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        options.set_capability("unhandledPromptBehavior", "ignore")
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        self.driver = webdriver.Chrome(options=options, service=service)
        self.folder = folder
        self.url = ""

    def show(self, page: Any, name: str = "report") -> None:
        path = self.folder / f"{name}.html"
        path.write_text(render(page), "utf-8")
        self.url = path.as_uri()
        self.load(WIDE)

    def load(self, size: tuple[int, int], *, scheme: str = "light") -> None:
        """Open the page anew in a window of this size."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},  # scrolling arrives at once
        ]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.driver.get(self.url)
        self.until("document.readyState === 'complete'")

    def __call__(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return {script}", *arguments)

    def until(self, condition: str) -> None:
        """Wait until a condition in the page holds."""
        deadline = time.monotonic() + 10
        while not self(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"never came true: {condition}"
            time.sleep(0.02)

    def find(self, selector: str) -> Any:
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        return self("document.querySelector(arguments[0]).textContent", selector)

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def hover(self, selector: str, x: float, y: float, *, click: bool = False) -> None:
        """Move the mouse to a place in an element, in pixels from its top left corner."""
        target = self.find(selector)
        self("arguments[0].scrollIntoView({block: 'center'})", target)
        width, height = self("[arguments[0].clientWidth, arguments[0].clientHeight]", target)
        chain = webdriver.ActionChains(self.driver, duration=20)
        chain.move_to_element_with_offset(target, round(x - width / 2), round(y - height / 2))
        (chain.click() if click else chain).perform()

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def alerts(self) -> int:
        with contextlib.suppress(Exception):
            self.driver.switch_to.alert.dismiss()
            return 1
        return 0


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("reports"))
    pages.write_pool(pages.full(), browser.folder)
    browser.show(pages.full())
    yield browser
    browser.driver.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.load(WIDE)
    yield chromium
    assert chromium.alerts() == 0
    assert chromium.complaints() == []


def map_place(browser: Browser, at: int) -> tuple[float, float]:
    """Return where a point of the map is on the canvas, in pixels."""
    width, height = browser("[canvas.clientWidth, canvas.clientHeight]")
    plane = pages.full().map
    assert plane is not None
    return 18 + plane.x[at] * (width - 36), height - 18 - plane.y[at] * (height - 36)


def open_card(browser: Browser, index: int) -> None:
    browser("document.querySelectorAll('#cards .card')[arguments[0]].click()", index)
    browser.until("viewer.open")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_complaint_and_no_sideways_scrolling(browser: Browser, size: tuple[int, int], scheme: str) -> None:
    browser.load(size, scheme=scheme)
    for section in browser("[...document.querySelectorAll('main section')].map((section) => section.id)"):
        browser("document.getElementById(arguments[0]).scrollIntoView()", section)
        assert browser("document.scrollingElement.scrollWidth <= window.innerWidth"), section
    open_card(browser, 2)
    assert browser("viewer.scrollWidth <= viewer.clientWidth")
    assert browser(
        "document.querySelector('.viewer-body').scrollWidth <= document.querySelector('.viewer-body').clientWidth"
    )


def test_pictures_come_into_view(browser: Browser) -> None:
    browser("document.getElementById('sheet').scrollIntoView()")
    browser.until("document.querySelector('#cards img').naturalWidth === 96")
    browser("document.getElementById('groups').scrollIntoView()")
    browser.until(
        "[...document.querySelectorAll('#groups img')].slice(0, 4).every((image) => image.naturalWidth === 96)"
    )


def test_both_themes_differ(browser: Browser) -> None:
    colours = set()
    for scheme in ("light", "dark"):
        browser.load(WIDE, scheme=scheme)
        colours.add(browser("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


def test_a_click_shows_the_image_and_its_nearest_labelled_neighbour(browser: Browser) -> None:
    card = browser.find("#cards li:nth-child(2) .card")
    card.click()
    browser.until("viewer.open")
    assert browser.text("#viewer-name") == "unlabelled/photo-0001.png"
    assert browser.text("#viewer-place") == "2 of 36"
    assert "labelled/square.png" in browser.text("#viewer-nearest")
    assert browser("document.querySelector('#viewer-nearest img').naturalWidth") == 96
    # The original, 256 pixels wide, takes the place of the thumbnail.
    browser.until("document.getElementById('viewer-image').naturalWidth === 256")
    assert browser("document.getElementById('viewer-link').href").endswith("/pool/unlabelled/photo-0001.png")
    facts = browser.text("#viewer-facts")
    assert "square" in facts
    assert "by rank" in facts
    assert "triangle" in facts, "the label that a person gave"


def test_keys_alone_open_walk_and_leave(browser: Browser) -> None:
    browser.find("#sheet-order").send_keys(Keys.TAB)
    browser.until("document.activeElement.matches('#cards li:first-child .card')")
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    browser.until("document.activeElement.matches('#cards li:nth-child(2) .card')")
    columns = browser(
        "getComputedStyle(document.getElementById('cards')).gridTemplateColumns.split(' ').length"
    )
    browser.press(Keys.ARROW_DOWN)
    browser.until(f"document.activeElement.matches('#cards li:nth-child({2 + columns}) .card')")
    browser.press(Keys.HOME, Keys.ENTER)
    browser.until("viewer.open")
    browser.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert browser.text("#viewer-place") == "4 of 36"
    browser.press(Keys.ARROW_LEFT, Keys.END, Keys.ARROW_RIGHT)
    assert browser.text("#viewer-place") == "36 of 36"
    browser.press(Keys.HOME, Keys.ARROW_RIGHT, Keys.ESCAPE)
    browser.until("!viewer.open")
    browser.until("document.activeElement.matches('#cards li:nth-child(2) .card')")


def test_the_first_tab_leads_past_the_navigation(browser: Browser) -> None:
    browser.press(Keys.TAB, Keys.ENTER)
    browser.until("document.activeElement.id === 'content'")


def test_filters_and_order(browser: Browser) -> None:
    shown = "[...document.querySelectorAll('#cards .card .name')].map((name) => name.title)"
    browser.find("#sheet-text").send_keys("PHOTO-001")
    assert browser(shown) == [f"unlabelled/photo-{index:04d}.png" for index in range(10, 20)]
    assert browser.text("#sheet-count") == "10 of 36 images. "
    browser.find("#sheet-class option[value='ring']").click()
    assert browser(shown) == ["unlabelled/photo-0014.png", "unlabelled/photo-0019.png"]
    browser.find("#sheet-order option[value='score-low']").click()
    assert browser(shown) == ["unlabelled/photo-0019.png", "unlabelled/photo-0014.png"]
    browser.find("#sheet-class option[value='']").click()
    browser.find("#sheet-reason option[value='audit']").click()
    assert browser(shown) == ["unlabelled/photo-0016.png"]
    browser.find("#sheet-text").send_keys(" nowhere")
    assert browser(shown) == []
    assert browser.text("#sheet-count") == "0 of 36 images. "


def test_hover_on_the_map_shows_thumbnail_name_and_class(browser: Browser) -> None:
    browser.hover("#canvas", *map_place(browser, 5))
    browser.until("!tip.hidden")
    assert "unlabelled/photo-0005.png" in browser.text("#tip")
    assert "circle" in browser.text("#tip")
    browser.until("document.querySelector('#tip img').naturalWidth === 96")
    browser.hover("#canvas", *map_place(browser, 5), click=True)
    browser.until("viewer.open")
    assert browser.text("#viewer-name") == "unlabelled/photo-0005.png"
    browser.press(Keys.ESCAPE)
    browser.until("!viewer.open")


def test_the_map_by_keys(browser: Browser) -> None:
    browser("canvas.focus()")
    browser.press(Keys.PAGE_DOWN)
    assert browser.text("#map-status") == "unlabelled/photo-0000.png, circle, selected"
    browser.press(Keys.ARROW_RIGHT)
    assert browser.text("#map-status") != "unlabelled/photo-0000.png, circle, selected"
    browser.press(Keys.PAGE_DOWN, Keys.PAGE_DOWN, Keys.ENTER)
    browser.until("viewer.open")
    browser.press(Keys.ESCAPE)
    browser.until("document.activeElement.id === 'canvas'")


def test_the_legend_hides_a_class_from_the_map(browser: Browser) -> None:
    painted = """(() => {
      const { width, height } = canvas;
      const copy = Object.assign(document.createElement("canvas"), { width, height });
      const pen = copy.getContext("2d", { willReadFrequently: true });
      pen.drawImage(canvas, 0, 0);
      const { data } = pen.getImageData(0, 0, width, height);
      let sum = 0;
      for (let at = 3; at < data.length; at += 4) sum += data[at] > 0;
      return sum;
    })()"""
    browser.until(f"{painted} > 0")
    everything = browser(painted)
    browser.find("#legend li:first-child button").click()
    browser.until(f"{painted} < {0.95 * everything}")
    assert browser("document.querySelector('#legend button').ariaPressed") == "false"
    browser.find("#classes-none").click()
    browser.until(f"{painted} === 0")
    browser.find("#classes-all").click()
    browser.until(f"{painted} === {everything}")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_name_that_looks_like_markup_is_text_everywhere(browser: Browser, size: tuple[int, int]) -> None:
    browser.load(size)
    assert browser.text("h1") == pages.EVIL
    for place in ("#overview .facts", "#overview .advice", "#classes", "#cards li:nth-child(3) .card", "#duplicates",
                  "#problems tbody th", "#problems tbody tr:nth-child(2) td", "#quality .suspects", "#quality .pair"):  # fmt: skip
        assert pages.EVIL in browser.text(place), place
    open_card(browser, 2)
    assert browser.text("#viewer-name") == pages.EVIL
    assert pages.EVIL in browser.text("#viewer-facts")
    browser.until(
        "document.getElementById('viewer-image').naturalWidth === 256"
    )  # the link leads to the file
    browser.press(Keys.ESCAPE)
    browser.until("document.activeElement.matches('.card')")
    browser("canvas.focus()")
    browser.press(Keys.PAGE_DOWN, Keys.PAGE_DOWN, Keys.PAGE_DOWN)
    assert pages.EVIL in browser.text("#tip")
    assert browser("document.querySelectorAll('img[src=x], img[onerror]').length") == 0
    assert browser(
        "[...document.querySelectorAll('img')].every((image) => /^((data|file):|$)/.test(image.src))"
    )


def test_markup_that_got_in_could_not_run(chromium: Browser) -> None:
    """The content security policy refuses handlers and scripts, whatever else went wrong."""
    kept = chromium.url
    injected = (
        '<img src="data:," onerror="window.ran = 1"><script>window.ran = 2</script><p style="color: red">'
    )
    path = chromium.folder / "injected.html"
    path.write_text(
        render(pages.full(cards=3, points=10)).replace("<section", injected + "<section", 1), "utf-8"
    )
    try:
        chromium.url = path.as_uri()
        chromium.load(WIDE)
        assert chromium("document.querySelectorAll('#cards .card').length") == 3, "our own script runs"
        assert chromium("window.ran") is None
        complaints = chromium.complaints()
        assert len(complaints) == 3
        assert all("Content Security Policy" in complaint for complaint in complaints)
    finally:
        chromium.url = kept


def test_an_original_that_is_gone_leaves_the_thumbnail(browser: Browser) -> None:
    (browser.folder / "pool" / "unlabelled" / "photo-0003.png").unlink()
    open_card(browser, 3)
    time.sleep(0.2)
    assert browser("document.getElementById('viewer-image').naturalWidth") == 96
    assert all("ERR_FILE_NOT_FOUND" in message for message in browser.complaints())


def test_an_image_that_is_gone_has_no_picture_and_says_so(chromium: Browser) -> None:
    page = pages.full(cards=3, points=10)
    assert page.sheet is not None
    cards = [
        dataclasses.replace(card, thumbnail="", file_name=f"gone/{card.file_name}", link="pool/gone.png")
        for card in page.sheet.cards[:1]
    ]
    kept = chromium.url
    try:
        chromium.show(
            dataclasses.replace(
                page, sheet=dataclasses.replace(page.sheet, cards=[*cards, *page.sheet.cards])
            )
        )
        open_card(chromium, 0)
        time.sleep(0.2)
        assert chromium("document.querySelector('.stage').innerText") == "no picture"
        assert chromium("document.getElementById('viewer-image').hidden")
        chromium("document.getElementById('viewer-next').click()")
        chromium.until("document.getElementById('viewer-image').naturalWidth > 0")
        assert chromium("document.querySelector('.stage').innerText") == ""
        assert all("ERR_FILE_NOT_FOUND" in message for message in chromium.complaints())
    finally:
        chromium.url = kept


def test_a_page_without_most_sections(chromium: Browser) -> None:
    page = pages.Page(
        overview=pages.Overview("pool", "2026-11-21T09:30:00+00:00", "0.4.0", [("images", "0")])
    )
    kept = chromium.url
    try:
        chromium.show(page, "empty")
        assert chromium("[...document.querySelectorAll('nav a')].map((link) => link.textContent)") == [
            "Overview"
        ]
        assert chromium.complaints() == []
    finally:
        chromium.url = kept


@pytest.mark.slow
def test_five_thousand_cards(chromium: Browser) -> None:
    """The page is below 20 MB with 3 KB for each picture, and makes cards only as they come into view."""
    page = pages.heavy(cards=5_000, points=20_000, picture_bytes=3_000)
    kept = chromium.url
    try:
        chromium.show(page, "large")
        megabytes = (chromium.folder / "large.html").stat().st_size / 1e6
        opened = chromium("performance.getEntriesByType('navigation')[0].loadEventEnd")
        logging.getLogger(__name__).info("%.1f MB, loaded after %.0f ms", megabytes, opened)
        assert megabytes < 20
        cards = "document.querySelectorAll('#cards .card').length"
        assert chromium(cards) < 500
        chromium.find("#sheet-text").send_keys("photo-4999")
        assert chromium(cards) == 1
        chromium.find("#sheet-text").send_keys(*[Keys.BACKSPACE] * 10)
        chromium("document.querySelector('#cards .card').focus()")
        chromium.press(Keys.END)
        chromium.until("document.activeElement.querySelector('.name')?.title === 'unlabelled/photo-4999.png'")
        assert chromium.complaints() == []
    finally:
        chromium.url = kept


def test_cards_come_as_one_scrolls(chromium: Browser) -> None:
    kept = chromium.url
    cards = "document.querySelectorAll('#cards .card').length"
    try:
        chromium.show(pages.full(cards=400, points=400), "long")
        shown = chromium(cards)
        assert shown < 400
        chromium("document.getElementById('sheet').scrollIntoView()")
        chromium("document.getElementById('sheet').scrollTo(0, 1e6)")
        chromium.until(f"{cards} > {shown}")
    finally:
        chromium.url = kept
