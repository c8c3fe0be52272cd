// Resolves with the milliseconds from the next key press until the picture that it caused has been painted, or the words
// that say what is wrong; with null where it caused neither, at the end of a menu for one. Either may be in an open
// shadow root, and the picture may be another element.
panel => new Promise(resolve => {
    const roots = [panel];
    for (const root of roots)
        for (const element of root.querySelectorAll('*')) if (element.shadowRoot) roots.push(element.shadowRoot);
    const find = selector => roots.map(root => root.querySelector(selector)).find(element => element);
    const shown = () => find('img')?.src + find('[role=status]')?.textContent;
    const before = shown();
    let pressed;
    for (const act of ['keydown', 'change'])  // of a menu, which takes no arrow keys in JupyterLab, the choice
        document.addEventListener(act, () => { pressed = performance.now(); }, {capture: true, once: true});
    const seen = new MutationObserver(() => {
        const img = find('img');
        if (!pressed || !img || shown() === before) return;
        seen.disconnect();
        img.decode().then(() => requestAnimationFrame(() => resolve(performance.now() - pressed)));
    });
    for (const root of roots)
        seen.observe(root, {childList: true, subtree: true, characterData: true, attributeFilter: ['src']});
    setTimeout(() => { seen.disconnect(); resolve(null); }, 2000);
})
