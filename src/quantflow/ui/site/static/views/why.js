"use strict";

/** Why a name is held in a run, or is not: what each stage found, and what would have changed the outcome. */
quantflow.why = (() => {
  const { h } = quantflow.dom;
  const { short, signed } = quantflow.format;

  /**
   * Return the way of a name, as `quantflow why` prints it.
   * @param {string} symbol @param {string} run @param {Object} way
   * @returns {HTMLElement}
   */
  function panel(symbol, run, way) {
    const steps = way.steps.map(([stage, outcome, value, limit, margin]) => ({ stage, outcome, value, limit, margin }));
    const figure = (key) => ({ key, label: key[0].toUpperCase() + key.slice(1), show: (row) => short(row[key]) });
    return h("div.way", {},
      h("h3", {}, symbol, h("span.soft", {}, ` in ${run}: ${way.weight ? signed(way.weight) : "not held"}`)),
      steps.length ? quantflow.table({
        name: `why-${symbol}-${run}`, caption: `The way of ${symbol} through ${run}`, rows: steps,
        columns: [
          { key: "stage", label: "Stage", text: true }, { key: "outcome", label: "Outcome", text: true, wide: true },
          figure("value"), figure("limit"), figure("margin"),
        ],
      }) : null,
      way.changes.length ? h("ul", {}, way.changes.map((line) => h("li", {}, line))) : null,
      Object.entries(way.sleeves).map(([name, inner]) => panel(symbol, name, inner)));
  }

  return { panel };
})();
