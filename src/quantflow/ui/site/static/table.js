"use strict";

/**
 * Tables: sorted by a click on a heading, walked through with j and k, saved as CSV.
 *
 * A column has `key`, `label`; `value(row)` for sorting and CSV (the key's value by default); `show(row)` for what is
 * seen (the value by default), a string or a node; `text: true` where it is left-aligned; `wide: true` where it may wrap;
 * `maybe: true` where it is left out when no row has a value.
 */
quantflow.table = (() => {
  const { h } = quantflow.dom;

  /** @param {Object} column @param {Object} row @returns {any} */
  const valueOf = (column, row) => (column.value ? column.value(row) : row[column.key]);

  /** @param {any} value @returns {boolean} */
  const isNone = (value) => value === null || value === undefined || value === "";

  /** @param {any} a @param {any} b @returns {number} Numbers by size, texts by letter. */
  function order(a, b) {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  }

  /** @param {Array<Object>} rows @param {Object} column @param {boolean} down @returns {Array<Object>} What is missing comes last. */
  function sorted(rows, column, down) {
    const none = (row) => isNone(valueOf(column, row));
    const [known, unknown] = [rows.filter((row) => !none(row)), rows.filter(none)];
    known.sort((a, b) => (down ? -1 : 1) * order(valueOf(column, a), valueOf(column, b)));
    return [...known, ...unknown];
  }

  /**
   * Return a table.
   * @param {Object} given
   * @param {string} given.name The CSV file's name.
   * @param {string} given.caption What it is, for a screen reader; and before the CSV button.
   * @param {Array<Object>} given.columns
   * @param {Array<Object>} given.rows
   * @param {{key: string, down: boolean}} [given.sort]
   * @param {function({key: string, down: boolean}): void} [given.onsort]
   * @param {function(Object): (Node|null)} [given.mark] A node before the first cell, such as a checkbox.
   * @param {boolean} [given.tall] Whether it scrolls in a box of its own.
   * @param {boolean} [given.pinned] Whether the first column stays when the others are scrolled.
   * @param {any} [given.bar] What stands beside the CSV button.
   * @returns {HTMLElement}
   */
  function table(given) {
    const columns = given.columns.filter((column) => !column.maybe || given.rows.some((row) => !isNone(valueOf(column, row))));
    let { rows, sort = null } = given;
    const body = h("tbody");
    const heads = columns.map((column) => heading(column));

    function heading(column) {
      const button = h("button.sort", { type: "button", onclick: () => by(column) }, column.label);
      return h(column.text ? "th.l" : "th", { scope: "col", title: column.title }, button);
    }

    function by(column) {
      const down = sort && sort.key === column.key ? !sort.down : !column.text;
      sort = { key: column.key, down };
      if (given.onsort) given.onsort(sort);
      fill();
    }

    function fill() {
      const column = sort && columns.find((each) => each.key === sort.key);
      if (column) rows = sorted(rows, column, sort.down);
      heads.forEach((head, i) => {
        const on = column === columns[i];
        if (on) head.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
        else head.removeAttribute("aria-sort");
      });
      body.replaceChildren(...rows.map((row) => line(row)));
    }

    function line(row) {
      const cells = columns.map((column, i) => {
        const shown = column.show ? column.show(row) : valueOf(column, row);
        const classes = (column.text ? ".l" : "") + (column.wide ? ".wide" : "");
        return i ? h(`td${classes}`, {}, shown ?? "") : h(`th${classes}`, { scope: "row" }, shown ?? "");
      });
      const mark = given.mark ? h("td.mark", {}, given.mark(row)) : null;
      return h("tr", {}, mark, cells);
    }

    const csv = quantflow.csv.button(given.name, () =>
      [columns.map((column) => column.csv || column.key), rows.map((row) => columns.map((column) => valueOf(column, row)))]);
    fill();
    return h(`div.table${columns.length <= 4 ? ".few" : ""}${given.pinned ? ".pinned" : ""}`, {},
      h("div.bar", {}, h("div.said", {}, given.bar || null), csv),
      h(given.tall ? "div.scroll.tall" : "div.scroll", { tabindex: "0", role: "region", "aria-label": given.caption },
        h("table", {}, h("caption.unseen", {}, given.caption),
          h("thead", {}, h("tr", {}, given.mark ? h("th.mark", { scope: "col" }, h("span.unseen", {}, "picked")) : null, heads)), body)));
  }

  return table;
})();
