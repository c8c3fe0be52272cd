"""The Korean edition, from the English one and the catalogues in translations/ko: `make korean` writes README.ko.md,
notebooks/ko-*.ipynb, with the code and the outputs of the English notebooks, and paper_nets/korean.json.

A catalogue (gettext's format) has a message for each Markdown cell, its context the cell's id; of the README one for
each section; of the verdicts one for each claim and sentence; of the code one for each sentence. `python
-m tools.korean --update` adds what is new, and marks those fuzzy whose English has changed.
"""

import ast
import html
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from babel.messages import Catalog, pofile

from paper_nets.language import PLACE, in_korean, lines_in_korean, table_in_korean, wholly
from paper_nets.nets import published
from paper_nets.show import Verdicts
from paper_nets.show.panel import SAYS
from paper_nets.show.verdicts import GROUNDS, SCALE
from tools import ROOT
from tools.execute import TABLE

CATALOGUES = ROOT / "translations/ko"
SAID = ROOT / "paper_nets/korean.json"
VERDICTS = Path("verdicts")  # no file: what the notebooks' tables of verdicts say
CODE = Path("code")  # nor is this one: what the package and the notebooks' code say
COUNTED = [f"{{n}} {word}" for word in (*SCALE, "not borne out", "days", "hours", "minutes")]
COUNTED += ["{n} true only when a condition holds", "does not grow"]  # what notebook 03 measures
PAGES = {  # what the pages of the book say beside the notebooks
    "code": "the code",
    "find": "Search",
    "trains": "This panel trains nets: open the notebook to use it.",
    "note": "This page needs no kernel, and its sliders work. To answer a question, to train, or to change a "
    "number, open the notebook itself: in its repository, <code>make lab</code>.",
}
WORDS = """added airplane automobile basic best bird bottlenecks budget building cat channels classifier concatenated
concatenations convolutions cosine count data dataset dead deer default deleted dense difference digits dog end
ensemble entry even faded family first flower found frog gap gradient head horse idea influence input iteration
iterations label largest last layer linear loss lost lowest machine made makes maps max mean median megabytes
memory-efficient min minutes more multiply–adds name none note notebook numbers odd option original other others ours
output package paper parameters part photographs plain points pool pre-activation preact precision printed product read
reads relative residual response scales seconds seeds ship shortcut side signal smallest state stem step sums swapped
target third trained training transition truck untrained value version weight weights whole with without year zero"""
# Parts of what pictures, tables and errors say that no string in code has so.
PHRASES = """Channels|Human|Maps|The net|1 map|1 channel|{n} channels|{n} crops|{n} layers|{n} points here|by {x}|
multiply adds|activation bytes|dense block {n}|inside F|after the sum|{net} without BN|W its last weights|
plain-56 above plain-20|original bottlenecks|pre-activation bottlenecks|top-1 error (%) {label}|test error (%) {label}|
output size|be a whole number of at least 1|be True or False|only the class {name}|no folder of images|one image|
no images|The figures of ResNet and DenseNet, drawn again|From the notebooks, by|Numbers|Reproduces|
{paper} paper, {figure}|Figure {n}|Figures {n} and {m}|Table {n}|Figure {n} and Table {m}|Eqs. {n} and {m}|
figure {n} of the review|figure {n} of the review, which draws it by hand|The same, trained just now|{x} ({name})|
the first block of stage {n} ({name})|the first blocks of stages {n}, {m} and {k} ({name})|the convolutions|
the shortcut of the first blocks of stages {n} and {m} ({name})|block {n} of {net}|Nearest of the paper's|
the best plain-56 is above the worst plain-20 by {n} points ({where})|on CIFAR-10 by {n} ({x}) and by {m} ({y})|
the paper has {x} ({p} parameters, {m} multiply–adds, {n} MB of memory an image)|F = 0 at first {n}|
pre-activation {net}|({a}) to ({b})|From ReLU, from the input {n} to {m}|Live, one seed; the paper has it on CIFAR-10.|
stride {n} in convolution {m} ({size})|growth rate k = {n}|a projection|the identity|not {x}|zeros behind (option A)|
1×1 convolution – batch norm|no bias|a bias|{n} outputs|no shortcuts|{n} images per second|convolution|
bfloat16 on cpu, {n} threads; beside a plain float32 loop|MB of memory an image"""
# Tables of published numbers that have notes.
NOTES = ("ilsvrc_top5", "preact_cifar10", "resnet_cifar10")
NO_WORDS = re.compile(r"[<\\]|==|\.str\.|pad=|^offset points$|^upper |^val |^_ of _$|^style")  # with a space
FIGURES = ("audit", "costs", "curves", "dense", "figures", "landscape", "reuse", "speed")  # all of their strings
TEXTS = [*sorted((ROOT / "notebooks").glob("[0-9][0-9]-*.ipynb")), ROOT / "README.md"]
SOURCES = [*TEXTS, VERDICTS, CODE]


def messages(source: Path) -> dict[str, str]:
    """What is to be translated of a source, by its context."""
    if source == VERDICTS:
        found = {"head": "| the claim | the verdict |", "head of README": "| rests on | where |"}
        found["last of head"] = "| where |"
        found |= {word: f"**{word}**" for word in SCALE}
        for ground in GROUNDS:
            found |= {ground: f"*Rests on {ground}*", f"{ground}, folded": f"<summary>rests on {ground}</summary>"}
            found[f"{ground}, in README"] = f"| {ground} |"
        for verdict in Verdicts.read(ROOT / "notebooks"):
            found |= {f"{verdict.claim_id} claim": verdict.claim, f"{verdict.claim_id} verdict": verdict.sentence}
            found |= {verdict.section: f"in the review: {verdict.section}"} if verdict.section else {}
        return found
    if source == CODE:  # what has no words needs no Korean
        return {text: text for text in marked() if re.search("[a-z]{2}", PLACE.sub("", text))}
    if source.suffix == ".ipynb":
        book = nbformat.read(source, as_version=4)
        return {cell.id: cell.source for cell in book.cells if cell.cell_type == "markdown"}
    parts = re.split(r"(?m)^(?=##+ )", TABLE.sub("", source.read_text(encoding="utf-8")))
    return {part.partition("\n")[0]: part.rstrip("\n") for part in parts}


def marked() -> Iterator[str]:
    """What code says to readers: what `say` gets, all sentences of questions, the words of guesses and of controls."""
    yield from (*COUNTED, *SAYS, *PAGES.values(), *WORDS.split(), *PHRASES.replace("\n", "").split("|"))
    yield from (note for name in NOTES for note in published(name).note.dropna().unique())
    books = [nbformat.read(path, as_version=4).cells for path in TEXTS if path.suffix == ".ipynb"]
    yield from (cell.metadata.figure.title for cells in books for cell in cells if "figure" in cell.metadata)
    code = [ast.parse(cell.source) for cells in books for cell in cells if cell.cell_type == "code"]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "paper_nets").rglob("*.py"))}
    drawn = [tree for path, tree in trees.items() if path.stem in FIGURES]
    yield from (text for tree in [*code, *drawn] for text in shown(tree))
    code += [tree for path, tree in trees.items() if path.stem not in ("__main__", "gallery")]  # the command line's
    for node in (node for tree in code for node in ast.walk(tree)):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and "InputError(" in ast.unparse(node.exc):
            yield from (text for argument in node.exc.args for text in strings(argument))
        call = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        if call in ("say", "Guess"):
            yield from (text for argument in node.args for text in strings(argument))
        for text in strings(node.args[4]) if call == "Verdict" and len(node.args) > 4 else ():  # what was measured
            yield from (part.strip(" .;:") for part in re.split(r"; |\. ", text))
        for key in ast.walk(node) if call == "Panel" else ():
            if isinstance(key, ast.keyword) and key.arg in ("button", "description", "options"):
                yield from strings(key.value)
            elif key in node.keywords and key.arg and "description=" not in ast.unparse(key):
                yield key.arg.replace("_", " ") if isinstance(key.value, ast.Call) else ""
    for check in trees[ROOT / "paper_nets/questions.py"].body:
        if isinstance(check, ast.FunctionDef):
            own = set(strings(check)) - {ast.get_docstring(check, clean=False)}
            yield from sorted(text for text in own if " " in text and "==" not in text)


def shown(node: ast.AST) -> Iterator[str]:
    """The strings of several words in code, without documentation, and verdicts, which have their own catalogue."""
    if isinstance(node, ast.JoinedStr | ast.Constant):
        for text in strings(node):
            own = PLACE.sub("_", text).strip()
            if " " in own and not NO_WORDS.search(own):  # the next print may go on with a line
                yield text.removeprefix(". ").strip(" ,;:")
    elif not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
        left_out = isinstance(node, ast.Call) and ast.unparse(node.func) == "show.Verdict"
        yield from (text for child in ast.iter_child_nodes(node) for text in shown(child) if not left_out)


def strings(node: ast.AST) -> Iterator[str]:
    """The strings in a piece of code, f-strings with their expressions as places."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(p.value if isinstance(p, ast.Constant) else f"{{{ast.unparse(p.value)}}}" for p in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    else:
        yield from (text for child in ast.iter_child_nodes(node) for text in strings(child))


def catalogue(source: Path) -> Catalog:
    """The messages of a source as it is now, with their translations; fuzzy where the English has changed since."""
    path, known = CATALOGUES / f"{source.stem}.po", {}
    if path.exists():
        with path.open("rb") as file:
            known = {m.context or m.id: m for m in pofile.read_po(file, locale="ko") if m.id}
    made = Catalog(locale="ko", fuzzy=False)
    for context, english in messages(source).items():
        before = known.get(context)
        fuzzy = before and before.string and (before.id != english or before.fuzzy)
        flags, context = ["fuzzy"] if fuzzy else [], None if source == CODE else context
        made.add(english, before.string if before else "", context=context, flags=flags)
    return made


def translated(source: Path) -> dict[str, str]:
    """The Korean text of each message by its context; the English one where there is none that holds."""
    return {m.context or m.id: m.id if m.fuzzy or not m.string else m.string for m in catalogue(source) if m.id}


def to_korean_files(text: str) -> str:
    """Links between files of the English edition lead to the Korean ones, and those to the Korean edition back."""
    text = re.sub(r"README(\.ko)?\.md", lambda name: "README.md" if name[1] else "README.ko.md", text)

    def to_other(link: re.Match) -> str:
        return f"{link[1]}{'' if link[2] else 'ko-'}{link[3]}"

    return re.sub(r"(\]\((?:https:[^)\s]*/)?(?:notebooks/)?)(ko-)?(\d\d-[\w-]+\.ipynb)", to_other, text)


def verdicts_in_korean(text: str) -> str:
    """A verdict, or a table of them, as the notebooks show it."""
    english, korean = messages(VERDICTS), translated(VERDICTS)
    for verdict in Verdicts.read(ROOT / "notebooks"):
        for told in (verdict.measured, html.escape(verdict.measured, quote=False)):
            text = text.replace(told, in_korean(told))
    for context in sorted(english, key=lambda context: len(english[context]), reverse=True):
        text = text.replace(english[context], korean[context])
    return text


def write(source: Path, folder: Path | None = None) -> Path:
    """Write the Korean file beside the English one, or into `folder`."""
    path = (folder or source.parent) / ("README.ko.md" if source.suffix == ".md" else f"ko-{source.name}")
    if source.suffix == ".md":
        table = TABLE.search(source.read_text(encoding="utf-8"))[0]
        text = "\n".join(f"{text}\n" for text in texts(source).values())
        path.write_text(TABLE.sub(lambda _: to_korean_files(verdicts_in_korean(table)), text), encoding="utf-8")
    else:
        book = nbformat.read(source, as_version=4)
        translate(book, texts(source))
        nbformat.write(book, path)
    return path


def texts(source: Path) -> dict[str, str]:
    """What the Korean files have in place of each message."""
    return {context: to_korean_files(text) for context, text in translated(source).items()}


def translate(book: nbformat.NotebookNode, texts: dict[str, str]) -> None:
    """Give a notebook these texts in place of its cells with their ids, and what its outputs say in Korean."""
    for cell in book.cells:
        cell.source = texts.get(cell.id, cell.source)
        for output in cell.get("outputs", []):
            shown = output.get("data", {})
            if "erdict" in cell.source and "text/markdown" in shown:
                shown["text/markdown"] = to_korean_files(verdicts_in_korean(shown["text/markdown"]))
            elif shown.get("text/markdown", "").startswith(("✓", "✗", "…")):  # what a question replied
                mark, _, reply = shown["text/markdown"].partition(" ")
                shown["text/markdown"], shown["text/plain"] = f"{mark} {in_korean(reply)}", in_korean(reply)
            elif re.match("Your guess: |Run this cell |.*: measured ", shown.get("text/plain", "")):
                parts = re.split(r"(.*: measured |(?<=: |, )[^,.]+(?=[,.]))", shown["text/plain"])
                shown["text/plain"] = wholly(shown["text/plain"]) or in_korean("".join(map(in_korean, parts)))
            elif "text" in output:
                output.text = lines_in_korean(output.text)
            elif "text/html" in shown:
                shown["text/html"] = table_in_korean(shown["text/html"])
            if "image/png" in shown and "alt" in (picture := output.metadata.get("image/png", {})):
                if shown.get("text/plain") == picture.alt:
                    shown["text/plain"] = in_korean(picture.alt)
                picture.alt = in_korean(picture.alt)


def said() -> str:
    """What code says, for the package: the English and the Korean."""
    found = (message for source in (VERDICTS, CODE) for message in catalogue(source))
    korean = {m.id: m.string for m in found if m.id and m.string and not m.fuzzy}
    return json.dumps(korean, ensure_ascii=False, indent=0) + "\n"


def main(update: bool) -> None:
    for source in SOURCES if update else ():
        made = catalogue(source)  # read before it is written
        with (CATALOGUES / f"{source.stem}.po").open("wb") as file:
            pofile.write_po(file, made, width=0, omit_header=True)
    if not update:
        SAID.write_text(said(), encoding="utf-8")  # before the notebooks, whose outputs are read off it
        for source in TEXTS:
            print(write(source).relative_to(ROOT))


if __name__ == "__main__":
    main(update="--update" in sys.argv[1:])
