"use strict";

/** Routes, `#/view/argument?key=value`, and what is around every view. */
(() => {
  const { h, say } = quantflow.dom;
  const main = document.getElementById("main");
  const PLACES = [["", "Profiles"], ["runs", "Runs"], ["sweeps", "Sweeps"], ["names", "Names"], ["artifact", "Lineage"],
    ["data", "Data"]];
  const SERVED = location.protocol.startsWith("http");
  let asked = 0;

  /** @returns {{view: string, argument: string, query: URLSearchParams}} What the address asks for. */
  function place() {
    const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
    const [view, ...rest] = path.split("/");
    return { view, argument: decoded(rest.join("/")), query: new URLSearchParams(query) };
  }

  /** @param {string} text @returns {string} */
  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  /** Show what the address asks for. */
  async function show() {
    const turn = ++asked;
    const { view, argument, query } = place();
    const views = { "": quantflow.views.profiles, ...quantflow.views };
    const known = Object.hasOwn(views, view) ? views[view] : null;
    const page = h("div.view", { "data-view": view || "profiles" });
    try {
      page.append(...(known ? await known(argument, query) : missing(`There is no view ${view}.`)));
    } catch (error) {
      page.append(...missing(error.message));
    }
    if (turn !== asked) return;
    main.replaceChildren(page);
    const heading = page.querySelector("h1");
    document.title = heading ? `${heading.textContent} · quantflow` : "quantflow";
    mark(view);
    window.scrollTo(0, 0);
    if (heading && location.hash) heading.focus({ preventScroll: true });
    await quantflow.chart.drawAll(page);
    if (turn === asked) page.dataset.ready = "yes";
  }

  /** @param {string} words @returns {Array<Node>} */
  const missing = (words) => [quantflow.dom.title("Not found"), h("p", {}, words),
    h("p", {}, h("a", { href: "#/runs" }, "All runs"))];

  /** @param {string} view The one that is shown: its place in the navigation is marked. */
  function mark(view) {
    const of = { run: "runs", compare: "runs", profile: "", sweep: "sweeps", name: "names" };
    const current = view in of ? of[view] : view;
    const links = PLACES.map(([where, label]) =>
      h("a", { href: `#/${where}`, "aria-current": where === current ? "page" : null }, label));
    document.getElementById("views").replaceChildren(...links);
  }

  /** Ask now and then whether the page was written again; then show that. Only where it is served. */
  async function watch() {
    try {
      if ((await quantflow.again("stamp")) !== quantflow.index.stamp) location.reload();
    } catch {
      say("The server has ended; this page stays as it is.");
      document.getElementById("built").append(" The server has ended.");
      return;
    }
    setTimeout(watch, 2000);
  }

  /** Begin. */
  async function begin() {
    quantflow.index = await quantflow.load("index");
    quantflow.rows = new Map(quantflow.index.rows.map((row) => [row.id, row]));
    const { built, workspace } = quantflow.index;
    const when = built.slice(0, 19).replace("T", " ");
    document.getElementById("built").textContent =
      `${workspace}, written ${when} UTC${SERVED ? ", kept up to date" : "; quantflow ui writes it again"}`;
    if (SERVED) quantflow.index.runs_folder = "../runs";
    window.addEventListener("hashchange", () => { if (location.hash !== "#main") show(); });
    await show();
    if (SERVED) setTimeout(watch, 2000);
  }

  document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
  quantflow.place = place;
  quantflow.show = show;
  begin().catch((error) => main.replaceChildren(h("p", {}, error.message)));
})();
