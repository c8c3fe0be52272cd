"""The series as web pages that need no kernel and no network: `make book` writes them into book/.

Every notebook is run; each panel is drawn for the values of two of its controls, and a few lines of script switch them.
The Korean pages, ko-*.html, show the same run.
"""

import base64
import gzip
import html
import json
import mimetypes
import re
import shutil
import sys
import time
from copy import deepcopy
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from paper_nets import gallery
from paper_nets.gallery import NOTEBOOKS, PAGES, REACH, WIDE
from paper_nets.language import in_korean
from tools import korean
from tools.execute import execute

ASK = """from IPython.display import display

panel = list(Out.values())[-1]  # not _, which a notebook may use
display({"application/json": None if panel.training else panel.still()}, raw=True)"""
WORDS = {  # of the pages, by language
    "en": {"file": "{}", **korean.PAGES},
    "ko": {"file": "ko-{}", **{name: in_korean(words) for name, words in korean.PAGES.items()}},
}

STYLE, SEARCH = ((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("book.css", "search.js"))
STYLE += (PAGES / "panel.css").read_text(encoding="utf-8")
CODE = HtmlFormatter().get_style_defs(".highlight")
CODE += f"@media (prefers-color-scheme: dark) {{ {HtmlFormatter(style='github-dark').get_style_defs('.highlight')} }}"
SCRIPT = (PAGES / "panel.js").read_text(encoding="utf-8")
SCRIPT += 'for (const panel of document.querySelectorAll(".frames")) still(panel).then(reach);'


def ask_for_frames(book: nbformat.NotebookNode) -> None:
    """Put a cell behind each panel that draws its frames."""
    cells = []
    for cell in book.cells:
        cells.append(cell)
        if cell.cell_type == "code" and ("show.Panel(" in cell.source or "show.workshop(" in cell.source):
            cells.append(nbformat.v4.new_code_cell(ASK))
    book.cells = cells


def sliders(frames: dict) -> str:
    """A panel's pictures as data, from which the page makes the panel. Packed, since they are much alike: a tenth."""
    data = base64.b64encode(gzip.compress(json.dumps(frames).encode(), mtime=0))
    return f'<div class="frames"><script type="text/plain">{data.decode()}</script></div>'


def in_korean_frames(frames):
    """A panel's pictures, and all that it says, in Korean; the calls that draw them stay as they are."""
    if isinstance(frames, dict):
        return {name: one if name == "call" else in_korean_frames(one) for name, one in frames.items()}
    if isinstance(frames, list):
        return list(map(in_korean_frames, frames))
    if isinstance(frames, str):
        return re.sub(r'(?s)<g id="text_.*?</g>', text_in_korean, frames) if "<svg" in frames else in_korean(frames)
    return frames


def text_in_korean(group: re.Match) -> str:
    """A text of an SVG, which has an element for each line, in Korean on no more lines."""
    line = "(?<=>)[^<>]+(?=</text>)"
    lines = html.unescape("\n".join(re.findall(line, group[0])))
    said, most = in_korean(lines).split("\n"), lines.count("\n")
    said = iter([*said[:most], " ".join(said[most:]), *[""] * most])
    return re.sub(line, lambda _: html.escape(next(said)), group[0])


def body_of(book: nbformat.NotebookNode, words: dict[str, str]) -> str:
    """What a notebook's page shows: frames in place of panels, pictures with their words, links to other pages."""
    cells = []
    for cell in book.cells:
        if cell.source == ASK:
            frames = next(output.data["application/json"] for output in cell.outputs if "data" in output)
            frames = in_korean_frames(frames) if words == WORDS["ko"] else frames
            shown = sliders(frames) if frames else f'<p class="note">{words["trains"]}</p>'
            cells[-1].outputs[-1].data = {"text/html": shown}
            continue
        if "questions.Guess(" in cell.source:  # a box that needs the kernel
            continue
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["transient"] = {"remove_source": True}
            if "show.Verdict(" in cell.source:
                folded = f"<details><summary>{words['code']}</summary>\n\n```python\n{cell.source}\n```\n\n</details>"
                cells.append(nbformat.v4.new_markdown_cell(folded))
        cells.append(cell)
        if shown := gallery.image(cell, NOTEBOOKS):
            content, suffix, attributes = shown
            kind, data = mimetypes.types_map[suffix], base64.b64encode(content).decode()
            image = f'<div class="wide"><img {attributes} src="data:{kind};base64,{data}"></div>'
            if cell.cell_type == "markdown":
                cell.source = image
            else:
                cell.outputs = [output for output in cell.outputs if "image/png" not in output.get("data", {})]
                cell.outputs.append(nbformat.v4.new_output("display_data", {"text/html": image}))
    book.cells = cells
    exporter = HTMLExporter(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True)
    body, _ = exporter.from_notebook_node(book)
    return re.sub(r'(href="[^":]*)\.ipynb', r"\1.html", body)


def sections(body: str, name: str, file: str) -> list[dict]:
    """The sections of a page: a link, the heading, and the words until the next one."""
    found = []
    soup = BeautifulSoup(body, "html.parser")
    for unseen in soup.select("script, style, .anchor-link"):
        unseen.decompose()
    for piece in soup.find_all(string=True):
        if heading := piece.find_parent(["h1", "h2", "h3"]):
            link = f"{file}.html#{heading['id']}"
            if not found or found[-1]["link"] != link:
                words = heading.get_text().strip().removeprefix(f"{name[:2]} · ")
                found.append({"link": link, "heading": f"{name[:2]} · {words}", "text": ""})
        elif found:
            found[-1]["text"] += piece
    return [{**section, "text": " ".join(section["text"].split())} for section in found]


def search(found: list[dict], words: dict[str, str]) -> str:
    """What the search page shows."""
    data = json.dumps(found, ensure_ascii=False).replace("</", "<\\/")
    return (
        f'<h1>{words["find"]}</h1><p><input type="search" aria-label="{words["find"]}" autofocus> '
        f'<output></output></p><ol></ol><script type="application/json" id="sections">{data}</script>'
        f"<script>{SEARCH}</script>"
    )


def page(body: str, name: str, language: str, names: dict[str, str]) -> str:
    """The whole page of this name, with links to the others, and to itself in the other language."""
    title = html.escape(BeautifulSoup(body, "html.parser").h1.get_text().replace("¶", "").strip())
    words = WORDS[language]
    here, (other, tongue) = ' aria-current="page"', {"en": ("ko", "한국어"), "ko": ("en", "English")}[language]
    links = "".join(
        f'<a href="{words["file"].format(each)}.html"{here if each == name else ""}>{html.escape(label)}</a>'
        for each, label in {**names, "search": words["find"].lower()}.items()
    )
    links += f'<a href="{WORDS[other]["file"].format(name)}.html" lang="{other}">{tongue}</a>'
    return f"""<!doctype html>
<html lang="{language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}{WIDE}{CODE}</style></head>
<body><nav aria-label="notebooks">{links}</nav>
<p class="note">{words["note"]}</p>
<main>{body}</main>
<script>{REACH}</script><script type="module">{SCRIPT}</script></body>
</html>
"""


def main(folder: Path, paths: list[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found, names = {"en": [], "ko": []}, {"en": {}, "ko": {}}
    texts = {path: {"en": {}, "ko": korean.texts(path)} for path in paths}
    for path in paths:
        first = nbformat.read(path, as_version=4).cells[0]
        for language, labels in names.items():
            title = texts[path][language].get(first.id, first.source).partition("\n")[0]
            labels[path.stem] = re.sub("^# |· |: .*", "", title)
    for path in paths:
        start = time.perf_counter()
        run = execute(path, prepare=ask_for_frames)
        for language, words in WORDS.items():
            book, file = deepcopy(run), words["file"].format(path.stem)
            if language == "ko":
                korean.translate(book, texts[path]["ko"])
            body = body_of(book, words)
            found[language] += sections(body, path.stem, file)
            (folder / f"{file}.html").write_text(page(body, path.stem, language, names[language]), encoding="utf-8")
        print(f"{folder / path.stem}.html: {time.perf_counter() - start:.0f} s", flush=True)
    for cover in paths[0].parent.glob("[0-9][0-9]-*.png"):  # notebook 00 shows them all
        shutil.copy(cover, folder)
    for language, words in WORDS.items():
        written = page(search(found[language], words), "search", language, names[language])
        (folder / f"{words['file'].format('search')}.html").write_text(written, encoding="utf-8")
    shutil.copy(folder / f"{paths[0].stem}.html", folder / "index.html")


if __name__ == "__main__":
    chosen = [NOTEBOOKS / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
    main(Path("book"), chosen)
