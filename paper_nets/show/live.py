"""What a notebook shows while its cells work: a picture that grows, and in a Korean one lines and tables in Korean."""

import html
import time
from collections.abc import Callable
from io import StringIO

from IPython import get_ipython
from IPython.display import HTML, display
from pandas import DataFrame

from paper_nets.language import language, lines_in_korean, say, table_in_korean
from paper_nets.show.picture import Picture, image

APART = 2  # seconds between two pictures, which take a tenth of one each


class Live:
    """One output, redrawn in place under a progress bar; when all is done only the picture is left."""

    def __init__(self):
        self._start = self._due = time.perf_counter()
        self._handle = display(HTML(f"<p>{say('Starting …')}</p>"), display_id=True)

    def show(self, draw: Callable[..., Picture], *data, done: float, doing: str, **options) -> None:
        """Show `draw(*data, **options)`, with `done` of the work (0 to 1) behind it and `doing` under way.

        A picture too soon after the last is not drawn at all.
        """
        now = time.perf_counter()
        if done < 1 and now < self._due:
            return
        self._due = now + APART
        picture = draw(*data, **options)
        if done >= 1:
            self._handle.update(picture)
            return
        left = f", {say(f'about {(now - self._start) * (1 - done) / done:.0f} s left')}" if done else ""
        bar = f'<progress max="1" value="{done:.4f}" aria-label="{say("progress")}"></progress>'
        self._handle.update(HTML(f"<p>{bar} {html.escape(doing + left)}</p>{image(picture)}"))


def print_in_korean(*values, file=None, flush=False, **options) -> None:
    if file is None:
        print(*values, file=(text := StringIO()), **options)
        values, options = [lines_in_korean(text.getvalue())], {"end": ""}
    print(*values, file=file, flush=flush, **options)


if language() == "ko" and (shell := get_ipython()):  # from now on what cells print, and pandas' tables, are in Korean
    shell.user_ns["print"] = print_in_korean
    html_of = shell.display_formatter.formatters["text/html"]
    html_of.for_type(DataFrame, lambda frame: table_in_korean(frame._repr_html_() or "") or None)
