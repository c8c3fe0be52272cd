"""Panels in JupyterLab in a real browser: what the page answers itself, what it asks for, and what it offers."""

import nbformat
import pytest

from tests.test_browser import SHOTS, pytestmark  # noqa: F401  it needs the same browser
from tools.jupyter import begin, browser, finish, lab, new_page

FAST = """
import time
from ipywidgets import *
from paper_nets import show

def draw(size, net):
    if size == 8:
        return undefined + 1
    picture = show.Picture(300, 60 + 20 * size)
    picture.alt = f"size {size}, {net}"
    return picture

presets = {"low": {"size": 1, "net": "a"}, "high": {"size": 6, "net": "b"}}
size, net = IntSlider(value=3, min=1, max=9), Dropdown(options=[("A", "a"), ("B", "b")])
show.Panel(draw, play="size", presets=presets, size=size, net=net)
"""
SLOW = """
def slow(number):
    time.sleep(0.6)
    picture = show.Picture(300, 100)
    picture.alt = f"number {number}"
    return picture

show.Panel(slow, number=IntSlider(value=3, min=1, max=99))
"""
TRAIN = """
def train(epochs):
    for epoch in range(epochs):
        while time.time() % 1 > 0.1:  # busy, as training is
            pass
        picture = show.Picture(300, 100)
        picture.alt = f"epoch {epoch}"
        yield picture, (epoch + 1) / epochs
        time.sleep(0.2)

show.Panel(train, button="Train", epochs=IntSlider(value=40, min=1, max=40))
"""
SHOWN = """panel => {
    window.shown = [];
    new MutationObserver(() => shown.push(panel.querySelector('img').alt))
        .observe(panel.querySelector('.paper-nets-picture'), {childList: true});
}"""
EXECUTE = """code => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel
    .requestExecute({code}).done.then(() => true)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panels")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in (FAST, SLOW, TRAIN)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "panels.ipynb")
    with browser() as opened, lab(folder) as address:
        page = new_page(opened)
        page.set_default_timeout(20_000)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        wrong = []
        # JupyterLab's own core complains of a theme that is changed twice.
        page.on("pageerror", lambda error: "jlab_core" in error.stack or wrong.append(f"{error} {error.stack}"))
        begin(page, address, "panels.ipynb")
        finish(page)
        yield page
        assert not wrong, wrong


@pytest.fixture
def fast(page):
    """The first panel, as it was at first, its first slider in hand and everything near drawn ahead."""
    panel = page.locator(".jp-OutputArea-output .widget-vbox").nth(0)
    panel.scroll_into_view_if_needed()
    panel.get_by_role("button", name="Set all controls").click()
    panel.locator("img[alt='size 3, a']").wait_for()
    panel.get_by_role("slider").focus()
    page.wait_for_timeout(800)
    return panel


def test_the_page_answers_while_the_kernel_is_busy(page, fast):
    """So there is no message between the press and the picture: the kernel would not hear it."""
    page.evaluate(f"() => {{ window.slept = ({EXECUTE})('time.sleep(5)'); }}")
    page.wait_for_timeout(300)
    for size in (4, 5, 6):
        page.keyboard.press("ArrowRight")
        fast.locator(f"img[alt='size {size}, a']").wait_for(timeout=1000)
    fast.locator("select").nth(0).select_option("low")
    fast.locator("img[alt='size 1, a']").wait_for(timeout=1000)
    assert fast.get_by_role("slider").get_attribute("aria-valuenow") == "1.0"  # the controls follow the preset
    assert page.evaluate("() => Promise.race([slept, new Promise(done => setTimeout(done, 10))])") is None
    assert page.evaluate("() => slept")


def test_a_picture_that_is_late_never_replaces_a_newer_one(page):
    panel = page.locator(".jp-OutputArea-output .widget-vbox").nth(1)
    panel.scroll_into_view_if_needed()
    page.evaluate(SHOWN, panel.element_handle())
    panel.get_by_role("slider").focus()
    for _ in range(12):
        page.keyboard.press("PageUp")
        page.wait_for_timeout(120)
    assert panel.locator(".paper-nets-picture").get_attribute("aria-busy") == "true"
    value = float(panel.get_by_role("slider").get_attribute("aria-valuenow"))
    panel.locator(f"img[alt='number {value:.0f}']").wait_for()
    assert panel.locator(".paper-nets-picture[aria-busy=false]").count() == 1
    shown = [int(alt.split()[1]) for alt in page.evaluate("shown")]
    assert shown == sorted(shown) and len(shown) < 9  # those on the way that were over are not drawn


def test_an_error_is_told_and_the_last_picture_stays_marked(page, fast):
    fast.locator("select").nth(0).select_option("high")
    fast.locator("img[alt='size 6, b']").wait_for()
    fast.get_by_role("slider").focus()
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    status = fast.get_by_role("status")
    status.filter(has_text="NameError: name 'undefined' is not defined (line ").wait_for()
    assert fast.locator(".paper-nets-old img").get_attribute("alt") == "size 7, b"
    fast.get_by_text("Where it happened").click()
    assert "Traceback" in fast.locator("pre").inner_text()
    page.keyboard.press("Escape")
    fast.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    fast.locator("img[alt='size 9, b']").wait_for()
    assert status.inner_text() == "" and fast.locator(".paper-nets-old").count() == 0


def test_play_goes_to_the_end(page, fast):
    fast.locator("select").nth(0).select_option("high")
    fast.locator("img[alt='size 6, b']").wait_for()
    page.evaluate(SHOWN, fast.element_handle())
    play = fast.get_by_role("button", name="Play, or pause")
    play.click()
    fast.locator("img[alt='size 9, b']").wait_for()
    assert page.evaluate("shown") == ["size 7, b", "size 9, b"]  # 8 is an error
    play.click()  # and from the beginning again
    page.wait_for_function("shown.includes('size 2, b')")
    play.click()
    now = fast.locator("img").get_attribute("alt")
    page.wait_for_timeout(1000)
    assert fast.locator("img").get_attribute("alt") == now


def test_the_call_and_the_picture_can_be_taken_along(page, fast):
    fast.get_by_role("button", name="Copy the Python call").click()
    page.get_by_text("copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "draw(size=3, net='a')"
    for kind, begins in (("SVG", b"<?xml"), ("PNG", b"\x89PNG")):
        with page.expect_download() as download:
            fast.get_by_role("button", name=f"Download this picture as {kind}").click()
        with open(download.value.path(), "rb") as file:
            assert file.read(5).startswith(begins)


def test_by_keyboard_alone_and_for_those_who_cannot_see(page, fast):
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    fast.locator("[aria-live=polite]").filter(has_text="size 5, a").wait_for()  # once the hand rests
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel") == "Set all controls as they were at first":
            break
    page.keyboard.press("Enter")
    fast.locator("img[alt='size 3, a']").wait_for()


def test_the_arrows_are_the_sliders_also_where_the_notebook_is_asked_first(page, fast):
    """As Notebook 7 is, which would move between its cells."""
    page.evaluate("""() => addEventListener("keydown", ({key, target}) => {
        window.spared = {...window.spared, [key]: target.hasAttribute("data-lm-suppress-shortcuts")};
    }, {capture: true})""")
    for key in ("ArrowRight", "PageUp"):
        page.keyboard.press(key)
    assert page.evaluate("spared") == {"ArrowRight": True, "PageUp": False}


def test_the_page_below_does_not_jump(page, fast):
    fast.locator("select").nth(0).select_option("high")
    fast.locator("img[alt='size 6, b']").wait_for()
    page.wait_for_timeout(100)
    below = fast.bounding_box()["height"]
    fast.get_by_role("slider").focus()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
        page.wait_for_timeout(50)
    fast.locator("img[alt='size 1, b']").wait_for()
    assert fast.bounding_box()["height"] == below


def test_it_can_be_read_in_the_dark(page, fast):
    dark = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
    light = """element => getComputedStyle(element).color.match(/[0-9.]+/g).slice(0, 3).every(part => part > 150)"""
    page.evaluate(dark, "JupyterLab Dark")
    try:
        page.wait_for_function(light, arg=fast.get_by_role("button", name="Set all").element_handle())
        assert fast.get_by_role("status").evaluate(light)
        background = "image => getComputedStyle(image).backgroundColor"
        assert fast.locator("img").evaluate(background) == "rgb(255, 255, 255)"  # for figures without their own
    finally:
        page.evaluate(dark, "JupyterLab Light")


def test_long_work_leaves_the_kernel_free_and_stops(page):
    panel = page.locator(".jp-OutputArea-output .widget-vbox").nth(2)
    panel.scroll_into_view_if_needed()
    panel.get_by_role("button", name="Train").click()
    panel.locator("img[alt='epoch 1']").wait_for()
    panel.get_by_text("s left").wait_for()
    assert page.evaluate(EXECUTE, "1 + 1")
    panel.get_by_role("button", name="Stop").click()
    panel.get_by_role("status").filter(has_text="Stopped.").wait_for(timeout=2000)
    assert panel.locator("progress").is_hidden() and panel.get_by_role("button", name="Train").is_enabled()
    panel.get_by_role("slider").press("ArrowLeft")
    panel.get_by_role("button", name="Set all controls").click()  # which draws nothing before Train is pressed again
    assert panel.get_by_role("slider").get_attribute("aria-valuenow") == "40.0" and page.evaluate(EXECUTE, "1 + 1")
    page.wait_for_timeout(300)
    assert panel.get_by_role("status").inner_text() == "Stopped."


def test_the_panel_comes_back_with_the_page(page, fast):
    """What was drawn stays in the kernel; the page asks for it again."""
    page.keyboard.press("ArrowRight")
    fast.locator("img[alt='size 4, a']").wait_for()
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.reload()
    panel = page.locator(".jp-OutputArea-output .widget-vbox").nth(0)
    panel.locator("img[alt='size 4, a']").wait_for()


def test_by_touch_on_a_telephone(page, fast):
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    signed_in = page.context.storage_state()
    phone = page.context.browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, storage_state=signed_in
    )
    with phone:
        touched = phone.new_page()
        touched.goto(page.url)
        touched.locator("[data-id=filebrowser]").tap()  # JupyterLab's files leave a telephone no room
        panel = touched.locator(".jp-OutputArea-output .widget-vbox").nth(0)
        panel.locator("img[alt='size 3, a']").wait_for()
        track = panel.locator(".noUi-target").bounding_box()
        touched.touchscreen.tap(track["x"] + 0.5 * track["width"], track["y"] + 0.5 * track["height"])
        panel.locator("img[alt='size 5, a']").wait_for()
        panel.locator("select").nth(1).tap()
        panel.locator("select").nth(1).select_option("B")
        panel.locator("img[alt='size 5, b']").wait_for()
        panel.get_by_role("button", name="Set all controls").tap()
        panel.locator("img[alt='size 3, a']").wait_for()
        if SHOTS:
            touched.screenshot(path=f"{SHOTS}/touch.png")
