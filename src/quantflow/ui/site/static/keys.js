"use strict";

/** The keyboard: rows, filter, picking, help. */
(() => {
  const { h } = quantflow.dom;
  const KEYS = [
    ["j or ↓, k or ↑", "next row, row before"], ["Enter", "open the row"], ["x", "pick the row"], ["c", "compare what is picked"],
    ["/", "filter"], ["g then p, r, s, n, l, d", "profiles, runs, sweeps, names, lineage, data"], ["?", "these keys"], ["Esc", "leave the filter, or this"],
  ];
  const PLACES = { p: "", r: "runs", s: "sweeps", n: "names", l: "artifact", d: "data" };
  const help = document.getElementById("help");
  let going = false;

  help.append(h("h2", { id: "help-title" }, "Keyboard"),
    h("table", {}, h("tbody", {}, KEYS.map(([key, what]) => h("tr", {}, h("th.l", { scope: "row" }, key), h("td.l", {}, what))))),
    h("form", { method: "dialog" }, h("button", {}, "Close")));
  document.getElementById("help-button").addEventListener("click", () => help.showModal());

  /** @returns {Array<HTMLElement>} The rows that can be walked through: those of the table with the focus, or the first. */
  function rows() {
    const table = (document.activeElement && document.activeElement.closest(".table")) || document.querySelector("main .table");
    return table ? [...table.querySelectorAll("tbody tr")] : [...document.querySelectorAll("main .card")];
  }

  /** @param {number} by Rows to go down. @returns {boolean} Whether there are any. */
  function move(by) {
    const all = rows();
    if (!all.length) return false;
    const now = all.findIndex((row) => row.contains(document.activeElement));
    const next = all[Math.min(all.length - 1, Math.max(0, now < 0 ? (by > 0 ? 0 : all.length - 1) : now + by))];
    const target = next.querySelector("th a, h2 a") || next;
    if (target === next) next.tabIndex = -1;
    target.focus();
    next.scrollIntoView({ block: "nearest" });
    return true;
  }

  /** Pick the row with the focus. */
  function pick() {
    const row = document.activeElement && document.activeElement.closest("tr");
    const box = row && row.querySelector("input[type=checkbox]");
    if (box && !box.disabled) box.click();
  }

  /** @param {string} id Of what is clicked, if it is there. */
  const click = (id) => { const node = document.getElementById(id); if (node) node.click(); };
  const ACTIONS = {
    j: () => move(1), ArrowDown: () => move(1), k: () => move(-1), ArrowUp: () => move(-1), x: pick,
    c: () => click("compare"), "?": () => help.showModal(), g: () => { going = true; setTimeout(() => { going = false; }, 1000); },
    "/": () => { const field = document.getElementById("filter"); if (field) field.focus(); else location.hash = "#/runs"; },
  };

  document.addEventListener("keydown", (event) => {
    const { key, target } = event;
    const typing = target.matches("input:not([type=checkbox]), select, textarea");
    if (key === "Escape" && typing) target.blur();
    if (typing || help.open || event.ctrlKey || event.metaKey || event.altKey) return;
    if (going && key in PLACES) {
      going = false;
      location.hash = `#/${PLACES[key]}`;
    } else if (Object.hasOwn(ACTIONS, key)) {
      if (ACTIONS[key]() !== false) event.preventDefault();
    }
  });
})();
