"use strict";

/** Numbers as the terminal shows them: the same digits, the same units. */
quantflow.format = (() => {
  /** @param {any} value @returns {boolean} Whether it is a number that can be shown. */
  const known = (value) => typeof value === "number" && Number.isFinite(value);

  /** @param {number} value A fraction. @param {number} digits @returns {string} `12.34%` */
  const percent = (value, digits = 2) => (known(value) ? `${(100 * value).toFixed(digits)}%` : "");

  /** @param {number} value A fraction. @returns {string} `+12.34%` */
  const signed = (value, digits = 2) => (known(value) ? `${value >= 0 ? "+" : ""}${percent(value, digits)}` : "");

  /** @param {number} value @returns {string} `1.23` */
  const number = (value, digits = 2) => (known(value) ? value.toFixed(digits) : "");

  /** @param {number} value @returns {string} Four significant digits, as `quantflow why` prints. */
  const short = (value) => (known(value) ? String(Number(value.toPrecision(4))) : "");

  /** @param {number} seconds @returns {string} `1.7s`, `3m 04s`, `1h 02m` */
  function duration(seconds) {
    if (!known(seconds)) return "";
    if (seconds < 60) return `${seconds.toFixed(1)}s`;
    const minutes = Math.floor(seconds / 60);
    const two = (value) => String(value).padStart(2, "0");
    if (minutes < 60) return `${minutes}m ${two(Math.floor(seconds % 60))}s`;
    return `${Math.floor(minutes / 60)}h ${two(minutes % 60)}m`;
  }

  /** @param {number} count @param {string} noun @returns {string} `1 run`, `2 runs` */
  const plural = (count, noun) => `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;

  /** @param {any} value A setting. @returns {string} As TOML would have it. */
  const setting = (value) => (value === null || value === undefined ? "not set" : JSON.stringify(value));

  /** @param {number} low @param {number} high @returns {string} `0.15 to 1.56` */
  const range = (low, high) => (known(low) && known(high) ? `${number(low)} to ${number(high)}` : "");

  return { known, percent, signed, number, short, duration, plural, setting, range };
})();
