panel => new Promise(resolve => {
    setTimeout(() => { seen.disconnect(); resolve(null); }, 2000);
    const before = panel.querySelector('img').src;
    const words = () => panel.querySelector('[role=status]').textContent;
    const said = words();
    let pressed;
    for (const act of ['keydown', 'change'])  // of a menu, which takes no arrow keys in JupyterLab, the choice
        document.addEventListener(act, () => { pressed = performance.now(); }, {capture: true, once: true});
    const seen = new MutationObserver(() => {
        const img = panel.querySelector('img');
        if (!pressed || !img || (img.src === before && words() === said)) return;
        seen.disconnect();
        img.decode().then(() => requestAnimationFrame(() => resolve(performance.now() - pressed)));
    });
    seen.observe(panel, {childList: true, subtree: true, attributes: true, attributeFilter: ['src']});
})
