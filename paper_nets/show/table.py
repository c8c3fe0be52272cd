"""A table whose rows a press on a column's name puts in order."""

import html
from pathlib import Path

import pandas

from paper_nets.language import say

PAGES = Path(__file__).parents[1] / "pages"
# Works wherever the page's own script may run: a notebook that was run here, the book; elsewhere it is a plain table.
SORT = (PAGES / "sort.js").read_text(encoding="utf-8")


class Table:
    """A data frame as an HTML table that the reader sorts: by a column's name, once up, once more down.

    Numbers are sorted as numbers, what is missing comes last either way. The index needs a name, since it's a column.
    """

    def __init__(self, frame: pandas.DataFrame):
        self.frame = frame.reset_index()

    def _cell(self, value: object) -> str:
        if isinstance(value, str):
            lines = html.escape(say(value)).replace("\n", "<br>")
            return f'<td style="text-align: left">{lines}</td>'
        value = value.item() if hasattr(value, "item") else value  # of a tensor, and NumPy's
        if pandas.isna(value):
            return "<td></td>"
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return f"<td>{f'{value:,}' if number else html.escape(str(value))}</td>"

    def _repr_html_(self) -> str:
        def side(column: pandas.Series) -> str:
            return "left" if column.map(type).eq(str).any() else "right"

        plain = 'type="button" style="all: unset; cursor: pointer; font-weight: bold; outline: revert"'
        press = html.escape(" ".join(SORT.split()), quote=True)
        names = "".join(
            f'<th scope="col" style="padding: 0 0.6em; text-align: {side(column)}"><button {plain} onclick="{press}">'
            f'{html.escape(say(str(name)))}<span aria-hidden="true"></span></button></th>'
            for name, column in self.frame.items()
        )
        values = self.frame.astype(object).itertuples(index=False)
        rows = "\n".join(f"<tr>{''.join(map(self._cell, row))}</tr>" for row in values)
        return f"<table><thead><tr>{names}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"

    def __repr__(self) -> str:
        return self.frame.to_string(index=False, na_rep="")
