"""The clustering stage: real markets fall into their industries, and each option matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pytest_mock import MockerFixture

from quantflow.config.sections import ClustersConfig
from quantflow.data.artifacts import encode
from quantflow.data.panel import Panel
from quantflow.errors import InfrastructureError
from quantflow.stages.clustering import ClusteringStage, ClusteringStageConfig

STAGE = ClusteringStage()


@pytest.fixture(scope="module")
def prices() -> Panel:
    """The last 504 sessions of 20 large US stocks."""
    from skfolio.datasets import load_sp500_dataset

    frame = load_sp500_dataset().iloc[-504:]
    close = np.ascontiguousarray(frame.to_numpy(dtype=np.float64).T)
    return Panel(tuple(frame.columns), frame.index.to_numpy().astype("datetime64[D]"), {"close": close})


def clusters(prices: Panel, **options: Any) -> pd.DataFrame:
    """Return the clusters that the stage gives."""
    config = ClusteringStageConfig(clusters=ClustersConfig.model_validate(options))
    return STAGE.run({"prices": prices}, config)["clusters"]


def test_industries_are_found_by_default(prices: Panel) -> None:
    """Oil, banks and drug makers each come together, and are apart from each other."""
    found = clusters(prices)["cluster"]
    groups = [["CVX", "XOM", "RRC"], ["JPM", "BAC"], ["PFE", "JNJ", "MRK", "LLY"]]
    assert all(found[group].nunique() == 1 for group in groups)
    assert len({found[group[0]] for group in groups}) == 3
    assert 4 <= found.nunique() <= 10


def test_numbers_follow_the_leaves(prices: Panel) -> None:
    """Clusters are numbered from 1 as they appear in leaf order; every symbol has a place."""
    found = clusters(prices)
    assert found.index.tolist() == list(prices.symbols)
    assert sorted(found["order"]) == list(range(20))
    appearing = found.sort_values("order")["cluster"].unique()
    assert appearing.tolist() == list(range(1, len(appearing) + 1))


def test_what_does_not_fit_into_memory_is_refused(prices: Panel, mocker: MockerFixture) -> None:
    """Distances take 17 bytes a pair of symbols: too few of them end the stage in words, and not the process."""
    mocker.patch("quantflow.execution.memory.SMALL", 0)
    mocker.patch("quantflow.execution.memory.free_memory", return_value=20 * 20 * 17)
    assert len(clusters(prices)) == 20
    mocker.patch("quantflow.execution.memory.free_memory", return_value=20 * 20 * 17 - 1)
    with pytest.raises(InfrastructureError, match="Comparing 20 symbols with one another needs"):
        clusters(prices)


def test_only_the_longest_window_is_read(prices: Panel) -> None:
    """Older prices, or fewer of them, change nothing."""
    pd.testing.assert_frame_equal(clusters(prices), clusters(prices.window(504 - 253, 504)))


def test_a_new_listing_stands_alone(prices: Panel) -> None:
    """With ten sessions of prices a symbol cannot be compared; the others are."""
    close = prices.close.copy()
    close[3, :-10] = np.nan
    found = clusters(Panel(prices.symbols, prices.sessions, {"close": close}))
    assert found["order"].iloc[3] == 19
    assert (found["cluster"] == found["cluster"].iloc[3]).sum() == 1
    assert found["cluster"].iloc[3] == found["cluster"].max()


def test_the_summary_counts_clusters(prices: Panel) -> None:
    """A person reads how many there are."""
    found = clusters(prices, distance_threshold=1e9)
    summary = STAGE.summary({"prices": prices}, {"clusters": found})
    assert (summary.entered, summary.left, summary.note, summary.degraded) == (20, 20, "1 cluster", False)


FLIPS: dict[str, Any] = {
    "lookbacks": [126],
    "shrinkage": 0.5,
    "distance_threshold": 0.5,
    "max_clusters": 2,
    "min_observations": 63,
}


def test_flips_cover_every_option() -> None:
    """A new option cannot arrive without a test that it matters."""
    assert FLIPS.keys() == ClustersConfig.model_fields.keys()


@pytest.mark.parametrize("option", sorted(FLIPS))
def test_option_changes_the_outcome(option: str, prices: Panel) -> None:
    """Each documented option has an effect, here where one symbol has 50 sessions."""
    close = prices.close.copy()
    close[3, :-51] = np.nan
    short = Panel(prices.symbols, prices.sessions, {"close": close})
    assert not clusters(short).equals(clusters(short, **{option: FLIPS[option]}))


def test_bytes_repeat(prices: Panel) -> None:
    """The same prices give the same bytes."""
    assert encode(clusters(prices))[0] == encode(clusters(prices))[0]
