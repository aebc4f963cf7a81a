// A map of points: pan, zoom, hover, lasso, and dragging over the plane. Needs grid.js and points.js.
//
// isthmus.scatter(canvas, {x, y, color, palette, size, mode, label, onHover, onClick, onLasso, onPlane, onMode, onView})
//   x, y: Float32Array; color: Uint8Array, numbers of colours in `palette`, a list of CSS colours.
//   onHover(index or -1, event), onClick(index, event), onLasso(Uint32Array), onPlane(x, y, event) while the pointer is
//   dragged in the mode "decode", onMode(mode) after a key has changed it, onView() after each picture;
//   inset(): the height in pixels that is covered at the bottom of the canvas.
// Keys: arrows move, + and - zoom, 0 shows everything, l lasso, d decode, p pan, Enter the point nearest to the middle,
// Escape clears the selection.
"use strict";
(() => {
  const HOVER = 12; // css pixels
  const CLICK = 4;
  const STEP = 40;
  const SLOW = 34, QUICK = 20; // milliseconds between two pictures
  const LEAST_POINTS = 30000;
  const REST = 140; // milliseconds after which every point is drawn again

  const stillness = () => globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;

  function scatter(canvas, options) {
    let { x, y } = options, n = x.length;
    let hue = options.color || new Uint8Array(n), palette = isthmus.paletteBytes(options.palette || ["#0072b2"]);
    let order, index, state, visible = null, chosen = null, selected = 0;
    let mode = options.mode || "pan", hovered = -1, plane = null, path = null;
    const view = { x: 0, y: 0, zoomX: 1, zoomY: 1 };
    let fitted = 1, ratio = 1, budget = Infinity, scheduled = 0, resting = 0, gliding = 0, lastFrame = 0, moving = false;
    const pointers = new Map();
    let pressed = null;

    const over = document.createElement("canvas");
    over.className = "scatter-over";
    over.setAttribute("aria-hidden", "true");
    Object.assign(over.style, { position: "absolute", pointerEvents: "none" });
    canvas.after(over);
    const pen = over.getContext("2d");
    const drawer = isthmus.points(canvas, options.renderer);

    // Points ---------------------------------------------------------------------------------------------------
    const gathered = (values) => {
      const found = new values.constructor(n);
      for (let i = 0; i < n; i++) found[i] = values[order[i]];
      return found;
    };
    function states() {
      const found = new Uint8Array(n);
      for (let i = 0; i < n; i++) {
        const row = order[i];
        const shown = (!visible || visible[row]) && Number.isFinite(x[row]) && Number.isFinite(y[row]);
        found[i] = (shown ? 1 : 0) | (chosen && chosen[row] ? 2 : 0);
      }
      return found;
    }
    function loadAll() {
      drawer.load({ x: gathered(x), y: gathered(y), hue: gathered(hue), state: (state = states()), palette });
    }
    function place() {
      n = x.length;
      order = isthmus.shuffled(n);
      index = isthmus.grid(x, y);
      loadAll();
    }

    // View -----------------------------------------------------------------------------------------------------
    const width = () => canvas.clientWidth || 1, height = () => canvas.clientHeight || 1;
    const toPixel = (px, py) => [(px - view.x) * view.zoomX + width() / 2, height() / 2 - (py - view.y) * view.zoomY];
    const toData = (px, py) => [(px - width() / 2) / view.zoomX + view.x, (height() / 2 - py) / view.zoomY + view.y];

    function fittingView() {
      const [left, right] = isthmus.range(x, visible), [bottom, top] = isthmus.range(y, visible);
      const margin = Math.min(40, width() / 12, height() / 12), inset = Math.min(options.inset?.() ?? 0, height() / 3);
      let zoomX = (width() - 2 * margin) / (right - left), zoomY = (height() - 2 * margin - inset) / (top - bottom);
      // One scale for both axes, unless one of them would be a line.
      const unequal = (right - left) / (top - bottom);
      if (options.equal ?? (unequal < 8 && unequal > 1 / 8)) zoomX = zoomY = Math.min(zoomX, zoomY);
      return { x: (left + right) / 2, y: (bottom + top) / 2 - inset / 2 / zoomY, zoomX, zoomY };
    }
    function fit(animate = true) {
      const goal = fittingView(), from = { ...view };
      fitted = goal.zoomX;
      cancelAnimationFrame(gliding);
      if (!animate || stillness() || n > 200000) { Object.assign(view, goal); return schedule(); }
      const start = performance.now();
      const glide = (now) => {
        const t = Math.min(1, (now - start) / 220), s = t * t * (3 - 2 * t);
        for (const name of ["x", "y"]) view[name] = from[name] + (goal[name] - from[name]) * s;
        for (const name of ["zoomX", "zoomY"]) view[name] = from[name] * (goal[name] / from[name]) ** s;
        schedule();
        if (t < 1) gliding = requestAnimationFrame(glide);
      };
      gliding = requestAnimationFrame(glide);
    }
    function zoom(factor, px = width() / 2, py = height() / 2) {
      const limited = Math.max(0.05 * fitted, Math.min(1e5 * fitted, view.zoomX * factor)) / view.zoomX;
      const [ax, ay] = toData(px, py);
      view.zoomX *= limited;
      view.zoomY *= limited;
      const [bx, by] = toData(px, py);
      view.x += ax - bx;
      view.y += ay - by;
      moved();
    }
    function pan(dx, dy) {
      view.x -= dx / view.zoomX;
      view.y += dy / view.zoomY;
      moved();
    }

    // Drawing --------------------------------------------------------------------------------------------------
    // While the view moves, so many points are drawn as the machine draws in time; a rest draws all of them.
    function moved() {
      moving = true;
      clearTimeout(resting);
      resting = setTimeout(() => { moving = false; lastFrame = 0; schedule(); }, REST);
      schedule();
    }
    function schedule() {
      if (!scheduled) scheduled = requestAnimationFrame((now) => { scheduled = 0; frame(now); });
    }
    function frame(now) {
      if (moving && lastFrame) {
        const interval = now - lastFrame;
        if (interval > SLOW && interval < 1000) budget = Math.max(LEAST_POINTS, Math.min(budget, n) / 2);
        else if (interval < QUICK && budget < n) budget *= 1.2;
      }
      lastFrame = moving ? now : 0;
      redraw();
    }
    function pointSize() {
      const base = options.size || Math.max(1.6, Math.min(8, 22 / n ** 0.19));
      return Math.min(Math.max(base, 12), base * Math.max(1, view.zoomX / fitted) ** 0.3);
    }
    function redraw() {
      const size = pointSize(), count = moving ? Math.min(n, Math.ceil(budget)) : n;
      const alpha = Math.min(0.95, Math.max(0.35, 3.1 / n ** 0.14) * Math.max(1, view.zoomX / fitted) ** 0.2);
      drawer.draw({
        x: view.x, y: view.y, zoomX: view.zoomX * ratio, zoomY: view.zoomY * ratio,
        size: size * ratio, alpha, dimmed: selected ? 0.2 : 1,
      }, count);
      drawOver(size);
      options.onView?.();
    }
    function drawOver(size) {
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width(), height());
      pen.strokeStyle = getComputedStyle(canvas).color;
      if (path && path.length > 1) {
        pen.beginPath();
        path.forEach(([px, py], i) => (i ? pen.lineTo(px, py) : pen.moveTo(px, py)));
        pen.closePath();
        pen.globalAlpha = 0.12;
        pen.fillStyle = pen.strokeStyle;
        pen.fill();
        pen.globalAlpha = 1;
        pen.setLineDash([5, 4]);
        pen.lineWidth = 1.5;
        pen.stroke();
        pen.setLineDash([]);
      }
      if (hovered >= 0) {
        const [px, py] = toPixel(x[hovered], y[hovered]);
        pen.lineWidth = 2;
        pen.beginPath();
        pen.arc(px, py, Math.max(5, size), 0, 7);
        pen.stroke();
      }
      if (plane && mode === "decode") {
        const [px, py] = toPixel(...plane);
        pen.lineWidth = 1.25;
        pen.beginPath();
        for (const [ax, ay] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          pen.moveTo(px + 5 * ax, py + 5 * ay);
          pen.lineTo(px + 16 * ax, py + 16 * ay);
        }
        pen.stroke();
        pen.beginPath();
        pen.arc(px, py, 10, 0, 7);
        pen.stroke();
      }
    }
    function resize() {
      ratio = Math.min(globalThis.devicePixelRatio || 1, 2.5);
      for (const one of [canvas, over]) {
        const w = Math.max(1, Math.round(width() * ratio)), h = Math.max(1, Math.round(height() * ratio));
        if (one.width !== w) one.width = w;
        if (one.height !== h) one.height = h;
      }
      Object.assign(over.style, {
        left: `${canvas.offsetLeft + canvas.clientLeft}px`, top: `${canvas.offsetTop + canvas.clientTop}px`,
        width: `${width()}px`, height: `${height()}px`,
      });
      redraw();
    }

    // Pointers and keys ----------------------------------------------------------------------------------------
    const spot = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left - canvas.clientLeft, event.clientY - box.top - canvas.clientTop];
    };
    function at(px, py, radius = HOVER) {
      const [dx, dy] = toData(px, py);
      return index.nearest(dx, dy, radius / view.zoomX, radius / view.zoomY, visible);
    }
    function hover(found, event) {
      if (found === hovered) return;
      hovered = found;
      drawOver(pointSize());
      options.onHover?.(found, event);
    }
    function onPlane(px, py, event) {
      plane = toData(px, py);
      drawOver(pointSize());
      options.onPlane?.(plane[0], plane[1], event);
    }
    function down(event) {
      if (event.button > 0) return;
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture?.(event.pointerId);
      pointers.set(event.pointerId, spot(event));
      cancelAnimationFrame(gliding);
      if (pointers.size > 1) { path = pressed = null; return; }
      pressed = { start: spot(event), moved: false, mode: event.shiftKey ? "lasso" : mode };
      if (pressed.mode === "lasso") path = [pressed.start];
      if (pressed.mode === "decode") onPlane(...pressed.start, event);
    }
    function move(event) {
      const now = spot(event), before = pointers.get(event.pointerId);
      if (!before) {
        if (event.pointerType !== "touch") hover(mode === "decode" ? -1 : at(...now, HOVER), event);
        return;
      }
      if (pointers.size === 2) {
        const [other] = [...pointers].filter(([id]) => id !== event.pointerId).map(([, found]) => found);
        const apart = (one) => Math.hypot(one[0] - other[0], one[1] - other[1]);
        pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
        zoom(apart(now) / Math.max(1, apart(before)), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
      } else if (pressed) {
        if (Math.hypot(now[0] - pressed.start[0], now[1] - pressed.start[1]) > CLICK && !pressed.moved) {
          pressed.moved = true;
          hover(-1, event);
        }
        if (pressed.mode === "pan" && pressed.moved) pan(now[0] - before[0], now[1] - before[1]);
        if (pressed.mode === "decode") onPlane(...now, event);
        if (pressed.mode === "lasso") {
          const last = path[path.length - 1];
          if (Math.hypot(now[0] - last[0], now[1] - last[1]) > 3) path.push(now);
          drawOver(pointSize());
        }
      }
      pointers.set(event.pointerId, now);
    }
    function up(event) {
      if (!pointers.delete(event.pointerId) || !pressed || pointers.size) return;
      const { moved: dragged, mode: was, start } = pressed;
      pressed = null;
      if (was === "lasso" && path && path.length > 2 && event.type === "pointerup") {
        const corners = path.map(([px, py]) => toData(px, py));
        path = null;
        const found = index.within(corners.map((c) => c[0]), corners.map((c) => c[1]), visible);
        select(found);
        options.onLasso?.(found);
      } else if (!dragged && was !== "decode" && event.type === "pointerup") {
        const found = at(...start, event.pointerType === "touch" ? 2 * HOVER : HOVER);
        hover(found, event);
        if (found >= 0) options.onClick?.(found, event);
      }
      path = null;
      drawOver(pointSize());
    }
    function leave(event) { if (!pointers.size && event.pointerType !== "touch") hover(-1, event); }
    function wheel(event) {
      event.preventDefault();
      const lines = event.deltaMode ? 20 : 1;
      zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY * lines)) * (event.ctrlKey ? 0.01 : 0.0025)), ...spot(event));
    }
    const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    function key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const pressedKey = event.key, arrow = ARROWS[pressedKey];
      if (arrow && mode === "decode") {
        const [px, py] = plane ? toPixel(...plane) : [width() / 2, height() / 2];
        const step = event.shiftKey ? STEP : STEP / 5;
        onPlane(Math.max(0, Math.min(width(), px - arrow[0] * step)), Math.max(0, Math.min(height(), py - arrow[1] * step)), event);
      } else if (arrow) pan(arrow[0] * STEP, arrow[1] * STEP);
      else if (pressedKey === "+" || pressedKey === "=") zoom(1.25);
      else if (pressedKey === "-" || pressedKey === "_") zoom(0.8);
      else if (pressedKey === "0") fit();
      else if ("ldp".includes(pressedKey) && pressedKey.length === 1) {
        if (pressedKey === "d" && !options.onPlane) return;
        const named = { l: "lasso", d: "decode", p: "pan" }[pressedKey];
        setMode(mode === named ? "pan" : named);
        options.onMode?.(mode);
      } else if (pressedKey === "Enter") {
        const found = at(width() / 2, height() / 2, Math.max(width(), height()));
        hover(found, event);
        if (found >= 0) options.onClick?.(found, event);
      } else if (pressedKey === "Escape") {
        path = pressed = null;
        select([]);
        hover(-1, event);
        options.onLasso?.(new Uint32Array(0));
      } else return;
      event.preventDefault();
    }

    // What a page calls -----------------------------------------------------------------------------------------
    function select(indices) {
      chosen = indices.length ? new Uint8Array(n) : null;
      for (const i of indices) chosen[i] = 1;
      selected = indices.length;
      drawer.load({ state: (state = states()) });
      schedule();
    }
    function setMode(next) {
      mode = next;
      canvas.dataset.mode = next;
      canvas.style.cursor = next === "pan" ? "grab" : "crosshair";
      drawOver(pointSize());
    }
    const listeners = {
      pointerdown: down, pointermove: move, pointerup: up, pointercancel: up, pointerleave: leave, keydown: key,
      webglcontextlost: (event) => event.preventDefault(),
      webglcontextrestored: () => { drawer.restore(); loadAll(); schedule(); },
    };
    for (const [name, listener] of Object.entries(listeners)) canvas.addEventListener(name, listener);
    canvas.addEventListener("wheel", wheel, { passive: false });
    const observer = new ResizeObserver(resize);
    observer.observe(canvas);

    canvas.tabIndex = 0;
    canvas.style.touchAction = "none";
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "map of points");
    canvas.setAttribute("aria-label", options.label || `Map of ${n.toLocaleString()} rows. Arrows move, plus and minus zoom.`);
    place();
    Object.assign(view, fittingView());
    fitted = view.zoomX;
    setMode(mode);
    resize();

    return {
      kind: drawer.kind,
      setPoints(newX, newY) {
        const same = newX.length === n;
        x = newX;
        y = newY;
        if (!same) { hue = new Uint8Array(x.length); visible = chosen = null; selected = 0; }
        hovered = -1;
        plane = null;
        place();
        fit(false);
      },
      setColors(color, colours) {
        hue = color;
        if (colours) palette = isthmus.paletteBytes(colours);
        drawer.load({ hue: gathered(hue), palette });
        schedule();
      },
      setVisible(flags) { visible = flags; drawer.load({ state: (state = states()) }); schedule(); },
      setPlane(px, py) { plane = px === null ? null : [px, py]; schedule(); },
      setMode, select, fit, toData, toPixel, redraw,
      get mode() { return mode; },
      get plane() { return plane; },
      get count() { return n; },
      destroy() {
        for (const [name, listener] of Object.entries(listeners)) canvas.removeEventListener(name, listener);
        canvas.removeEventListener("wheel", wheel);
        observer.disconnect();
        cancelAnimationFrame(scheduled);
        cancelAnimationFrame(gliding);
        clearTimeout(resting);
        drawer.destroy();
        over.remove();
      },
    };
  }

  isthmus.scatter = scatter;
})();
