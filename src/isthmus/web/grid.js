// An index of points in the plane: a grid of cells, each with the numbers of its points, in typed arrays.
"use strict";
(() => {
  const POINTS_PER_CELL = 3;
  const MOST_CELLS_PER_SIDE = 1024;
  const SAMPLE = 20000;

  // The range of most values: all of them, or the central 99 % where a few are far away.
  function range(values, visible) {
    const step = Math.max(1, Math.floor(values.length / SAMPLE));
    const sample = [];
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < values.length; i++) {
      const value = values[i];
      if (!Number.isFinite(value) || (visible && !visible[i])) continue;
      if (value < low) low = value;
      if (value > high) high = value;
      if (i % step === 0) sample.push(value);
    }
    if (low > high) return [-1, 1];
    if (sample.length > 100) {
      const sorted = Float64Array.from(sample).sort();
      const from = sorted[Math.floor(0.005 * sorted.length)];
      const to = sorted[Math.floor(0.995 * sorted.length)];
      if (high - low > 4 * (to - from) && to > from) {
        low = Math.max(low, from - 0.2 * (to - from));
        high = Math.min(high, to + 0.2 * (to - from));
      }
    }
    if (high > low) return [low, high];
    const half = Math.max(Math.abs(low) * 1e-3, 1e-6);
    return [low - half, high + half];
  }

  function grid(x, y) {
    const n = x.length;
    const [left, right] = range(x), [bottom, top] = range(y);
    const side = Math.max(1, Math.min(MOST_CELLS_PER_SIDE, Math.ceil(Math.sqrt(n / POINTS_PER_CELL))));
    const perX = side / (right - left), perY = side / (top - bottom);
    // Points outside the range are in the cells at its border.
    const column = (value) => Math.max(0, Math.min(side - 1, Math.floor((value - left) * perX)));
    const line = (value) => Math.max(0, Math.min(side - 1, Math.floor((value - bottom) * perY)));
    const starts = new Uint32Array(side * side + 1);
    const cells = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      const cell = Number.isFinite(x[i]) && Number.isFinite(y[i]) ? line(y[i]) * side + column(x[i]) : side * side;
      cells[i] = cell;
      if (cell < side * side) starts[cell + 1]++;
    }
    for (let cell = 0; cell < side * side; cell++) starts[cell + 1] += starts[cell];
    const next = starts.slice(), items = new Uint32Array(starts[side * side]);
    for (let i = 0; i < n; i++) if (cells[i] < side * side) items[next[cells[i]]++] = i;

    // The point nearest to (px, py) within an ellipse of half axes rx and ry, or -1.
    function nearest(px, py, rx, ry, visible) {
      let best = -1, least = 1 + 1e-12;
      const lastColumn = column(px + rx), lastLine = line(py + ry);
      for (let j = line(py - ry); j <= lastLine; j++) {
        const from = starts[j * side + column(px - rx)], to = starts[j * side + lastColumn + 1];
        for (let k = from; k < to; k++) {
          const i = items[k];
          const dx = (x[i] - px) / rx, dy = (y[i] - py) / ry, distance = dx * dx + dy * dy;
          if (distance < least && (!visible || visible[i])) { least = distance; best = i; }
        }
      }
      return best;
    }

    function inside(px, py, xs, ys) {
      let odd = false;
      for (let a = 0, b = xs.length - 1; a < xs.length; b = a++) {
        if (ys[a] > py !== ys[b] > py && px < ((xs[b] - xs[a]) * (py - ys[a])) / (ys[b] - ys[a]) + xs[a]) odd = !odd;
      }
      return odd;
    }

    // Marks the cells that the polygon's edges may cross: only their points are tested one by one.
    function crossed(xs, ys) {
      const marks = new Uint8Array(side * side);
      for (let a = 0, b = xs.length - 1; a < xs.length; b = a++) {
        const steps = 1 + 2 * Math.ceil(Math.max(Math.abs(xs[a] - xs[b]) * perX, Math.abs(ys[a] - ys[b]) * perY));
        const count = Math.min(steps, 8 * side);
        for (let s = 0; s <= count; s++) {
          const i = column(xs[b] + ((xs[a] - xs[b]) * s) / count), j = line(ys[b] + ((ys[a] - ys[b]) * s) / count);
          for (let v = Math.max(0, j - 1); v <= Math.min(side - 1, j + 1); v++)
            for (let u = Math.max(0, i - 1); u <= Math.min(side - 1, i + 1); u++) marks[v * side + u] = 1;
        }
      }
      return marks;
    }

    // The numbers of the points inside a closed polygon, by the even-odd rule, in rising order.
    function within(xs, ys, visible) {
      if (xs.length < 3) return new Uint32Array(0);
      const marks = crossed(xs, ys);
      const chosen = new Uint8Array(n);
      const firstColumn = column(Math.min(...xs)), lastColumn = column(Math.max(...xs));
      const firstLine = line(Math.min(...ys)), lastLine = line(Math.max(...ys));
      let count = 0;
      for (let j = firstLine; j <= lastLine; j++) {
        for (let i = firstColumn; i <= lastColumn; i++) {
          const cell = j * side + i;
          if (starts[cell] === starts[cell + 1]) continue;
          // Cells at the border also have points from outside the grid.
          const single = marks[cell] || i === 0 || j === 0 || i === side - 1 || j === side - 1;
          if (!single && !inside(left + (i + 0.5) / perX, bottom + (j + 0.5) / perY, xs, ys)) continue;
          for (let k = starts[cell]; k < starts[cell + 1]; k++) {
            const item = items[k];
            if ((visible && !visible[item]) || (single && !inside(x[item], y[item], xs, ys))) continue;
            chosen[item] = 1;
            count++;
          }
        }
      }
      const found = new Uint32Array(count);
      for (let i = 0, k = 0; k < count; i++) if (chosen[i]) found[k++] = i;
      return found;
    }

    return { nearest, within };
  }

  globalThis.isthmus = Object.assign(globalThis.isthmus || {}, { grid, range });
})();
