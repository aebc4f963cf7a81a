// A dense decoder: codes to rows, in their units, from matrices in float16 and vectors in float32.
//
// isthmus.decoder(data) returns {inputs, outputs, decode(code), cells(row)}: decode gives a Float32Array, cells the
// texts of a table's columns. `data` is what isthmus.evaluation.report.code_map.decoder_data writes.
"use strict";
globalThis.isthmus ??= {};
(() => {
  const DAY = 86400000;
  const logistic = (v) => 1 / (1 + Math.exp(-v));
  // As jax.nn has them; gelu is its approximation by tanh.
  const ACTIVATIONS = {
    identity: (v) => v,
    sigmoid: logistic,
    tanh: Math.tanh,
    relu: (v) => (v > 0 ? v : 0),
    leaky_relu: (v) => (v >= 0 ? v : 0.01 * v),
    elu: (v) => (v > 0 ? v : Math.expm1(v)),
    gelu: (v) => 0.5 * v * (1 + Math.tanh(0.7978845608028654 * (v + 0.044715 * v * v * v))),
    silu: (v) => v * logistic(v),
    softplus: (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v))),
  };

  function bytes(text) {
    const raw = atob(text), found = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) found[i] = raw.charCodeAt(i);
    return found.buffer;
  }
  const floats = (text) => new Float32Array(bytes(text));

  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  let halves = null; // the number of every pattern of 16 bits
  function matrix(data) {
    halves ??= Float32Array.from({ length: 65536 }, (_, bits) => half(bits));
    const bits = new Uint16Array(bytes(data.halves)), values = new Float32Array(bits.length);
    for (let i = 0; i < bits.length; i++) values[i] = halves[bits[i]] * data.factor;
    return { rows: data.rows, columns: data.columns, values };
  }
  // Adds x @ m to `out`.
  function multiply(x, m, out) {
    for (let i = 0; i < m.rows; i++) {
      const factor = x[i];
      if (factor === 0) continue;
      const start = i * m.columns;
      for (let j = 0; j < m.columns; j++) out[j] += factor * m.values[start + j];
    }
    return out;
  }
  function normalized(values, gain) {
    const n = values.length;
    let mean = 0, square = 0;
    for (const value of values) mean += value / n;
    for (const value of values) square += ((value - mean) * (value - mean)) / n;
    const factor = 1 / Math.sqrt(square + 1e-5);
    for (let i = 0; i < n; i++) values[i] = (values[i] - mean) * factor * gain[i];
  }
  function softmax(values, start, stop, out) {
    let most = -Infinity, total = 0;
    for (let i = start; i < stop; i++) most = Math.max(most, values[i]);
    for (let i = start; i < stop; i++) total += out[i] = Math.exp(values[i] - most);
    for (let i = start; i < stop; i++) out[i] /= total;
  }

  // Cells ------------------------------------------------------------------------------------------------------
  function power(v, p) {
    return p === 0 ? Math.expm1(v) : Math.expm1(Math.log1p(p * v) / p);
  }
  function unskewed(value, [center, scale, exponent, zero, low, high]) {
    const inside = Math.min(Math.max(value, low), high) / scale + zero;
    return (inside < 0 ? -power(-inside, 2 - exponent) : power(inside, exponent)) * scale + center;
  }
  function dateText(milliseconds) {
    const date = new Date(milliseconds);
    if (Number.isNaN(date.getTime())) return "";
    return date.toISOString().replace(/\.000Z$/, "").replace(/Z$/, "").replace(/T00:00:00$/, "");
  }
  function numberText(value, whole) {
    if (!Number.isFinite(value)) return "missing";
    if (whole && Math.abs(value) < 1e15) return String(Math.round(value));
    const size = Math.abs(value);
    return size !== 0 && (size >= 1e6 || size < 1e-4) ? value.toExponential(3) : String(Number(value.toPrecision(5)));
  }
  function cell(row, column) {
    const first = row[column.start];
    if (column.kind === "category") {
      let best = column.start;
      for (let i = column.start; i < column.stop; i++) if (row[i] > row[best]) best = i;
      return `${column.levels[best - column.start]} (${Math.round(100 * row[best])}%)`;
    }
    if (column.kind === "boolean") return column.levels[first > 0.5 ? 1 : 0];
    if (column.kind === "datetime" && column.origin !== null) return dateText(column.origin + Math.round((DAY * first) / column.step) * column.step);
    if (column.kind === "duration") return `${numberText(first)} days`;
    return numberText(column.skew.length ? unskewed(first, column.skew) : first, column.kind === "integer");
  }

  function decoder(data) {
    const layers = data.layers.map((layer) => ({
      weight: matrix(layer.weight), bias: floats(layer.bias), act: ACTIVATIONS[layer.activation],
      gain: layer.gain === null ? null : floats(layer.gain),
    }));
    const path = data.path && matrix(data.path), mixing = data.mixing && matrix(data.mixing);
    const scale = floats(data.scale), center = floats(data.center), output = ACTIVATIONS[data.output];
    const outputs = layers[layers.length - 1].weight.columns;

    function decode(code) {
      let hidden = code;
      layers.forEach((layer, place) => {
        const out = multiply(hidden, layer.weight, new Float32Array(layer.weight.columns));
        if (path && place === layers.length - 1) multiply(code, path, out);
        if (layer.gain) normalized(out, layer.gain);
        for (let i = 0; i < out.length; i++) out[i] = layer.act(out[i] + layer.bias[i]);
        hidden = out;
      });
      const row = hidden.map(output);
      for (const [start, stop] of data.groups) softmax(hidden, start, stop, row);
      const mixed = mixing ? multiply(row, mixing, new Float32Array(outputs)) : row;
      for (let i = 0; i < outputs; i++) mixed[i] = mixed[i] * scale[i] + center[i];
      return mixed;
    }
    const cells = (row) => data.columns.map((column) => ({ name: column.name, text: cell(row, column) }));
    return { inputs: layers[0].weight.rows, outputs, decode, cells };
  }

  Object.assign(globalThis.isthmus, { decoder, bytesOf: bytes, dateText, numberText });
})();
