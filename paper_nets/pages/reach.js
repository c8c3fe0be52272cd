// What scrolls can be reached with the keyboard; what does not is no stop on the way.
function reach() {
  document.querySelectorAll('.wide').forEach((box, i) => {
    const told = {tabindex: 0, role: 'region', 'aria-label': `picture ${i + 1}, scrolls sideways`};
    for (const [name, value] of Object.entries(told))
      box.scrollWidth > box.clientWidth ? box.setAttribute(name, value) : box.removeAttribute(name);
  });
}
addEventListener('resize', reach);
reach();
