// Small parts of the explorer's page: elements, requests, pictures of rows, tables of cells, charts.
"use strict";
(() => {
  const { t, fromServer } = globalThis.isthmus;
  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (name === "width%") node.style.width = `${value}%`;
      else if (name === "tint") node.style.background = value;
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
  }

  // Requests ---------------------------------------------------------------------------------------------------
  let errorTimer = 0;
  function showError(text) {
    const box = document.getElementById("error");
    box.textContent = text;
    box.hidden = false;
    clearTimeout(errorTimer);
    errorTimer = setTimeout(() => { box.hidden = true; }, 8000);
  }
  const say = (text) => { document.getElementById("status").textContent = text; };

  // An answer is the length of a JSON object, the object, and the arrays that it lists.
  function unpack(buffer) {
    const size = new DataView(buffer).getUint32(0, true);
    const facts = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
    let at = 4 + size;
    for (const { name, kind, shape } of facts.arrays) {
      const count = shape.reduce((product, edge) => product * edge, 1);
      const Kind = { f: Float32Array, i: Uint32Array, u: Uint8Array }[kind];
      facts[name] = new Kind(buffer, at, count);
      facts[name].rows = shape[0];
      at += Math.ceil((count * Kind.BYTES_PER_ELEMENT) / 4) * 4;
    }
    return facts;
  }
  async function request(path, body, signal) {
    let answer;
    try {
      answer = await fetch(path, body ? { method: "POST", body, signal } : { signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error(t("The explorer does not answer; was it ended?"));
    }
    if (!answer.ok) throw new Error(fromServer((await answer.text()).trim()) || t("error {number}", { number: answer.status }));
    return answer;
  }
  const ask = async (path, body, signal) => unpack(await (await request(path, body, signal)).arrayBuffer());

  // One request at a time: while one is under way, only the latest further one is kept.
  function latest(run) {
    let busy = false, waiting = null;
    call.idle = () => !busy;
    return call;
    async function call(...args) {
      if (busy) { waiting = args; return; }
      busy = true;
      try {
        await run(...args);
      } catch (error) {
        if (error.name !== "AbortError") showError(error.message);
      } finally {
        busy = false;
        if (waiting) { const next = waiting; waiting = null; call(...next); }
      }
    }
  }

  // Pictures ---------------------------------------------------------------------------------------------------
  // Draws one row into a canvas; `range` is [low, high], or null for a picture of differences around 0.
  function paint(canvas, values, shape, range) {
    const [height, width, channels = 1] = shape;
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d"), image = context.createImageData(width, height);
    let [low, high] = range || [0, 0];
    if (!range) {
      for (const value of values) high = Math.max(high, Math.abs(value));
      low = -high;
    }
    const factor = high > low ? 255 / (high - low) : 0;
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) {
        const value = values[i * channels + (channels >= 3 ? c : 0)];
        let shade = (value - low) * factor;
        // Differences: orange above 0, blue below, on white.
        if (!range) shade = 255 - Math.min(255, Math.abs(value) * factor * 2) * (value > 0 ? [0.17, 0.63, 1][c] : [1, 0.55, 0.3][c]);
        image.data[4 * i + c] = Number.isFinite(shade) ? shade : 128;
      }
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }
  function picture(values, meta, label, range = meta.range) {
    const canvas = make("canvas", { class: "picture pixels", role: "img", "aria-label": label });
    return paint(canvas, values, meta.image_shape, range);
  }
  const captioned = (node, text) => make("figure", {}, node, make("figcaption", {}, text));

  // Cells ------------------------------------------------------------------------------------------------------
  // A table of [name, value, reconstruction, share of the error, value with noise].
  function cellsTable(cells, most = Infinity, noisy = false) {
    let shown = cells;
    if (cells.length > most) {
      const kept = new Set([...cells].sort((a, b) => b[3] - a[3]).slice(0, most));
      shown = cells.filter((cell) => kept.has(cell));
    }
    const far = (share) => share > Math.max(0.25, 2 / cells.length);
    const head = [t("column"), t("value"), ...(noisy ? [t("with noise")] : []), t("reconstructed")];
    const table = make("table", { class: "cells" },
      make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
      make("tbody", {}, ...shown.map((cell) => make("tr", {},
        make("td", { title: cell[0] }, cell[0]),
        make("td", { title: cell[1] }, cell[1] === "" ? "–" : cell[1]),
        ...(noisy ? [make("td", { title: cell[4] }, cell[4])] : []),
        make("td", { title: cell[2], class: far(cell[3]) ? "far" : null }, cell[2])))));
    return shown.length < cells.length
      ? make("div", {}, table, make("p", { class: "hint" }, t("{shown} of {all} columns, those with the largest errors", { shown: shown.length, all: cells.length })))
      : table;
  }
  function plainTable(names, rows, numbers) {
    return make("div", { class: "wrapped", tabindex: "0", role: "region", "aria-label": t("Rows") }, make("table", { class: "cells" },
      make("thead", {}, make("tr", {}, ...[t("row"), ...names].map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...rows.map((row, i) => make("tr", {}, ...[String(numbers[i]), ...row].map((cell) => make("td", { title: cell }, cell)))))));
  }

  const short = (value) => (value === null ? "–" : Math.abs(value) >= 1e4 || (value !== 0 && Math.abs(value) < 1e-4) ? value.toExponential(2) : Number(value.toPrecision(4)).toString());

  const percent = (share) => `${share >= 0.1 ? Math.round(100 * share) : Number((100 * share).toPrecision(2))} %`;

  function histogram(counts, edges, label) {
    const node = make("canvas", { class: "histogram", role: "img", "aria-label": label });
    const draw = () => {
      const ratio = globalThis.devicePixelRatio || 1, width = node.clientWidth || 300, height = 90;
      node.width = width * ratio;
      node.height = height * ratio;
      const pen = node.getContext("2d"), style = getComputedStyle(document.documentElement);
      pen.scale(ratio, ratio);
      const top = Math.max(1, ...counts), step = width / counts.length;
      pen.fillStyle = style.getPropertyValue("--accent");
      counts.forEach((count, i) => {
        const size = (72 * count) / top;
        pen.fillRect(i * step + 0.5, 74 - size, Math.max(1, step - 1), size);
      });
      pen.fillStyle = style.getPropertyValue("--muted");
      pen.font = "11px system-ui, sans-serif";
      pen.fillText(short(edges[0]), 0, 87);
      pen.textAlign = "right";
      pen.fillText(short(edges[edges.length - 1]), width, 87);
    };
    requestAnimationFrame(draw);
    return node;
  }

  Object.assign(globalThis.isthmus, {
    make, showError, say, ask, request, latest, paint, picture, captioned, cellsTable, plainTable, short, percent, histogram,
  });
})();
