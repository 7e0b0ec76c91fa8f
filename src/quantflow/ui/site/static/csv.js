"use strict";

/** Tables and curves as CSV files: what is shown, with all digits. */
quantflow.csv = (() => {
  const FORMULA = /^'*[=+\-@＝＋－＠]/;
  const CONTROL = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

  /**
   * Return a value as it stands in a CSV file; a text that a spreadsheet would compute has an apostrophe before it.
   * @param {any} value
   * @returns {string}
   */
  function cell(value) {
    if (value === null || value === undefined) return "";
    if (typeof value !== "string") return String(value);
    const plain = value.replace(CONTROL, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
    const safe = FORMULA.test(plain) ? `'${plain}` : plain;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  /** @param {Array<string>} names @param {Array<Array<any>>} rows @returns {string} */
  const text = (names, rows) => [names, ...rows].map((row) => row.map(cell).join(",")).join("\n") + "\n";

  /**
   * Return a button that saves a table.
   * @param {string} name The file, without its ending.
   * @param {function(): [Array<string>, Array<Array<any>>]} table Names of the columns, and rows.
   * @returns {HTMLElement}
   */
  function button(name, table) {
    const safe = name.replace(/[^\w.-]+/g, "-");
    const save = () => {
      const address = URL.createObjectURL(new Blob([text(...table())], { type: "text/csv" }));
      const anchor = quantflow.dom.h("a", { href: address, download: `${safe}.csv` });
      document.body.append(anchor);
      anchor.click();
      anchor.remove();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    };
    return quantflow.dom.h("button.quiet.csv", { type: "button", onclick: save, "aria-label": `Save ${safe}.csv` }, "CSV");
  }

  return { cell, text, button };
})();
