"""Jumps that stay: splits and units left in are seen, what the market does usually is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from quantflow.data.panel import FloatArray
from quantflow.data.quality.jumps import Jump, jumps

LIMIT = 15.0
AT = 300


def walk(sigma: float, seed: int, length: int = 600) -> FloatArray:
    """Closes that move by *sigma* a session."""
    return np.asarray(50.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, sigma, length))))


def left_in(close: FloatArray, factor: float, at: int = AT) -> FloatArray:
    """The closes with a factor from a session on."""
    return np.where(np.arange(len(close)) >= at, factor, 1.0) * close


def share(make: Callable[[int], list[Jump]], tries: int = 200) -> float:
    """The fraction of seeds for which a jump is found at the session."""
    return sum(any(jump.position == AT for jump in make(seed)) for seed in range(tries)) / tries


@pytest.mark.parametrize(("sigma", "least"), [(0.01, 0.9), (0.0134, 0.9)])
@pytest.mark.parametrize("factor", [2 / 3, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 10, 1 / 20, 1 / 100, 3 / 2, 2, 10, 20, 100])
def test_a_split_left_in_is_seen(factor: float, sigma: float, least: float) -> None:
    """Of a name as calm as most stocks, at each usual ratio and its inverse, with the day's own move on top."""
    assert share(lambda seed: jumps(left_in(walk(sigma, seed), factor), LIMIT)) >= least


@pytest.mark.parametrize("factor", [1 / 2, 1 / 10, 100])
@pytest.mark.parametrize("back", [1, 2])
def test_it_is_seen_in_the_last_closes(factor: float, back: int) -> None:
    """What has had no time to be taken back counts."""
    close = left_in(walk(0.012, 4), factor, 600 - back)
    (found,) = jumps(close, LIMIT)
    assert (found.position, found.reverts) == (600 - back, False)
    assert found.ratio == pytest.approx(factor, rel=0.05)


@pytest.mark.parametrize(
    ("factor", "cause"),
    [(0.5, "a split of 2:1 left in"), (2 / 3, "a split of 3:2"), (10, "a reverse split of 10:1"), (100, "pence")],
)
def test_the_cause_is_named(factor: float, cause: str) -> None:
    """The reason says what the ratio looks like."""
    (found,) = jumps(left_in(walk(0.01, 2), factor), LIMIT)
    assert cause in found.cause


def test_one_that_the_next_session_takes_back_is_marked() -> None:
    """A bad print is another check's; as long as it is the last close nobody can tell."""
    close = walk(0.01, 2)
    close[AT] *= 2.0
    assert [jump.reverts for jump in jumps(close, LIMIT)] == [True]
    assert [jump.reverts for jump in jumps(close[: AT + 1], LIMIT)] == [False]


@pytest.mark.parametrize(
    ("sigma", "low", "high", "most"), [(0.05, 1.7, 2.4, 0.15), (0.02, 0.58, 0.76, 0.15), (0.03, 0.45, 0.75, 0.15)]
)
def test_moves_of_volatile_names_usually_pass(sigma: float, low: float, high: float, most: float) -> None:
    """A coin that about doubles, a stock that falls by about a third on its earnings: near a ratio only by chance."""

    def moved(seed: int) -> list[Jump]:
        random = np.random.default_rng(seed)
        return jumps(left_in(walk(sigma, seed), random.uniform(low, high)), LIMIT)

    assert share(moved, 400) <= most


def test_volume_tells_news_from_a_split() -> None:
    """A fall to two thirds on six times the usual volume is news; on the usual traded value, or volume, it is not."""
    close, volume = left_in(walk(0.012, 6), 2 / 3), np.random.default_rng(1).lognormal(12, 0.2, 600)
    news, split = volume.copy(), np.where(np.arange(600) >= AT, 1.5, 1.0) * volume
    news[AT] *= 6
    assert jumps(close, LIMIT, news) == []
    assert len(jumps(close, LIMIT, split)) == len(jumps(close, LIMIT, volume)) == 1
    assert len(jumps(left_in(walk(0.012, 6), 100), LIMIT, news)) == 1, "no news moves a price a hundredfold"


def test_volume_lets_a_volatile_name_be_seen() -> None:
    """On the usual traded value a ratio need not be so close."""
    volume = np.random.default_rng(1).lognormal(12, 0.2, 600)
    doubled = np.where(np.arange(600) >= AT, 2.0, 1.0) * volume
    alone = share(lambda seed: jumps(left_in(walk(0.03, seed), 0.5), LIMIT))
    assert share(lambda seed: jumps(left_in(walk(0.03, seed), 0.5), LIMIT, doubled)) > alone + 0.2


def test_an_adjustment_gone_wrong_is_seen_at_any_ratio() -> None:
    """The adjusted close falls to 0.58 while the raw close goes on; a split of the raw close alone is adjusted for."""
    close = walk(0.01, 9)
    assert "adjusted close" in jumps(left_in(close, 0.58), LIMIT, raw=close)[0].cause
    assert jumps(close, LIMIT, raw=left_in(close, 0.5)) == []
    assert len(jumps(left_in(close, 0.5), LIMIT, raw=left_in(close, 0.5))) == 1, "a split that nobody adjusted for"


def test_what_it_cannot_judge_it_leaves_alone() -> None:
    """The first sessions, a price after a long gap, a name that always moves like that."""
    assert jumps(left_in(walk(0.01, 1), 0.5, 15), LIMIT) == []
    gap = left_in(walk(0.01, 1), 0.5)
    gap[AT - 8 : AT] = np.nan
    assert jumps(gap, LIMIT) == []
    assert jumps(left_in(walk(0.08, 3), 0.5), LIMIT) == []


def test_a_price_that_hardly_moves_is_judged_too() -> None:
    """A name quoted at one price for weeks has no deviation; a hundredfold price of it is still one."""
    close = np.repeat(np.arange(50.0, 62.0), 50)
    assert [jump.position for jump in jumps(left_in(close, 100), LIMIT)] == [AT]
