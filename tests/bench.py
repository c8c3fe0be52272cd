"""How long a slider takes, from the key press to the new picture, in JupyterLab in Chromium: `make bench`."""

import tempfile
from pathlib import Path

import nbformat
import numpy

from tests.jupyter import browser, lab, new_page, run_all

PRESSES = 60
PANELS = {
    "epochs (notebook 01)": """
from ipywidgets import Dropdown, IntSlider
from paper_nets import show
from paper_nets.lab import recorded, table
runs = table(recorded("digits", epochs=15))
show.Panel(lambda epoch, error: show.error_against_depth(runs, epoch, error),
           epoch=IntSlider(value=15, min=1, max=15), error=Dropdown(options=["training", "test"]))
""",
    "bottleneck (notebook 04)": """
import pandas
from ipywidgets import IntSlider
from paper_nets import show
def draw(width):
    weights = {"bottleneck": 17 * width**2, "two wide": 288 * width**2, "two narrow": 18 * width**2}
    rows = [{"block": name, "parameters": n, "multiply_adds": 3136 * n} for name, n in weights.items()]
    return show.block_costs(pandas.DataFrame(rows), f"width {width}")
show.Panel(draw, width=IntSlider(value=240, min=1, max=256))
""",
    "growth rate (notebook 05)": """
from ipywidgets import IntSlider
from paper_nets import plan, show
from paper_nets.nets import NAMES
paper = {name: plan(name) for name in NAMES if name.startswith("densenet")}
show.Panel(lambda k: show.growth_explorer(plan("densenet121", growth_rate=k), paper),
           k=IntSlider(value=64, min=1, max=128))
""",
}

# Resolves with the milliseconds from the next key press until the picture that it caused has been painted.
MEASURE = """() => new Promise(resolve => {
    const panel = document.querySelector('.jp-OutputArea-output .widget-vbox');
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


def measure(source: str, forth: str = "ArrowRight", back: str = "ArrowLeft", leg: int = 14) -> numpy.ndarray:
    """Milliseconds for each key press on the first slider of the panel that `source` shows.

    `leg` presses go back, as many forth, and so on, so that each of them changes the value.
    """
    with tempfile.TemporaryDirectory() as folder:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(book, Path(folder) / "bench.ipynb")
        with lab(Path(folder)) as address, browser() as opened:
            page = new_page(opened)
            run_all(page, address, "bench.ipynb", timeout=120)
            page.locator(".widget-vbox img").wait_for()
            page.get_by_role("slider").first.focus()
            times = []
            for i in range(PRESSES):
                page.evaluate(f"() => {{ window.answer = ({MEASURE})(); }}")
                page.keyboard.press(back if (i // leg) % 2 == 0 else forth)
                times.append(page.evaluate("() => window.answer"))
                page.wait_for_timeout(150)
            return numpy.array(times)


def main() -> None:
    print(f"From key press to new picture, {PRESSES} presses; a jump is over many values, to where nothing is drawn:")
    for name, source in PANELS.items():
        for kind, keys in {"step": (), "jump": ("PageUp", "PageDown", 1)}.items():
            times = measure(source, *keys)
            middle, high = numpy.percentile(times, (50, 95))
            print(f"{name}, {kind}: median {middle:.0f} ms, 95 of 100 under {high:.0f}, slowest {times.max():.0f}")


if __name__ == "__main__":
    main()
