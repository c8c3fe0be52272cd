"""The Korean edition says what the English one says, cell by cell."""

import re
from collections import Counter

import nbformat
import pytest

from paper_nets import show
from tools import korean

PARTS = {
    "numbers": r"\d+(?:[.,]\d+)*",
    "links": r"\]\(([^)\s]+)",
    "code": r"`[^`\n]+`",
    "formulas": r"\$[^$\n]+\$",
    "headings": r"(?m)^#+(?= )",
    "rows of tables": r"(?m)^\|",
    "folds": r"</?details>",
}


def parts(text: str, pattern: str) -> Counter:
    return Counter(re.findall(pattern, text))


@pytest.mark.parametrize("source", korean.SOURCES, ids=lambda source: source.stem)
def test_every_cell_is_translated_as_it_now_stands(source):
    wrong = [message.context for message in korean.catalogue(source) if message.id and message.fuzzy]
    missing = [message.context for message in korean.catalogue(source) if message.id and not message.string]
    assert not wrong, f"The English of {', '.join(wrong)} has changed since it was translated."
    assert not missing, f"{', '.join(missing)} is not translated."


@pytest.mark.parametrize("source", korean.SOURCES, ids=lambda source: source.stem)
@pytest.mark.parametrize("what", PARTS)
def test_numbers_links_and_code_are_the_same(source, what):
    for message in korean.catalogue(source):
        if message.id and message.string:
            texts = message.id, re.sub(r"\d+월", "", message.string)  # January has no digits in English
            english, ours = (parts(text, PARTS[what]) for text in texts)
            assert english == ours, f"{message.context}: {what}: {english - ours} against {ours - english}"


def test_it_is_korean_and_spelled_as_in_the_glossary():
    text = "\n".join(message.string for source in korean.SOURCES for message in korean.catalogue(source))
    hangul, latin = (len(re.findall(f"[{letters}]", text)) for letters in ("가-힣", "a-zA-Z"))
    assert hangul > latin
    for other in ("배치 정규화", "기울기 소실", "성장률", "전이층", "특징 재사용", "지름길"):
        assert other in text
    for other in ("그라디언트", "그래디언트", "컨볼루션", "레이어"):
        assert other not in text, other


def test_a_change_of_the_english_shows(tmp_path, monkeypatch):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text, id=text) for text in ("one", "two")])
    source = tmp_path / "01-a.ipynb"
    nbformat.write(book, source)
    monkeypatch.setattr(korean, "CATALOGUES", tmp_path)
    monkeypatch.setattr(korean, "SOURCES", [source])
    monkeypatch.setattr(korean, "ROOT", tmp_path)
    korean.main(update=True)
    path = tmp_path / "01-a.po"
    path.write_text(path.read_text().replace('msgid "one"\nmsgstr ""', 'msgid "one"\nmsgstr "하나"'))
    korean.main(update=True)
    assert korean.translated(source) == {"one": "하나", "two": "two"}
    book.cells[0].source = "another"
    nbformat.write(book, source)
    (message,) = (message for message in korean.catalogue(source) if message.context == "one")
    assert message.fuzzy and message.id == "another" and message.string == "하나"
    assert korean.translated(source)["one"] == "another"


def test_the_korean_notebook_has_the_code_and_outputs_of_the_english_one(tmp_path, monkeypatch):
    source = next(path for path in korean.TEXTS if path.name.startswith("00"))
    book = nbformat.read(source, as_version=4)
    made = nbformat.read(korean.write(source, tmp_path), as_version=4)
    assert [cell.id for cell in made.cells] == [cell.id for cell in book.cells]
    for ours, english in zip(made.cells, book.cells, strict=True):
        if english.cell_type == "code" and "erdict" not in english.source:
            assert ours == english
    links = [link for cell in made.cells for link in re.findall(r"\]\(([^):]+\.ipynb)", cell.source)]
    assert links[0] == source.name and len(links) > 12 and all(link.startswith("ko-") for link in links[1:])


@pytest.mark.parametrize("source", korean.TEXTS, ids=lambda source: source.stem)
def test_the_stored_files_are_those_of_now(source, tmp_path):
    made = korean.write(source, tmp_path)
    assert made.read_bytes() == (source.parent / made.name).read_bytes(), "run make korean"


def test_a_verdict_is_in_korean():
    verdict = show.Verdict("C2", "true", "it is so", "several seeds", "33 points")
    shown = korean.verdicts_in_korean(verdict._repr_markdown_())
    claim = korean.translated(korean.VERDICTS)["C2 claim"]
    assert claim in shown and "**참**: it is so" in shown and "여러 시드" in shown and "33 points" in shown
    assert "Rests" not in shown and verdict.claim not in shown
