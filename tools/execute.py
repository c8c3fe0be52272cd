"""Run notebooks from a clean kernel and keep their outputs: `python -m tools.execute notebooks/[0-9]*.ipynb`.

Two at a time, since their training takes one thread; those that tell how long something takes run alone. The README
gets the verdicts that stand in them then.
"""

import base64
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from paper_nets.show import Verdicts
from tools import ROOT

README = ROOT / "README.md"
TABLE = re.compile(r"(?s)(?<=written by make notebooks -->\n).*(?=<!-- end of verdicts)")  # between its two marks
ALONE = ("10", "11", "12", "00")  # 10 to 12 measure time, 00 shows what the others have found
WIDGET = "application/vnd.jupyter.widget-view+json"


def execute(
    path: Path, timeout: int = 600, prepare: Callable[[nbformat.NotebookNode], None] = lambda _: None
) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, fit to be committed: no widget state, and no view of a widget that is gone.

    prepare: what changes the notebook before it runs.
    Raises RuntimeError, which names the cell, where one raises, takes more than `timeout` seconds, or ends the kernel.
    """
    book = nbformat.read(path, as_version=4)
    prepare(book)
    begun = []
    options = {"timeout": timeout, "kernel_name": "python3", "store_widget_state": False, "coalesce_streams": True}
    options["resources"] = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(book, **options, on_cell_start=lambda cell, cell_index: begun.append(cell.id))
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise RuntimeError(f"in its cell {begun[-1] if begun else '(none yet)'}: {error}") from error
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    return book


def write_cover(book: nbformat.NotebookNode, path: Path) -> None:
    """Write the picture that stands for the notebook elsewhere: the one of the cell tagged "cover"."""
    for cell in book.cells:
        for output in cell.get("outputs", []) if "cover" in cell.metadata.get("tags", []) else []:
            if picture := output.get("data", {}).get("image/png"):
                path.write_bytes(base64.b64decode(picture))


def with_verdicts(readme: str, folder: Path) -> str:
    """The README's text with the verdicts of the notebooks in `folder` between its two marks."""
    verdicts = Verdicts.read(folder)
    if verdicts.unfinished:
        raise ValueError(f"{', '.join(verdicts.unfinished)} shows no verdicts; run it to its end.")
    return TABLE.sub(lambda _: verdicts.short("notebooks/") + "\n", readme)


def main(paths: list[str], timeout: int = 600) -> int:
    def keep(path: Path) -> bool:
        start = time.perf_counter()
        try:
            book = execute(path, timeout)
        except RuntimeError as error:
            print(f"{path} failed {error}\nIt stays as it was.", file=sys.stderr)
            return False
        nbformat.write(book, path)
        write_cover(book, path.with_suffix(".png"))
        print(f"{path}: {time.perf_counter() - start:.0f} s", flush=True)
        return True

    begin = time.perf_counter()
    measured = pandas.read_csv(README.parent / "notebooks/measured.csv").groupby("notebook").seconds.max()
    found = sorted(map(Path, paths), key=lambda path: measured.get(path.stem, 0), reverse=True)  # the longest first
    alone = [path for number in ALONE for path in found if path.name.startswith(number)]
    with ThreadPoolExecutor(2) as pool:
        kept = list(pool.map(keep, [path for path in found if path not in alone]))
    if not (all(kept) and all(map(keep, alone))):
        return 1
    print(f"together: {(time.perf_counter() - begin) / 60:.1f} minutes")
    README.write_text(with_verdicts(README.read_text(encoding="utf-8"), README.parent / "notebooks"), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
