"use strict";

/** `#/run/ID`: all of one run. */
(() => {
  const { h, link, title, section, command } = quantflow.dom;
  const { percent, number, short, signed, duration, setting, plural } = quantflow.format;
  const { FIGURES, figure, facts, fileLink, artifactLink, none, profileLink, runLink, stateOf } = quantflow.parts;

  quantflow.views.run = async (id, query) => {
    const row = quantflow.rows.get(id);
    if (!row) throw new Error(`There is no run ${id} in this workspace; it may have been removed.`);
    const found = await quantflow.load(`runs/${id}`);
    const head = [title(id, row.kind === "selection" ? "Run" : row.kind), top(row, found), trouble(row, found)];
    if (row.damaged || row.state === "unreadable") {
      return [...head, h("p", {}, "The other runs are not affected. What is left of this one:"), command(`quantflow inspect ${id}`)];
    }
    return [...head, ...result(id, found), ...(await reasons(row, found, query)), ...(await more(row, found))].filter(Boolean);
  };

  /** @returns {Node} What it is. */
  function top(row, found) {
    const files = (found.files || []).map((name) => [fileLink(row.id, name, name), " "]);
    return facts([
      ["State", stateOf(row)],
      ["Profile", row.profile ? profileLink(row.profile) : ""],
      ["As-of", row.as_of],
      ["Created", row.created ? `${row.created.replace("T", " ")} UTC` : ""],
      ["Decision", row.decision ? decision(row, found) : ""],
      ["Next rebalance", row.next],
      ["Part of", row.parent ? runLink(row.parent) : null],
      ["Time", duration(row.seconds)],
      ["Files", files.length ? h("span", {}, files) : null],
    ]);
  }

  /** @returns {Node} */
  function decision(row, found) {
    if (row.decision !== "hold") return h("span", {}, row.decision);
    return h("span", {}, "hold, decided by ", runLink(found.decided_by));
  }

  /** @returns {Node|null} Why it did not end well. */
  function trouble(row, found) {
    const words = row.damaged ? row.reason : found.error ? found.error.message : row.reason;
    if (!words) return null;
    const hint = found.error && found.error.hint;
    return h("div.warn", { role: "note" }, h("p", {}, words), hint ? h("p.soft", {}, hint) : null);
  }

  /** @returns {Array<Node>} Figures, curve, weights. */
  function result(id, found) {
    const columns = [{ key: "series", label: "Series", text: true }, ...FIGURES.map(([key, label, show, about]) =>
      ({ key, label, title: about, value: (each) => figure(each, key), show: (each) => show(figure(each, key)), text: key === "range" }))];
    const span = found.figures[0] ? `${found.figures[0].start} to ${found.figures[0].end}, after costs` : "";
    const curves = found.curve ? Object.entries(found.curve.series).map(([label, values]) => [label, found.curve.dates, values]) : [];
    const every = found.curve && found.curve.every > 1 ? ` Every ${found.curve.every}th session.` : "";
    return [
      section("figures", "Out of sample", found.figures.length
        ? quantflow.table({ name: `${id}-figures`, caption: "Figures of the walk-forward", rows: found.figures, columns, bar: h("span.soft", {}, span) })
        : none("This run has no walk-forward of its own.")),
      curves.length ? quantflow.chart.growth({ name: `${id}-curve`, title: "Growth of 1", says: `${span}.${every}`, curves }) : null,
      section("weights", "Weights", weights(id, found)),
      found.sleeves.length ? section("sleeves", "Sleeves", quantflow.table({
        name: `${id}-sleeves`, caption: "Sleeves", rows: found.sleeves, columns: [
          { key: "id", label: "Sleeve", text: true }, { key: "weight", label: "Weight", show: (row) => percent(row.weight) },
          { key: "as_of", label: "As-of", text: true }, { key: "run_id", label: "Run", text: true, show: (row) => runLink(row.run_id) },
        ] })) : null,
    ];
  }

  /** @returns {Node} The weights, with what carried each, or with each sleeve's part. */
  function weights(id, found) {
    if (!found.weights.length) return none("No weights yet.");
    const winners = new Map(found.winners.map((each) => [each.symbol, each]));
    const parts = new Map(found.contributions.map((each) => [each.symbol, each.by_sleeve]));
    const rows = found.weights.map((each) => ({ ...winners.get(each.symbol), ...each, parts: parts.get(each.symbol) || {} }));
    const some = (key) => rows.some((row) => row[key] !== undefined && row[key] !== null && row[key] !== "");
    const columns = [
      { key: "symbol", label: "Symbol", text: true, show: (row) => link(["run", id], row.symbol, { why: row.symbol }) },
      { key: "weight", label: "Weight", show: (row) => percent(row.weight) },
      { key: "direction", label: "Side", text: true }, { key: "alpha_score", label: "Score", show: (row) => number(row.alpha_score, 3) },
      { key: "rank", label: "Rank" }, { key: "cluster", label: "Cluster" }, { key: "sector", label: "Sector", text: true },
      { key: "why", label: "Why", text: true, wide: true },
    ].filter((column) => some(column.key));
    const sleeves = found.sleeves.map((sleeve) => ({ key: sleeve.id, label: sleeve.id, value: (row) => row.parts[sleeve.id] ?? null, show: (row) => percent(row.parts[sleeve.id]) }));
    return quantflow.table({ name: `${id}-weights`, caption: "Weights", rows, columns: [...columns, ...(parts.size ? sleeves : [])], sort: { key: "weight", down: true } });
  }

  /** @returns {Promise<Array<Node>>} Why each name is held, or is not; and what was decided of all. */
  async function reasons(row, found, query) {
    const { id } = row;
    const source = found.decided_by && found.decided_by !== id && quantflow.rows.has(found.decided_by) ? found.decided_by : id;
    const decided = source === id ? found : await quantflow.load(`runs/${source}`);
    const names = Object.keys(decided.why || {});
    const place = h("div");
    const asked = query.get("why");
    const show = (symbol) => place.replaceChildren(Object.hasOwn(decided.why || {}, symbol)
      ? quantflow.why.panel(symbol, source, decided.why[symbol])
      : h("div", {}, none(`The way of ${symbol} is not written on this page. Ask for it:`), command(`quantflow why ${quantflow.dom.word(symbol)} ${source}`)));
    if (!names.length) return [];
    show(asked || names[0]);
    const chosen = (symbol) => { history.replaceState(null, "", quantflow.route(["run", id], { why: symbol })); show(symbol); };
    if (asked) setTimeout(() => place.scrollIntoView({ block: "start" }), 0);
    return [
      section("why", "Why", h("p.soft", {}, "What each stage found of a name, and what would have altered the outcome."),
        quantflow.dom.choice("Name", names.map((name) => [name, name]), asked || names[0], chosen), place,
        row.kind !== "meta" && names.every((name) => !decided.why[name].changes.length)
          ? h("p.soft", {}, `What would have altered the outcome is worked out beforehand for the latest ${quantflow.index.latest} runs of a profile that decided; of others quantflow why prints it.`) : null,
        h("p", {}, link(["name", asked || names[0]], `${asked || names[0]} through time`))),
      decided.names.length ? section("decisions", "Decisions", quantflow.table({
        name: `${id}-decisions`, caption: "What was decided of each name", rows: decided.names, tall: true, columns: [
          { key: "symbol", label: "Symbol", text: true, show: (each) => link(["run", id], each.symbol, { why: each.symbol }) },
          { key: "rank", label: "Rank" }, { key: "alpha_score", label: "Score", show: (each) => number(each.alpha_score, 3) },
          { key: "direction", label: "Side", text: true }, { key: "outcome", label: "Outcome", text: true }, { key: "rule", label: "Rule", text: true },
          ...["value", "limit", "margin"].map((key) => ({ key, label: key[0].toUpperCase() + key.slice(1), show: (each) => short(each[key]) })),
          { key: "level", label: "Level" }, { key: "weight", label: "Weight", show: (each) => percent(each.weight) },
        ] })) : null,
    ];
  }

  /** @returns {Promise<Array<Node>>} What changed, stages, data, settings, what to do next. */
  async function more(row, found) {
    const { id } = row;
    return [
      await changes(row),
      section("stages", "Stages", quantflow.table({
        name: `${id}-stages`, caption: "Stages", rows: found.stages, columns: [
          { key: "stage", label: "Stage", text: true },
          { key: "state", label: "State", text: true, show: (each) => quantflow.dom.state(each.state) },
          { key: "attempt", label: "Try" }, { key: "seconds", label: "Time", show: (each) => duration(each.seconds) },
          { key: "symbols", label: "Symbols", text: true }, { key: "note", label: "Note", text: true, wide: true },
          { key: "made", label: "Made", text: true, wide: true, value: (each) => Object.keys(each.made || {}).join(" "),
            show: (each) => h("span", {}, Object.entries(each.made || {}).map(([name, sha]) => [artifactLink(sha, name), " "])) },
        ] })),
      found.checks ? section("checks", "Data checks", quantflow.checksTable(id, found.checks)) : null,
      section("settings", "Settings", h("details", {}, h("summary", {}, plural(Object.keys(found.settings).length, "setting")),
        pairs(`${id}-settings`, "Setting", found.settings)),
        h("details", {}, h("summary", {}, "Environment"), pairs(`${id}-environment`, "Package", found.environment))),
      section("go-on", "Go on", commands(row).map(command)),
    ];
  }

  /** @returns {Node} */
  const pairs = (name, label, values) => quantflow.table({
    name, caption: label, rows: Object.entries(values).map(([key, value]) => ({ key, value })), columns: [
      { key: "key", label, text: true },
      { key: "value", label: "Value", text: true, wide: true, value: (each) => (typeof each.value === "object" ? JSON.stringify(each.value) : each.value), show: (each) => setting(each.value) },
    ] });

  /** @returns {Array<string>} The command lines that go on from here. */
  function commands(row) {
    const { id } = row;
    const before = quantflow.index.changes[id];
    const open = ["failed", "interrupted"].includes(row.state);
    return [
      open ? `quantflow resume ${row.parent || id}` : null,
      row.state === "completed" && row.kind !== "sweep" ? `quantflow diff ${before ? `${before} ${id}` : id}` : null,
      row.state === "completed" && row.kind !== "sweep" ? `quantflow reproduce ${id}` : null,
      `quantflow inspect ${id}`,
    ].filter(Boolean);
  }

  /** @returns {Promise<Node|null>} What differs from the run before, where that was worked out. */
  async function changes(row) {
    const before = Object.hasOwn(quantflow.index.changes, row.id) ? quantflow.index.changes[row.id] : null;
    if (row.kind === "sweep" || row.parent || row.state !== "completed") return null;
    if (!before) {
      return section("changes", "What changed", h("p.soft", {}, `It is worked out beforehand for the latest ${quantflow.index.latest} runs of each profile that have one before them.`));
    }
    const found = await quantflow.load(`changes/${row.id}`);
    const list = (mapping) => Object.entries(mapping).map(([name, [old, now]]) => ({ name, old, now }));
    const differing = (label, mapping, show) => (Object.keys(mapping).length ? quantflow.table({
      name: `${row.id}-${label.toLowerCase()}`, caption: `${label} that differ`, rows: list(mapping), columns: [
        { key: "name", label, text: true }, { key: "old", label: "Before", show: (each) => show(each.old) },
        { key: "now", label: "After", show: (each) => show(each.now) },
        ...(label === "Weight" ? [{ key: "change", label: "Change", value: (each) => (each.now || 0) - (each.old || 0), show: (each) => signed((each.now || 0) - (each.old || 0)) }] : []),
      ] }) : null);
    const words = [
      found.data.same_prices ? "the same prices" : "other prices",
      found.data.came.length ? `came: ${found.data.came.join(", ")}` : null,
      found.data.went.length ? `went: ${found.data.went.join(", ")}` : null,
      Object.keys(found.weights).length ? `turnover ${percent(found.turnover)}` : "the weights are the same, to the bit",
      found.first ? `first stage that differs: ${found.first} (${found.because})` : null,
    ].filter(Boolean).join("; ");
    return section("changes", "What changed", h("p", {}, "From ", runLink(found.before), ` (${found.data.as_of[0]}): ${words}.`),
      differing("Weight", found.weights, percent), differing("Setting", found.settings, setting),
      differing("Package", found.environment, setting), differing("Count", found.counts, setting));
  }
})();
