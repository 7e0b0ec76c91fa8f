"use strict";

/** What several views show. */
quantflow.parts = (() => {
  const { h, link, state } = quantflow.dom;
  const { percent, number, duration, range } = quantflow.format;

  /** The figures of a run, as the terminal shows them: key, label, how, and what it means. */
  const FIGURES = [
    ["cagr", "CAGR", percent, "Growth per year, after costs"],
    ["volatility", "Volatility", percent, "Standard deviation of returns, per year"],
    ["sharpe", "Sharpe", number, "Mean return over its standard deviation, per year"],
    ["range", "95%", (text) => text || "", "Interval in which the true Sharpe ratio lies with probability 95 %"],
    ["sortino", "Sortino", number, "Mean return over the deviation of losses, per year"],
    ["calmar", "Calmar", number, "CAGR over the max drawdown"],
    ["max_drawdown", "Max drawdown", percent, "Deepest loss from a peak"],
    ["cvar_95", "CVaR 95%", percent, "Mean loss on the worst 5 % of sessions"],
    ["turnover_annual", "Turnover/year", number, "Traded per year, both sides, as a multiple of capital"],
    ["total_return", "Total return", percent, "Growth over the whole walk-forward, after costs"],
  ];

  /** @param {Object} row Of figures. @param {string} key @returns {any} */
  const figure = (row, key) => (key === "range" ? range(row.sharpe_low, row.sharpe_high) : row[key]);

  /** @param {string} id @param {any} label @returns {Node} A link to a run, or to a sweep. */
  function runLink(id, label = id) {
    const row = quantflow.rows.get(id);
    return row ? link([row.kind === "sweep" ? "sweep" : "run", id], label) : h("span", {}, label);
  }

  /** @param {string} name @returns {Node} A link to a profile; to its runs where it has only run as a sleeve. */
  const profileLink = (name) => (quantflow.index.profiles.some((each) => each.name === name)
    ? link(["profile", name], name) : link(["runs"], name, { profile: name, sleeves: "yes" }));

  /** @param {string} id @param {string} file @param {string} label @returns {Node} A link to a file of the run's folder. */
  const fileLink = (id, file, label) =>
    h("a", { href: `${quantflow.index.runs_folder}/${encodeURIComponent(id)}/${file}` }, label);

  /** @param {string} sha @param {string} label @returns {Node} */
  const artifactLink = (sha, label) => link(["artifact", sha], label, {});

  /** @param {Object} row A run's. @returns {Node} */
  const stateOf = (row) => (row.damaged ? state("damaged") : state(row.state, row.degraded));

  /** @param {any} shown @param {string} whole @returns {Node} What fits of a long text; the whole is its title. */
  const cut = (shown, whole) => h("span.cut", { title: whole || null }, shown || "");

  /** @param {Array<[string, any]>} pairs @returns {Node} Facts, each with its name. */
  const facts = (pairs) =>
    h("dl.facts", {}, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
      .map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

  /** @param {string} words @returns {Node} What is said where there is nothing. */
  const none = (words) => h("p.none", {}, words);

  /** The columns of lists of runs. */
  const runColumns = () => [
    { key: "id", label: "Run", text: true, show: (row) => runLink(row.id) },
    { key: "profile", label: "Profile", text: true,
      show: (row) => (row.profile ? cut(profileLink(row.profile), row.profile) : "") },
    { key: "kind", label: "Kind", text: true },
    { key: "as_of", label: "As-of", text: true },
    { key: "state", label: "State", text: true, value: (row) => (row.damaged ? "damaged" : row.state), show: stateOf },
    { key: "reason", label: "Note", text: true, maybe: true, show: (row) => cut(row.reason, row.reason) },
    { key: "sharpe", label: "Sharpe", show: (row) => number(row.sharpe) },
    { key: "volatility", label: "Volatility", show: (row) => percent(row.volatility) },
    { key: "max_drawdown", label: "Max drawdown", show: (row) => percent(row.max_drawdown) },
    { key: "turnover_annual", label: "Turnover/year", show: (row) => number(row.turnover_annual) },
    { key: "names", label: "Names", title: "Names held" },
    { key: "seconds", label: "Time", title: "Sum over its stages", show: (row) => duration(row.seconds) },
    { key: "decision", label: "Decision", text: true, maybe: true },
  ];

  /** @returns {Array<Node>} What a workspace without runs shows. */
  const empty = () => [
    quantflow.dom.title("Nothing has run here yet"),
    h("p", {}, "This page shows the runs of a workspace. Begin with sample prices, run them, and write the page again:"),
    ...["quantflow init", "quantflow select --profile demo", "quantflow ui"].map(quantflow.dom.command),
  ];

  return { FIGURES, figure, runLink, profileLink, fileLink, artifactLink, stateOf, facts, none, runColumns, empty };
})();
