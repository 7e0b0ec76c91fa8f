"""What is claimed of the best of 200 trials: on noise, on variants of a strategy without skill, and with real skill.

``python benchmarks/luck.py [REPETITIONS]`` (default 100) prints a row per kind of trials: in how many repetitions the
95 % interval of the best trial alone excludes zero, and its deflated Sharpe ratio, by count, by clusters and the lower
of both, is 95 % or more; the mean probability of overfitting; and the means of the effective numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import numpy as np

from quantflow.quant.research.deflated import deflated
from quantflow.quant.research.effective import effective
from quantflow.quant.research.overfitting import overfitting
from quantflow.quant.significance import FloatArray, estimate, interval

TRIALS, SESSIONS = 200, 2520
DEEMED = 0.95

Draw = Callable[[np.random.Generator], FloatArray]


def families(number: int, correlation: float, freedom: float = np.inf) -> Draw:
    """Return what draws families of variants: without correlation between families, and none without skill."""

    def draw(rng: np.random.Generator) -> FloatArray:
        size = TRIALS // number
        common = np.repeat(rng.normal(size=(SESSIONS, number)), size, axis=1)
        own = rng.normal(size=(SESSIONS, TRIALS)) if np.isinf(freedom) else rng.standard_t(freedom, (SESSIONS, TRIALS))
        return 0.01 * (correlation**0.5 * common + (1.0 - correlation) ** 0.5 * own)

    return draw


def planted(sharpe: float, skilled: int) -> Draw:
    """Return what draws variants (correlation 0.5) of which some have a Sharpe ratio a year."""

    def draw(rng: np.random.Generator) -> FloatArray:
        returns = families(TRIALS // 10, 0.5)(rng)
        returns[:, :skilled] += 0.01 * sharpe / 252**0.5
        return returns

    return draw


KINDS: Mapping[str, Draw] = {
    "independent noise": families(TRIALS, 0.0),
    "the same, heavy tails (Student's t, 4)": families(TRIALS, 0.0, 4.0),
    "20 families of noise, correlation 0.7": families(20, 0.7),
    "variants of one strategy, correlation 0.3": families(1, 0.3),
    "the same, 0.7": families(1, 0.7),
    "the same, 0.95": families(1, 0.95),
    "one trial with a Sharpe ratio of 1.5": planted(1.5, 1),
    "one with 2": planted(2.0, 1),
    "a family of 10 with 2": planted(2.0, 10),
}


def claims(returns: FloatArray) -> tuple[float, ...]:
    """Return what is claimed of the best trial: believed four ways (0 or 1), overfitting, clusters, equivalent."""
    best = int((returns.mean(axis=0) / returns.std(axis=0, ddof=1)).argmax())
    found, many = estimate(returns[:, best]), effective(returns)
    if found is None:
        raise SystemExit("A trial took no risk.")
    ratios = [float(ratio) for ratio in returns.mean(axis=0) / returns.std(axis=0, ddof=1)]
    left = deflated(found, ratios, many.ratios.tolist())
    believed = [interval(found)[0] > 0.0]
    believed += [(each or 0.0) >= DEEMED for each in (left.by_count, left.by_clusters, left.probability)]
    return (*map(float, believed), overfitting(returns).probability, many.number, many.equivalent)


def main() -> None:
    """Print the table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print("| 200 trials, ten years | interval | by count | by clusters | lower | PBO | clusters | as good as |")
    print("|---|---|---|---|---|---|---|---|")
    for name, draw in KINDS.items():
        found = np.array([claims(draw(np.random.default_rng([seed, 1]))) for seed in range(repetitions)])
        cells = [f"{int(total)}" for total in found[:, :4].sum(axis=0)]
        means = [f"{found[:, 4].mean():.2f}", f"{found[:, 5].mean():.0f}", f"{found[:, 6].mean():.0f}"]
        print(f"| {name} | {' | '.join([*cells, *means])} |", flush=True)


if __name__ == "__main__":
    main()
