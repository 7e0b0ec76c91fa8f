"use strict";

/** Making elements. Data only ever become text: there is no way from here to the browser's HTML parser. */
quantflow.dom = (() => {
  /**
   * Return a new element.
   * @param {string} tag Its name, with classes: `p.soft.wide`.
   * @param {Object<string, any>} given Attributes; `on…` are listeners; null and false leave one out.
   * @param {...(Node|string|number|null|undefined|Array)} children Strings become text.
   * @returns {HTMLElement}
   */
  function h(tag, given = {}, ...children) {
    const [name, ...classes] = tag.split(".");
    const node = document.createElement(name);
    if (classes.length) node.className = classes.join(" ");
    for (const [key, value] of Object.entries(given || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value === true ? "" : String(value));
    }
    node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }

  /** @param {string} text Announced to a screen reader. */
  function say(text) {
    document.getElementById("live").textContent = text;
  }

  /**
   * Return a link within the page.
   * @param {Array<string>} parts The route: `["run", id]`.
   * @param {any} label
   * @param {Object<string, string>} query
   * @returns {HTMLAnchorElement}
   */
  const link = (parts, label, query = {}) => h("a", { href: quantflow.route(parts, query) }, label);

  /** @param {string} name The view's title. @param {any} kicker Above it. @returns {HTMLElement} */
  const title = (name, kicker = null) =>
    h("div.title", {}, kicker ? h("p.kicker", {}, kicker) : null, h("h1", { tabindex: "-1" }, name));

  /**
   * Return a section with a heading.
   * @param {string} id Its anchor.
   * @param {string} name
   * @param {...any} children
   * @returns {HTMLElement}
   */
  const section = (id, name, ...children) =>
    h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, name), ...children);

  /** @param {string} state @param {boolean} degraded @returns {HTMLElement} A run's state as a word in a colour. */
  const state = (word, degraded = false) => {
    const said = degraded && word === "completed" ? "degraded" : word;
    return h("span.state", { "data-state": said }, said);
  };

  /** @param {string} text @returns {string} As a shell takes it for one word, whatever it holds. */
  const word = (text) => (/^[\w.:][\w.:/-]*$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  /** @param {string} line A command line. @returns {HTMLElement} The line, and a button that copies it. */
  function command(line) {
    const button = h("button.quiet", { type: "button", "aria-label": `Copy: ${line}` }, "copy");
    button.addEventListener("click", async () => {
      await copied(line);
      button.textContent = "copied";
      say(`Copied: ${line}`);
      setTimeout(() => { button.textContent = "copy"; }, 1500);
    });
    return h("p.command", {}, h("code", {}, line), button);
  }

  /** @param {string} text Put on the clipboard, also where a page from a folder may not ask for it. */
  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = h("textarea", { class: "unseen" }, text);
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  /**
   * Return a labelled choice.
   * @param {string} label @param {Array<[string, string]>} options Value and text. @param {string} value
   * @param {function(string): void} changed
   * @returns {HTMLElement}
   */
  function choice(label, options, value, changed) {
    const select = h("select", { onchange: () => changed(select.value) },
      options.map(([each, text]) => h("option", { value: each, selected: each === value }, text)));
    return h("label.choice", {}, h("span", {}, label), select);
  }

  return { h, say, link, title, section, state, word, command, choice };
})();
