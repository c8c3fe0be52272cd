// The picture of a panel. What the kernel draws ahead is kept here by the values of the controls, so that the page
// answers a move itself; what is not here yet is asked for. A page without a kernel runs the same: `still`, at the end.
const MOST = 200; // pictures kept, some 10 MB
const NEAR = 10, BESIDE = 2; // of them decoded: of the control in hand and of each other; 0.8 MB each

// Nine digits, since 0.1 + 0.2 here is what the slider calls 0.3.
const keyOf = places => JSON.stringify(places, (_, at) => (typeof at === "number" ? +at.toPrecision(9) : at));

const unpacked = bytes =>
  typeof bytes === "string" ? bytes : new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();

const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

function save(url, name) {
  element("a", { href: url, download: name }).click();
}

async function render({ model, el, host, signal }) {
  const { reads, start, steps, names, options, training, ...setup } = model.get("setup");
  const controls = await Promise.all(setup.controls.map(control => host.getModel(control)));
  const preset = setup.presets.length ? await host.getModel(setup.preset) : null;
  const places = () => controls.map((control, i) => control.get(reads[i]));

  const progress = element("progress", { max: 1, hidden: true });
  const doing = element("span", { className: "paper-nets-doing" });
  const status = element("div", { role: "status", className: "paper-nets-words" });
  const trace = element("pre");
  const details = element("details", { hidden: true }, element("summary", { textContent: "Where it happened" }), trace);
  const figure = element("div", { className: "paper-nets-picture wide" });
  const aloud = element("div", { className: "paper-nets-aloud", ariaLive: "polite" });
  const tools = element("div", { className: "paper-nets-tools" });
  el.classList.add("paper-nets-panel");
  el.append(progress, doing, status, figure, details, tools, aloud);

  const kept = new Map();
  let turn = 0; // counts moves; a picture is never put in the place of one that was asked for later
  let shown = 0, asked = null, saying = 0, resting = 0, hand = 0, current = null;

  async function keep(sent, packed) {
    const key = keyOf(sent.places ?? null);
    if (kept.has(key)) return kept.get(key);
    const frame = { ...sent, key };
    const text = sent.kind && (await unpacked(packed));
    if (frame.kind === "svg") frame.url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    else frame.html = text;
    if (!sent.places) return frame;
    const [oldest] = kept.values();
    if (kept.size === MOST) {
      kept.delete(oldest.key);
      if (oldest !== current) URL.revokeObjectURL(oldest.url);
    }
    kept.set(key, frame);
    rest();
    return frame;
  }

  async function decode(frame) {
    const image = element("img", { alt: frame.alt, width: frame.size[0], height: frame.size[1], src: frame.url });
    await image.decode().catch(() => {});
    frame.image = image;
  }

  // The pictures that are a move away, decoded while the reader looks, are painted with the next frame.
  async function prepare() {
    const here = JSON.parse(keyOf(places())), before = turn;
    const near = here.flatMap((at, i) => {
      const along = [...kept.values()].filter(({ places }) => places.every((other, j) => (other === here[j]) !== (i === j)));
      along.sort((a, b) => Math.abs(a.places[i] - at) - Math.abs(b.places[i] - at));
      return along.slice(0, i === hand ? NEAR : BESIDE);
    });
    near.push(...setup.presets.map(values => kept.get(keyOf(values))).filter(frame => frame));
    for (const frame of kept.values()) if (frame !== current && !near.includes(frame)) frame.image = null;
    for (const frame of near) {
      kept.delete(frame.key); // so that these are the last to be given up
      kept.set(frame.key, frame);
    }
    for (const frame of near) {
      if (frame.url && !frame.image) await decode(frame);
      if (turn !== before) break;
    }
    resting = 0;
    if (turn !== before) rest();
  }
  const rest = () => (resting ||= setTimeout(prepare, 60));

  async function show(frame, mine) {
    if (frame.kind) {
      if (frame.url && !frame.image) await decode(frame);
      if (mine < shown) return;
      const content = frame.image ?? element("div", { innerHTML: frame.html, className: "jp-RenderedHTMLCommon" });
      const before = current;
      current = frame;
      figure.replaceChildren(content);
      if (before?.url && kept.get(before.key) !== before) URL.revokeObjectURL(before.url);
      requestAnimationFrame(() => {
        figure.style.minHeight = `${Math.max(parseFloat(figure.style.minHeight) || 0, content.offsetHeight)}px`;
      });
      clearTimeout(saying);
      saying = setTimeout(() => (aloud.textContent = frame.alt ?? ""), 1000);
    }
    if (mine < shown) return;
    shown = mine;
    figure.classList.toggle("paper-nets-old", !training && !frame.kind && current !== null);
    if (status.textContent !== frame.words) status.textContent = frame.words;
    details.hidden = !frame.trace;
    trace.textContent = frame.trace;
  }

  function ask() {
    asked = { key: keyOf(places()), turn };
    figure.ariaBusy = "true";
    model.send({ want: places() });
  }

  function moved() {
    turn += 1;
    rest();
    if (preset) {
      const found = setup.presets.findIndex(values => keyOf(values) === keyOf(places())) + 1;
      if (preset.get("index") !== found) set(preset, "index", found);
    }
    const frame = kept.get(keyOf(places()));
    if (frame) {
      figure.ariaBusy = "false";
      show(frame, turn);
    } else if (!asked) ask(); // one question at a time; the answer brings the next
  }

  let setting = false;
  function set(control, name, value) {
    control.set(name, value);
    control.save_changes();
  }
  function setAll(values) {
    setting = true;
    controls.forEach((control, i) => keyOf([control.get(reads[i])]) === keyOf([values[i]]) || set(control, reads[i], values[i]));
    setting = false;
    moved();
  }

  if (!training)
    controls.forEach((control, i) =>
      control.on(`change:${reads[i]}`, () => {
        if (setting) return;
        hand = i;
        moved();
      })
    );
  preset?.on("change:index", () => {
    const chosen = setup.presets[preset.get("index") - 1];
    if (chosen && keyOf(chosen) !== keyOf(places())) setAll(chosen);
  });

  async function hear(message, buffers) {
    if (message.progress) {
      const { done, text } = message.progress;
      progress.hidden = doing.hidden = !text;
      done == null ? progress.removeAttribute("value") : (progress.value = done);
      doing.textContent = text;
    }
    if (!message.frame) return;
    const answer = asked;
    const frame = await keep(message.frame, buffers[0]);
    if (!message.frame.places) return show(frame, (turn += 1)); // work under way: the newest is what counts
    if (answer && answer.key === frame.key) {
      asked = null;
      const here = frame.key === keyOf(places());
      figure.ariaBusy = String(!here);
      await show(frame, here ? turn : answer.turn);
      if (!here) moved();
    } else if (frame.key === keyOf(places()) && frame.key !== current?.key && !answer) show(frame, turn);
  }
  let heard = Promise.resolve(); // one message after the other, also after one that failed
  model.on("msg:custom", (message, buffers) => (heard = heard.then(() => hear(message, buffers)).catch(console.error)));

  // The reader's hand is near: now is the time to draw ahead.
  const box = el.closest(".widget-vbox") ?? el;
  for (const sign of ["pointerenter", "focusin"])
    box.addEventListener(sign, () => model.send({ near: true }), { once: true, signal });
  signal.addEventListener("abort", () => {
    model.send({ away: true });
    for (const frame of kept.values()) if (frame.url) URL.revokeObjectURL(frame.url);
  });

  const tool = (text, title, onclick, className = "") =>
    tools.append(element("button", { type: "button", textContent: text, title, ariaLabel: title, onclick, className }));
  const player = controls[setup.play], playerReads = reads[setup.play];
  if (player) {
    let playing = 0;
    const stop = () => (playing = clearInterval(playing));
    const step = () => {
      if (figure.ariaBusy === "true") return; // the next when this one is here
      const at = steps.findIndex(place => keyOf([place]) === keyOf([player.get(playerReads)]));
      set(player, playerReads, steps[at + 1]);
      if (at + 2 === steps.length) stop();
    };
    signal.addEventListener("abort", stop);
    tool("▶ play", "Play, or pause: step through all values", () => {
      if (playing) return stop();
      if (keyOf([player.get(playerReads)]) === keyOf(steps.slice(-1))) set(player, playerReads, steps[0]);
      playing = setInterval(step, 400);
    });
  }
  if (controls.length) tool("reset", "Set all controls as they were at first", () => setAll(start));
  if (!training && names.length)
    tool("copy call", "Copy the Python call that draws this picture", event => {
      const literal = (place, i) => {
        const labels = options[i];
        if (labels) return Array.isArray(place) ? `(${place.map(at => labels[at]).join(", ")},)` : labels[place] ?? "None";
        if (Array.isArray(place)) return `(${place.join(", ")})`;
        return typeof place === "boolean" ? (place ? "True" : "False") : JSON.stringify(place);
      };
      const values = places().map((place, i) => `${names[i]}=${literal(place, i)}`);
      const call = `${setup.function}(${values.join(", ")})`;
      const button = event.target;
      navigator.clipboard.writeText(call).then(
        () => (button.textContent = "copied"),
        () => (status.textContent = call) // a page that may not write to the clipboard
      );
      setTimeout(() => (button.textContent = "copy call"), 1500);
    });
  const picture = () => figure.querySelector("img");
  tool("SVG", "Download this picture as SVG", () => save(picture().src, "picture.svg"), "paper-nets-save");
  const png = () => {
    const canvas = element("canvas", { width: 2 * picture().width, height: 2 * picture().height });
    canvas.getContext("2d").drawImage(picture(), 0, 0, canvas.width, canvas.height);
    save(canvas.toDataURL("image/png"), "picture.png");
  };
  tool("PNG", "Download this picture as PNG", png, "paper-nets-save");

  for (const [sent, packed] of model.get("frames")) await keep(sent, packed);
  const first = kept.get(keyOf(start));
  if (first) await show(first, turn);
  if (!training && !kept.has(keyOf(places()))) moved();
}

// A page that has no kernel: its controls are ranges over the values that were drawn.
export async function still(el) {
  const data = JSON.parse(await unpacked(Uint8Array.from(atob(el.querySelector("script").textContent), c => c.charCodeAt(0))));
  el.replaceChildren();
  const controls = data.shown.map(({ name, labels, at }) => {
    const input = element("input", { type: "range", min: 0, max: labels.length - 1, value: at });
    const output = element("output");
    const tell = () => input.setAttribute("aria-valuetext", (output.textContent = labels[input.value]));
    tell();
    el.append(element("label", {}, `${name} `, input, output));
    return {
      get: () => +input.value,
      set: (_, value) => ((input.value = value), tell(), input.dispatchEvent(new Event("input"))),
      save_changes: () => {},
      on: (_, act) => input.addEventListener("input", () => (tell(), act())),
    };
  });
  if (data.left_out) el.append(element("p", { className: "note", textContent: `Also in the notebook: ${data.left_out}.` }));
  const model = { get: name => data[name], on: () => {}, send: () => {} };
  await render({ model, el, host: { getModel: i => controls[i] }, signal: new AbortController().signal });
}

export default { render };
