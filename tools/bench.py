"""How long every panel of the notebooks takes, from the key press to the new picture, or to the words that say why
there is none: `make bench`, half an hour.

In JupyterLab in Chromium, each notebook run as its reader would; every slider, menu and switch but those of panels that
train. It fails where 95 of 100 presses are not answered within 80 ms.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy
from playwright.sync_api import Locator, Page

from tools.jupyter import begin, browser, finish, lab, new_page

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
PRESSES = 60  # of the first slider of a panel; of every other control half as many
LIMIT = 80

# Resolves with the milliseconds from the next key press until the picture that it caused has been painted, or the words
# that say what is wrong; with null where it caused neither, at the end of a menu for one.
MEASURE = (Path(__file__).parent / "bench.js").read_text(encoding="utf-8")

STATE = "control => [control.ariaValueNow, control.value, control.className].join()"  # of a slider, menu, or switch


def measure(page: Page, panel: Locator, control: Locator, keys: tuple[str, str], presses: int) -> numpy.ndarray:
    """Milliseconds for each of so many presses of a key that moves a control, of the other key where it has moved all
    the way; NaN where the control moved and nothing came within two seconds."""
    control.scroll_into_view_if_needed()
    control.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(2500)
    element, times = panel.element_handle(), []
    for _ in range(presses):
        before = control.evaluate(STATE)
        page.evaluate(f"panel => {{ window.answer = ({MEASURE})(panel); }}", element)
        if keys[0] == "next":
            following, length = control.evaluate("menu => [menu.selectedIndex + 1, menu.options.length]")
            control.select_option(index=following % length)
        else:
            page.keyboard.press(keys[0])
        time = page.evaluate("() => window.answer")
        if time is None and control.evaluate(STATE) == before:
            keys = keys[::-1]
        else:
            times.append(numpy.nan if time is None else time)
        page.wait_for_timeout(150)
    return numpy.array(times)


def controls(panel: Locator):
    """Every control of a panel: what to call it, its element, the two keys that move it, and how many presses."""
    sliders = panel.get_by_role("slider").all()
    for i, slider in enumerate(sliders):
        yield f"slider {i + 1}, steps", slider, ("ArrowRight", "ArrowLeft"), PRESSES if i == 0 else PRESSES // 2
        if i == 0:
            yield "slider 1, leaps", slider, ("PageUp", "PageDown"), PRESSES
    for i, menu in enumerate(panel.locator("select").all()):
        yield f"menu {i + 1}", menu, ("next", "next"), PRESSES // 2
    for i, switch in enumerate(panel.locator("button.widget-toggle-button").all()):
        yield f"switch {i + 1}", switch, ("Space", "Space"), PRESSES // 2


def in_words(times: numpy.ndarray) -> tuple[str, bool]:
    """What a control's times come to, and whether that is quick enough."""
    answered = times[~numpy.isnan(times)]
    if not len(answered):
        return "no answer", False
    middle, high = numpy.percentile(answered, (50, 95), method="higher")
    told = f"median {middle:.0f} ms, 95 of 100 under {high:.0f}, slowest {answered.max():.0f}"
    silent = len(times) - len(answered)
    # A menu may have an entry that changes nothing, as the explorer's "a net of your own".
    if silent:
        told += f"; {silent} of {len(times)} without an answer"
    return told, high < LIMIT and 3 * silent < len(times)


def main(names: list[str]) -> int:
    print("From key press to new picture; a leap is five steps.")
    slow = []
    for path in (path for path in NOTEBOOKS if not names or path.name[:2] in names):
        with tempfile.TemporaryDirectory() as folder, browser() as opened:
            shutil.copytree(path.parent, folder, dirs_exist_ok=True)
            with lab(Path(folder)) as address:
                page = new_page(opened)
                begin(page, address, path.name)
                finish(page)
                panels = page.locator(".jp-OutputArea-output .widget-vbox").filter(has=page.locator("img"))
                for panel in panels.all():
                    if panel.locator("button.mod-primary").count():
                        continue  # it trains
                    name = ", ".join(filter(None, panel.locator("label").all_text_contents()))[:40]
                    for what, control, keys, presses in controls(panel):
                        times = measure(page, panel, control, keys, presses)
                        told, good = in_words(times)
                        told = f"{path.stem}, {name}, {what}: {told}"
                        print(told, flush=True)
                        slow += [] if good else [told]
                page.close()
    print("\n".join([f"{len(slow)} not within {LIMIT} ms", *slow]))
    return bool(slow)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
