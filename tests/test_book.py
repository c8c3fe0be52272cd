"""The pages in a real browser, without a network and without a kernel, wide and narrow."""

import os
import re
from pathlib import Path

import nbformat
import pytest

from tests.book import NOTEBOOKS, main
from tests.jupyter import OFFLINE, browser
from tests.test_browser import pytestmark  # noqa: F401  it needs the same browser


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Two notebooks' pages, or those that are there already: BOOK=book .venv/bin/python -m pytest tests/test_book.py"""
    if "BOOK" in os.environ:
        return Path(os.environ["BOOK"]).absolute()
    folder = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", str(OFFLINE))
        main(folder, [NOTEBOOKS / f"{name}.ipynb" for name in ("00-start-here", "05-dense-connectivity")])
    return folder


@pytest.fixture(scope="module", params=[1280, 390], ids="{} wide".format)
def page(request, book):
    """Notebook 05's page, and what went wrong or was fetched while it was open."""
    with browser() as opened:
        page = opened.new_page(viewport={"width": request.param, "height": 800})
        wrong = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: wrong.append(asked.url) if asked.url.startswith("http") else None)
        page.goto((book / "05-dense-connectivity.html").as_uri())
        yield page, wrong


# From a slider's input to the changed picture, in the page's own time: a list of milliseconds.
MOVE_ALL = """async () => {
    const waited = [];
    for (const input of document.querySelectorAll('.frames input')) {
        const picture = input.closest('.frames').querySelector('.picture');
        const start = input.value;
        for (const value of [start === input.max ? input.min : input.max, start])
            waited.push(await new Promise(resolve => {
                new MutationObserver(() => requestAnimationFrame(() => resolve(performance.now() - moved)))
                    .observe(picture, {childList: true});
                input.value = value;
                const moved = performance.now();
                input.dispatchEvent(new Event('input'));
            }));
    }
    return waited;
}"""


def test_every_page_is_whole_and_its_sliders_answer(page, book):
    page, wrong = page
    moves = 0
    for path in sorted(book.glob("*.html")):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path.name
        for image in page.locator("img").all():
            assert len(image.get_attribute("alt")) > 20 and image.evaluate("image => image.naturalWidth") > 100
        waited = sorted(page.evaluate(MOVE_ALL))
        # Some frames, on a machine that does other things too; the first one unpacks the pictures.
        assert all(time < 100 for time in waited[:-1]), (path.name, waited)
        moves += len(waited)
    assert moves >= 12 and wrong == []
    page.goto((book / "05-dense-connectivity.html").as_uri())


def test_sliders_answer_without_a_kernel(page):
    page, wrong = page
    box = page.locator(".frames").filter(has_text="bottleneck")
    first, second = box.get_by_role("slider").all()
    first.focus()
    page.keyboard.press("Home")
    page.keyboard.press("End")
    box.locator("img[alt^='a net of your own']").wait_for()
    wide = box.locator("img").get_attribute("alt")
    # From key press to the changed picture, in the page's own time.
    waited = page.evaluate(
        """box => new Promise(resolve => {
            let pressed;
            new MutationObserver(() => requestAnimationFrame(() => resolve(performance.now() - pressed)))
                .observe(box.querySelector('.picture'), {childList: true});
            const input = box.querySelector('input');
            input.value -= 1; pressed = performance.now(); input.dispatchEvent(new Event('input'));
        })""",
        box.element_handle(),
    )
    assert waited < 100  # some frames, on a machine that does other things too
    assert box.locator("img").get_attribute("alt") != wide
    second.focus()
    before = box.locator("img").get_attribute("alt")
    page.keyboard.press("ArrowLeft")
    assert second.get_attribute("aria-valuetext") == "off"
    box.locator(f"img:not([alt='{before}'])").wait_for()
    assert wrong == []


def test_no_formula_needs_a_script():
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.cell_type != "markdown" or not re.search(r"\$[^$]+\$", cell.source), cell.source


def test_the_search_finds_sections_and_leads_to_them(page, book):
    page, wrong = page
    page.get_by_role("navigation").get_by_text("search").click()
    page.get_by_role("searchbox").fill("compression θ")
    found = page.get_by_role("listitem")
    headings = found.get_by_role("link").all_inner_texts()
    assert "05 · C16: the compression θ" in headings and len(headings) < 10
    assert page.get_by_role("status").inner_text() == f"{len(headings)} sections"
    found.first.get_by_role("link").click()
    section = page.locator(":target")
    section.wait_for()
    assert headings[0][5:] in section.inner_text() and section.bounding_box()["y"] < 400
    page.get_by_role("navigation").get_by_text("search").click()
    page.get_by_role("searchbox").fill("no such words")
    assert page.get_by_role("status").inner_text() == "0 sections"
    assert wrong == []


def test_the_pages_lead_to_one_another(page, book):
    page, _ = page
    page.get_by_role("navigation").get_by_text("00 start here").click()
    assert page.title().startswith("00")
    assert (book / "index.html").read_text() == (book / "00-start-here.html").read_text()
    page.locator("tr", has_text="C22").get_by_role("link").click()
    assert page.locator(":target h2").inner_text().startswith("C22") and page.title().startswith("05")
    page.get_by_role("navigation").get_by_text("00 start here").click()
    page.get_by_role("navigation").get_by_text("05 dense").click()
