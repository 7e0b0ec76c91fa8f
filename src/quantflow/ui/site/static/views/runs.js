"use strict";

/** `#/runs?filter=…`: all runs; and `#/sweeps`, the sweeps among them. */
(() => {
  const { h, title, say, choice } = quantflow.dom;
  const { plural } = quantflow.format;
  const { empty, runColumns } = quantflow.parts;
  const MOST = 8;
  /** What is picked to be compared; it stays from view to view. */
  const picked = new Set();

  /** @param {Array<Object>} rows @param {string} key @returns {Array<[string, string]>} The choices that there are. */
  const choices = (rows, key) => [["", "all"], ...[...new Set(rows.map((row) => row[key]).filter(Boolean))].sort().map((each) => [each, each])];

  /** @param {Object} row @param {Object} wanted @returns {boolean} */
  function fits(row, wanted) {
    const text = `${row.id} ${row.profile} ${row.as_of} ${row.state} ${row.kind} ${row.reason || ""}`.toLowerCase();
    return ["profile", "state", "kind"].every((key) => !wanted[key] || row[key] === wanted[key])
      && (wanted.sleeves || !row.parent)
      && (wanted.filter || "").toLowerCase().split(/\s+/).every((word) => text.includes(word));
  }

  quantflow.views.runs = async (_, query) => {
    const all = quantflow.index.rows;
    if (!all.length) return empty();
    const wanted = Object.fromEntries(query);
    const place = h("div");
    const field = h("input", { type: "search", id: "filter", value: wanted.filter || "", placeholder: "id, profile, date, state", autocomplete: "off", spellcheck: "false" });
    const bar = h("div.picked", { "aria-live": "polite" });
    field.addEventListener("input", () => change("filter", field.value));

    /** Change what is wanted, and the address with it, so that it can be sent. */
    function change(key, value) {
      wanted[key] = value;
      history.replaceState(null, "", quantflow.route(["runs"], wanted));
      fill();
    }

    function fill() {
      const rows = all.filter((row) => fits(row, wanted));
      place.replaceChildren(quantflow.table({
        name: "runs", caption: "Runs", rows, columns: runColumns(), mark: box, tall: true,
        bar: h("span.soft", {}, `${plural(rows.length, "run")} of ${all.length.toLocaleString("en-US")}`),
        sort: wanted.sort ? { key: wanted.sort, down: wanted.down !== "false" } : null,
        onsort: (sort) => {
          Object.assign(wanted, { sort: sort.key, down: String(sort.down) });
          history.replaceState(null, "", quantflow.route(["runs"], wanted));
        },
      }));
      say(plural(rows.length, "run"));
    }

    /** @param {Object} row @returns {Node} The box that picks a run. */
    function box(row) {
      const node = h("input", { type: "checkbox", "data-run": row.id, checked: picked.has(row.id), disabled: row.damaged || row.state === "unreadable" || row.kind === "sweep", "aria-label": `Pick ${row.id}` });
      node.addEventListener("change", () => {
        if (node.checked && picked.size >= MOST) {
          node.checked = false;
          say(`At most ${MOST} runs can be compared.`);
        } else if (node.checked) picked.add(row.id);
        else picked.delete(row.id);
        show();
      });
      return node;
    }

    function show() {
      const list = [...picked];
      bar.replaceChildren(list.length
        ? h("span", {}, `${plural(list.length, "run")} picked of at most ${MOST} `,
          h("a.button", { id: "compare", href: quantflow.route(["compare", list.join(",")]) }, "Compare"), " ",
          h("button.quiet", { type: "button", onclick: () => { picked.clear(); show(); fill(); } }, "Clear"))
        : h("span.soft", {}, `Pick up to ${MOST} to compare: curves, figures, the settings that differ.`));
    }

    fill();
    show();
    return [
      title("Runs"),
      h("div.filters", {},
        h("label.choice", {}, h("span", {}, "Filter"), field),
        ["profile", "state", "kind"].map((key) => choice(key[0].toUpperCase() + key.slice(1), choices(all, key), wanted[key] || "", (value) => change(key, value))),
        h("label.check", {}, h("input", { type: "checkbox", checked: Boolean(wanted.sleeves), onchange: (event) => change("sleeves", event.target.checked ? "yes" : "") }), "sleeves of meta runs")),
      bar, place,
    ];
  };

  quantflow.views.sweeps = async () => {
    const rows = quantflow.index.rows.filter((row) => row.kind === "sweep");
    if (!rows.length) {
      return [title("Sweeps"), h("p", {}, "No sweep has run here. One tries many settings of a profile, and judges the best for luck:"),
        quantflow.dom.command("quantflow sweep --profile demo --over policy.top_n=1,2,3 --over allocation.method=hrp,equal_weight")];
    }
    const columns = runColumns().filter((column) => !["kind", "decision", "names"].includes(column.key));
    return [title("Sweeps", "Figures are those of the best trial"), quantflow.table({ name: "sweeps", caption: "Sweeps", rows, columns })];
  };
})();
