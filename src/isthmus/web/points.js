// Draws points: by WebGL 2 in one call or, without it, into the pixels of a 2D canvas.
"use strict";
(() => {
  const PAD = 24; // pixels around the canvas, so that discs at its border need no test
  const VERTEX = `#version 300 es
    in float x; in float y; in uint hue; in uint state;
    uniform vec2 middle, scale; uniform float size, alpha, dimmed; uniform sampler2D palette;
    out vec4 colour;
    void main() {
      vec2 place = (vec2(x, y) - middle) * scale;
      bool hidden = (state & 1u) == 0u;
      gl_Position = hidden ? vec4(2.0, 2.0, 0.0, 1.0) : vec4(place, 0.0, 1.0);
      bool chosen = (state & 2u) != 0u;
      gl_PointSize = size * (chosen ? 1.25 : 1.0);
      float opacity = chosen ? max(alpha, 0.8) : alpha * dimmed;
      colour = vec4(texelFetch(palette, ivec2(int(hue), 0), 0).rgb, 1.0) * opacity;
    }`;
  const FRAGMENT = `#version 300 es
    precision highp float;
    in vec4 colour; uniform float size; out vec4 pixel;
    void main() {
      float edge = (0.5 - length(gl_PointCoord - 0.5)) * size;
      float cover = size < 3.0 ? 1.0 : clamp(edge + 0.5, 0.0, 1.0);
      if (cover <= 0.0) discard;
      pixel = colour * cover;
    }`;

  // CSS colours as bytes of red, green and blue; the browser's own parser reads them.
  function bytes(colours) {
    const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    const found = new Uint8Array(256 * 4).fill(255);
    colours.slice(0, 256).forEach((colour, i) => {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      found.set(context.getImageData(0, 0, 1, 1).data.subarray(0, 3), 4 * i);
    });
    return found;
  }

  // A fixed order without a pattern, so that the first points are a sample and no class covers the others.
  function shuffled(n) {
    const order = new Uint32Array(n);
    for (let i = 0; i < n; i++) order[i] = i;
    let seed = 12345;
    for (let i = n - 1; i > 0; i--) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((seed / 4294967296) * (i + 1)), kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
    return order;
  }

  function program(gl) {
    const made = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS) && !gl.isContextLost()) throw new Error(gl.getProgramInfoLog(made));
    return made;
  }

  // A drawer has `load(data)`, for new points, colours or states, and `draw(view, count)`.
  function webgl(canvas, gl) {
    let made, uniforms, buffers;
    function restore() {
      made = program(gl);
      gl.useProgram(made);
      uniforms = {};
      for (const name of ["middle", "scale", "size", "alpha", "dimmed", "palette"]) {
        uniforms[name] = gl.getUniformLocation(made, name);
      }
      buffers = {};
      for (const name of ["x", "y", "hue", "state"]) {
        buffers[name] = gl.createBuffer();
        const place = gl.getAttribLocation(made, name);
        gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
        gl.enableVertexAttribArray(place);
        if (name === "x" || name === "y") gl.vertexAttribPointer(place, 1, gl.FLOAT, false, 0, 0);
        else gl.vertexAttribIPointer(place, 1, gl.UNSIGNED_BYTE, 0, 0);
      }
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    }
    restore();
    return {
      kind: "webgl2",
      restore,
      load(data) {
        for (const name of ["x", "y", "hue", "state"]) {
          if (!data[name]) continue;
          gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
          gl.bufferData(gl.ARRAY_BUFFER, data[name], gl.DYNAMIC_DRAW);
        }
        if (data.palette) {
          gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, 256, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, data.palette);
        }
      },
      draw(view, count) {
        gl.viewport(0, 0, canvas.width, canvas.height);
        gl.clearColor(0, 0, 0, 0);
        gl.clear(gl.COLOR_BUFFER_BIT);
        gl.uniform2f(uniforms.middle, view.x, view.y);
        gl.uniform2f(uniforms.scale, (2 * view.zoomX) / canvas.width, (2 * view.zoomY) / canvas.height);
        gl.uniform1f(uniforms.size, view.size);
        gl.uniform1f(uniforms.alpha, view.alpha);
        gl.uniform1f(uniforms.dimmed, view.dimmed);
        gl.drawArrays(gl.POINTS, 0, count);
      },
      destroy() { gl.getExtension("WEBGL_lose_context")?.loseContext(); },
    };
  }

  // Discs with soft edges at 4 x 4 places within a pixel: for each, lists of offsets in the image and of weights.
  function stamps(size, width, alpha) {
    const radius = size / 2, reach = Math.ceil(radius + 0.5), made = [];
    for (let phase = 0; phase < 16; phase++) {
      const ax = ((phase & 3) + 0.5) / 4, ay = ((phase >> 2) + 0.5) / 4, offsets = [], weights = [];
      for (let v = -reach; v <= reach; v++) {
        for (let u = -reach; u <= reach; u++) {
          const cover = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(u + 0.5 - ax, v + 0.5 - ay)));
          const weight = Math.round(256 * alpha * cover);
          if (weight > 3) { offsets.push(v * width + u); weights.push(weight); }
        }
      }
      made.push([Int32Array.from(offsets), Uint16Array.from(weights)]);
    }
    return made;
  }

  function plain(canvas) {
    const context = canvas.getContext("2d");
    const data = {};
    let image = null, pixels = null;

    // Blends one group of points over the image, two channels in each product; colours are premultiplied by alpha.
    function blend(view, count, size, alpha, wanted, mask) {
      const { width } = image, pad = PAD, made = stamps(size, width, alpha);
      const palette = new Uint32Array(data.palette.buffer);
      const left = -pad, right = canvas.width + pad, top = -pad, bottom = canvas.height + pad;
      for (let i = 0; i < count; i++) {
        if ((data.state[i] & mask) !== wanted) continue;
        const fx = (data.x[i] - view.x) * view.zoomX + canvas.width / 2;
        const fy = canvas.height / 2 - (data.y[i] - view.y) * view.zoomY;
        if (!(fx > left && fx < right && fy > top && fy < bottom)) continue;
        const px = Math.floor(fx), py = Math.floor(fy), start = (py + 2 * pad) * width + px + 2 * pad;
        const [offsets, weights] = made[Math.floor((fx - px) * 4) + 4 * Math.floor((fy - py) * 4)];
        const colour = palette[data.hue[i]], even = colour & 0xff00ff, odd = (colour >>> 8) & 0xff00ff;
        for (let k = 0; k < offsets.length; k++) {
          const at = start + offsets[k], weight = weights[k], rest = 256 - weight, below = pixels[at];
          const first = (((below & 0xff00ff) * rest + even * weight) >>> 8) & 0xff00ff;
          pixels[at] = first | (((((below >>> 8) & 0xff00ff) * rest + odd * weight) & 0xff00ff00) >>> 0);
        }
      }
    }
    function straight() {
      const values = image.data;
      for (let at = 0; at < pixels.length; at++) {
        if (pixels[at] === 0) continue;
        const alpha = values[4 * at + 3];
        if (alpha > 250) continue;
        for (let c = 4 * at; c < 4 * at + 3; c++) values[c] = (values[c] * 255) / alpha;
      }
    }
    return {
      kind: "2d",
      restore() {},
      load(given) { Object.assign(data, given); },
      draw(view, count) {
        const width = canvas.width + 4 * PAD, height = canvas.height + 4 * PAD;
        if (!image || image.width !== width || image.height !== height) {
          image = context.createImageData(width, height);
          pixels = new Uint32Array(image.data.buffer);
        }
        pixels.fill(0);
        const size = Math.min(view.size, 2 * PAD - 2);
        if (view.dimmed < 1) {
          blend(view, count, size, view.alpha * view.dimmed, 1, 3);
          blend(view, count, size * 1.25, Math.max(view.alpha, 0.8), 3, 3);
        } else blend(view, count, size, view.alpha, 1, 1);
        straight();
        context.putImageData(image, -2 * PAD, -2 * PAD);
      },
      destroy() {},
    };
  }

  // Whether WebGL would be computed by the processor: drawing pixels here is then several times as fast.
  function isSoftware() {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (!gl) return true;
    const info = gl.getExtension("WEBGL_debug_renderer_info");
    const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return /swiftshader|llvmpipe|softpipe|software|basic render/i.test(name);
  }
  function points(canvas, renderer) {
    const wish = { antialias: false, alpha: true, powerPreference: "high-performance" };
    const chosen = renderer || (isSoftware() ? "2d" : "webgl2");
    const gl = chosen === "2d" ? null : canvas.getContext("webgl2", wish);
    return gl ? webgl(canvas, gl) : plain(canvas);
  }

  Object.assign(globalThis.isthmus, { points, shuffled, paletteBytes: bytes });
})();
