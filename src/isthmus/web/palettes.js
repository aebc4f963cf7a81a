// Colours of points: Okabe and Ito's for up to 8 classes, ten and twenty further ones, and viridis for numbers.
"use strict";
(() => {
  // Okabe and Ito (2008): distinguishable with every kind of colour vision; grey replaces black, which dark pages would hide.
  const OKABE_ITO = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#8a8a8a"];
  const TEN = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"];
  const PALE = ["#aec7e8", "#ffbb78", "#98df8a", "#ff9896", "#c5b0d5", "#c49c94", "#f7b6d2", "#c7c7c7", "#dbdb8d", "#9edae5"];
  const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
  const OTHER = "#9aa3ad", MISSING = "#c0c6cc";

  function ramp(stops, n) {
    const channel = (colour, place) => parseInt(colour.slice(place, place + 2), 16);
    return Array.from({ length: n }, (_, i) => {
      const t = (i / Math.max(1, n - 1)) * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(t)), f = t - k;
      return `rgb(${[1, 3, 5].map((p) => Math.round(channel(stops[k], p) * (1 - f) + channel(stops[k + 1], p) * f)).join(" ")})`;
    });
  }
  // The colours of n classes; those beyond twenty share one.
  function classColours(n) {
    if (n <= OKABE_ITO.length) return OKABE_ITO.slice(0, n);
    const found = n <= 10 ? TEN : [...TEN, ...PALE];
    return Array.from({ length: n }, (_, i) => found[i] || OTHER);
  }
  const numberColours = (n = 200) => ramp(VIRIDIS, n);

  Object.assign(globalThis.isthmus, { classColours, numberColours, missingColour: MISSING });
})();
