"use strict";

/** `#/profile/NAME`: the book, its track in the promised band, the walk-forward, the runs. */
quantflow.views.profile = async (name) => {
  const { h, link, title, section, command, word } = quantflow.dom;
  const { percent, plural, signed } = quantflow.format;
  const { facts, fileLink, none, runColumns, runLink } = quantflow.parts;
  const found = quantflow.index.profiles.find((each) => each.name === name);
  if (!found) throw new Error(`No profile ${name} has run here.`);
  const [book, walk] = await Promise.all([
    quantflow.load(found.file),
    found.walk ? quantflow.load(`runs/${found.walk}`) : null,
  ]);
  const own = quantflow.index.rows.filter((row) => row.profile === name && !row.parent);

  const top = facts([
    ["Book", found.book ? h("span", {}, `${found.book.as_of}, `, runLink(found.book.run)) : "none published"],
    ["Decided", found.book ? found.book.decided : ""],
    ["Age of data", found.age === null ? "unknown" : plural(found.age, "session")],
    ["Next rebalance", found.next],
    ["Report", found.walk ? fileLink(found.walk, "report.html", "of the last walk-forward") : null],
  ]);

  /** @returns {Node} */
  function track() {
    if (book.problem) return h("p.warn", {}, book.problem);
    if (!book.track) return none("No session has passed since a book of this profile was published.");
    const { dates, series } = { dates: book.track.dates, series: book.track };
    const last = dates.length - 1;
    const band = series.low ? `; ${series.outside ? "outside" : "within"} the promised ${signed(series.low[last], 1)} to ${signed(series.high[last], 1)}` : "";
    const says = `${signed(series.book[last])} in ${plural(dates.length, "session")}, benchmark ${signed(series.benchmark[last])}${band}.`;
    const traces = () => {
      const { line, colour } = quantflow.chart;
      const edge = { type: "scatter", mode: "lines", x: dates, line: { color: colour("--benchmark"), width: 0.8 } };
      const bands = series.low ? [
        { ...edge, y: series.low, name: "promised, low", showlegend: false },
        { ...edge, y: series.high, name: "promised band", fill: "tonexty", fillcolor: colour("--band") },
      ] : [];
      const drawn = [["book", series.book], ["benchmark", series.benchmark]].map(([label, y], i) =>
        ({ type: "scatter", mode: "lines", x: dates, y, name: label, line: { color: line(i), width: i ? 1.3 : 2 } }));
      return [...bands, ...drawn];
    };
    const names = ["book", "benchmark", ...(series.low ? ["low", "high"] : [])];
    const csv = () => [["date", ...names], dates.map((day, i) => [day, ...names.map((each) => series[each][i])])];
    const layout = { yaxis: { tickformat: ".1%", title: { text: "earned since the first book" } } };
    return quantflow.chart.chart({ name: `${name}-track`, title: "Track of the book", says, traces, csv, layout });
  }

  const curves = walk && walk.curve ? Object.entries(walk.curve.series).map(([label, values]) => [label, walk.curve.dates, values]) : [];
  const held = Object.entries(book.weights).map(([symbol, weight]) => ({ symbol, weight }));
  return [
    title(name, "Profile"), top,
    found.trouble ? h("p.warn", {}, found.trouble) : null,
    found.stale ? h("p.warn", {}, found.stale) : null,
    section("track", "Track against what was promised", track()),
    section("walk", "Walk-forward", curves.length ? quantflow.chart.growth({
      name: `${name}-walk-forward`, title: "Growth of 1, after costs", says: `Simulated, run ${found.walk}.`, curves,
    }) : none("No run of this profile has a walk-forward yet.")),
    section("held", "The book holds", held.length ? quantflow.table({
      name: `${name}-book`, caption: "Names of the book", rows: held, sort: { key: "weight", down: true },
      columns: [
        { key: "symbol", label: "Symbol", text: true, show: (row) => link(["name", row.symbol], row.symbol, { profile: name }) },
        { key: "weight", label: "Weight", show: (row) => percent(row.weight) },
      ],
    }) : none("Nothing is published.")),
    section("runs", "Runs", quantflow.table({
      name: `${name}-runs`, caption: `Runs of ${name}`, columns: runColumns().filter((column) => column.key !== "profile"),
      rows: own, tall: true,
    })),
    section("go-on", "Go on", command(`quantflow ${found.kind === "meta" ? "meta --meta-profile" : "select --profile"} ${word(name)}`),
      command(`quantflow orders --profile ${word(name)} --holdings holdings.csv`), command(`quantflow profiles show ${word(name)} --sources`)),
  ].filter(Boolean);
};
