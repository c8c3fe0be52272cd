"""No number stands in the prose that no code has printed: what a run gave before and does not give now is found."""

import re
from bisect import bisect_left
from pathlib import Path

import nbformat
import pytest

from tools.execute import README

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9][0-9]-*.ipynb"))

NUMBER = re.compile(r"(?<![\w.,/])\d[\d,]*(?:\.\d+)?(?![\w])")
# The papers' own: images, iterations, learning rates; they stand in the text as what they are.
FACTS = {"10,000", "50,000", "64,000", "32,000", "48,000", "0.1", "0.01", "0.001"}


def printed(book) -> list[float]:
    """Every number in a notebook's code and in what it gave, in order; large ones also as thousands, millions, …"""
    texts = []
    for cell in book.cells:
        if cell.cell_type == "code":
            texts.append(cell.source)
            for output in cell.outputs:
                texts.append(output.get("text", ""))
                texts += [data for kind, data in output.get("data", {}).items() if kind.startswith("text/")]
                texts += [about["alt"] for about in output.get("metadata", {}).values() if "alt" in about]
    found = {float(number.replace(",", "")) for number in NUMBER.findall("\n".join(texts))}
    return sorted(found | {number / 10**power for number in found for power in (3, 6, 9) if number >= 10**power})


def prose(markdown: str) -> str:
    """Without code, addresses, section numbers, and sentences that ask: they offer numbers to choose from."""
    for pattern in (r"```.*?```", r"`[^`]*`", r"\]\([^)]*\)", r"https?://\S+", r"(Section|arXiv) [\d.]+", r"[^.?!]*\?"):
        markdown = re.sub(pattern, " ", markdown, flags=re.S)
    return markdown


def stale(markdown: str, known: list[float]) -> list[str]:
    """The fractions, the large numbers and the per cents in the prose to which nothing printed rounds."""
    text, found = prose(markdown), []
    for match in NUMBER.finditer(text):
        number = match[0].rstrip(",")
        measured = "." in number or "," in number or text[match.end() :].lstrip()[:1] == "%"
        if not measured or number in FACTS:
            continue
        value, half = float(number.replace(",", "")), 0.5001 * 10.0 ** -len(number.partition(".")[2])
        at = bisect_left(known, value - half)
        if at == len(known) or known[at] > value + half:
            found.append(number)
    return found


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_prose_of_a_notebook_has_no_number_that_its_code_did_not_print(path):
    book = nbformat.read(path, as_version=4)
    text = "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    assert stale(text, printed(book)) == []


def test_the_readme_has_none_that_no_notebook_printed():
    known = sorted(number for path in NOTEBOOKS for number in printed(nbformat.read(path, as_version=4)))
    assert stale(README.read_text(encoding="utf-8"), known) == []


def test_a_number_that_is_off_is_found():
    known = [0.25, 12.345, 53.52, 269.722, 269722]
    right = "It ends at 53.5 %, 12.3 times, or 269,722; in short 269.7 thousand. Is it 60 %? See Section 4.1 and `0.7`."
    assert stale(right, known) == []
    assert stale("It ends at 53.6 %, 12 %, 12.4 times, and 269,723; of 50,000.", known) == ["53.6", "12.4", "269,723"]
