"""A small lakehouse: eight symbols, three years, candidates and ratings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from quantflow.data.calendars import sessions

SYMBOLS = tuple(f"NASDAQ:T{number}" for number in range(8))


def make_lake(home: Path, first: str = "2020-01-02", last: str = "2022-12-28") -> None:
    """Write it into a folder."""
    days = sessions("XNYS", pd.Timestamp(first).date(), pd.Timestamp(last).date())
    random = np.random.default_rng(7)
    market = random.normal(0.0003, 0.008, len(days))
    (home / "lakehouse").mkdir()
    candidates, ratings = [], []
    for number, symbol in enumerate(SYMBOLS):
        steps = market + random.normal(0.0001 * number, 0.01, len(days))
        close = 50.0 * np.exp(np.cumsum(steps))
        table = pd.DataFrame({"timestamp": days.astype("datetime64[s]").astype("int64"), "close": close})
        table["volume"] = 1e6
        table.to_parquet(home / "lakehouse" / f"{symbol.replace(':', '_')}_1d.parquet")
        known = {"symbol": symbol, "name": f"Name {number}", "sector": "ab"[number % 2], "currency": "USD"}
        candidates.append({**known, "turnover": 1e6, "direction": "LONG", "Recommend.All": 0.9})
        ratings += [(symbol, day, (number - 4) / 8) for day in ("2020-06-30", "2021-06-30", "2022-06-30")]
    (home / "candidates.json").write_text(json.dumps(candidates))
    pd.DataFrame(ratings, columns=["symbol", "date", "recommend"]).to_csv(home / "ratings.csv", index=False)
