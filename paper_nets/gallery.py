"""The figures of the review and of the papers, as the notebooks have drawn them: `python -m paper_nets figures`.

A cell whose metadata have a `figure`, with name, title and what it reproduces (`of`), shows one: its output is the
picture or the table, and the text below it says what to see. Where `numbers` names another cell, that cell's table goes
with it.
"""

import base64
import html
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from nbconvert.filters import markdown2html

from paper_nets import show
from paper_nets.lab import DIGITS, Data, train_each
from paper_nets.lab.train import in_steps
from paper_nets.language import in_korean
from paper_nets.nets import InputError
from paper_nets.show.table import PAGES

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
# Of every page: wide pictures scroll in a box of their own.
WIDE, REACH = ((PAGES / name).read_text(encoding="utf-8") for name in ("wide.css", "reach.js"))
TITLE = "paper_nets: the figures"
HEADING, BY = "The figures of ResNet and DenseNet, drawn again", "From the notebooks, by"
SEE = r"^\*(?:What to see|여기서 볼 것): (\w)"
INDEX = {"en": "index.html", "ko": "index.ko.html"}
PAGE = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
<h1>{heading}</h1>
<p>{by}: <code>python -m paper_nets figures</code>. <a href="{0}">{1}</a></p>
{parts}
<script>{reach}</script>
</html>
"""


@dataclass(frozen=True)
class Figure:
    """A figure: the name of its file, its title, which figure of which paper it reproduces, and where it was drawn.

    picture: a file's bytes, its suffix, and its attributes in HTML; or a table, as HTML. caption, numbers: HTML.
    """

    name: str
    title: str
    of: str
    picture: tuple[bytes, str, str] | str
    caption: str
    numbers: str = ""


def figures(language: str = "en") -> list[Figure]:
    """The figures of the notebooks in English or Korean ("ko"), by name. Raises InputError where there are none."""
    paths = sorted(NOTEBOOKS.glob(f"{'ko-' if language == 'ko' else ''}[0-9]*.ipynb"))
    books = {path: json.loads(path.read_bytes())["cells"] for path in paths}
    if not books:
        raise InputError("The figures stand in the notebooks, which are not here; take a clone of the repository.")
    found = []
    for path, cells in books.items():
        tables = {cell["id"]: _table(cell) for cell in cells}
        for cell, below in zip(cells, cells[1:], strict=False):
            if about := cell["metadata"].get("figure"):
                numbers = tables.get(about.pop("numbers", None), "")
                seen = re.sub(SEE, lambda m: "*" + m[1].upper(), "".join(below["source"]))
                asks = below["cell_type"] == "code" or seen.startswith(("**Question", "**문제"))
                text = "" if asks else seen.split("\n\n")[0]
                at = f"From notebook {path.stem}." if language == "en" else f"노트북 {path.stem}에 있습니다."
                caption = f"{markdown2html(text)}<p>{at}</p>"
                shown = image(cell, path.parent) or _table(cell)
                if not shown:
                    raise InputError(f"Cell {cell['id']} of {path.name} shows no figure; run and save the notebook.")
                found.append(Figure(**about, picture=shown, caption=caption, numbers=numbers))
    return sorted(found, key=lambda figure: figure.name)


def image(cell: dict, folder: Path) -> tuple[bytes, str, str] | None:
    """A cell's last picture, or the SVG that its Markdown names: its bytes, suffix, and attributes in HTML."""
    if cell["cell_type"] == "markdown":
        if not (named := re.fullmatch(r"!\[(.*)\]\((.*\.svg)\)", "".join(cell["source"]))):
            return None
        content = (folder / named[2]).read_bytes()
        size = re.search(rb'<svg [^>]*?(width="\d+" height="\d+")', content)[1].decode()
        return content, ".svg", f'alt="{html.escape(named[1], quote=True)}" {size}'
    shown = [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]
    if not shown:
        return None
    about = shown[-1]["metadata"]["image/png"]
    attributes = f'alt="{html.escape(about["alt"], quote=True)}" width="{about["width"]}" height="{about["height"]}"'
    return base64.b64decode("".join(shown[-1]["data"]["image/png"])), ".png", attributes


def _table(cell: dict) -> str:
    tables = (output.get("data", {}).get("text/html") for output in cell.get("outputs", []))
    return next(("".join(table) for table in tables if table), "")


def live(data: Data, epochs: int = DIGITS.epochs, watch: Callable[[float, str], None] = lambda *_: None) -> Figure:
    """Train what can be trained here, the degradation on the digits, and make a figure of it.

    watch: called with the share that is done and with what is under way.
    """
    nets = ["plain20", "plain56", "resnet20", "resnet56"]
    for now in in_steps(train_each(nets, data, replace(DIGITS, epochs=epochs)), data.source):
        watch(now.done, now.doing)
    picture = show.learning_curves(now.table, epochs, f"{data.name}, trained just now")
    of, caption = "ResNet paper, Figures 1 and 6", "Live, one seed; the paper has it on CIFAR-10."
    words, (width, height) = html.escape(picture.alt, quote=True), picture.size
    drawn = picture.png(scale=2), ".png", f'alt="{words}" width="{width}" height="{height}"'
    return Figure("02-degradation-live", "The same, trained just now", of, drawn, caption)


def check_folder(folder: Path) -> None:
    """Refuse a file, what lies in one, and a folder with an index.html of another kind."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file; figures need a folder, or a name that is still free.")
    for page in (folder / name for name in INDEX.values()):
        if page.exists() and f"<title>{TITLE}</title>" not in page.read_text(encoding="utf-8", errors="replace"):
            raise InputError(f"{folder} has an {page.name} that is not of these figures; name another folder.")


def write(folder: Path, chosen: list[Figure], language: str = "en") -> Path:
    """Write figures into `folder`, with a page in `language` that shows all of them; returns the page's path.

    All is written elsewhere before anything is moved there. Raises InputError as `check_folder` does.
    """
    check_folder(folder)
    say = in_korean if language == "ko" else str
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        parts = []
        for figure in chosen:
            shown = figure.picture
            if not isinstance(shown, str):
                content, suffix, attributes = shown
                (Path(fresh) / f"{figure.name}{suffix}").write_bytes(content)
                shown = f'<img src="{figure.name}{suffix}" {attributes}>'
            numbers = f"<details><summary>{say('Numbers')}</summary>{figure.numbers}</details>" * bool(figure.numbers)
            parts.append(f"""<figure id="{figure.name}"><h2>{html.escape(say(figure.title))}</h2>
<p>{say("Reproduces")}: {html.escape(say(figure.of))}.</p><div class="wide">{shown}</div>
<figcaption>{say(figure.caption)}{numbers}</figcaption></figure>""")
        style = (PAGES / "figures.css").read_text(encoding="utf-8") + WIDE
        other = (INDEX["en"], "English") if language == "ko" else (INDEX["ko"], "한국어")
        head = {"language": language, "title": TITLE, "style": style, "heading": say(HEADING), "by": say(BY)}
        page = PAGE.format(*other, **head, parts="\n".join(parts), reach=REACH)
        (Path(fresh) / INDEX[language]).write_text(page, encoding="utf-8")
        for path in Path(fresh).iterdir():
            path.replace(folder / path.name)
    return folder / INDEX[language]
