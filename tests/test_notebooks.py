"""Each notebook runs from top to bottom without a network, teaches in the house's form, and is committed clean."""

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas
import pytest

from paper_nets import published
from paper_nets.show import Verdicts
from tests.test_browser import RAN
from tools.execute import README, WIDGET, execute, with_verdicts
from tools.execute import main as write
from tools.jupyter import OFFLINE

FOLDER = Path(__file__).parents[1] / "notebooks"
OVERVIEW = FOLDER / "00-start-here.ipynb"
NOTEBOOKS = sorted(path for path in FOLDER.glob("[0-9]*.ipynb") if path != OVERVIEW)
LONGEST = 15  # lines of code in a cell


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(OFFLINE))


@pytest.fixture
def outputs(path, offline):
    """Every code cell's outputs from a run without a network: in the browser, where that has been, or in a kernel."""
    return RAN.get(path.name) or [cell.outputs for cell in code_cells(execute(path))]


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


def text_of(outputs):
    return "\n".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)


def test_the_network_really_is_off():
    reach = "import socket; socket.create_connection(('192.0.2.1', 80), timeout=2)"
    result = subprocess.run(
        [sys.executable, "-c", reach], env={**os.environ, "PYTHONPATH": str(OFFLINE)}, capture_output=True, text=True
    )
    assert "the network is off" in result.stderr


def test_there_are_notebooks():
    assert NOTEBOOKS


def test_every_claim_has_a_verdict_and_a_place_where_it_was_measured():
    found = Verdicts.read(FOLDER)
    assert [verdict.claim_id for verdict in found] == list(published("claims").id)
    assert {verdict.claim_id.rstrip("ab") for verdict in found} == {f"C{i}" for i in range(1, 25)}
    for verdict in found:
        book = nbformat.read(FOLDER / verdict.notebook, as_version=4)
        assert f"{verdict.claim_id}: {verdict.verdict}; {verdict.sentence}" in text_of(code_cells(book)[-1].outputs)
        (section,) = (cell for cell in book.cells if cell.id == verdict.cell)
        assert re.match(rf"#+ .*\b{verdict.claim_id.rstrip('ab')}\b", section.source)
        assert verdict.borne_out and len(verdict.sentence.split()) <= 15


def test_notebook_00_shows_the_verdicts_of_the_others(offline):
    """As it is committed, and as it runs."""
    wanted = Verdicts.read(FOLDER)._repr_mimebundle_()[0]["text/markdown"]
    for book in (nbformat.read(OVERVIEW, as_version=4), execute(OVERVIEW)):
        verdicts, measured = code_cells(book)
        assert verdicts.outputs[-1].data["text/markdown"] == wanted
        assert all(path.stem in measured.outputs[-1].data["text/html"] for path in NOTEBOOKS)
    text = "\n".join(cell.source for cell in book.cells)
    for path in NOTEBOOKS:
        assert f"({path.name})" in text and f'src="{path.stem}.png"' in text


def test_the_readme_has_the_verdicts_of_the_notebooks():
    text = README.read_text(encoding="utf-8")
    assert "| C24 |" in text and with_verdicts(text, FOLDER) == text


def test_what_shows_no_verdicts_is_named(tmp_path):
    with pytest.raises(ValueError, match="There are no notebooks with verdicts"):
        Verdicts.read(tmp_path)
    shutil.copy(NOTEBOOKS[1], tmp_path)
    book = nbformat.read(NOTEBOOKS[0], as_version=4)
    code_cells(book)[-1].outputs = []
    nbformat.write(book, tmp_path / "01-mine.ipynb")
    found = Verdicts.read(tmp_path)
    assert found.unfinished == ("01-mine.ipynb",) and {v.notebook for v in found} == {NOTEBOOKS[1].name}
    assert "\n01-mine.ipynb shows no verdicts now; run it" in found._repr_mimebundle_()[0]["text/markdown"]
    with pytest.raises(ValueError, match="01-mine.ipynb shows no verdicts; run it"):
        with_verdicts(README.read_text(encoding="utf-8"), tmp_path)


def test_runs_and_says_what_the_committed_page_says(path, outputs):
    """Numbers of a live training may differ from machine to machine; verdicts may not."""
    committed = [cell.outputs for cell in code_cells(nbformat.read(path, as_version=4))]
    verdicts = [re.findall(r"^(C\d+[ab]?): ([^;]+);", text_of(page[-1]), re.M) for page in (committed, outputs)]
    assert verdicts[0] == verdicts[1] and "not borne out" not in str(outputs)
    assert verdicts[0] or path.name[:2] in ("05", "09", "11", "12")  # they settle no claim


@pytest.mark.parametrize("path", [OVERVIEW, *NOTEBOOKS], ids=lambda path: path.stem)
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
            assert not re.search(r"/(home|root|Users|tmp)/", text_of(cell.outputs))


def test_cells_are_short_and_pictures_have_words(path):
    book = nbformat.read(path, as_version=4)
    for i, cell in enumerate(book.cells):
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= LONGEST + 3, cell.source
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    assert len(output.metadata["image/png"]["alt"]) > 30
                    if "show.Panel(" not in cell.source:
                        assert output.data["text/plain"] == output.metadata["image/png"]["alt"]
                        assert book.cells[i + 1].source.startswith("*What to see:"), cell.source


def test_panels_are_stored_with_their_first_picture(path):
    """For pages without a kernel, GitHub's for one; a panel that trains has none before it is begun."""
    for cell in code_cells(nbformat.read(path, as_version=4)):
        if "show.Panel(" in cell.source:
            assert "Run this cell to move the controls" in text_of(cell.outputs)
            assert ("image/png" in cell.outputs[-1].data) != ("button=" in cell.source), cell.source


@pytest.fixture(scope="module")
def replies(tmp_path_factory):
    """What the reader is told about the solutions and the wrong answers of each notebook, in turns.

    One kernel for all of them, which is made new, but for what Python has loaded, before each notebook; there is
    nothing then but the notebook's first cell, which has its imports.
    """
    cell = nbformat.v4.new_code_cell
    book, answers = nbformat.read(NOTEBOOKS[0], as_version=4), {}
    book.cells = []
    for path in NOTEBOOKS:
        book.cells += [cell("%reset -f"), cell(code_cells(nbformat.read(path, as_version=4))[0].source)]
        both = [source for _, *both in questions(path) for source in both]
        answers[path] = slice(len(book.cells), len(book.cells) + len(both))
        book.cells += map(cell, both)
    target = tmp_path_factory.mktemp("answers") / "answers.ipynb"
    nbformat.write(book, target)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("PYTHONPATH", str(OFFLINE))
        told = [text_of(cell.outputs) for cell in execute(target).cells]
    return {path: told[where] for path, where in answers.items()}


def test_questions_are_answered_by_their_solutions_and_not_by_a_wrong_answer(path, replies):
    asked = questions(path)
    number = {"03": 2, "05": 1, "09": 1, "12": 1}.get(path.stem[:2], 3)
    assert len(asked) >= number
    for cell, *_ in asked:
        assert "..." in cell.source and text_of(cell.outputs).startswith("Your turn")
    assert len(replies[path]) == 2 * len(asked)
    for right, wrong in zip(replies[path][::2], replies[path][1::2], strict=True):
        assert right.startswith("Right."), right
        assert wrong.startswith("Not yet:") and "your answer gave" not in wrong, wrong


def test_every_notebook_fits_binder():
    """As `make measure` found it, on the build of PyTorch that took least; live parts take under three minutes."""
    measured = pandas.read_csv(FOLDER / "measured.csv")
    assert set(measured.notebook) == {path.stem for path in FOLDER.glob("[0-9]*.ipynb")}
    least = measured.groupby("notebook")[["seconds", "megabytes"]].min()
    assert least.megabytes.max() < 1000 and least.seconds.max() < 180


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("1 / 0", "division by zero"),
        ("import time; time.sleep(60)", "timed out"),
        ("import os; os._exit(1)", "Kernel died"),
    ],
)
def test_a_notebook_that_fails_is_named_with_its_cell_and_stays_as_it_was(source, why, tmp_path, capsys):
    cells = [nbformat.v4.new_code_cell(source, id=name) for source, name in (("1", "fine"), (source, "wrong"))]
    path = tmp_path / "09-wrong.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    before, readme = path.read_bytes(), README.read_bytes()
    assert write([str(path)], timeout=5) == 1
    told = capsys.readouterr().err
    assert f"{path} failed in its cell wrong" in told and why in told, told
    assert path.read_bytes() == before and README.read_bytes() == readme


@pytest.mark.parametrize("each", sorted(FOLDER.glob("*.ipynb")), ids=lambda each: each.stem)
def test_each_opens_itself_on_binder_and_on_colab(each):
    first = nbformat.read(each, as_version=4).cells[0].source
    for place in ("mybinder.org/v2/gh/", "colab.research.google.com/github/"):
        assert re.search(rf"\]\(https://{re.escape(place)}[^)\s]*notebooks/{each.name}\)", first), place
