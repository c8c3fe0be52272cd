"""The pages in a real browser, without a network and without a kernel, wide and narrow."""

import json
import os
import re
from pathlib import Path
from statistics import median

import nbformat
import pytest

from paper_nets import gallery
from tests.test_browser import pytestmark  # noqa: F401  it needs the same browser
from tools.book import NOTEBOOKS, WORDS, main
from tools.jupyter import OFFLINE, browser


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """Two notebooks' pages, or those that are there already: BOOK=book .venv/bin/python -m pytest tests/test_book.py"""
    if "BOOK" in os.environ:
        return Path(os.environ["BOOK"]).absolute()
    folder = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", str(OFFLINE))
        main(folder, [NOTEBOOKS / f"{name}.ipynb" for name in ("00-start-here", "07-dense-connectivity")])
    return folder


@pytest.fixture(scope="module", params=[1280, 390], ids="{} wide".format)
def page(request, book):
    """Notebook 07's page, and what went wrong or was fetched while it was open."""
    with browser() as opened:
        page = opened.new_page(viewport={"width": request.param, "height": 800})
        wrong = []
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: wrong.append(asked.url) if asked.url.startswith("http") else None)
        page.goto((book / "07-dense-connectivity.html").as_uri())
        yield page, wrong


FITS = "document.documentElement.scrollWidth <= window.innerWidth"
IN_VIEW = "e => { const {left, right} = e.getBoundingClientRect(); return left >= 0 && right <= window.innerWidth; }"

# From a slider's input to the changed picture, in the page's own time: a list of milliseconds.
MOVE_ALL = """async () => {
    const waited = [];
    for (const input of document.querySelectorAll('.frames input')) {
        const picture = input.closest('.frames').querySelector('.paper-nets-picture');
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
        wait_for_panels(page)
        assert page.evaluate(FITS), path.name
        for image in page.locator("img").all():
            assert len(image.get_attribute("alt")) > 20 and image.evaluate("image => image.naturalWidth") > 100
        page.evaluate(MOVE_ALL)  # the first move waits until the pictures are unpacked
        waited = page.evaluate(MOVE_ALL)
        # Some frames, on a machine that does other things too.
        assert not waited or median(waited) < 100, (path.name, waited)
        moves += len(waited)
    assert moves >= 12 and wrong == []
    page.goto((book / "07-dense-connectivity.html").as_uri())


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
                .observe(box.querySelector('.paper-nets-picture'), {childList: true});
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
    box.locator(f"img:not([alt={json.dumps(before, ensure_ascii=False)}])").wait_for()
    assert wrong == []


def wait_for_panels(page):
    """Until each has unpacked its pictures and shows the first, and what follows in the same turn is done."""
    page.wait_for_function("[...document.querySelectorAll('.frames')].every(panel => panel.querySelector('img'))")
    page.evaluate("new Promise(requestAnimationFrame)")


def check_pictures(page):
    """Where the page is narrow they are wide enough to read, and scroll in boxes of their own."""
    wait_for_panels(page)
    narrow = page.viewport_size["width"] < 600
    assert page.evaluate(FITS)
    for box in page.locator(".wide").all():
        assert box.evaluate(IN_VIEW)
        natural = int(box.locator("img").get_attribute("width"))
        room = 700 if narrow else box.bounding_box()["width"]
        assert box.locator("img").bounding_box()["width"] == min(natural, room) >= 560
        told = [box.get_attribute(name) for name in ("role", "tabindex")]
        assert told == (["region", "0"] if narrow else [None, None])
    if narrow:
        box = page.get_by_role("region", name="picture 1, scrolls sideways")
        box.press("ArrowRight")
        page.wait_for_function("box => box.scrollLeft > 0", arg=box.element_handle())
        assert page.evaluate("window.scrollX") == 0


def test_pictures_can_be_read(page, book):
    page, _ = page
    page.goto((book / "07-dense-connectivity.html").as_uri())
    wait_for_panels(page)
    assert page.locator(".wide img").count() == page.locator("img").count()
    check_pictures(page)


def test_a_slider_stays_in_view_and_leaves_its_picture_where_it_was_scrolled_to(page):
    page, _ = page
    frames = page.locator(".frames").first
    scrolled = frames.locator(".wide").evaluate("box => { box.scrollLeft = 200; return box.scrollLeft; }")
    before = frames.locator("img").get_attribute("alt")
    frames.get_by_role("slider").first.press("ArrowRight")
    frames.locator(f"img:not([alt={json.dumps(before, ensure_ascii=False)}])").wait_for()
    assert frames.locator(".wide").evaluate("box => box.scrollLeft") == scrolled
    assert all(label.evaluate(IN_VIEW) for label in frames.locator("label").all())


def test_the_page_names_the_controls_that_it_leaves_out(page):
    page, _ = page
    notes = [" ".join(frames.locator(".note").all_inner_texts()) for frames in page.locator(".frames").all()]
    assert notes[:2] == ["Also in the notebook: channels in.", ""]
    assert notes[2].startswith("Also in the notebook: preset, layers in block 1, ") and "growth rate" not in notes[2]


def test_the_workshop_needs_the_notebook(tmp_path):
    cells = [nbformat.v4.new_markdown_cell("# 09"), nbformat.v4.new_code_cell("from paper_nets import show")]
    cells.append(nbformat.v4.new_code_cell("show.workshop()"))
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "09-own.ipynb")
    main(tmp_path, [tmp_path / "09-own.ipynb"])
    for language, words in WORDS.items():
        page = (tmp_path / f"{words['file'].format('09-own')}.html").read_text()
        assert f'<html lang="{language}">' in page and page.count(words["trains"]) == 1 and "Run this cell" not in page


def test_the_map_and_the_verdicts_can_be_read_without_scrolling_sideways(page, book):
    page, _ = page
    page.goto((book / "00-start-here.html").as_uri())
    assert min(image.bounding_box()["width"] for image in page.locator("img").all()) >= 112
    for table in (page.locator("table", has_text="What does adding"), page.locator("table", has_text="verdict")):
        assert table.evaluate("table => table.scrollWidth <= table.clientWidth")
        assert table.evaluate(f"table => [...table.querySelectorAll('td')].every({IN_VIEW})")
    page.goto((book / "07-dense-connectivity.html").as_uri())


def test_the_page_of_the_figures_can_be_read_too(page, book, tmp_path):
    page, _ = page
    page.goto(gallery.write(tmp_path, gallery.figures()[:3]).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
    assert page.locator("details[open] table").count() > 0
    check_pictures(page)
    page.goto((book / "07-dense-connectivity.html").as_uri())


def test_no_formula_needs_a_script():
    for path in NOTEBOOKS.glob("[0-9]*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.cell_type != "markdown" or not re.search(r"\$[^$]+\$", cell.source), cell.source


def test_the_search_finds_sections_and_leads_to_them(page, book):
    page, wrong = page
    page.get_by_role("navigation").get_by_text("search").click()
    page.get_by_role("searchbox").fill("compression θ")
    found = page.get_by_role("listitem")
    headings = found.get_by_role("link").all_inner_texts()
    assert "07 · C16: the compression θ" in headings and len(headings) < 10
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
    assert page.locator(":target h2").inner_text().startswith("C22") and page.title().startswith("07")
    page.get_by_role("navigation").get_by_text("00 start here").click()
    page.get_by_role("navigation").get_by_text("07 dense").click()


def test_each_page_leads_to_itself_in_the_other_language_and_on_in_that(page, book):
    page, wrong = page
    page.goto((book / "07-dense-connectivity.html").as_uri())
    pictures = page.locator(".frames").count()
    page.get_by_role("navigation").get_by_text("한국어").click()
    assert page.title().startswith("07 · 밀집 연결") and page.locator("html").get_attribute("lang") == "ko"
    wait_for_panels(page)
    assert page.locator(".frames").count() == pictures and page.evaluate(FITS)
    page.get_by_role("navigation").get_by_text("찾기").click()
    page.get_by_role("searchbox").fill("압축 θ")
    assert page.get_by_role("status").inner_text().endswith("개 절") and page.get_by_role("listitem").count()
    page.get_by_role("navigation").get_by_text("English").click()
    page.get_by_role("navigation").get_by_text("00 Start here").click()
    assert page.url.endswith("/00-start-here.html") and wrong == []


def test_it_can_be_read_in_the_dark(page, book):
    page, _ = page
    page.emulate_media(color_scheme="dark")
    page.goto((book / "07-dense-connectivity.html").as_uri())
    lightness = """([place, what]) => Math.max(...getComputedStyle(document.querySelector(place))[what]
        .match(/\\d+/g).slice(0, 3))"""
    assert page.evaluate(lightness, ["body", "backgroundColor"]) < 40
    for place in ("p", "h1", ".note", ".highlight .n", "a", "td"):
        assert page.evaluate(lightness, [place, "color"]) > 150, place
    wait_for_panels(page)
    assert page.evaluate(lightness, [".frames img", "backgroundColor"]) == 255
    page.emulate_media(color_scheme="light")
