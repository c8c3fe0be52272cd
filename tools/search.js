const sections = JSON.parse(document.getElementById('sections').textContent);
const asked = document.querySelector('input'), list = document.querySelector('ol');
function show() {
  const words = asked.value.toLowerCase().split(/\s+/).filter(Boolean);
  const has = section => words.every(word => (section.heading + ' ' + section.text).toLowerCase().includes(word));
  const found = words.length ? sections.filter(has) : [];
  const n = found.length, korean = document.documentElement.lang === 'ko';
  const count = korean ? `${n}개 절` : n === 1 ? '1 section' : `${n} sections`;
  document.querySelector('output').textContent = words.length ? count : '';
  list.replaceChildren(...found.map(section => {
    const item = document.createElement('li'), link = document.createElement('a'), text = document.createElement('p');
    link.href = section.link;
    link.textContent = section.heading;
    const at = Math.max(section.text.toLowerCase().indexOf(words[0]) - 80, 0);
    text.textContent = (at ? '… ' : '') + section.text.slice(at, at + 240) + ' …';
    item.append(link, text);
    return item;
  }));
}
asked.addEventListener('input', show);
show();
