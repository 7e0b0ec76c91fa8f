"use strict";

/** `#/compare/ID,ID`: up to eight runs: curves overlaid, figures side by side, settings that differ, weights. */
quantflow.views.compare = async (argument) => {
  const { h, title, section, command } = quantflow.dom;
  const { percent, setting } = quantflow.format;
  const { FIGURES, figure, none, runLink, stateOf } = quantflow.parts;
  const ids = [...new Set(argument.split(",").filter(Boolean))].slice(0, 8);
  const unknown = ids.filter((id) => !quantflow.rows.has(id));
  const known = ids.filter((id) => quantflow.rows.has(id) && !quantflow.rows.get(id).damaged && quantflow.rows.get(id).state !== "unreadable");
  const runs = await Promise.all(known.map((id) => quantflow.load(`runs/${id}`)));
  if (!runs.length) throw new Error("None of these runs can be compared.");

  /** @returns {Array} The curves from the first date that all have, each 1 there. */
  function rebased() {
    const own = runs.filter((run) => run.curve);
    const first = own.map((run) => run.curve.dates[0]).sort().at(-1);
    return own.map((run) => {
      const from = run.curve.dates.findIndex((day) => day >= first);
      if (from < 0) return [run.id, [], []];
      const values = run.curve.series.strategy.slice(from);
      return [run.id, run.curve.dates.slice(from), values.map((value) => value / values[0])];
    }).filter(([, dates]) => dates.length);
  }

  /** @param {string} label @param {function(Object): any} show @returns {Array<Object>} A column per run. */
  const columns = (label, show) => [{ key: "name", label, text: true },
    ...runs.map((run, i) => ({ key: run.id, csv: run.id, label: run.id, value: (row) => row.values[i], show: (row) => show(row.values[i], row) }))];

  const curves = rebased();
  const figures = FIGURES.map(([key, label, show]) => ({ name: label, show, values: runs.map((run) => (run.figures[0] ? figure(run.figures[0], key) : null)) }));
  const keys = [...new Set(runs.flatMap((run) => Object.keys(run.settings)))];
  const value = (run, key) => (Object.hasOwn(run.settings, key) ? JSON.stringify(run.settings[key]) : "null");
  const differing = keys.map((key) => ({ name: key, values: runs.map((run) => value(run, key)) }))
    .filter((row) => new Set(row.values).size > 1);
  const held = runs.map((run) => new Map(run.weights.map((each) => [each.symbol, each.weight])));
  const symbols = [...new Set(held.flatMap((each) => [...each.keys()]))];
  const weights = symbols.map((symbol) => ({ name: symbol, values: held.map((each) => each.get(symbol) ?? null) }));
  const sum = (row) => row.values.reduce((total, each) => total + Math.abs(each || 0), 0);
  weights.sort((a, b) => sum(b) - sum(a));

  return [
    title("Compare", `${known.length} of at most 8 runs`),
    unknown.length ? h("p.warn", {}, `Not in this workspace: ${unknown.join(", ")}`) : null,
    h("ul.plain", {}, known.map((id) => h("li", {}, runLink(id), " ", stateOf(quantflow.rows.get(id)), h("span.soft", {}, ` ${quantflow.rows.get(id).profile}, ${quantflow.rows.get(id).as_of}`)))),
    section("curves", "Curves", curves.length ? quantflow.chart.growth({
      height: window.innerWidth < 640 ? 300 + 20 * curves.length : 380,
      name: "compare-curves", title: "Growth of 1, after costs", curves,
      says: `From ${curves[0][1][0]}, the first session that all have.`,
    }) : none("None of these runs has a walk-forward.")),
    section("figures", "Figures", quantflow.table({ name: "compare-figures", caption: "Figures side by side", pinned: true, rows: figures, columns: columns("Figure", (each, row) => row.show(each)) })),
    section("settings", "Settings that differ", differing.length
      ? quantflow.table({ name: "compare-settings", caption: "Settings that differ", pinned: true, rows: differing, columns: columns("Setting", (each) => (each === null || each === "null" ? setting(null) : each)) })
      : none("None: all settings are the same.")),
    section("weights", "Weights", weights.length
      ? quantflow.table({ name: "compare-weights", caption: "Weights side by side", pinned: true, rows: weights, columns: columns("Symbol", (each) => percent(each)) })
      : none("None of these runs has weights.")),
    section("go-on", "Go on", known.length === 2 ? command(`quantflow diff ${known.join(" ")}`) : h("p.soft", {}, "quantflow diff A B says where the turnover between two runs came from.")),
  ].filter(Boolean);
};
