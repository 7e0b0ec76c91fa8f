"use strict";

/** `#/`: per profile its book, the age of its data, its last run, the next rebalance, its curve. */
quantflow.views.profiles = async () => {
  const { h, link, title } = quantflow.dom;
  const { plural } = quantflow.format;
  const { empty, facts, runLink, stateOf } = quantflow.parts;
  const { profiles } = quantflow.index;
  if (!quantflow.index.rows.length) return empty();

  /** @param {Object} each @returns {Node} */
  const lastRun = (each) => {
    const row = quantflow.rows.get(each.last);
    if (!row) return h("span", {}, "none");
    return h("span", {}, runLink(row.id), " ", stateOf(row), row.reason && (row.damaged || row.state !== "completed") ? h("span.soft", {}, ` ${row.reason}`) : null);
  };

  /** @param {Object} each @returns {string} */
  const action = (each) => {
    const row = quantflow.rows.get(each.last);
    if (!row || !row.decision) return "";
    return row.decision === "hold" ? "hold" : row.decision === "apart" ? "experiment" : `decided (${row.decision})`;
  };

  /** @param {Object} each @returns {Node} */
  const card = (each) => {
    const { book } = each;
    const name = h("h2", {}, link(["profile", each.name], each.name));
    return h("article.card", {},
      h("div.card-head", {}, name, each.curve.length > 1 ? quantflow.chart.spark(each.curve) : null),
      each.trouble ? h("p.warn", {}, each.trouble) : null,
      each.stale ? h("p.warn", {}, each.stale) : null,
      facts([
        ["Book", book ? h("span", {}, `${book.as_of}, ${plural(book.names, "name")}, `, runLink(book.run)) : "none published"],
        ["Age of data", each.age === null ? "unknown" : plural(each.age, "session")],
        ["Last run", lastRun(each)],
        ["Now", action(each)],
        ["Next rebalance", each.next],
        ["Track", tracked(each)],
        ["Runs", link(["runs"], plural(each.runs, "run"), { profile: each.name })],
      ]));
  };

  return [title("Profiles", plural(profiles.length, "profile")), h("div.cards", {}, profiles.map(card))];

  /** @param {Object} each @returns {Node|string} What the book has earned, beside what was promised. */
  function tracked(each) {
    const { signed } = quantflow.format;
    if (!each.track) return "";
    const { sessions, growth, benchmark, low, high, outside } = each.track;
    const band = low === null ? "" : `; ${outside ? "OUTSIDE" : "within"} the promised ${signed(low, 1)} to ${signed(high, 1)}`;
    return h(outside ? "span.bad" : "span", {}, `${signed(growth)} in ${plural(sessions, "session")}, benchmark ${signed(benchmark)}${band}`);
  }
};
