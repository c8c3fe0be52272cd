"""Run notebooks from a clean kernel and keep their outputs: `python -m tests.execute notebooks/*.ipynb`."""

import base64
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

WIDGET = "application/vnd.jupyter.widget-view+json"


def execute(path: Path, timeout: int = 600) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, fit to be committed: no widget state, and no view of a widget that is gone."""
    book = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": str(path.parent)}}
    NotebookClient(book, timeout=timeout, kernel_name="python3", resources=where, store_widget_state=False).execute()
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


def main(paths: list[str]) -> int:
    for path in map(Path, paths):
        start = time.perf_counter()
        try:
            book = execute(path)
        except CellExecutionError as error:
            print(f"{path} failed; it stays as it was. {error}", file=sys.stderr)
            return 1
        nbformat.write(book, path)
        write_cover(book, path.with_suffix(".png"))
        print(f"{path}: {time.perf_counter() - start:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
