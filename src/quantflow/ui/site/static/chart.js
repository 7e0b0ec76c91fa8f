"use strict";

/** Charts by plotly, in the page's colours; each with its numbers as CSV. */
quantflow.chart = (() => {
  const { h } = quantflow.dom;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  /** Colours of lines, by their place. */
  const PALETTE = ["--net", "--k2", "--k3", "--k7", "--k5", "--k4", "--k6", "--k8"];

  /** @param {string} name Of a custom property. @returns {string} Its colour now. */
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** @param {number} i @returns {string} The i-th line's colour. */
  const line = (i) => colour(PALETTE[i % PALETTE.length]);

  /** @param {Object} own @returns {Object} A layout in the page's colours. */
  function layout(own) {
    const [ink, soft, rule] = ["--ink", "--soft", "--rule"].map(colour);
    const axis = { gridcolor: rule, linecolor: rule, zerolinecolor: soft, tickcolor: rule, automargin: true };
    const family = getComputedStyle(document.body).fontFamily;
    const base = {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family, size: 12, color: soft }, margin: { l: 8, r: 8, t: 8, b: 8 }, hovermode: "x unified",
      hoverlabel: { bgcolor: colour("--bg"), bordercolor: rule, font: { color: ink } },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal", font: { color: ink } }, dragmode: false,
    };
    const title = own.yaxis && own.yaxis.title ? { title: { standoff: 14, ...own.yaxis.title } } : {};
    return { ...base, ...own, xaxis: { ...axis, ...own.xaxis }, yaxis: { ...axis, ...own.yaxis, ...title } };
  }

  /**
   * Return a chart, which is drawn once it is on the page.
   * @param {Object} given
   * @param {string} given.name The CSV file's name.
   * @param {string} given.title
   * @param {string} given.says What it shows, in words, for who cannot see it.
   * @param {function(): Array<Object>} given.traces Made again when the colours change.
   * @param {Object} [given.layout]
   * @param {function(): [Array<string>, Array<Array<any>>]} given.csv
   * @param {number} [given.height]
   * @returns {HTMLElement}
   */
  function chart(given) {
    const plot = h("div.plot", { role: "img", "aria-label": `${given.title}. ${given.says}` });
    plot.style.height = `${given.height || 340}px`;
    plot.draw = async () => {
      if (!window.Plotly) await (quantflow.plotly ||= quantflow.script("plotly.min.js"));
      const config = { displayModeBar: false, responsive: true, displaylogo: false, doubleClick: "reset" };
      await window.Plotly.react(plot, given.traces(), layout(given.layout || {}), config);
      plot.dataset.drawn = "yes";
    };
    return h("figure", {},
      h("figcaption.bar", {}, h("div.said", {}, h("strong", {}, given.title), h("span.soft", {}, ` ${given.says}`)),
        quantflow.csv.button(given.name, given.csv)), plot);
  }

  /** @param {ParentNode} root Draw all charts below it. @returns {Promise<any>} */
  const drawAll = (root) => Promise.all([...root.querySelectorAll(".plot")].map((plot) => plot.draw()));

  for (const media of [dark, window.matchMedia("print")]) media.addEventListener("change", () => drawAll(document));

  /**
   * Return growth curves over time.
   * @param {Object} given As for `chart`, with `curves`: `[label, dates, values]` each, in place of traces and csv.
   * @returns {HTMLElement}
   */
  function growth(given) {
    const traces = () => given.curves.map(([name, x, y], i) => ({
      type: "scatter", mode: "lines", name, x, y, line: { color: line(i), width: i ? 1.3 : 2 },
      hovertemplate: "%{y:.3f}",
    }));
    const high = Math.max(...given.curves.flatMap(([, , values]) => values.filter((value) => value !== null)));
    const yaxis = { type: high > 5 ? "log" : "linear", title: { text: "growth of 1" } };
    const csv = () => [["date", ...given.curves.map(([name]) => name)], joined(given.curves)];
    return chart({ ...given, traces, csv, layout: { yaxis, ...given.layout } });
  }

  /** @param {Array} curves @returns {Array<Array<any>>} A row per date that any of them has. */
  function joined(curves) {
    const found = curves.map(([, dates, values]) => new Map(dates.map((day, i) => [day, values[i]])));
    const days = [...new Set(curves.flatMap(([, dates]) => dates))].sort();
    return days.map((day) => [day, ...found.map((values) => values.get(day) ?? null)]);
  }

  /** @param {Array<number>} values @returns {SVGElement} A curve as small as a word. */
  function spark(values) {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const at = (value, i) => `${(i * 160) / Math.max(1, values.length - 1)},${38 - (36 * (value - low)) / (high - low || 1)}`;
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const path = document.createElementNS(space, "polyline");
    path.setAttribute("points", values.map(at).join(" "));
    svg.setAttribute("viewBox", "0 0 160 40");
    svg.setAttribute("class", "spark");
    svg.setAttribute("aria-hidden", "true");
    svg.append(path);
    return svg;
  }

  return { chart, growth, joined, spark, drawAll, colour, line };
})();
