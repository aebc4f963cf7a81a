// The explorer: loads the map and its colours, and joins the map with the column of details.
"use strict";
(() => {
  const { t, make, ask, latest, picture, cellsTable, short, showError, say, openTab, isOpen } = globalThis.isthmus;
  const element = (id) => document.getElementById(id);
  // The names of colours that are no columns come from the server in English.
  const nameOf = ({ key, name }) => (key === "error" ? t("reconstruction error") : key.startsWith("unit-") ? t("unit {number}", { number: key.slice(5) }) : inDays(name));
  // Columns of dates and durations are coloured by days.
  const inDays = (name) => (name.endsWith(" (days)") ? t("{name} (days)", { name: name.slice(0, -7) }) : name);
  const state = { meta: null, row: null, axes: ["", ""] };
  let map = null, colors = null, coloring = null, hidden = new Set();

  // Axes ---------------------------------------------------------------------------------------------------------
  function direction(axis) {
    const [kind, number] = axis.split("-"), width = state.meta.components;
    if (kind === "pc") return state.meta.directions.subarray(number * width, (Number(number) + 1) * width);
    const unit = new Float32Array(width);
    if (kind === "unit") unit[number] = 1;
    return unit;
  }
  state.directions = () => state.axes.map(direction);

  function axisChoices() {
    const { meta } = state, found = [];
    if (meta.components > 2) for (let i = 0; i < meta.axes; i++) found.push([`pc-${i}`, `PC ${i + 1}`]);
    for (let unit = 0; unit < meta.units; unit++) found.push([`unit-${unit}`, t("unit {number}", { number: unit })]);
    if (meta.components === 1) found.push(["none", t("spread")]);
    return found;
  }
  function axisSelects() {
    const choices = axisChoices();
    if (state.meta.components <= 2) return;
    const nodes = [0, 1].map((place) => {
      const node = make("select", { "aria-label": place ? t("Vertical axis") : t("Horizontal axis") }, ...choices.map(([key, name]) => make("option", { value: key }, name)));
      node.value = state.axes[place];
      node.addEventListener("change", () => { state.axes[place] = node.value; replace(); });
      return node;
    });
    element("fit").before(make("span", { class: "axes" }, ...nodes));
  }
  const replace = latest(async () => {
    const found = await ask(`/map?x=${state.axes[0]}&y=${state.axes[1]}`);
    map.setPoints(found.x, found.y);
  });

  // Colours --------------------------------------------------------------------------------------------------------
  const { classColours, numberColours, missingColour } = globalThis.isthmus;
  function paletteOf(found) {
    const colours = found.labels ? classColours(found.labels.length) : numberColours(200);
    while (colours.length < 255) colours.push(missingColour);
    return [...colours, missingColour];
  }
  state.colorBy = latest(async (key) => {
    const found = await ask(`/color?by=${encodeURIComponent(key)}`);
    const same = coloring && coloring.key === key;
    coloring = { ...found, key };
    colors = found.colors;
    element("color").value = key;
    if (map) {
      if (hidden.size && !same) { hidden = new Set(); map.setVisible(null); }
      map.setColors(colors, paletteOf(coloring));
    }
    legend();
  });
  function legend() {
    const box = element("legend");
    if (coloring.labels) {
      const colours = classColours(coloring.labels.length);
      const present = coloring.colors.includes(255);
      const names = coloring.labels.map((name, i) => [name, colours[i], i]);
      if (coloring.rest) names.at(-1)[0] = t("other");
      if (present) names.push([t("missing"), missingColour, 255]);
      box.replaceChildren(make("div", { class: "classes" }, ...names.map(([name, colour, i]) => make("button", {
        "aria-pressed": String(!hidden.has(i)), title: t("Show or hide {name}", { name }), onclick: () => toggle(i),
      }, make("i", { tint: colour }), name))));
      return;
    }
    const strip = make("canvas", { width: 170, height: 1, "aria-hidden": "true" }), pen = strip.getContext("2d");
    numberColours(170).forEach((colour, i) => { pen.fillStyle = colour; pen.fillRect(i, 0, 1, 1); });
    box.replaceChildren(make("div", {}, nameOf(coloring)), strip,
      make("div", { class: "ends" }, make("span", {}, short(coloring.low)), make("span", {}, short(coloring.high))));
  }
  function toggle(label) {
    if (hidden.has(label)) hidden.delete(label); else hidden.add(label);
    map.setVisible(hidden.size ? colors.map((color) => (hidden.has(color) ? 0 : 1)) : null);
    const focused = [...element("legend").querySelectorAll("button")].indexOf(document.activeElement);
    legend();
    element("legend").querySelectorAll("button")[focused]?.focus();
  }

  // The card of the row under the pointer ----------------------------------------------------------------------------
  const card = element("card");
  let wanted = -1;
  const known = new Map();
  const showCard = latest(async (place, x, y) => {
    if (place !== wanted) return;
    let row = known.get(place);
    if (!row) {
      row = await ask(`/row?number=${place}`);
      known.set(place, row);
      if (known.size > 500) known.delete(known.keys().next().value);
    }
    if (place !== wanted) return;
    card.replaceChildren(
      make("div", {}, make("strong", {}, t("row {number}", { number: row.number.toLocaleString() })), row.label ? ` · ${row.label}` : "", make("span", { class: "muted" }, ` · ${t("error {number}", { number: short(row.error) })}`)),
      state.meta.image_shape
        ? make("div", { class: "pair" }, picture(row.row, state.meta, t("row")), picture(row.reconstruction, state.meta, t("reconstruction")))
        : cellsTable(row.cells, 9));
    card.hidden = false;
    const stage = element("stage"), width = card.offsetWidth, height = card.offsetHeight;
    card.style.left = `${x + 18 + width > stage.clientWidth ? Math.max(4, x - width - 18) : x + 18}px`;
    card.style.top = `${Math.max(4, Math.min(y + 14, stage.clientHeight - height - 6))}px`;
  });
  function onHover(place, event) {
    wanted = place;
    if (place < 0) { card.hidden = true; return; }
    const box = element("stage").getBoundingClientRect();
    const inside = event.clientX !== undefined && event.clientX !== 0;
    showCard(place, inside ? event.clientX - box.left : box.width / 2, inside ? event.clientY - box.top : box.height / 2);
  }
  // What is decoded, beside the pointer that is dragged.
  const beside = make("canvas", { class: "picture pixels", "aria-hidden": "true" });
  function besidePlane(x, y, event) {
    if (!state.meta.image_shape || event.pointerType === "touch") return;
    wanted = -1;
    if (beside.parentNode !== card) card.replaceChildren(beside);
    card.hidden = false;
    const [px, py] = map.toPixel(x, y), stage = element("stage"), width = card.offsetWidth, height = card.offsetHeight;
    card.style.left = `${px + 24 + width > stage.clientWidth ? Math.max(4, px - width - 24) : px + 24}px`;
    card.style.top = `${Math.max(4, Math.min(py - height / 2, stage.clientHeight - height - 6))}px`;
  }
  state.onDecoded = (rows) => isthmus.paint(beside, rows, state.meta.image_shape, state.meta.range);
  state.pick = (place) => { openTab("row"); state.rows.show(place); };

  // Modes, keys, theme -------------------------------------------------------------------------------------------------
  function setMode(mode, changesMap = true) {
    if (changesMap) map.setMode(mode);
    for (const button of document.querySelectorAll("[data-mode]")) {
      if (button.tagName === "BUTTON") button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    if (mode === "decode") openTab("decode");
    card.hidden = true;
    say(t("mode: {name}", { name: document.querySelector(`.modes [data-mode=${mode}]`).textContent }));
  }
  state.clear = () => { map.select([]); state.selection.show(new Uint32Array(0)); };

  const FROM_ANYWHERE = ["+", "=", "-", "0", "l", "d", "p", "Escape"];
  function keys(event) {
    const field = event.target.closest?.("select, input, dialog, [role=tab]");
    if (event.ctrlKey || event.metaKey || event.altKey || field) return;
    if (event.key === "?") element("keys").showModal();
    else if (event.key === "a" || event.key === "b") state.decode.end(event.key);
    else if (map && (event.target === document.body || (event.target !== element("map") && FROM_ANYWHERE.includes(event.key)))) {
      element("map").focus();
      element("map").dispatchEvent(new KeyboardEvent("keydown", { key: event.key, shiftKey: event.shiftKey, cancelable: true }));
    } else return;
    event.preventDefault();
  }
  function tabs() {
    const all = [...document.querySelectorAll("[role=tab]")];
    all.forEach((tab, i) => {
      tab.addEventListener("click", () => openTab(tab.id.slice(4)));
      tab.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (!step) return;
        const next = all[(i + step + all.length) % all.length];
        openTab(next.id.slice(4));
        next.focus();
        event.preventDefault();
      });
    });
  }
  function theme() {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
    document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
    map?.redraw();
  }

  async function start() {
    const meta = (state.meta = await ask("/meta"));
    document.title = meta.title;
    const count = { rows: meta.rows.toLocaleString(), all: meta.all_rows.toLocaleString() };
    element("title").textContent = `${meta.title} · ${meta.rows < meta.all_rows ? t("{rows} rows of {all}", count) : t("{rows} rows", count)}`;
    element("title").title = t("{kind}, {columns} columns, {units} units, isthmus {version}", { kind: meta.kind, columns: meta.features, units: meta.components, version: meta.version });
    state.axes = meta.components > 2 ? ["pc-0", "pc-1"] : ["unit-0", meta.components === 2 ? "unit-1" : "none"];
    element("color").replaceChildren(...meta.colors.map((one) => make("option", { value: one.key }, nameOf(one))));
    const [places] = await Promise.all([ask(`/map?x=${state.axes[0]}&y=${state.axes[1]}`), state.colorBy(meta.color_by)]);
    if (!coloring) await state.colorBy("error");
    element("loading").hidden = true;
    Object.assign(state, {
      rows: isthmus.rowPanel(state), decode: isthmus.decodePanel(state), selection: isthmus.selectionPanel(state), units: isthmus.unitsPanel(state),
    });
    map = isthmus.scatter(element("map"), {
      x: places.x, y: places.y, color: colors, palette: paletteOf(coloring),
      label: t("Map of {rows} rows. Arrows move, plus and minus zoom, Enter shows the row in the middle, question mark lists the keys.", count),
      inset: () => (element("legend").childElementCount ? element("legend").offsetHeight + 6 : 0),
      onHover, onClick: (place) => state.pick(place),
      onLasso: (found) => { if (found.length) openTab("selection"); state.selection.show(found); },
      onPlane: (x, y, event) => { state.decode.at(x, y); besidePlane(x, y, event); },
      onMode: (mode) => setMode(mode, false),
    });
    axisSelects();
    if (meta.sparse && !isOpen("units")) state.units.show([...meta.density.keys()].sort((a, b) => meta.density[b] - meta.density[a])[0]);
    globalThis.isthmus.page = { map, state };
    document.body.dataset.ready = "yes";
  }

  tabs();
  document.addEventListener("keydown", keys);
  element("color").addEventListener("change", (event) => state.colorBy(event.target.value));
  element("fit").addEventListener("click", () => map?.fit());
  element("theme").addEventListener("click", theme);
  element("help").addEventListener("click", () => element("keys").showModal());
  for (const button of document.querySelectorAll(".modes button")) button.addEventListener("click", () => map && setMode(button.dataset.mode));
  start().catch((error) => { element("loading").textContent = ""; showError(error.message); });
})();
