"""Each notebook runs from top to bottom without a network, teaches in the house's form, and is committed clean."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.execute import WIDGET, execute
from tests.jupyter import OFFLINE

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
LONGEST = 15  # lines of code in a cell


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture(scope="module")
def executed(path):
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = str(OFFLINE)
    try:
        return execute(path, more=[source for _, *answers in questions(path) for source in answers])
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)


def questions(path):
    """Of every question, its cell, the solution in the folded text below it, and the wrong answer in its metadata."""
    book = nbformat.read(path, as_version=4)
    found = []
    for cell, below in itertools.pairwise(book.cells):
        if "question" in cell.metadata.get("tags", []):
            solution = re.fullmatch(
                r"<details><summary>.*</summary>\n\n```python\n(.*)```\n\n</details>", below.source, re.S
            )
            found.append((cell, solution[1], cell.metadata["wrong"]))
    return found


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def text_of(cell):
    return "\n".join(
        output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in cell.get("outputs", [])
    )


def test_the_network_really_is_off():
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)"
    result = subprocess.run(
        [sys.executable, "-c", reach], env={**os.environ, "PYTHONPATH": str(OFFLINE)}, capture_output=True, text=True
    )
    assert "the network is off" in result.stderr


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_runs_and_says_what_the_committed_page_says(path, executed):
    """Numbers of a live training may differ from machine to machine; verdicts may not."""
    committed = nbformat.read(path, as_version=4)
    last = len(committed.cells) - 2
    verdicts = [re.findall(r"^(C\d+): (holds if|holds|does not hold as stated|open)", text_of(book.cells[last]), re.M)
                for book in (committed, executed)]  # fmt: skip
    assert verdicts[0] and verdicts[0] == verdicts[1]


def test_committed_with_its_outputs_and_nothing_else(path):
    book = nbformat.read(path, as_version=4)
    assert "widgets" not in book.metadata
    counts = [cell.execution_count for cell in code_cells(book)]
    assert counts == list(range(1, len(counts) + 1))
    for cell in code_cells(book):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text
            assert WIDGET not in output.get("data", {})
            assert not re.search(r"/(home|root|Users|tmp)/", text_of(cell))


def test_cells_are_short_and_pictures_have_words(path):
    book = nbformat.read(path, as_version=4)
    for i, cell in enumerate(book.cells):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= LONGEST + 3, cell.source
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    assert len(output.metadata["image/png"]["alt"]) > 30
                    assert output.data["text/plain"] == output.metadata["image/png"]["alt"]
                    assert book.cells[i + 1].source.startswith("*What to see:"), cell.source


def test_panels_stand_beside_a_static_picture(path):
    book = nbformat.read(path, as_version=4)
    for cell in code_cells(book):
        if panel := re.search(r"show\.Panel\(\s*(\w+)", cell.source):
            # What draws may be a function of the notebook's own, from another cell.
            sources = [c.source for c in code_cells(book) if c is cell or f"def {panel[1]}(" in c.source]
            drawn = re.findall(r"show\.([a-z_]+)\(", "\n".join(sources))
            assert any(re.search(rf"show\.{f}\b", c.source) and "image/png" in str(c.outputs)
                       for f in drawn for c in code_cells(book) if c is not cell)  # fmt: skip
            assert "Run this cell to move the controls" in text_of(cell)


def test_questions_are_answered_by_their_solutions_and_not_by_a_wrong_answer(path, executed):
    asked = questions(path)
    number = 0 if path.stem.startswith("01") else 3
    assert len(asked) >= number
    for cell, *_ in asked:
        assert "..." in cell.source and text_of(cell).startswith("Your turn")
    told = [text_of(cell) for cell in executed.cells[len(nbformat.read(path, as_version=4).cells) :]]
    assert len(told) == 2 * len(asked)
    for right, wrong in zip(told[::2], told[1::2], strict=True):
        assert right.startswith("Right."), right
        assert wrong.startswith("Not yet:") and "your answer gave" not in wrong, wrong
