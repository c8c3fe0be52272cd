"""A picture that grows in a notebook's output while a cell works."""

import html
import time
from collections.abc import Callable

from IPython.display import HTML, display

from paper_nets.language import say
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
