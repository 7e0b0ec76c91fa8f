"""The deflated Sharpe ratio: which number of trials it is deflated by."""

from __future__ import annotations

import numpy as np

from quantflow.quant.research.deflated import deflated
from quantflow.quant.significance import estimate


def test_the_lower_one_is_what_is_claimed() -> None:
    """The headline is the lower of both, and names the number that it used."""
    found = estimate(np.random.default_rng(1).normal(0.001, 0.01, 500))
    assert found is not None
    count = deflated(found, [0.0, 0.1, 0.1, 0.1], [0.05])
    assert (count.probability, count.number, count.clustered) == (count.by_count, "4 trials", False)
    clusters = deflated(found, [0.0, 0.1, 0.1, 0.1], [-0.1, 0.1])
    assert (clusters.probability, clusters.number) == (clusters.by_clusters, "2 clusters of 4 trials")
    alone = deflated(found, [0.1], [0.1])
    assert (alone.number, alone.by_count) == ("1 trial", alone.by_clusters)
