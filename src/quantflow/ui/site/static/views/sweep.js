"use strict";

/** `#/sweep/ID`: the verdict, a heat map over two settings, the trials. */
quantflow.views.sweep = async (id, query) => {
  const { h, title, section, command, choice } = quantflow.dom;
  const { percent, number } = quantflow.format;
  const { facts, fileLink, none, profileLink, stateOf } = quantflow.parts;
  const row = quantflow.rows.get(id);
  if (!row) throw new Error(`There is no sweep ${id} in this workspace; it may have been removed.`);
  const run = await quantflow.load(`runs/${id}`);
  const top = facts([
    ["State", stateOf(row)], ["Profile", profileLink(row.profile)], ["As-of", row.as_of],
    ["Report", (run.files || []).includes("report.html") ? fileLink(id, "report.html", "report.html") : null],
    ["Details", quantflow.dom.link(["run", id], "stages and settings")],
  ]);
  if (!run.sweep) {
    const words = (run.error && run.error.message) || row.reason || "It is not complete.";
    return [title(id, "Sweep"), top, h("p.warn", {}, words), row.state === "running" ? null : command(`quantflow resume ${id}`)].filter(Boolean);
  }
  const found = run.sweep;
  const share = (value) => percent(value, 1);
  const HOW = { sharpe: number, sortino: number, calmar: number, cagr: share, volatility: share, max_drawdown: share, turnover_annual: number, cost: share, beyond: number, beyond_deflated: share, deflated_sharpe: share };
  const LABELS = { sharpe: "Sharpe", sortino: "Sortino", calmar: "Calmar", cagr: "CAGR", volatility: "Volatility", max_drawdown: "Max drawdown", turnover_annual: "Turnover/year", cost: "Cost/year", beyond: "Beyond", beyond_deflated: "Sure", deflated_sharpe: "Deflated" };
  const names = Object.keys(found.best.variant);
  const [first] = found.surfaces.length ? found.surfaces : [{ rows: names[0], columns: names[1] || "" }];
  const wanted = { figure: query.get("figure") || found.metric, rows: query.get("rows") || first.rows, columns: query.get("columns") ?? first.columns };
  const place = h("div");

  /** @returns {Object|null} The sweep's own heat map of these settings, which knows lonely peaks; turned if need be. */
  function made() {
    if (wanted.figure !== found.metric) return null;
    const turn = (grid) => grid[0].map((_, j) => grid.map((line) => line[j]));
    for (const one of found.surfaces) {
      if (one.rows === wanted.rows && one.columns === wanted.columns) return { down: one.row_values, across: one.columns ? one.column_values : ["all"], cells: one.mean, lonely: one.lonely };
      if (one.columns === wanted.rows && one.rows === wanted.columns) return { down: one.column_values, across: one.row_values, cells: turn(one.mean), lonely: turn(one.lonely) };
    }
    return null;
  }

  /** @returns {Object} The mean of a figure over the trials in each cell. */
  function surface() {
    const done = found.table.filter((trial) => trial.state === "completed");
    const distinct = (key) => (key ? [...new Set(done.map((trial) => JSON.stringify(trial[key])))].sort((a, b) => a.localeCompare(b, "en", { numeric: true })) : ["all"]);
    const [down, across] = [distinct(wanted.rows), distinct(wanted.columns)];
    const at = (trial, key) => (key ? JSON.stringify(trial[key]) : "all");
    const cells = down.map((one) => across.map((two) => {
      const values = done.filter((trial) => at(trial, wanted.rows) === one && at(trial, wanted.columns) === two)
        .map((trial) => trial[wanted.figure]).filter(quantflow.format.known);
      return values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
    }));
    const plain = (text) => text.replace(/^"|"$/g, "");
    return { down: down.map(plain), across: across.map(plain), cells, lonely: cells.map((line) => line.map(() => false)) };
  }

  /** Draw the heat map again, and put what it shows into the address. */
  function draw(first = false) {
    if (!first) history.replaceState(null, "", quantflow.route(["sweep", id], wanted));
    const { down, across, cells, lonely } = made() || surface();
    const show = (value, i, j) => HOW[wanted.figure](value) + (lonely[i][j] ? "!" : "");
    const peaks = lonely.some((line) => line.some(Boolean)) ? " ! is a peak among worse neighbours: likely luck." : "";
    const traces = () => [{
      type: "heatmap", z: cells, x: across, y: down, text: cells.map((line, i) => line.map((value, j) => show(value, i, j))), texttemplate: "%{text}", textfont: { color: quantflow.chart.colour("--ink"), size: 13 },
      colorscale: [[0, quantflow.chart.colour("--box")], [1, quantflow.chart.colour("--heat")]], showscale: false, xgap: 2, ygap: 2,
      hovertemplate: "%{y}, %{x}: %{text}<extra></extra>",
    }];
    const figure = quantflow.chart.chart({
      name: `${id}-heat-map`, title: `${LABELS[wanted.figure]}: ${wanted.rows} down${wanted.columns ? `, ${wanted.columns} across` : ""}`,
      says: `Mean over the trials in each cell.${peaks}`, traces, height: Math.max(200, 60 + 44 * down.length),
      layout: { hovermode: "closest", xaxis: { type: "category", side: "bottom" }, yaxis: { type: "category", autorange: "reversed" } },
      csv: () => [[wanted.rows, ...across], down.map((name, i) => [name, ...cells[i]])],
    });
    figure.style.maxWidth = `${Math.max(420, 140 * across.length + 160)}px`;
    place.replaceChildren(figure);
    if (!first) quantflow.chart.drawAll(place);
  }

  /** @param {string} key @returns {function(string): void} */
  const set = (key) => (value) => { wanted[key] = value; draw(); };
  const figures = Object.keys(HOW).filter((key) => found.table.some((trial) => quantflow.format.known(trial[key])));
  draw(true);
  const columns = [
    { key: "trial", label: "Trial" }, ...names.map((key) => ({ key, label: key, text: true, value: (trial) => (typeof trial[key] === "object" ? JSON.stringify(trial[key]) : trial[key]) })),
    { key: "state", label: "State", text: true, show: (trial) => quantflow.dom.state(trial.state) },
    ...figures.map((key) => ({ key, label: LABELS[key], show: (trial) => HOW[key](trial[key]) })),
    { key: "message", label: "Note", text: true, wide: true, maybe: true },
  ];
  return [
    title(id, "Sweep"), top,
    facts([
      ["Best", `trial ${found.best.trial} of ${found.trials}`], ["Failed", found.failed ? String(found.failed) : ""],
      ["Deflated Sharpe", share(found.luck && found.luck.deflated_sharpe)], ["Probability of overfitting", share(found.overfitting)],
      ["Nested", found.nested ? `Sharpe ${number(found.nested.sharpe)}` : ""],
    ]),
    h("p.verdict", {}, found.sentence),
    h("p.soft", {}, `${found.start} to ${found.end}, ${found.sessions.toLocaleString("en-US")} sessions, after costs`),
    section("map", "Heat map", h("div.filters", {},
      choice("Figure", figures.map((key) => [key, LABELS[key]]), wanted.figure, set("figure")),
      choice("Down", names.map((key) => [key, key]), wanted.rows, set("rows")),
      names.length > 1 ? choice("Across", [["", "nothing"], ...names.map((key) => [key, key])], wanted.columns, set("columns")) : null), place),
    section("matters", "What matters", found.importance.length ? quantflow.table({
      name: `${id}-importance`, caption: `Variance of ${found.metric} that each setting explains`, rows: found.importance, sort: { key: "share", down: true },
      columns: [{ key: "name", label: "Setting", text: true }, { key: "share", label: "Explains", show: (each) => percent(each.share, 1) },
        { key: "chance", label: "By chance", show: (each) => percent(each.chance, 1) }],
    }) : none("Too few trials.")),
    section("trials", "Trials", quantflow.table({ name: `${id}-trials`, caption: "Trials", rows: found.table, columns, sort: { key: found.metric, down: true }, tall: true })),
    section("go-on", "Go on", command(`quantflow promote ${id}/${found.best.trial} --to PROFILE`), command(`quantflow inspect ${id}`)),
  ];
};
