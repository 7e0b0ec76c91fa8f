"use strict";

/** `#/names`: all names that were ever held; `#/name/KO`: one of them through time. */
(() => {
  const { h, link, title, section, command, choice } = quantflow.dom;
  const { percent, number, plural } = quantflow.format;
  const { none, runLink } = quantflow.parts;

  /** @returns {Promise<Array<Object>>} A row per run and name: run, profile, as_of, symbol, weight, score, rank, outcome. */
  async function entries() {
    const runs = await quantflow.load("names");
    return runs.flatMap(([run, profile, as_of, names]) => names.map(([symbol, weight, score, rank, outcome]) =>
      ({ run, profile, as_of, symbol, weight, score, rank, outcome })));
  }

  quantflow.views.names = async () => {
    const by = new Map();
    for (const each of await entries()) {
      const row = by.get(each.symbol) || { symbol: each.symbol, runs: 0, profiles: new Set(), last: "", weight: null };
      if (each.weight) {
        row.runs += 1;
        row.profiles.add(each.profile);
        if (each.as_of >= row.last) Object.assign(row, { last: each.as_of, weight: each.weight });
      }
      by.set(each.symbol, row);
    }
    const rows = [...by.values()].map((row) => ({ ...row, profiles: [...row.profiles].sort().join(", ") }));
    return [title("Names", plural(rows.length, "name")), rows.length ? quantflow.table({
      name: "names", caption: "Names", rows, sort: { key: "runs", down: true }, tall: true, columns: [
        { key: "symbol", label: "Symbol", text: true, show: (row) => link(["name", row.symbol], row.symbol) },
        { key: "runs", label: "Held in", title: "Runs that held it" }, { key: "last", label: "Last held", text: true },
        { key: "weight", label: "Weight then", show: (row) => percent(row.weight) },
        { key: "profiles", label: "By profiles", text: true, wide: true },
      ] }) : none("No run has chosen names yet.")];
  };

  quantflow.views.name = async (symbol, query) => {
    const all = (await entries()).filter((each) => each.symbol === symbol);
    if (!all.length) throw new Error(`No run knows the name ${symbol}.`);
    const profiles = [...new Set(all.map((each) => each.profile))].sort();
    const place = h("div");
    const wanted = { profile: query.get("profile") || "" };

    /** @param {Object} each @returns {boolean} Whether its run is one of a book: no experiment, no sleeve. */
    const ofBook = (each) => {
      const row = quantflow.rows.get(each.run);
      return Boolean(row) && row.decision !== "apart" && !row.parent;
    };

    /** @param {Array<Object>} rows @returns {Array} Per profile its weight by as-of: of several runs of a day the last. */
    const curves = (rows) => profiles.map((profile) => {
      const days = new Map(rows.filter((each) => each.profile === profile && ofBook(each)).map((each) => [each.as_of, each.weight || 0]));
      const dates = [...days.keys()].sort();
      return [profile, dates, dates.map((day) => days.get(day))];
    }).filter(([, dates]) => dates.length);

    function fill() {
      const rows = all.filter((each) => !wanted.profile || each.profile === wanted.profile);
      const found = curves(rows);
      const traces = () => found.map(([name, x, y], i) => ({ type: "scatter", mode: "lines+markers", name, x, y, line: { color: quantflow.chart.line(i), shape: "hv" }, hovertemplate: "%{y:.2%}" }));
      place.replaceChildren(
        quantflow.chart.chart({
          name: `${symbol}-weights`, title: "Weight by as-of date", says: `Held in ${plural(rows.filter((each) => each.weight).length, "run")} of ${rows.length}; drawn without experiments and sleeves.`,
          traces, csv: () => [["date", ...found.map(([name]) => name)], quantflow.chart.joined(found)], layout: { yaxis: { tickformat: ".0%", title: { text: "weight" } } },
        }),
        quantflow.table({
          name: `${symbol}-runs`, caption: `${symbol} in each run`, rows, sort: { key: "as_of", down: true }, tall: true, columns: [
            { key: "as_of", label: "As-of", text: true }, { key: "profile", label: "Profile", text: true },
            { key: "run", label: "Run", text: true, show: (row) => runLink(row.run) },
            { key: "weight", label: "Weight", show: (row) => percent(row.weight) },
            { key: "score", label: "Score", show: (row) => number(row.score, 3) }, { key: "rank", label: "Rank" },
            { key: "outcome", label: "Outcome", text: true },
            { key: "why", label: "Why", text: true, value: () => "", show: (row) => link(["run", row.run], "why", { why: symbol }) },
          ] }));
    }

    const change = (value) => {
      wanted.profile = value;
      history.replaceState(null, "", quantflow.route(["name", symbol], wanted));
      fill();
      quantflow.chart.drawAll(place);
    };
    fill();
    return [
      title(symbol, "One name through time"),
      choice("Profile", [["", "all"], ...profiles.map((each) => [each, each])], wanted.profile, change), place,
      section("go-on", "Go on", command(`quantflow why ${quantflow.dom.word(symbol)}`)),
    ];
  };
})();
