"""A browser for tests, and what is asked of every page in it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")

TOO_FAINT = """() => {
  const rgba = text => { const n = text.match(/[\\d.]+/g).map(Number); return n.length > 3 ? n : [...n, 1] };
  const over = (top, under) => [0, 1, 2].map(i => top[3] * top[i] + (1 - top[3]) * under[i]);
  const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = c => { const [r, g, b] = c.map(v => linear(v / 255)); return .2126 * r + .7152 * g + .0722 * b };
  const ground = node => !node ? [255, 255, 255]
    : over(rgba(getComputedStyle(node).backgroundColor), ground(node.parentElement));
  const seen = [...document.body.querySelectorAll('*')].filter(node => node.checkVisibility()
    && !['desc', 'title'].includes(node.localName) && !node.closest('.unseen')
    && [...node.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
  return seen.map(node => {
    const style = getComputedStyle(node), back = ground(node);
    const ink = over(rgba(node.ownerSVGElement ? style.fill : style.color), back);
    const [high, low] = [light(ink), light(back)].sort((a, b) => b - a);
    return [(high + .05) / (low + .05), node.textContent.trim()];
  }).filter(pair => pair[0] < 4.5);
}"""
"""Visible texts with less contrast to the colours behind them than WCAG 2 wants (AA), each with its ratio."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Have a headless Chromium, the system's own."""
    program = shutil.which("chromium")
    assert program, "This test needs Chromium; on Debian: apt-get install --no-install-recommends chromium"
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=program, args=list(FLAGS))
        yield launched
        launched.close()
