"""The Korean edition, from the English one and the catalogues in translations/ko: `make korean` writes README.ko.md and
notebooks/ko-*.ipynb, with the code and the outputs of the English notebooks.

A catalogue (gettext's format) has a message for each Markdown cell, its context the cell's id; of the README one for
each section; of the verdicts one for each claim and sentence. `python -m tools.korean --update` adds what is new, and
marks those fuzzy whose English has changed.
"""

import re
import sys
from pathlib import Path

import nbformat
from babel.messages import Catalog, pofile

from paper_nets.show import Verdicts
from paper_nets.show.verdicts import GROUNDS, SCALE

ROOT = Path(__file__).parents[1]
CATALOGUES = ROOT / "translations/ko"
VERDICTS = Path("verdicts")  # no file: what the notebooks' tables of verdicts say
TEXTS = [*sorted((ROOT / "notebooks").glob("[0-9][0-9]-*.ipynb")), ROOT / "README.md"]
SOURCES = [*TEXTS, VERDICTS]
TABLE = re.compile(r"(?s)(?<=written by make notebooks -->\n).*(?=<!-- end of verdicts)")


def messages(source: Path) -> dict[str, str]:
    """What is to be translated of a source, by its context."""
    if source == VERDICTS:
        found = {"head": "| the claim | the verdict |", "head of README": "| rests on | where |"}
        found |= {word: f"**{word}**" for word in SCALE}
        for ground in GROUNDS:
            found |= {ground: f"*Rests on {ground}*", f"{ground}, folded": f"<summary>rests on {ground}</summary>"}
            found[f"{ground}, in README"] = f"| {ground} |"
        for verdict in Verdicts.read(ROOT / "notebooks"):
            found |= {f"{verdict.claim_id} claim": verdict.claim, f"{verdict.claim_id} verdict": verdict.sentence}
            found |= {verdict.section: f"in the review: {verdict.section}"} if verdict.section else {}
        return found
    if source.suffix == ".ipynb":
        book = nbformat.read(source, as_version=4)
        return {cell.id: cell.source for cell in book.cells if cell.cell_type == "markdown"}
    parts = re.split(r"(?m)^(?=##+ )", TABLE.sub("", source.read_text(encoding="utf-8")))
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


def translated(source: Path) -> dict[str, str]:
    """The Korean text of each message by its context; the English one where there is none that holds."""
    found = (message for message in catalogue(source) if message.id)
    return {m.context: m.id if m.fuzzy or not m.string else m.string for m in found}


def to_korean_files(text: str) -> str:
    """Links between files of the English edition lead to the Korean ones, and those to the Korean edition back."""
    text = re.sub(r"README(\.ko)?\.md", lambda name: "README.md" if name[1] else "README.ko.md", text)
    to_other = lambda link: f"{link[1]}{'' if link[2] else 'ko-'}{link[3]}"  # noqa: E731
    return re.sub(r"(\]\((?:https:[^)\s]*/)?(?:notebooks/)?)(ko-)?(\d\d-[\w-]+\.ipynb)", to_other, text)


def verdicts_in_korean(text: str) -> str:
    """A verdict, or a table of them, as the notebooks show it; what was measured stays as it is."""
    english, korean = messages(VERDICTS), translated(VERDICTS)
    for context in sorted(english, key=lambda context: len(english[context]), reverse=True):
        text = text.replace(english[context], korean[context])
    return text


def write(source: Path, folder: Path | None = None) -> Path:
    """Write the Korean file beside the English one, or into `folder`."""
    if source.suffix == ".md":
        (table,) = TABLE.findall(source.read_text(encoding="utf-8"))
        table = to_korean_files(verdicts_in_korean(table))
        path = (folder or source.parent) / "README.ko.md"
        path.write_text(
            TABLE.sub(lambda _: table, "\n".join(f"{text}\n" for text in texts(source).values())), encoding="utf-8"
        )
        return path
    book = nbformat.read(source, as_version=4)
    in_korean(book, texts(source))
    path = (folder or source.parent) / f"ko-{source.name}"
    nbformat.write(book, path)
    return path


def texts(source: Path) -> dict[str, str]:
    """What the Korean files have in place of each message."""
    return {context: to_korean_files(text) for context, text in translated(source).items()}


def in_korean(book: nbformat.NotebookNode, texts: dict[str, str]) -> None:
    """Give a notebook these texts in place of its cells with their ids, and its verdicts in Korean."""
    for cell in book.cells:
        cell.source = texts.get(cell.id, cell.source)
        for output in cell.get("outputs", []) if "erdict" in cell.source else []:
            if "text/markdown" in output.get("data", {}):
                shown = verdicts_in_korean(output.data["text/markdown"])
                output.data["text/markdown"] = to_korean_files(shown)


def main(update: bool) -> None:
    for source in SOURCES if update else TEXTS:
        if update:
            made = catalogue(source)  # read before it is written
            with (CATALOGUES / f"{source.stem}.po").open("wb") as file:
                pofile.write_po(file, made, width=0, omit_header=True)
        else:
            print(write(source).relative_to(ROOT))


if __name__ == "__main__":
    main(update="--update" in sys.argv[1:])
