"""A table whose rows a press on a column's name puts in order."""

import html

import pandas

# Works wherever the page's own script may run: a notebook that was run here, the book; elsewhere it is a plain table.
SORT = """
const head = this.closest('th'), body = this.closest('table').tBodies[0];
const up = head.getAttribute('aria-sort') !== 'ascending';
const of = row => row.cells[head.cellIndex].textContent.trim();
const number = text => Number(text.replaceAll(',', ''));
const order = (a, b) => isNaN(number(a) - number(b)) ? (a > b) - (a < b) : number(a) - number(b);
const last = (a, b) => (of(a) === '') - (of(b) === '');
[...body.rows].sort((a, b) => last(a, b) || (up ? 1 : -1) * order(of(a), of(b))).forEach(row => body.append(row));
for (const other of head.parentNode.cells) {
    other.removeAttribute('aria-sort');
    other.querySelector('span').textContent = '';
}
head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
head.querySelector('span').textContent = up ? ' ▲' : ' ▼';
"""


class Table:
    """A data frame as an HTML table that the reader sorts: by a column's name, once up, once more down.

    Numbers are sorted as numbers, what is missing comes last either way. The index needs a name, since it's a column.
    """

    def __init__(self, frame: pandas.DataFrame):
        self.frame = frame.reset_index()

    def _cell(self, value: object) -> str:
        if isinstance(value, str):
            return f'<td style="text-align: left">{html.escape(value)}</td>'
        return f"<td>{'' if pandas.isna(value) else f'{value:,}'}</td>"

    def _repr_html_(self) -> str:
        plain = "all: unset; cursor: pointer; font-weight: bold; outline: revert"
        press = html.escape(" ".join(SORT.split()), quote=True)
        names = "".join(
            f'<th scope="col" style="padding: 0 0.6em"><button type="button" style="{plain}" onclick="{press}">'
            f'{html.escape(str(name))}<span aria-hidden="true"></span></button></th>'
            for name in self.frame.columns
        )
        values = self.frame.astype(object).itertuples(index=False)
        rows = "\n".join(f"<tr>{''.join(map(self._cell, row))}</tr>" for row in values)
        return f"<table><thead><tr>{names}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"

    def __repr__(self) -> str:
        return self.frame.to_string(index=False, na_rep="")
