"use strict";

/**
 * The one object that all scripts of the page share. Data files call `quantflow.data(name, json)`; views ask for them
 * with `quantflow.load(name)`. A page that is opened from a folder may run scripts beside it, but not read files.
 */
const quantflow = (() => {
  /** @type {Map<string, any>} What has been handed over, by name. */
  const values = new Map();
  /** @type {Map<string, Promise<any>>} What was asked for, by name. */
  const asked = new Map();

  /**
   * Take what a data file has to say.
   * @param {string} name Its name, such as `runs/ID`.
   * @param {string} text JSON.
   */
  function data(name, text) {
    values.set(name, JSON.parse(text));
  }

  /**
   * Run a script of the folder once.
   * @param {string} path Relative to the page.
   * @returns {Promise<void>} Done when it has run; an error when there is none.
   */
  function script(path) {
    return new Promise((resolve, reject) => {
      const node = document.createElement("script");
      node.src = path;
      node.onload = () => { node.remove(); resolve(); };
      node.onerror = () => { node.remove(); reject(new Error(`${path} is not in the page's folder.`)); };
      document.head.append(node);
    });
  }

  /**
   * Return a value of the folder `data`.
   * @param {string} name Such as `index` or `runs/ID`.
   * @returns {Promise<any>}
   */
  function load(name) {
    if (!asked.has(name)) {
      asked.set(name, script(`data/${name}.js`).then(() => values.get(name)).catch((error) => {
        asked.delete(name);
        throw error;
      }));
    }
    return asked.get(name);
  }

  /**
   * Return a value of the folder as it is now, not as it was.
   * @param {string} name
   * @returns {Promise<any>}
   */
  function again(name) {
    return script(`data/${name}.js?${Date.now()}`).then(() => values.get(name));
  }

  /**
   * Return an address within the page.
   * @param {Array<string>} parts `["run", id]`
   * @param {Object<string, any>} query Empty values are left out.
   * @returns {string}
   */
  function route(parts, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
    const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString();
    return `#/${parts.map(encodeURIComponent).join("/")}${text ? `?${text}` : ""}`;
  }

  return { data, script, load, again, route, views: {}, index: null };
})();
