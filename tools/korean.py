"""The Korean edition, from the English one and the catalogues in translations/ko: `make korean` writes README.ko.md and
notebooks/ko-*.ipynb, with the code and the outputs of the English notebooks.

A catalogue (gettext's format) has a message for each Markdown cell, its context the cell's id; of the README one for
each section. `python -m tools.korean --update` adds new cells, and marks those fuzzy whose English has changed.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from babel.messages import Catalog, pofile

ROOT = Path(__file__).parents[1]
CATALOGUES = ROOT / "translations/ko"
SOURCES = [*sorted((ROOT / "notebooks").glob("[0-9][0-9]-*.ipynb")), ROOT / "README.md"]


def messages(source: Path) -> dict[str, str]:
    """What is to be translated of a notebook, or of the README, by its context."""
    if source.suffix == ".ipynb":
        book = nbformat.read(source, as_version=4)
        return {cell.id: cell.source for cell in book.cells if cell.cell_type == "markdown"}
    parts = re.split(r"(?m)^(?=##+ )", source.read_text(encoding="utf-8"))
    return {part.partition("\n")[0]: part.rstrip("\n") for part in parts}


def catalogue(source: Path) -> Catalog:
    """The messages of a source as it is now, with their translations; fuzzy where the English has changed since."""
    path, known = CATALOGUES / f"{source.stem}.po", {}
    if path.exists():
        with path.open("rb") as file:
            known = {message.context: message for message in pofile.read_po(file, locale="ko") if message.id}
    made = Catalog(locale="ko", fuzzy=False)
    for context, english in messages(source).items():
        before = known.get(context)
        fuzzy = before and before.string and (before.id != english or before.fuzzy)
        made.add(english, before.string if before else "", context=context, flags=["fuzzy"] if fuzzy else [])
    return made


def translated(source: Path) -> Iterator[tuple[str, str]]:
    """The context and the Korean text of each message; the English one where there is none that holds."""
    for message in catalogue(source):
        if message.id:
            yield message.context, message.id if message.fuzzy or not message.string else message.string


def to_korean_files(text: str) -> str:
    """Links between files of the English edition lead to the Korean ones, and those to the Korean edition back."""
    text = re.sub(r"README(\.ko)?\.md", lambda name: "README.md" if name[1] else "README.ko.md", text)
    to_other = lambda link: f"{link[1]}{'' if link[2] else 'ko-'}{link[3]}"  # noqa: E731
    return re.sub(r"(\]\((?:notebooks/)?)(ko-)?(\d\d-[\w-]+\.ipynb)", to_other, text)


def write(source: Path, folder: Path | None = None) -> Path:
    """Write the Korean file beside the English one, or into `folder`."""
    folder, texts = folder or source.parent, {at: to_korean_files(text) for at, text in translated(source)}
    if source.suffix == ".md":
        path = folder / "README.ko.md"
        path.write_text("\n".join(f"{text}\n" for text in texts.values()), encoding="utf-8")
        return path
    path, book = folder / f"ko-{source.name}", nbformat.read(source, as_version=4)
    for cell in book.cells:
        cell.source = texts.get(cell.id, cell.source)
    nbformat.write(book, path)
    return path


def main(update: bool) -> None:
    for source in SOURCES:
        if update:
            made = catalogue(source)  # read before it is written
            with (CATALOGUES / f"{source.stem}.po").open("wb") as file:
                pofile.write_po(file, made, width=0, omit_header=True)
        else:
            print(write(source).relative_to(ROOT))


if __name__ == "__main__":
    main(update="--update" in sys.argv[1:])
