"""Pictures that carry their own words, drawn off-screen."""

import base64
import gzip
import html
import io
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from matplotlib import font_manager, rc_context
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.category import StrCategoryFormatter
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FuncFormatter

from paper_nets.language import language, say
from paper_nets.nets import DenseNetPlan, plan
from paper_nets.nets.catalog import title

# Okabe and Ito's colour-blind-safe palette; a family has the same colour in every figure.
COLOURS = {"plain": "#D55E00", "residual": "#0072B2", "preact": "#56B4E9", "dense": "#009E73"}
COLOURS |= {"other": "#7A7A7A", "human": "#CC79A7"}
# And the same marker, for those who see no colours.
MARKERS = {"plain": "o", "residual": "s", "preact": "^", "dense": "D", "other": "."}
DPI = 100

NAMED = FixedFormatter | FuncFormatter | StrCategoryFormatter  # what says more at its ticks than their numbers

# matplotlib is not thread-safe, and JupyterLab may run widget callbacks beside a cell.
DRAWING = threading.RLock()

# Letters that matplotlib's own font lacks, as in the names of a reader's classes: the fonts of Linux, macOS, Windows.
FONTS = ("Noto Sans CJK KR", "Noto Sans CJK JP", "NanumGothic", "Apple SD Gothic Neo", "Malgun Gothic")
FONTS += ("Hiragino Sans", "Yu Gothic", "Noto Sans Devanagari", "Kohinoor Devanagari", "Nirmala UI")
FONTS += ("Noto Naskh Arabic", "Noto Sans Thai", "Thonburi", "Leelawadee UI")


@cache
def families() -> list[str]:
    """matplotlib's own font, and those of FONTS that are here."""
    manager = font_manager.fontManager
    if not {*manager.get_font_names()} & {*FONTS}:  # matplotlib's list is as old as its first use
        for path in {*font_manager.findSystemFonts()} - {font.fname for font in manager.ttflist}:
            with suppress(Exception):  # a font that it cannot read
                manager.addfont(path)
    # A font need not have every weight, and nobody need know.
    logging.getLogger("matplotlib.font_manager").addFilter(lambda record: "font weight" not in record.getMessage())
    return ["sans-serif", *(name for name in FONTS if name in manager.get_font_names())]


@contextmanager
def drawing_alone(more: dict | None = None, tell: bool = False) -> Iterator[None]:
    """One drawing at a time, with the letters of all scripts; none of matplotlib's warnings of those that are missing,
    but with `tell` a sentence."""
    with DRAWING, rc_context({"font.family": families(), **(more or {})}):
        with warnings.catch_warnings(record=True) as caught:
            warnings.filterwarnings("always", "Glyph .* missing from")
            yield
        for one in caught:
            if not re.match("Glyph .* missing from", str(one.message)):
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
            elif tell:
                tell_once()


@cache
def tell_once() -> None:
    print(say("No font here has some letters of this picture; README.md says which to install."))


def translate(figure: Figure) -> None:
    """Put all that a figure says, also the names at its ticks, into the reader's language."""
    for artist in figure.findobj(lambda artist: isinstance(artist, Text | Axis)) if language() == "ko" else ():
        if isinstance(artist, Text) and (said := say(artist.get_text())) != artist.get_text():
            artist.set(text=said, fontfamily=families())  # a cell's own words have only matplotlib's font
        elif isinstance(artist, Axis) and isinstance(names := artist.get_major_formatter(), NAMED):
            artist.set_major_formatter(lambda value, at, names=names: say(str(names(value, at))))


class Picture(Figure):
    """A matplotlib Figure, `width` × `height` pixels, that needs no pyplot and shows itself in a notebook.

    `alt` says in words what the picture shows, for those who cannot see it.
    """

    def __init__(self, width: int, height: int):
        super().__init__(figsize=(width / DPI, height / DPI), dpi=DPI)
        FigureCanvasAgg(self)
        self.size = (width, height)
        self.alt = ""

    def png(self, scale: int = 1) -> bytes:
        """The picture as PNG, `scale` times as many pixels each way."""
        out = io.BytesIO()
        with drawing_alone(tell=True):
            translate(self)
            self.savefig(out, format="png", dpi=DPI * scale)
        return out.getvalue()

    def svg(self) -> str:
        """The picture as SVG whose words the browser sets: in half the time of a PNG, and sharp on every screen."""
        out = io.StringIO()
        with drawing_alone({"svg.fonttype": "none"}):
            translate(self)
            self.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        return out.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        (width, height), alt = self.size, say(self.alt)
        metadata = {"image/png": {"width": width, "height": height, "alt": alt}}
        return {"image/png": self.png(scale=2), "text/plain": alt}, metadata


def drawing(drawn):
    """What a draw function has returned: a figure, also of axes or a seaborn grid, or what else shows itself as HTML;
    of None the figure that it has left with pyplot. Raises TypeError for anything else."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if drawn is None and pyplot and pyplot.get_fignums():
        drawn = pyplot.gcf()
    if not hasattr(drawn, "_repr_html_") and isinstance(getattr(drawn, "figure", None), Figure):
        drawn = drawn.figure
    if not hasattr(drawn, "_repr_html_"):
        raise TypeError(f"draw returned {type(drawn).__name__}; it must return a figure, a table, or other HTML.")
    if pyplot and isinstance(drawn, Figure):
        pyplot.close(drawn)
    return drawn


def as_page(drawn) -> tuple[dict, bytes]:
    """What a draw function has returned, for the page: kind, words and size; and the SVG or HTML, compressed."""
    drawn = drawing(drawn)
    if not isinstance(drawn, Figure):
        return {"kind": "html", "alt": say("a table")}, gzip.compress(drawn._repr_html_().encode(), 3)
    titles = [drawn.get_suptitle(), *(axes.get_title() for axes in drawn.axes)]
    alt = getattr(drawn, "alt", "") or ", ".join(filter(None, titles))
    size = [round(DPI * side) for side in drawn.get_size_inches()]
    alt = say(alt or "a figure without a title")
    return {"kind": "svg", "alt": alt, "size": size}, gzip.compress(Picture.svg(drawn).encode(), 3)


def as_still(drawn) -> tuple[dict, dict]:
    """The same for a notebook that is stored: data and metadata of an output."""
    drawn = drawing(drawn)
    if isinstance(drawn, Picture):
        return drawn._repr_mimebundle_()
    return {"image/png": Picture.png(drawn)} if isinstance(drawn, Figure) else {"text/html": drawn._repr_html_()}, {}


def image(picture: Picture) -> str:
    """The picture as one HTML element with its size and its words; decoded before it is shown, so nothing flickers."""
    width, height = picture.size
    data = base64.b64encode(picture.svg().encode()).decode()
    size = f'width="{width}" height="{height}" style="max-width: 100%; height: auto"'
    return f'<img alt="{html.escape(say(picture.alt))}" {size} decoding="sync" src="data:image/svg+xml;base64,{data}">'


def figure(function: Callable[..., Picture]) -> Callable[..., Picture]:
    """Make a figure function draw alone: one at a time, whichever thread calls it."""
    return drawing_alone()(function)


@cache
def spelled(net: str) -> str:
    """A net's name as the notebooks spell it: plain56 is "plain-56", resnet56 "residual-56", resnet50 "ResNet-50"."""
    papers = title(net)
    return papers.replace("ResNet", "residual") if papers != net and plan(net).stem == "3x3" else papers


@cache
def family(net: str) -> str:
    """The family that decides a net's colour: "plain", "residual", "preact" or "dense"; or of these names, itself."""
    if net in COLOURS:
        return net
    made = plan(net)
    if isinstance(made, DenseNetPlan):
        return "dense"
    return "preact" if made.preact else "residual" if made.residual else "plain"
