"""Time and peak memory of every notebook as on Binder, with one thread: `make measure` writes notebooks/measured.csv.

Memory is what the kernel and the processes that it starts have to themselves, read five times a second. A build of
PyTorch with CUDA takes more of it than one without, so what others have measured stays in the table beside it.
`python -m tools.measure notebooks/03*.ipynb` measures some.
"""

import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pandas
import psutil
import torch

from paper_nets.gallery import NOTEBOOKS
from tools.execute import execute


def as_on_binder() -> dict[str, str]:
    """The environment that binder/start sets."""
    exported = re.findall(r"^export (.*)$", (NOTEBOOKS.parent / "binder/start").read_text(), re.M)
    return dict(setting.split("=") for line in exported for setting in line.split())


def own_memory() -> float:
    """Megabytes that this process's children have to themselves, all together."""
    total = 0
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            total += child.memory_full_info().uss
    return total / 1e6


def measure(path: Path) -> dict:
    """Seconds and peak megabytes of one notebook, run from a clean kernel."""
    done, peak = threading.Event(), [0.0]

    def watch():
        while not done.wait(0.2):
            peak[0] = max(peak[0], own_memory())

    watcher, start = threading.Thread(target=watch), time.perf_counter()
    watcher.start()
    try:
        execute(path)
    finally:
        done.set()
        watcher.join()
    seconds = time.perf_counter() - start
    return {"notebook": path.stem, "torch": torch.__version__, "seconds": round(seconds), "megabytes": round(peak[0])}


def main(paths: list[Path], target: Path) -> None:
    os.environ.update(as_on_binder())
    for path in paths:
        row = measure(path)
        print("{notebook}: {seconds} s, {megabytes} MB".format(**row), flush=True)
        before = pandas.read_csv(target) if target.exists() else pandas.DataFrame()
        table = pandas.concat([before, pandas.DataFrame([row])])
        table = table.drop_duplicates(["notebook", "torch"], keep="last").sort_values(["notebook", "torch"])
        table.to_csv(target, index=False)


if __name__ == "__main__":
    asked = map(Path, sys.argv[1:]) if sys.argv[1:] else sorted(NOTEBOOKS.glob("[0-9]*.ipynb"))
    main(asked, NOTEBOOKS / "measured.csv")
