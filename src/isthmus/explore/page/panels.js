// The explorer's column of details: the row, the decoder, the selection, and the units of the code.
"use strict";
(() => {
  const { t, make, ask, request, latest, paint, picture, captioned, cellsTable, plainTable, short, percent, histogram, say, showError } = globalThis.isthmus;
  const panel = (name) => document.getElementById(`panel-${name}`);
  const hint = (text) => make("p", { class: "hint" }, text);

  function openTab(name) {
    for (const tab of document.querySelectorAll("[role=tab]")) {
      const own = tab.id === `tab-${name}`;
      tab.setAttribute("aria-selected", String(own));
      tab.tabIndex = own ? 0 : -1;
      panel(tab.id.slice(4)).hidden = !own;
    }
  }
  const isOpen = (name) => !panel(name).hidden;

  function slider({ name, low, high, value, step, onInput, title }) {
    const output = make("output", {}, short(value));
    const input = make("input", { type: "range", min: low, max: high, step: step || (high - low) / 200 || 1e-6, "aria-label": title || name });
    input.value = value;
    input.addEventListener("input", () => { output.textContent = short(Number(input.value)); onInput(Number(input.value)); });
    const node = make("label", { class: "slider" }, make("span", {}, name), input, output);
    node.set = (next) => { input.value = next; output.textContent = short(next); };
    return node;
  }

  const bar = (value, top, text) => make("span", { class: "measure" },
    make("span", { class: value < 0 ? "bar less" : "bar", "width%": Math.max(2, (100 * Math.abs(value)) / top) }), make("span", {}, text));

  // The row that was clicked --------------------------------------------------------------------------------------
  function rowPanel(state) {
    const { meta } = state;
    let row = null, off = new Set(), level = 0, draw = 0;

    const show = latest(async (place) => {
      const noise = level > 0 ? `&noise=${level}&draw=${draw}` : "";
      row = await ask(`/row?number=${place}${noise}`);
      state.row = row;
      off = new Set();
      render();
      say([t("row {number}", { number: row.number }), row.label, t("reconstruction error {number}", { number: short(row.error) })].filter(Boolean).join(", "));
    });
    const withoutUnits = latest(async () => {
      const code = row.code.slice();
      for (const unit of off) code[unit] = 0;
      const found = await ask("/decode", code);
      const place = document.getElementById("row-toggled");
      place.replaceChildren(found.rows
        ? captioned(picture(found.rows, meta, t("reconstruction without the units switched off")), t("{count} units off", { count: off.size }))
        : table(found));
    });
    const table = (found) => cellsTable(found.texts[0].map((text, i) => [found.names[i], row.cells?.find((c) => c[0] === found.names[i])?.[1] ?? "", text, 0]));

    function shown() {
      if (!meta.image_shape) return [cellsTable(row.cells, Infinity, level > 0)];
      const number = row.number;
      return [make("div", { class: "pair" },
        captioned(picture(row.row, meta, t("picture of row {number}", { number })), t("row")),
        row.noisy && captioned(picture(row.noisy, meta, t("noisy picture of row {number}", { number })), t("with noise")),
        captioned(picture(row.reconstruction, meta, t("reconstruction of row {number}", { number })), row.noisy ? t("denoised") : t("reconstruction")),
        make("div", { id: "row-toggled" }))];
    }
    function toggles() {
      const active = [...row.code.keys()].filter((unit) => row.code[unit] !== 0).sort((a, b) => Math.abs(row.code[b]) - Math.abs(row.code[a]));
      const most = 60;
      if (!meta.sparse) return [];
      return [make("h2", {}, t("Active units: {count} of {all}", { count: active.length, all: meta.components })),
        hint(t("Switch units off to see what they draw.")),
        make("div", { class: "toggles", role: "group", "aria-label": t("Active units") }, ...active.slice(0, most).map((unit) => make("button", {
          "aria-pressed": "true",
          onclick: (event) => {
            if (off.has(unit)) off.delete(unit); else off.add(unit);
            event.currentTarget.setAttribute("aria-pressed", String(!off.has(unit)));
            withoutUnits();
          },
        }, `${unit}: ${short(row.code[unit])}`))),
        active.length > most ? hint(t("The {count} strongest of {all}.", { count: most, all: active.length })) : null,
        meta.image_shape ? null : make("div", { id: "row-toggled" })];
    }
    function noise() {
      if (!meta.noise) return [];
      const redraw = () => show(row.place);
      return [make("h2", {}, t("Noise: {name}", { name: t(meta.noise.name) })),
        slider({ name: t("level"), low: 0, high: meta.noise.highest, value: level, title: t("Level of noise"), onInput: (value) => { level = value; redraw(); } }),
        make("div", { class: "actions" }, make("button", { onclick: () => { draw = (draw + 1) % 1000; redraw(); } }, t("Another draw")))];
    }
    function render() {
      const error = t("error {number} (mean {mean})", { number: short(row.error), mean: short(meta.mean_error) });
      const facts = [t("row {number}", { number: row.number.toLocaleString() }), row.label, error];
      // The slider that is being dragged stays where it is.
      const held = document.activeElement?.closest("#panel-row .slider");
      const body = [make("h2", {}, facts.filter(Boolean).join(" · ")), ...shown()];
      const old = panel("row").querySelector(".body");
      if (held && old) { old.replaceChildren(...body); return; }
      panel("row").replaceChildren(
        make("div", { class: "body" }, ...body),
        make("div", { class: "actions" },
          make("button", { onclick: () => state.decode.end("a") }, t("Morph from this row")),
          make("button", { onclick: () => state.decode.end("b") }, t("Morph to this row")),
          make("button", { onclick: () => { state.decode.setBase(row.code); openTab("decode"); } }, t("Decode from this row"))),
        ...noise(), ...toggles().filter(Boolean));
    }
    panel("row").replaceChildren(hint(t("Point at the map to see a row. Click to keep it here.")));
    return { show };
  }

  // Codes that are decoded: the plane, sliders, and the way between two rows ----------------------------------------
  function decodePanel(state) {
    const { meta } = state;
    const base = meta.mean.slice(), ends = { a: null, b: null };
    const large = meta.image_shape ? make("canvas", { class: "picture pixels", role: "img", "aria-label": t("what the code decodes to") }) : make("div");
    const sliders = new Map();
    let steps = null;

    const times = (state.times = []);
    const draw = latest(async () => {
      const start = performance.now();
      const found = await ask("/decode", base);
      if (meta.image_shape) {
        paint(large, found.rows, meta.image_shape, meta.range);
        state.onDecoded(found.rows);
      }
      else large.replaceChildren(decoded(found));
      times.push(performance.now() - start);
      if (times.length > 1000) times.shift();
    });
    const decoded = (found) => make("table", { class: "cells" }, make("tbody", {}, ...found.names.map((name, i) => make("tr", {}, make("td", { title: name }, name), make("td", {}, found.texts[0][i])))));

    function setBase(code) {
      base.set(code);
      for (const [unit, node] of sliders) node.set(base[unit]);
      draw();
    }
    // The code at a point of the plane: of all codes there, the one nearest to the sliders.
    function at(x, y) {
      const [a, b] = state.directions();
      let aa = 0, ab = 0, bb = 0, pa = 0, pb = 0;
      for (let k = 0; k < base.length; k++) {
        aa += a[k] * a[k]; ab += a[k] * b[k]; bb += b[k] * b[k]; pa += base[k] * a[k]; pb += base[k] * b[k];
      }
      const det = aa * bb - ab * ab, dx = x - pa, dy = y - pb;
      const s = det > 1e-9 ? (dx * bb - dy * ab) / det : dx / (aa || 1), t = det > 1e-9 ? (dy * aa - dx * ab) / det : 0;
      for (let k = 0; k < base.length; k++) base[k] += s * a[k] + t * b[k];
      for (const [unit, node] of sliders) node.set(base[unit]);
      draw();
    }

    const morph = latest(async (t0) => {
      if (!ends.a || !ends.b) return;
      const n = 9, codes = new Float32Array(n * base.length);
      for (let i = 0; i < n; i++) for (let k = 0; k < base.length; k++) codes[i * base.length + k] = mixed(i / (n - 1), k);
      const found = await ask("/decode", codes);
      const width = meta.image_shape ? found.rows.length / n : 0;
      steps.replaceChildren(
        hint(t("From row {first} to row {second}, in nine steps:", { first: ends.a.number.toLocaleString(), second: ends.b.number.toLocaleString() })),
        meta.image_shape
          ? make("div", { class: "strip nine" }, ...Array.from({ length: n }, (_, i) => picture(found.rows.subarray(i * width, (i + 1) * width), meta, t("step {number} of {all}", { number: i + 1, all: n }))))
          : plainTable(found.names, found.texts, [...Array(n).keys()].map((i) => `${Math.round((100 * i) / (n - 1))} %`)),
        slider({ name: t("between"), low: 0, high: 1, value: t0, title: t("Between the two rows"), onInput: (t) => {
          for (let k = 0; k < base.length; k++) base[k] = mixed(t, k);
          for (const [unit, node] of sliders) node.set(base[unit]);
          draw();
        } }));
    });
    const mixed = (t, k) => (1 - t) * ends.a.code[k] + t * ends.b.code[k];
    function end(which) {
      if (!state.row) { showError(t("Click a row first.")); return; }
      ends[which] = { number: state.row.number, code: state.row.code.slice() };
      openTab("decode");
      const missing = !ends.a ? t("Now click the first row, and press “Morph from this row”.") : !ends.b ? t("Now click the second row, and press “Morph to this row”.") : null;
      if (missing) steps.replaceChildren(hint(missing));
      else morph(which === "a" ? 0 : 1);
      setBase(ends[which].code);
    }

    const listed = [...meta.sliders].slice(0, 24);
    for (const unit of listed) {
      const low = Math.min(meta.low[unit], 0), high = Math.max(meta.high[unit], 0);
      sliders.set(unit, slider({ name: t("unit {number}", { number: unit }), low, high, value: base[unit], onInput: (value) => { base[unit] = value; draw(); } }));
    }
    steps = make("div", { id: "morph" }, hint(t("Click two rows, and press “Morph from this row” and “Morph to this row”.")));
    panel("decode").replaceChildren(
      hint(t("In the mode Decode, drag over the map: this is what the model decodes there.")),
      make("div", { class: "large" }, large),
      make("h2", {}, t("Units of the code")),
      make("div", {}, ...sliders.values()),
      meta.components > listed.length ? hint(t("The {count} units that vary most, of {all}.", { count: listed.length, all: meta.components })) : "",
      make("div", { class: "actions" }, make("button", { onclick: () => setBase(meta.mean) }, t("Mean code"))),
      make("h2", {}, t("Between two rows")), steps);
    draw();
    return { at, setBase, end, code: () => Array.from(base), idle: draw.idle };
  }

  // The selection ----------------------------------------------------------------------------------------------------
  function selectionPanel(state) {
    const { meta } = state;
    let places = new Uint32Array(0);

    const show = latest(async (chosen) => {
      places = chosen;
      if (!places.length) { empty(); return; }
      panel("selection").replaceChildren(hint(t("Comparing {count} rows with the others…", { count: places.length.toLocaleString() })));
      const found = await ask("/selection", places);
      panel("selection").replaceChildren(
        make("h2", {}, t("{count} rows · mean error {mean} (of all {all})", { count: found.rows.toLocaleString(), mean: short(found.error), all: short(meta.mean_error) })),
        make("div", { class: "actions" },
          make("button", { id: "export", onclick: save }, t("Save as CSV")),
          make("button", { onclick: () => state.clear() }, t("Clear"))),
        make("h2", {}, t("What sets these apart")),
        ...(meta.image_shape ? pictures(found) : columns(found)));
      say(t("{count} rows are selected", { count: found.rows }));
    });
    function pictures(found) {
      const difference = found.inside.map((value, i) => value - found.outside[i]), width = difference.length;
      return [make("div", { class: "pair" },
        captioned(picture(found.inside, meta, t("mean of the selected rows")), t("mean of these")),
        captioned(picture(found.outside, meta, t("mean of the other rows")), t("mean of the others")),
        captioned(picture(difference, meta, t("difference of the means"), null), t("difference"))),
      make("h2", {}, found.places.length < found.rows ? t("{count} of the rows", { count: found.places.length }) : t("The rows")),
      make("div", { class: "strip" }, ...Array.from(found.places, (place, i) => make("button", {
        title: t("row {number}", { number: found.numbers[i] }), onclick: () => { state.pick(place); },
      }, picture(found.pictures.subarray(i * width, (i + 1) * width), meta, t("row {number}", { number: found.numbers[i] })))))];
    }
    function columns(found) {
      const top = Math.max(1e-9, ...found.apart.map((one) => Math.abs(one[3])));
      return [
        found.apart.length ? make("div", { class: "wrapped", tabindex: "0", role: "region", "aria-label": t("Differences") }, make("table", { class: "cells apart" },
          make("thead", {}, make("tr", {}, ...[t("column"), t("difference"), t("these"), t("others")].map((text) => make("th", { scope: "col" }, text)))),
          make("tbody", {}, ...found.apart.map(([name, inside, outside, deviations, errors]) => make("tr", { title: t("{deviations} standard deviations, {errors} standard errors", { deviations: short(deviations), errors: short(errors) }) },
            make("td", { title: name }, name), make("td", { class: "difference" }, bar(deviations, top, t("{number} sd", { number: `${deviations > 0 ? "+" : ""}${deviations.toFixed(2)}` }))),
            make("td", { title: inside }, inside), make("td", { title: outside }, outside)))))) : hint(t("No column differs.")),
        hint(found.read < found.rows
          ? t("Differences of the means in standard deviations of the column, from a sample of {count} of these rows.", { count: found.read.toLocaleString() })
          : t("Differences of the means in standard deviations of the column.")),
        make("h2", {}, found.places.length < found.rows ? t("The first {count} rows", { count: found.places.length }) : t("The rows")),
        plainTable(found.names, found.texts, found.numbers)];
    }
    async function save() {
      try {
        const answer = await request("/selection.csv", places);
        const link = make("a", { href: URL.createObjectURL(await answer.blob()), download: "selection.csv" });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      } catch (error) { showError(error.message); }
    }
    function empty() {
      panel("selection").replaceChildren(hint(t("Press Select, and draw around rows: this shows what sets them apart from the others, and saves their codes.")));
    }
    empty();
    return { show };
  }

  // Units --------------------------------------------------------------------------------------------------------------
  function unitsPanel(state) {
    const { meta } = state;
    const order = [...meta.density.keys()];
    const detail = make("div", { id: "unit" });
    const most = 256;
    if (meta.sparse) order.sort((a, b) => meta.density[b] - meta.density[a]);
    const buttons = order.slice(0, most).map((unit) => make("button", { "aria-pressed": "false", "data-unit": unit, onclick: () => show(unit) },
      String(unit), make("small", {}, percent(meta.density[unit]))));

    const show = latest(async (unit) => {
      if (!detail.childElementCount) detail.replaceChildren(hint(t("Computing…")));
      const found = await ask(`/unit?number=${unit}`);
      for (const button of buttons) button.setAttribute("aria-pressed", String(Number(button.dataset.unit) === unit));
      const width = found.pictures ? found.pictures.length / Math.max(1, found.places.length) : 0;
      detail.replaceChildren(
        make("h2", {}, t("Unit {number}: active in {share} of the rows", { number: unit, share: percent(found.density) })),
        histogram(found.counts, found.edges, t("histogram of unit {number} where it is not 0, from {low} to {high}", { number: unit, low: short(found.edges[0]), high: short(found.edges[found.edges.length - 1]) })),
        make("div", { class: "actions" }, make("button", { onclick: () => state.colorBy(`unit-${unit}`) }, t("Colour the map by it"))),
        ...(meta.image_shape ? unitPictures(found, unit, width) : unitColumns(found)));
    });
    function unitPictures(found, unit, width) {
      return [
        found.atom ? captioned(picture(found.atom, meta, t("atom of unit {number}", { number: unit }), null), t("what it adds: orange more, blue less")) : "",
        make("h2", {}, t("Rows in which it is strongest")),
        make("div", { class: "strip" }, ...Array.from(found.places, (place, i) => make("button", { title: t("row {number}: {value}", { number: found.numbers[i], value: short(found.values[i]) }), onclick: () => state.pick(place) },
          picture(found.pictures.subarray(i * width, (i + 1) * width), meta, t("row {number}", { number: found.numbers[i] })))))];
    }
    function unitColumns(found) {
      const top = Math.max(1e-9, ...(found.atom || []).map((one) => Math.abs(one[1])));
      return [
        found.atom ? make("h2", {}, t("What it adds, in standard deviations")) : "",
        found.atom ? make("table", { class: "cells" }, make("tbody", {}, ...found.atom.slice(0, 12).map(([name, effect]) => make("tr", {}, make("td", { title: name }, name),
          make("td", { class: "difference" }, bar(effect, top, short(effect))))))) : "",
        make("h2", {}, t("Rows in which it is strongest")),
        plainTable(found.names, found.texts, found.numbers)];
    }
    panel("units").replaceChildren(
      hint(meta.sparse ? t("Units by the share of rows in which they are active.") : t("Units of the code.")),
      make("div", { class: "units", role: "group", "aria-label": t("Units") }, ...buttons),
      order.length > most ? hint(t("The first {count} of {all}.", { count: most, all: order.length })) : "", detail);
    return { show };
  }

  Object.assign(globalThis.isthmus, { openTab, isOpen, rowPanel, decodePanel, selectionPanel, unitsPanel, tabPanel: panel });
})();
