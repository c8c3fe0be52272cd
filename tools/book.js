async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  return JSON.parse(await new Response(stream).text());
}
for (const box of document.querySelectorAll('.frames')) {
  const inputs = [...box.querySelectorAll('input')];
  const all = unpacked(box.querySelector('script').textContent);
  const picture = box.querySelector('.picture');
  const show = async () => {
    const {values, pictures} = await all;
    const at = inputs.map(input => +input.value);
    inputs.forEach((input, i) => {
      input.setAttribute('aria-valuetext', values[i][at[i]]);
      input.nextElementSibling.textContent = values[i][at[i]];
    });
    const [before, svg, after] = pictures[at[0]][at[1] ?? 0];
    const left = picture.scrollLeft;
    picture.innerHTML = before + encodeURIComponent(svg) + after;
    picture.scrollLeft = left;
  };
  inputs.forEach(input => input.addEventListener('input', show));
}
