// The map of a report: points, colours, a card for the point under the pointer, and the decoder. Needs scatter.js and
// decoder.js.
"use strict";
(() => {
  const MISSING = 65535, STEPS = 65534, SHADES = 200;
  const LISTED = 21, CARD = 12;
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("map-data").textContent), n = data.count;
  const decoder = data.decoder && isthmus.decoder(data.decoder);
  // A text in the language of the page, in which {name} stands for what is filled in.
  const t = (text, values = {}) => (data.texts[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  const made = (tag, text, kind) => {
    const found = document.createElement(tag);
    if (text !== undefined) found.textContent = text;
    if (kind) found.className = kind;
    return found;
  };

  // Data -------------------------------------------------------------------------------------------------------
  const steps = (packed) => new Uint16Array(isthmus.bytesOf(packed));
  function axis(place) {
    const one = data.axes[place];
    if (!one.values) {
      const found = steps(one.steps), factor = (one.high - one.low) / STEPS;
      one.values = Float32Array.from(found, (step) => (step === MISSING ? NaN : one.low + step * factor));
    }
    return one.values;
  }
  const numbers = data.numbers && new Uint32Array(isthmus.bytesOf(data.numbers));
  const rowNumber = (point) => (numbers ? numbers[point] : point);
  for (const column of data.columns) {
    column.places = column.levels ? new Uint8Array(isthmus.bytesOf(column.steps)) : steps(column.steps);
  }
  function value(column, point) {
    const step = column.places[point];
    if (column.levels) return step === 255 ? NaN : step;
    return step === MISSING ? NaN : column.low + (step * (column.high - column.low)) / STEPS;
  }
  function text(column, point) {
    const found = value(column, point);
    if (Number.isNaN(found)) return t("missing");
    if (column.levels) return column.levels[found];
    if (column.origin !== null) return isthmus.dateText(86400000 * Math.round(column.origin / 86400000 + found)).slice(0, 10);
    return isthmus.numberText(column.whole ? found : Number(found.toPrecision(4)), column.whole);
  }

  // Colours ----------------------------------------------------------------------------------------------------
  function colours(column) {
    const hue = new Uint8Array(n);
    if (column.levels) {
      const palette = isthmus.classColours(column.levels.length), none = palette.length;
      for (let i = 0; i < n; i++) hue[i] = column.places[i] === 255 ? none : column.places[i];
      return { hue, palette: [...palette, isthmus.missingColour] };
    }
    const [low, high] = column.cut, span = high > low ? high - low : 1;
    for (let i = 0; i < n; i++) {
      const share = (value(column, i) - low) / span;
      hue[i] = Number.isNaN(share) ? SHADES : Math.max(0, Math.min(SHADES - 1, Math.floor(share * SHADES)));
    }
    return { hue, palette: [...isthmus.numberColours(SHADES), isthmus.missingColour] };
  }
  function legend(column, palette) {
    const box = byId("map-legend");
    box.replaceChildren(made("h3", column.name));
    // A level is a button that hides its points and shows them again.
    const hidden = new Set();
    const entry = (colour, name, level) => {
      const line = made(level === undefined ? "div" : "button", undefined, "legend-line"), dot = made("span", undefined, "dot");
      dot.style.background = colour;
      line.append(dot, made("span", name));
      if (level === undefined) return line;
      line.type = "button";
      line.setAttribute("aria-pressed", "true");
      line.addEventListener("click", () => {
        if (!hidden.delete(level)) hidden.add(level);
        line.setAttribute("aria-pressed", String(!hidden.has(level)));
        map.setVisible(hidden.size ? Uint8Array.from(column.places, (step) => (hidden.has(step) ? 0 : 1)) : null);
      });
      return line;
    };
    if (column.levels) {
      const list = made("div", undefined, "legend-list");
      column.levels.slice(0, LISTED).forEach((level, place) => list.append(entry(palette[place], level, place)));
      if (column.levels.length > LISTED) list.append(made("div", t("and {count} more", { count: column.levels.length - LISTED })));
      box.append(list);
    } else {
      const bar = made("div", undefined, "ramp"), ends = made("div", undefined, "ends");
      bar.style.background = `linear-gradient(to right, ${palette.slice(0, SHADES).filter((_, i) => i % 20 === 0 || i === SHADES - 1).join(", ")})`;
      const [low, high] = column.cut;
      const end = (v) => (column.origin !== null && column.origin !== undefined ? isthmus.dateText(86400000 * Math.round(column.origin / 86400000 + v)).slice(0, 10) : isthmus.numberText(Number(v.toPrecision(3)), column.whole));
      ends.append(made("span", end(low)), made("span", end(high)));
      box.append(bar, ends);
    }
    const none = column.places.some((step) => step === (column.levels ? 255 : MISSING));
    if (none) box.append(entry(isthmus.missingColour, t("missing"), column.levels ? 255 : undefined));
  }

  // Pictures ---------------------------------------------------------------------------------------------------
  const [low, high] = data.shades;
  function drawRow(canvas, row) {
    const [height, width] = data.shape, channels = data.shape[2] || 1;
    canvas.width = width;
    canvas.height = height;
    const image = new ImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) {
        image.data[4 * i + c] = (255 * (row[i * channels + (channels > 1 ? c : 0)] - low)) / (high - low);
      }
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
  }
  const sheet = data.sheet && Object.assign(new Image(), { src: data.sheet.source });
  const thumbnails = data.sheet && new Map(Array.from(new Uint32Array(isthmus.bytesOf(data.sheet.points)), (point, place) => [point, place]));
  function thumbnail(place) {
    const { width, height, columns } = data.sheet, found = made("canvas", undefined, "picture pixels");
    Object.assign(found, { width, height });
    found.getContext("2d").drawImage(sheet, (place % columns) * width, Math.floor(place / columns) * height, width, height, 0, 0, width, height);
    return found;
  }

  // The decoder ------------------------------------------------------------------------------------------------
  const code = Float32Array.from(data.code);
  const picture = byId("map-picture"), listed = byId("map-row"), place = byId("map-place");
  let cells = null;
  // Without a decoder, the nearest of the pictures that were decoded for the file.
  const grid = data.grid && Object.assign(new Image(), { src: data.grid.source, onload: () => show() });
  const onPlane = () => [code[0], code[1]].map((v) => isthmus.numberText(Number(v.toPrecision(3)))).join(", ");
  function showTile() {
    const { columns, width, height, low, high } = data.grid;
    const [column, line] = [0, 1].map((unit) => {
      const share = (code[unit] - low[unit]) / (high[unit] - low[unit]);
      return Math.round(Math.max(0, Math.min(1, share)) * (columns - 1));
    });
    Object.assign(picture, { width, height });
    picture.getContext("2d").drawImage(grid, column * width, line * height, width, height, 0, 0, width, height);
    place.textContent = t("near {place}, one of {columns} × {columns} decoded points", { place: onPlane(), columns });
  }
  function show() {
    if (grid) showTile();
    if (!decoder) return;
    const row = decoder.decode(code);
    if (picture) drawRow(picture, row);
    else {
      const found = decoder.cells(row);
      if (!cells) {
        const body = made("tbody");
        cells = found.map(({ name }) => {
          const line = made("tr"), cell = made("td");
          line.append(made("th", name), cell);
          line.firstChild.scope = "row";
          body.append(line);
          return cell;
        });
        const table = made("table");
        table.append(body);
        listed.append(table);
      }
      found.forEach((one, i) => { cells[i].textContent = one.text; });
    }
    if (data.plane) place.textContent = t("at {place}", { place: onPlane() });
  }
  const sliders = data.units.map(([unit, from, to, start]) => ({ unit, from, to, start }));
  function makeSliders() {
    const box = byId("map-sliders");
    if (!box) return;
    box.append(made("h3", t("Code")));
    for (const one of sliders) {
      const label = made("label", `${t("unit {number}", { number: one.unit })} `), input = made("input"), output = made("output");
      Object.assign(input, { type: "range", min: one.from, max: one.to, step: (one.to - one.from) / 500, value: one.start });
      const showValue = () => {
        code[one.unit] = Number(input.value);
        output.textContent = isthmus.numberText(Number(code[one.unit].toPrecision(3)));
      };
      input.addEventListener("input", () => { showValue(); show(); });
      one.set = (v) => { input.value = v; showValue(); };
      showValue();
      label.append(output, input);
      box.append(label);
    }
    const others = data.code.length - sliders.length;
    if (others > 0) box.append(made("p", t("The other {count} units are at their mean.", { count: others }), "note"));
  }

  // The card ---------------------------------------------------------------------------------------------------
  const card = byId("map-card");
  // The first axis of the units with a slider; of a plane, both axes are units.
  const firstUnit = data.plane ? 0 : sliders.length > 1 ? data.axes.length - sliders.length : 0;
  const whole = data.plane || sliders.length === data.code.length; // whether the file has all numbers of a code
  const codeOf = (point) => Float32Array.from(data.code, (_, unit) => axis(firstUnit + unit)[point]);
  function reconstruction(point) {
    if (!decoder || !whole) return null;
    const found = made("canvas", undefined, "picture pixels");
    drawRow(found, decoder.decode(codeOf(point)));
    return found;
  }
  function figure(content, caption) {
    const found = made("figure");
    found.append(content, made("figcaption", caption));
    return found;
  }
  function onHover(point, event) {
    card.hidden = point < 0;
    if (point < 0) return;
    card.replaceChildren(made("strong", t("row {number}", { number: rowNumber(point).toLocaleString("en") })));
    if (data.shape) {
      const strip = made("div", undefined, "strip"), at = thumbnails?.get(point), rebuilt = reconstruction(point);
      if (at !== undefined) strip.append(figure(thumbnail(at), t("row")));
      if (rebuilt) strip.append(figure(rebuilt, t("reconstruction")));
      card.append(strip);
      if (at === undefined && !rebuilt) card.append(made("p", t("its picture is not in this file"), "note"));
    }
    const table = made("table"), body = made("tbody");
    const current = data.columns[Number(byId("map-color").value)];
    const features = data.columns.filter((column) => column.feature).slice(0, CARD);
    const others = data.columns.filter((column) => !column.feature || (column === current && !features.includes(column)));
    for (const column of [...others, ...features]) {
      const line = made("tr");
      line.append(made("th", column.name), made("td", text(column, point)));
      body.append(line);
    }
    table.append(body);
    card.append(table);
    const box = canvas.getBoundingClientRect(), width = card.offsetWidth, height = card.offsetHeight;
    const [px, py] = map.toPixel(map.xs[point], map.ys[point]);
    const left = px + 18 + width < box.width ? px + 18 : px - width - 18;
    card.style.left = `${Math.max(4, Math.min(box.width - width - 4, left))}px`;
    card.style.top = `${Math.max(4, Math.min(box.height - height - 4, py - height / 2))}px`;
  }

  // The page ---------------------------------------------------------------------------------------------------
  const canvas = byId("map-canvas");
  const options = (select, names, chosen) => {
    names.forEach((name, i) => select.append(new Option(name, i, i === chosen, i === chosen)));
    return select;
  };
  const colorSelect = options(byId("map-color"), data.columns.map((column) => column.name), data.color);
  const acrossSelect = options(byId("map-x"), data.axes.map((one) => one.name), 0);
  const upSelect = options(byId("map-y"), data.axes.map((one) => one.name), 1);
  byId("map-axes").hidden = data.axes.length < 3;
  const first = colours(data.columns[data.color]);
  const map = isthmus.scatter(canvas, {
    x: axis(0), y: axis(1), color: first.hue, palette: first.palette,
    label: t("{name}, {count} rows. Arrows move, plus and minus zoom, 0 shows all.", { name: canvas.getAttribute("aria-label"), count: n.toLocaleString("en") }),
    onHover,
    onClick(point) {
      sliders.forEach((one, place) => one.set?.(axis(firstUnit + place)[point]));
      if (data.code.length && data.plane) code.set(codeOf(point));
      show();
    },
    onPlane: data.plane && (decoder || grid) ? (x, y) => { code[0] = x; code[1] = y; card.hidden = true; show(); } : undefined,
    onMode: () => modes(),
  });
  Object.assign(map, { xs: axis(0), ys: axis(1) });
  legend(data.columns[data.color], first.palette);
  colorSelect.addEventListener("change", () => {
    const column = data.columns[Number(colorSelect.value)], found = colours(column);
    map.setColors(found.hue, found.palette);
    map.setVisible(null);
    legend(column, found.palette);
  });
  for (const select of [acrossSelect, upSelect]) {
    select.addEventListener("change", () => {
      card.hidden = true;
      Object.assign(map, { xs: axis(Number(acrossSelect.value)), ys: axis(Number(upSelect.value)) });
      map.setPoints(map.xs, map.ys);
      const found = colours(data.columns[Number(colorSelect.value)]);
      map.setColors(found.hue, found.palette);
    });
  }
  const modeButtons = { pan: byId("map-pan"), decode: byId("map-decode") };
  function modes() {
    for (const [name, button] of Object.entries(modeButtons)) button?.setAttribute("aria-pressed", String(map.mode === name));
  }
  for (const [name, button] of Object.entries(modeButtons)) button?.addEventListener("click", () => { map.setMode(name); modes(); });
  byId("map-fit").addEventListener("click", () => map.fit());
  globalThis.addEventListener("isthmus-theme", () => map.redraw());
  makeSliders();
  show();
  isthmus.reportMap = { map, data, code, decoder };
})();
