"use strict";

/** `#/data`: what the data checks found, by profile and as-of; and the table of one run's checks. */
(() => {
  const { h, title, section, choice } = quantflow.dom;
  const { short, plural } = quantflow.format;
  const { none, runLink } = quantflow.parts;
  const NAMED = 5;

  /** @param {Array<string>} symbols @param {number} count @returns {string} The first five, as the terminal prints. */
  const named = (symbols, count) => symbols.slice(0, NAMED).join(" ") + (count > NAMED ? ` and ${count - NAMED} more` : "");

  /**
   * Return the checks of a run, as `quantflow checks` prints them.
   * @param {string} id @param {Object} record
   * @returns {HTMLElement}
   */
  quantflow.checksTable = (id, record) => {
    const over = record.ended ? `, ${record.ended} no longer traded` : "";
    return quantflow.table({
      name: `${id}-checks`, caption: "Data checks", rows: record.checks, tall: true,
      bar: h("span.soft", {}, `${record.kept} of ${record.asked} symbols kept${over}`), columns: [
        { key: "check", label: "Check", text: true }, { key: "severity", label: "Severity", text: true },
        { key: "block", label: "Block", text: true, show: (row) => (row.block ? "yes" : "no") },
        { key: "limit", label: "Limit", show: (row) => short(row.limit) }, { key: "observed", label: "Worst", show: (row) => short(row.observed) },
        { key: "outcome", label: "Result", text: true, show: (row) => quantflow.dom.state(row.outcome) },
        { key: "symbols", label: "Symbols", text: true, wide: true, value: (row) => row.symbols.join(" "), show: (row) => named(row.symbols, row.symbols.length) },
        { key: "about", label: "About", text: true, wide: true },
      ] });
  };

  quantflow.views.data = async (_, query) => {
    const all = (await quantflow.load("checks")).map(([run, profile, as_of, found]) =>
      ({ run, profile, as_of, ...found, aside: found.asked - found.kept - found.ended, warned: found.odd.filter((each) => each[1] === "warn").length }));
    if (!all.length) return [title("Data quality"), none("No run has checked data yet.")];
    const profiles = [...new Set(all.map((each) => each.profile))].sort();
    const wanted = { profile: query.get("profile") || "" };
    const place = h("div");

    function fill() {
      const runs = all.filter((each) => !wanted.profile || each.profile === wanted.profile);
      const findings = runs.flatMap((run) => run.odd.map(([check, outcome, observed, limit, count, symbols]) =>
        ({ run: run.run, profile: run.profile, as_of: run.as_of, check, outcome, observed, limit, count, symbols })));
      const shown = profiles.filter((each) => !wanted.profile || each === wanted.profile);
      const curves = shown.map((profile) => {
        const own = runs.filter((each) => each.profile === profile).sort((a, b) => (a.as_of < b.as_of ? -1 : 1));
        return [profile, own.map((each) => each.as_of), own.map((each) => each.kept)];
      });
      const traces = () => curves.map(([name, x, y], i) => ({ type: "scatter", mode: "lines+markers", name, x, y, line: { color: quantflow.chart.line(i) } }));
      place.replaceChildren(
        quantflow.chart.chart({ name: "symbols-kept", title: "Symbols kept", says: "By as-of date and profile.", traces, height: 320,
          csv: () => [["date", ...curves.map(([name]) => name)], quantflow.chart.joined(curves)], layout: { yaxis: { rangemode: "tozero", title: { text: "symbols" } } } }),
        section("findings", "What did not pass", findings.length ? quantflow.table({
          name: "findings", caption: "Checks that did not pass", rows: findings, sort: { key: "as_of", down: true }, tall: true,
          bar: h("span.soft", {}, plural(findings.length, "finding")), columns: [
            { key: "as_of", label: "As-of", text: true }, { key: "profile", label: "Profile", text: true },
            { key: "check", label: "Check", text: true }, { key: "outcome", label: "Result", text: true, show: (row) => quantflow.dom.state(row.outcome) },
            { key: "observed", label: "Worst", show: (row) => short(row.observed) }, { key: "limit", label: "Limit", show: (row) => short(row.limit) },
            { key: "symbols", label: "Symbols", text: true, wide: true, value: (row) => row.symbols.join(" "), show: (row) => named(row.symbols, row.count) },
            { key: "run", label: "Run", text: true, show: (row) => runLink(row.run) },
          ] }) : none("All checks of all these runs passed.")),
        section("counts", "Symbols through time", quantflow.table({
          name: "symbols", caption: "Symbols by run", rows: runs, sort: { key: "as_of", down: true }, tall: true, columns: [
            { key: "as_of", label: "As-of", text: true }, { key: "profile", label: "Profile", text: true },
            { key: "asked", label: "Asked" }, { key: "kept", label: "Kept" }, { key: "aside", label: "Set aside" },
            { key: "ended", label: "Ended", title: "No longer traded" }, { key: "warned", label: "Warnings" },
            { key: "run", label: "Run", text: true, show: (row) => runLink(row.run) },
          ] })));
    }

    const change = (value) => {
      wanted.profile = value;
      history.replaceState(null, "", quantflow.route(["data"], wanted));
      fill();
      quantflow.chart.drawAll(place);
    };
    fill();
    return [title("Data quality", "What was set aside, and what was warned of"),
      choice("Profile", [["", "all"], ...profiles.map((each) => [each, each])], wanted.profile, change), place];
  };
})();
