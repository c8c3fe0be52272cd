"""How long every slider of the notebooks takes, from the key press to the new picture: `make bench`, 15 minutes.

In JupyterLab in Chromium, each notebook run as its reader would.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy
from playwright.sync_api import Locator, Page

from tests.jupyter import begin, browser, finish, lab, new_page

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
PRESSES = 60

# Resolves with the milliseconds from the next key press until the picture that it caused has been painted.
MEASURE = """panel => new Promise(resolve => {
    const before = panel.querySelector('img').src;
    let pressed;
    document.addEventListener('keydown', () => { pressed = performance.now(); }, {capture: true, once: true});
    const seen = new MutationObserver(() => {
        const img = panel.querySelector('img');
        if (!pressed || !img || img.src === before) return;
        seen.disconnect();
        img.decode().then(() => requestAnimationFrame(() => resolve(performance.now() - pressed)));
    });
    seen.observe(panel, {childList: true, subtree: true, attributes: true, attributeFilter: ['src']});
})"""


def measure(page: Page, panel: Locator, forth: str, back: str) -> numpy.ndarray:
    """Milliseconds for each of `PRESSES` key presses on the panel's first slider, up from its low end and down."""
    panel.scroll_into_view_if_needed()
    panel.get_by_role("slider").first.focus()
    page.keyboard.press("Home")
    page.wait_for_timeout(1500)
    element, times, key, slider = panel.element_handle(), [], forth, panel.get_by_role("slider").first
    for _ in range(PRESSES):
        page.evaluate(f"panel => {{ window.answer = ({MEASURE})(panel); }}", element)
        page.keyboard.press(key)
        times.append(page.evaluate("() => window.answer"))
        page.wait_for_timeout(150)
        at, low, high = (float(slider.get_attribute(f"aria-value{name}")) for name in ("now", "min", "max"))
        key = forth if at <= low else back if at >= high else key
    return numpy.array(times)


def main(names: list[str]) -> None:
    print(f"From key press to new picture, {PRESSES} presses; a leap is five steps.")
    for path in (path for path in NOTEBOOKS if not names or path.name[:2] in names):
        with tempfile.TemporaryDirectory() as folder, browser() as opened:
            shutil.copy(path, folder)
            with lab(Path(folder)) as address:
                page = new_page(opened)
                begin(page, address, path.name)
                finish(page)
                panels = page.locator(".jp-OutputArea-output .widget-vbox").filter(has=page.locator("img"))
                for panel in panels.filter(has=page.get_by_role("slider")).all():
                    if panel.locator("button.mod-primary").count():
                        continue  # it trains
                    name = ", ".join(filter(None, panel.locator("label").all_text_contents()))[:40]
                    for kind, keys in {"steps": ("ArrowRight", "ArrowLeft"), "leaps": ("PageUp", "PageDown")}.items():
                        times = measure(page, panel, *keys)
                        middle, high = numpy.percentile(times, (50, 95))
                        print(
                            f"{path.stem}, {name}, {kind}: median {middle:.0f} ms, 95 of 100 under {high:.0f}, "
                            f"slowest {times.max():.0f}",
                            flush=True,
                        )
                page.close()


if __name__ == "__main__":
    main(sys.argv[1:])
