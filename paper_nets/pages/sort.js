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
