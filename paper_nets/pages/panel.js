// The picture of a panel. What the kernel draws ahead is kept here by the places of the controls, so that the page
// answers a move itself; what is not here yet is asked for. A page without a kernel runs the same: `still`, at the end.
const NEAR = 10, BESIDE = 2; // pictures decoded: of the control in hand and of each other; 0.8 MB each

// Nine digits, since 0.1 + 0.2 here is what the slider calls 0.3.
const keyOf = places => JSON.stringify(places, (_, at) => (typeof at === "number" ? +at.toPrecision(9) : at));

const unpacked = bytes => new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();

const element = (name, properties) => Object.assign(document.createElement(name), properties);

const save = (href, download) => element("a", { href, download }).click();

async function render({ model, el, host, signal }) {
  const { start, presets, training, play, steps, says, ...setup } = model.get("setup");
  const control = async ([id, trait]) => ({ shared: await host.getModel(id), trait });
  const say = english => says[english] ?? english;
  const controls = await Promise.all(setup.controls.map(control));
  const preset = presets.length ? await control(setup.preset) : null;
  const placeOf = ({ shared, trait }) => shared.get(trait);
  const places = () => controls.map(placeOf);
  const set = ({ shared, trait }, place) => {
    shared.set(trait, place);
    shared.save_changes();
  };

  const view = element("div", { className: "paper-nets-panel" });
  view.innerHTML = `<progress max="1" hidden></progress> <span></span>
    <div role="status" class="paper-nets-words"></div>
    <div class="paper-nets-picture wide"></div>
    <details hidden><summary>${say("Where it happened")}</summary><pre></pre></details>
    <div class="paper-nets-tools"></div>
    <div class="paper-nets-aloud" aria-live="polite"></div>`;
  const [progress, doing, status, figure, details, tools, aloud] = view.children;
  el.append(view);

  const kept = new Map(); // frames by the places of the controls: those that the kernel keeps
  let current = null, call = ""; // the frame whose picture is shown, and the call that draws what is told
  let turn = 0, shown = 0; // moves until now, and until what is shown: it never gives way to what was asked for before
  let asked = null; // the question to the kernel that is still open
  let hand = 0, stride = 0, before = places(); // the control that moved last, how far, and all places until now
  let setting = false, preparing = 0, arrived = 0, saying = 0;

  async function keep(sent, packed) {
    const key = keyOf(sent.places);
    if (kept.has(key)) return kept.get(key);
    const frame = { ...sent, key };
    const text = typeof packed === "string" ? packed : sent.kind && (await unpacked(packed));
    if (sent.kind === "svg") frame.url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    else frame.html = text;
    if (training) return frame;
    kept.set(key, frame);
    arrived += 1;
    prepareSoon();
    return frame;
  }

  function giveUp(key) {
    const frame = kept.get(key);
    if (frame && frame !== current) URL.revokeObjectURL(frame.url);
    kept.delete(key);
  }

  async function decode(frame) {
    const image = element("img", { alt: frame.alt, width: frame.size[0], height: frame.size[1], src: frame.url });
    await image.decode().catch(() => {});
    frame.image = image;
  }

  // The pictures that are a move away, decoded while the reader looks, are painted with the next frame.
  async function prepare() {
    const here = JSON.parse(keyOf(places())), then = [turn, arrived];
    const along = (at, i) => {
      const soon = i === hand ? [at, at + stride, at + 2 * stride] : [at]; // where the same move again leads
      const away = frame => Math.min(...soon.map(place => Math.abs(frame.places[i] - place)));
      return [...kept.values()]
        .filter(frame => frame.places.every((other, j) => (other === here[j]) === (j !== i)))
        .sort((a, b) => away(a) - away(b))
        .slice(0, i === hand ? NEAR : BESIDE);
    };
    const near = here.map(along);
    near.unshift(...near.splice(hand, 1)); // the control in hand first
    near.push(presets.map(at => kept.get(keyOf(at))).filter(Boolean));
    await decodeAll(near.flat());
    preparing = 0;
    if (turn !== then[0] || arrived !== then[1]) prepareSoon();
  }
  async function decodeAll(near) {
    const before = turn;
    for (const frame of kept.values()) if (frame !== current && !near.includes(frame)) frame.image = null;
    for (const frame of near) {
      if (turn !== before) return;
      if (frame.url && !frame.image) await decode(frame);
    }
  }
  const prepareSoon = () => (preparing ||= setTimeout(prepare, 60));

  async function show(frame, mine) {
    if (frame.url && !frame.image) await decode(frame); // else it is shown at once
    if (mine < shown) return;
    shown = mine;
    call = frame.call;
    if (frame.kind) {
      const content = frame.image ?? element("div", { innerHTML: frame.html, className: "jp-RenderedHTMLCommon" });
      figure.replaceChildren(content);
      if (training && current) URL.revokeObjectURL(current.url);
      current = frame;
      requestAnimationFrame(() => {
        figure.style.minHeight = `${Math.max(parseFloat(figure.style.minHeight) || 0, content.offsetHeight)}px`;
      });
      clearTimeout(saying);
      saying = setTimeout(() => (aloud.textContent = frame.alt), 1000);
    }
    figure.classList.toggle("paper-nets-old", !training && !frame.kind && current !== null);
    if (status.textContent !== frame.words) status.textContent = frame.words;
    details.hidden = !frame.trace;
    details.lastChild.textContent = frame.trace;
  }

  function moved() {
    turn += 1;
    before = places();
    const key = keyOf(places()), chosen = presets.findIndex(at => keyOf(at) === key) + 1;
    if (preset && placeOf(preset) !== chosen) set(preset, chosen);
    if (training) return; // until its button is pressed
    prepareSoon();
    const frame = kept.get(key);
    figure.ariaBusy = String(!frame);
    if (frame) show(frame, turn);
    else if (!asked) { // one question at a time; the answer brings the next
      asked = { key, turn };
      model.send({ want: places() });
    }
  }

  function setAll(values) {
    setting = true;
    controls.forEach((control, i) => keyOf(placeOf(control)) === keyOf(values[i]) || set(control, values[i]));
    setting = false;
    moved();
  }

  controls.forEach(({ shared, trait }, i) =>
    shared.on(`change:${trait}`, () => {
      if (setting) return;
      hand = i;
      stride = placeOf(controls[i]) - before[i] || 0;
      moved();
    })
  );
  preset?.shared.on("change:index", () => {
    const chosen = presets[placeOf(preset) - 1];
    if (chosen && keyOf(chosen) !== keyOf(places())) setAll(chosen);
  });

  async function hear(message, buffers) {
    if (message.progress) {
      const { done, text } = message.progress;
      progress.hidden = !text;
      done == null ? progress.removeAttribute("value") : (progress.value = done);
      doing.textContent = text;
    }
    if (!message.frame) return;
    message.gone?.map(keyOf).forEach(giveUp);
    const frame = await keep(message.frame, buffers[0]);
    if (training) return show(frame, (turn += 1)); // the newest is what counts
    if (asked?.key !== frame.key) return; // it was drawn ahead
    const { turn: mine } = asked;
    asked = null;
    if (frame.key !== keyOf(places())) await show(frame, mine); // on the way
    moved();
  }
  let heard = Promise.resolve(); // one message after the other, also after one that failed
  model.on("msg:custom", (message, buffers) => (heard = heard.then(() => hear(message, buffers)).catch(console.error)));

  // The reader's hand is near: now is the time to draw ahead.
  const box = el.closest(".widget-vbox") ?? el;
  for (const sign of ["pointerenter", "focusin"])
    box.addEventListener(sign, () => model.send({ near: true }), { once: true, signal });
  // Notebook 7 moves between its cells by the arrows before a slider or menu in focus can have them.
  const takeArrows = ({ key, target }) =>
    box.contains(target) &&
    target.matches(".noUi-handle, select") &&
    target.toggleAttribute("data-lm-suppress-shortcuts", key.startsWith("Arrow"));
  addEventListener("keydown", takeArrows, { capture: true, signal });
  signal.addEventListener("abort", () => {
    model.send({ away: true });
    for (const { url } of kept.values()) URL.revokeObjectURL(url);
  });

  const tool = (textContent, title, onclick) =>
    tools.append(element("button", { type: "button", textContent, title, ariaLabel: title, onclick }));
  if (steps.length > 1) {
    const player = controls[play];
    const next = () => steps.findIndex(at => keyOf(at) === keyOf(placeOf(player))) + 1;
    let playing = 0;
    const stop = () => (playing = clearInterval(playing));
    const step = () => {
      if (figure.ariaBusy === "true") return; // the next when this one is here
      if (next() < steps.length) set(player, steps[next()]);
      if (next() === steps.length) stop();
    };
    signal.addEventListener("abort", stop);
    tool(say("▶ play"), say("Play, or pause: step through all values"), () => {
      if (playing) return stop();
      if (next() === steps.length) set(player, steps[0]);
      playing = setInterval(step, 400);
    });
  }
  if (controls.length) tool(say("reset"), say("Set all controls as they were at first"), () => setAll(start));
  if (!training)
    tool(say("copy call"), say("Copy the Python call that draws this picture"), async ({ target }) => {
      try {
        await navigator.clipboard.writeText(call);
        target.textContent = say("copied");
        setTimeout(() => (target.textContent = say("copy call")), 1500);
      } catch {
        status.textContent = call; // a page that may not write to the clipboard
      }
    });
  const picture = () => figure.querySelector("img");
  const png = () => {
    const image = picture();
    const canvas = element("canvas", { width: 2 * image.width, height: 2 * image.height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    save(canvas.toDataURL("image/png"), "picture.png");
  };
  tool("SVG", say("Download this picture as SVG"), () => save(picture().src, "picture.svg"));
  tool("PNG", say("Download this picture as PNG"), png);

  for (const [sent, packed] of model.get("frames")) await keep(sent, packed);
  if (!training) await show(kept.get(keyOf(start)), turn);
  if (!kept.has(keyOf(places()))) moved();
}

// A page that has no kernel: its controls are ranges over the places that were drawn; the others stay where they are.
export async function still(el) {
  const bytes = Uint8Array.from(atob(el.querySelector("script").textContent), character => character.charCodeAt(0));
  const data = JSON.parse(await unpacked(bytes));
  el.replaceChildren();
  const { setup } = data;
  const controls = setup.start.map(place => ({ get: () => place, on: () => {} }));
  for (const { control, name, places, labels } of data.shown) {
    const value = places.indexOf(setup.start[control]);
    const input = element("input", { type: "range", min: 0, max: places.length - 1, value });
    const output = element("output");
    const tell = () => input.setAttribute("aria-valuetext", (output.textContent = labels[input.value]));
    tell();
    input.addEventListener("input", tell);
    const label = element("label", { textContent: `${name} ` });
    label.append(input, output);
    el.append(label);
    controls[control] = {
      get: () => places[input.value],
      set: (_, place) => (input.value = places.indexOf(place)),
      save_changes: () => input.dispatchEvent(new Event("input")),
      on: (_, act) => input.addEventListener("input", act),
    };
  }
  setup.controls = controls.map(control => [control, "value"]);
  const say = english => setup.says[english] ?? english;
  const note = `${say("Also in the notebook")}: ${data.left_out}.`;
  if (data.left_out) el.append(element("p", { className: "note", textContent: note }));
  const model = { get: name => data[name], on: () => {}, send: () => {} };
  await render({ model, el, host: { getModel: control => control }, signal: new AbortController().signal });
}

export default { render };
