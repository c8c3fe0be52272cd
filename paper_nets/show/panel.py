"""One panel that puts sliders around any figure function."""

import base64
import html
from collections.abc import Callable, Iterator

import ipywidgets

from paper_nets.show.picture import DRAWING, Picture


def image(picture: Picture) -> str:
    """The picture as one HTML element with its size and its words; decoded before it is shown, so nothing flickers."""
    width, height = picture.size
    data = base64.b64encode(picture.png()).decode()
    alt = html.escape(picture.alt, quote=True)
    return f'<img alt="{alt}" width="{width}" height="{height}" decoding="sync" src="data:image/png;base64,{data}">'


class Panel(ipywidgets.VBox):
    """Controls above the picture that `draw(**values)` makes of their values, redrawn in place as they move.

    `draw` is a figure function, or a generator of pictures for work that takes seconds: then a button named by
    `button` starts it, and each picture replaces the one before. What `draw` refuses with a ValueError is said
    under the controls, and the last good picture stays.
    """

    def __init__(
        self, draw: Callable[..., Picture | Iterator[Picture]], button: str = "", **controls: ipywidgets.Widget
    ):
        self._draw, self._controls = draw, controls
        self.picture = ipywidgets.HTML()
        self.message = ipywidgets.HTML(layout={"min_height": "1.6em"})
        for name, control in controls.items():
            control.description = control.description or name.replace("_", " ")
            control.style.description_width = "initial"
            if not button:
                control.observe(self._redraw, names="value")
        row = list(controls.values())
        self.button = ipywidgets.Button(description=button, button_style="primary") if button else None
        if self.button:
            self.button.on_click(self._redraw)
            row.append(self.button)
        box = ipywidgets.Box(row, layout={"flex_flow": "row wrap", "grid_gap": "0 1.5em"})
        super().__init__([box, self.message, self.picture])
        if not button:
            self._redraw()

    def _redraw(self, _=None) -> None:
        values = {name: control.value for name, control in self._controls.items()}
        said = ""
        if self.button:
            self.button.disabled = True
            self._say("Working …")
        try:
            with DRAWING:
                drawn = self._draw(**values)
            for picture in [drawn] if isinstance(drawn, Picture) else drawn:
                self.picture.value = image(picture)
        except (ValueError, ArithmeticError) as error:
            said = str(error)
        finally:
            self._say(said)
            if self.button:
                self.button.disabled = False

    def _say(self, words: str) -> None:
        self.message.value = f'<span role="status">{html.escape(words)}</span>'

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        names = ", ".join(control.description for control in self._controls.values())
        bundle["text/plain"] = f"Run this cell to move the controls: {names}."
        return bundle
