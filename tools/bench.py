"""How long every panel of the notebooks takes, from the key press to the new picture, or to the words that say why
there is none: `make bench`, some two hours; `python -m tools.bench 07 --presses 20` for one notebook, ten minutes.

In JupyterLab in Chromium, each notebook run as its reader would, on this machine and over a line that takes 75 ms each
way; every control but those of panels that train. Beside them, ipywidgets.interact with a figure of pyplot's, and where
a notebook has three panels, what a storm of changes leaves behind. It fails where 95 of 100 presses are not answered in
time, or where the storm leaves another value shown, work for the kernel, or memory.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy
import psutil
from playwright.sync_api import Locator, Page

from tools import ROOT
from tools.jupyter import begin, browser, delayed, finish, lab, new_page

LINES = {"local": (0, 25), "delayed": (0.075, 40)}  # seconds each way, and milliseconds in which to answer
INTERACT = """%matplotlib inline
import ipywidgets, matplotlib.pyplot as plt

def draw(layers=5, growth_rate=4):
    figure, axes = plt.subplots(figsize=(8, 3))
    for i in range(layers + 1):
        axes.bar(i, 6 + i * growth_rate)
        for j in range(i):
            arrow = dict(arrowstyle="->", connectionstyle="arc3,rad=-0.3")
            axes.annotate("", (i, 6 + i * growth_rate), (j, 6 + j * growth_rate), arrowprops=arrow)
    plt.show()

ipywidgets.interact(draw, layers=(1, 14), growth_rate=(1, 48));"""
MEASURE, STORM = ((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("bench.js", "storm.js"))
PIXELS = """img => {
    const canvas = Object.assign(document.createElement('canvas'), {width: img.width, height: img.height});
    canvas.getContext('2d').drawImage(img, 0, 0, img.width, img.height);
    return canvas.toDataURL();
}"""
STATE = "control => [control.ariaValueNow, control.value, control.checked, control.className].join()"

# What a control is called, its elements, and the two keys that move it.
KINDS = [
    ("slider", "[role=slider]", ("ArrowRight", "ArrowLeft")),
    ("menu", "select", ("next", "next")),
    ("switch", "button.widget-toggle-button, input[type=checkbox]", ("Space", "Space")),
    ("number", "input[type=number]", ("ArrowUp", "ArrowDown")),
    ("text", "input[type=text]", ("1", "Backspace")),
]


def measure(page: Page, panel: Locator, control: Locator, keys: tuple[str, str], presses: int) -> numpy.ndarray:
    """Milliseconds for each of so many presses of a key that moves a control, of the other key where it has moved all
    the way; NaN where the control moved and nothing came within two seconds."""
    for reset in panel.locator("button:text-is('reset')").all():  # where another control would hide this one's effect
        reset.click()
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
        stuck = time is None and control.evaluate(STATE) == before
        if stuck or "Backspace" in keys:
            keys = keys[::-1]
        if not stuck:
            times.append(numpy.nan if time is None else time)
        page.wait_for_timeout(150)
    return numpy.array(times)


def controls(panel: Locator, presses: int) -> Iterator[tuple]:
    """Every control of a panel: what to call it, its element, the two keys that move it, and how many presses."""
    for kind, selector, keys in KINDS:
        found = panel.locator(selector).and_(panel.locator(":not(.paper-nets-tools *)"))
        for i, control in enumerate(found.all(), 1):
            first = kind == "slider" and i == 1
            yield f"{kind} {i}", control, keys, presses if first else -(-presses // 2)
            if first:
                yield "slider 1 by leaps", control, ("PageUp", "PageDown"), presses


def in_words(times: numpy.ndarray, limit: float) -> tuple[str, bool]:
    """What a control's times come to, and whether that is quick enough."""
    answered = times[~numpy.isnan(times)]
    if not len(times):
        return "does not move", True  # the button of several that is down
    if not len(answered):
        return "no answer", False
    middle, high = numpy.percentile(answered, (50, 95), method="higher")
    silent = len(times) - len(answered)
    told = f"{middle:.0f}/{high:.0f} ms" + (f" ({silent} of {len(times)} without an answer)" if silent else "")
    # A menu may have an entry that changes nothing, as the explorer's "a net of your own".
    return told, high <= limit and 3 * silent < len(times)


def memory(page: Page, kernel: psutil.Process) -> numpy.ndarray:
    """Megabytes that the page's JavaScript uses, and the kernel's process."""
    session = page.context.new_cdp_session(page)
    for command in ("HeapProfiler.collectGarbage", "Performance.enable"):
        session.send(command)
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    session.detach()
    return numpy.array([metrics["JSHeapUsedSize"], kernel.memory_info().rss]) / 1e6


def is_last(page: Page, panel: Locator, slider: Locator) -> bool:
    """Whether a panel shows what it shows again when its slider has been moved a step and back, but not between."""
    slider.focus()
    keys, shown = ["ArrowLeft", "ArrowRight"], []
    if slider.evaluate("slider => slider.ariaValueNow === slider.ariaValueMin"):
        keys.reverse()
    for key in ["Shift", *keys]:  # which moves nothing
        page.keyboard.press(key)
        page.wait_for_timeout(2000)
        shown.append((panel.locator("img").first.evaluate(PIXELS), panel.locator("[role=status]").all_text_contents()))
    return shown[0] == shown[2] != shown[1]


def storm(page: Page, three: list[Locator]) -> tuple[str, bool]:
    """What 500 changes in ten seconds on three panels leave behind, in words, and whether all of it is well."""
    for reset in page.locator("button:text-is('reset')").all():  # where another control would hide a slider's effect
        reset.click()
    sliders = [panel.locator("[role=slider]").first for panel in three]
    kernel = next(p for p in psutil.Process().children(recursive=True) if "ipykernel_launcher" in p.cmdline())
    before = memory(page, kernel)
    last = page.evaluate(STORM, [slider.element_handle() for slider in sliders])
    kernel.cpu_percent()  # which the next call counts from
    for _ in range(60):  # while the kernel draws ahead for what was moved last
        page.wait_for_timeout(3000)
        if (share := kernel.cpu_percent()) <= 10:
            break
    after, grown = page.evaluate("() => window.after"), memory(page, kernel)
    stand = [slider.evaluate("slider => slider.ariaValueNow") for slider in sliders]
    right = stand == last and all(is_last(page, *pair) for pair in zip(three, sliders, strict=True))
    told = f"last values {'' if right else 'not '}shown, last message after {after:.1f} s, kernel then {share:.0f} %"
    for what, start, end in zip(("page", "kernel"), before, grown, strict=True):
        told += f", {what} {start:.0f} to {end:.0f} MB"
    return told, right and share <= 10 and (grown <= 1.1 * before + 20).all()


def results(page: Page, presses: int, limit: float) -> Iterator[tuple[str, str, bool]]:
    """What was measured, what came out, and whether it is well: every control of every panel but those that train."""
    panels = page.locator(".jp-OutputArea-output .widget-vbox").filter(has=page.locator("img"))
    panels = panels.filter(has_not=page.locator("button.mod-primary")).all()
    for number, panel in enumerate(panels, 1):
        labels = ", ".join(filter(None, panel.locator("label").all_text_contents()))[:40]
        for what, control, keys, count in controls(panel, presses):
            yield f"panel {number} ({labels}), {what}", *in_words(measure(page, panel, control, keys, count), limit)
    if len(panels) >= 3:
        yield "500 changes in ten seconds", *storm(page, panels[:3])


@contextmanager
def opened(name: str, seconds: float) -> Iterator[Page]:
    """The page of a notebook that has run, in a folder of its own, so that JupyterLab opens nothing beside it."""
    cell = {"id": "a", "cell_type": "code", "source": INTERACT, "metadata": {}, "outputs": [], "execution_count": None}
    book = {"cells": [cell], "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}}}
    with tempfile.TemporaryDirectory() as made:
        folder = shutil.copytree(ROOT / "notebooks", Path(made), dirs_exist_ok=True)
        (folder / "interact.ipynb").write_text(json.dumps({**book, "nbformat": 4, "nbformat_minor": 5}))
        with lab(folder) as address, delayed(address, seconds) as address, browser() as chromium:
            page = new_page(chromium)
            begin(page, address, f"{name}.ipynb")
            finish(page)
            page.wait_for_timeout(3000)  # the last panels appear after the last cell
            yield page


def main(names: list[str], presses: int) -> int:
    print("From key press to new picture, median/95 of 100; a leap is five steps.")
    paths = [path for path in sorted((ROOT / "notebooks").glob("[0-9]*.ipynb")) if not names or path.name[:2] in names]
    count, failed = 0, []
    for name in ["interact", *(path.stem for path in paths if "show.Panel(" in path.read_text(encoding="utf-8"))]:
        found = {}
        for line, (seconds, limit) in LINES.items():
            with opened(name, seconds) as page:
                for what, words, good in results(page, presses, limit):
                    found.setdefault(what, []).append((f"{line} {words}", good or name == "interact"))
        for what, lines in found.items():
            told = f"{name}, {what}: " + ", ".join(words for words, _ in lines)
            print(told, flush=True)
            failed += [] if all(good for _, good in lines) else [told]
        count += len(found)
        failed += [] if found else [f"{name}: no panel found"]
    limits = " or ".join(f"{limit} ms {line}" for line, (_, limit) in LINES.items())
    print("\n".join([f"{len(failed)} of {count} not within {limits}, or not well after the storm", *failed]))
    return bool(failed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="the first two digits of notebooks; all of them otherwise")
    parser.add_argument("--presses", type=int, default=60, help="of a panel's first slider; of the others half as many")
    arguments = parser.parse_args()
    sys.exit(main(arguments.names, arguments.presses))
