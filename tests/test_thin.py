"""The package stays thin: what it may have at most, and what it has."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import paper_nets
from paper_nets import nets

ROOT = Path(__file__).parents[1]

# Lines of Python outside of tests/: the goal is 4,600. Holding any net against the papers, and reading the weights of
# others, took 1,550; predictions, ten questions and the scale of verdicts, 200; a picture's maps and the loss as a
# landscape, 210; pictures that people have, 130; Korean, 110, 280 for what code says, and 60 for cells that are
# run and the page of figures; letters of all scripts in
# pictures, 40; the book in both languages, 40; Apple's GPUs, 7.
LINES = 9874
# Lines of what `import paper_nets` loads, and the names that it and paper_nets.nets offer.
LOADED, NAMES = 1150, 25
# Names of paper_nets.lab and paper_nets.show that the notebooks use: the goal is 45.
USED = 49


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_lines_outside_of_the_tests():
    names = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert sum(lines(ROOT / name) for name in names.split() if not name.startswith("tests/")) <= LINES


def test_what_an_import_loads():
    script = (
        "import sys, paper_nets; print(*(m.__file__ for n, m in sys.modules.items() if n.startswith('paper_nets')))"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert sum(lines(Path(path)) for path in found.stdout.split()) <= LOADED
    assert len({*paper_nets.__all__, *nets.__all__}) <= NAMES


def used(source: str) -> set[str]:
    """The names of paper_nets.lab and .show that a cell imports or reaches for."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and re.match(r"paper_nets\.(lab|show)", node.module or ""):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("lab", "show"):
            names.add(node.attr)
    return names


def test_names_that_the_notebooks_use():
    names = set()
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        names |= {name for cell in cells if cell["cell_type"] == "code" for name in used("".join(cell["source"]))}
    assert len(names) <= USED, sorted(names)
