"""What entropy, efficiency and Hurst exponent are of a random walk: the table of ``quantflow.quant.random_walk``.

Walks have independent standard normal log returns of 1 % a session. ``python benchmarks/random_walks.py [WALKS]``
prints a row per number of returns: mean and standard deviation of each feature, over WALKS walks (default 40,000).
"""

from __future__ import annotations

import sys

import numpy as np

from quantflow.quant.features import FeatureWindows, compute
from quantflow.quant.random_walk import FEATURES, LENGTHS, SEED, FloatArray

CHUNK = 1000


def simulated(length: int, walks: int) -> FloatArray:
    """Return the features of *walks* random walks of *length* returns, shape (walks, 3)."""
    rng = np.random.default_rng([SEED, length])
    windows = FeatureWindows(lookback=length, momentum_long=2, momentum_skip=1, trend_window=2)
    parts = []
    for first in range(0, walks, CHUNK):
        moves = rng.normal(0.0, 0.01, (min(CHUNK, walks - first), length))
        close = 100.0 * np.exp(np.cumsum(np.pad(moves, ((0, 0), (1, 0))), axis=1))
        found = compute({"close": close}, windows, 252, threads=1)
        parts.append(np.column_stack([found[name] for name in FEATURES]))
    return np.concatenate(parts)


def main() -> None:
    """Print the rows of the table."""
    walks = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    for length in LENGTHS:
        found = simulated(length, walks)
        pairs = ", ".join(f"{m:.5e}, {s:.5e}" for m, s in zip(found.mean(axis=0), found.std(axis=0), strict=True))
        print(f"    ({length}, {pairs}),", flush=True)


if __name__ == "__main__":
    main()
