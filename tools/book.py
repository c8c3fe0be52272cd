"""The series as web pages that need no kernel and no network: `make book` writes them into book/.

Every notebook is run; each panel is drawn for the values of two of its controls, and a few lines of script switch them.
"""

import base64
import gzip
import html
import json
import re
import shutil
import sys
import time
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from pygments.formatters import HtmlFormatter

from paper_nets import gallery
from paper_nets.gallery import NOTEBOOKS, PAGES, REACH, WIDE
from tools.execute import execute

ASK = """from IPython.display import display

panel = list(Out.values())[-1]  # not _, which a notebook may use
display({"application/json": None if panel.training else panel.still()}, raw=True)"""
NOTE = (
    "This page needs no kernel, and its sliders work. To answer a question, to train, or to change a number, open the "
    "notebook itself: in its repository, <code>make lab</code>."
)
TRAINS = '<p class="note">This panel trains nets: open the notebook to use it.</p>'

STYLE, SEARCH = ((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("book.css", "search.js"))
STYLE += (PAGES / "panel.css").read_text(encoding="utf-8")
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


def body_of(book: nbformat.NotebookNode) -> str:
    """What a notebook's page shows: frames in place of panels, pictures with their words, and links that lead to the
    pages of the others."""
    cells = []
    for cell in book.cells:
        if cell.source == ASK:
            frames = next(output.data["application/json"] for output in cell.outputs if "data" in output)
            cells[-1].outputs[-1].data = {"text/html": sliders(frames) if frames else TRAINS}
            continue
        if "questions.Guess(" in cell.source:  # a box that needs the kernel
            continue
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["transient"] = {"remove_source": True}
            if "show.Verdict(" in cell.source:
                folded = f"<details><summary>the code</summary>\n\n```python\n{cell.source}\n```\n\n</details>"
                cells.append(nbformat.v4.new_markdown_cell(folded))
        cells.append(cell)
        if shown := gallery.image(cell, NOTEBOOKS):
            content, suffix, attributes = shown
            kind = {".png": "image/png", ".svg": "image/svg+xml"}[suffix]
            data = base64.b64encode(content).decode()
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


def sections(body: str, name: str) -> list[dict]:
    """The sections of a page: a link, the heading, and the words until the next one."""
    found = []
    soup = BeautifulSoup(body, "html.parser")
    for unseen in soup.select("script, style, .anchor-link"):
        unseen.decompose()
    for piece in soup.find_all(string=True):
        if heading := piece.find_parent(["h1", "h2", "h3"]):
            link = f"{name}.html#{heading['id']}"
            if not found or found[-1]["link"] != link:
                words = heading.get_text().strip().removeprefix(f"{name[:2]} · ")
                found.append({"link": link, "heading": f"{name[:2]} · {words}", "text": ""})
        elif found:
            found[-1]["text"] += piece
    return [{**section, "text": " ".join(section["text"].split())} for section in found]


def search(found: list[dict]) -> str:
    """What the search page shows."""
    data = json.dumps(found, ensure_ascii=False).replace("</", "<\\/")
    return (
        '<h1>Search</h1><p><label>In all notebooks: <input type="search" autofocus></label> <output></output></p>'
        f'<ol></ol><script type="application/json" id="sections">{data}</script><script>{SEARCH}</script>'
    )


def page(body: str, name: str, names: list[str]) -> str:
    """The whole page of this name, with links to the others."""
    title = html.escape(BeautifulSoup(body, "html.parser").h1.get_text().replace("¶", "").strip())
    here = ' aria-current="page"'
    links = "".join(
        f'<a href="{other}.html"{here if other == name else ""}>{other.replace("-", " ")}</a>'
        for other in [*names, "search"]
    )
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{STYLE}{WIDE}{HtmlFormatter().get_style_defs(".highlight")}</style></head>
<body><nav aria-label="notebooks">{links}</nav>
<p class="note">{NOTE}</p>
<main>{body}</main>
<script>{REACH}</script><script type="module">{SCRIPT}</script></body>
</html>
"""


def main(folder: Path, paths: list[Path]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names, found = [path.stem for path in paths], []
    for path in paths:
        start = time.perf_counter()
        body = body_of(execute(path, prepare=ask_for_frames))
        found += sections(body, path.stem)
        (folder / f"{path.stem}.html").write_text(page(body, path.stem, names), encoding="utf-8")
        print(f"{folder / path.stem}.html: {time.perf_counter() - start:.0f} s", flush=True)
    for cover in paths[0].parent.glob("[0-9][0-9]-*.png"):  # notebook 00 shows them all
        shutil.copy(cover, folder)
    (folder / "search.html").write_text(page(search(found), "search", names), encoding="utf-8")
    shutil.copy(folder / f"{names[0]}.html", folder / "index.html")


if __name__ == "__main__":
    chosen = [NOTEBOOKS / f"{name}.ipynb" for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
    main(Path("book"), chosen)
