"""An exchange that fails behind a real flow: transient faults heal by the task's retries, permanent ones stop it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from exchange import FakeExchange, Fault
from quantflow.config.load import load_profile
from quantflow.data.artifacts import encode
from quantflow.errors import DataError
from quantflow.flows.launch import execute
from quantflow.runs.create import create_run
from quantflow.runs.kinds import open_run
from quantflow.runs.run import Run
from quantflow.server.server import ApiServer
from quantflow.stages.ingestion import IngestionStage

AS_OF = date(2022, 12, 31)
COINS = ("BTC", "ETH", "XRP", "ADA", "SOL", "DOT")


@pytest.fixture
def exchange() -> Iterator[FakeExchange]:
    """A fake exchange with four years of six coins."""
    with FakeExchange(COINS, first=date(2019, 6, 1), today=date(2023, 1, 2)) as fake:
        yield fake


@pytest.fixture(autouse=True)
def _no_sleep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Retries and turns wait no time; everything else about them is real."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("prefect.task_engine.time.sleep", lambda seconds: None)


def settings(exchange: FakeExchange) -> dict[str, object]:
    """Return the data section for the exchange."""
    return {"provider": "ccxt", "exchange": "binance", "base_url": exchange.url, "limit": 1000, "timeout": 1}


def start(workspace: Path, exchange: FakeExchange, server: ApiServer) -> Run:
    """Run the demo profile on the exchange."""
    data = [f"data.{key}={value}" for key, value in settings(exchange).items()]
    short = [
        "calendar.name=24/7",
        "allocation.max_weight=1",
        "validation.min_history=504",
        "rebalance.every=quarterly",
    ]
    loaded = load_profile("demo", workspace=workspace, overrides=[*data, *short])
    return execute(create_run(loaded, workspace, AS_OF, "run"), server)


def ingested(exchange: FakeExchange) -> dict[str, object]:
    """Run ingestion alone."""
    stage = IngestionStage()
    given = {"data": settings(exchange), "universe": {}, "calendar": {"name": "24/7"}, "validation": {}, "as_of": AS_OF}
    return dict(stage.run({}, stage.configured(given)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "faults",
    [
        {"exchangeInfo": Fault.RATE_LIMIT, "24hr": Fault.RESET, "klines": Fault.TRUNCATED},
        {"exchangeInfo": Fault.HTML, "24hr": Fault.SERVER_ERROR, "symbol=SOLUSDT": Fault.STALL},
    ],
)
def test_transient_faults_heal(
    faults: dict[str, Fault], workspace: Path, exchange: FakeExchange, server: ApiServer
) -> None:
    """Three faults in a row, one per request, are three retries; then the prices are those of an undisturbed run."""
    undisturbed = ingested(exchange)
    for path, fault in faults.items():
        exchange.order(fault, path=path)
    run = start(workspace, exchange, server)
    assert run.state == "completed"
    ingestion = run.stages["ingestion"]
    assert ingestion is not None
    assert ingestion.attempt == 4
    for name in ("prices", "instruments", "quality"):
        stored = (workspace / ".quantflow" / "artifacts" / ingestion.outputs[name].uri).read_bytes()
        assert stored == encode(undisturbed[name])[0]


@pytest.mark.parametrize(("fault", "part"), [(Fault.VANISHED, "Invalid symbol."), (Fault.FORBIDDEN, "Invalid API-key")])
def test_permanent_faults_stop_at_once(
    fault: Fault, part: str, workspace: Path, exchange: FakeExchange, server: ApiServer
) -> None:
    """A symbol that vanished and a refused key are not tried again, and the record has the exchange's words."""
    exchange.order(fault, times=99, path="symbol=ETHUSDT")
    with pytest.raises(DataError, match=part):
        start(workspace, exchange, server)
    failed = open_run(workspace, "run").failed
    assert failed is not None
    assert (failed.stage, failed.attempt) == ("ingestion", 1)
    assert failed.error is not None
    assert part in failed.error["message"]
    assert sum("symbol=ETHUSDT" in request for request in exchange.requests) == 1


def test_bad_bars_are_judged_or_left_out(exchange: FakeExchange) -> None:
    """A repeated bar is used once and noted; bars out of order and bars from the future change nothing."""
    plain = ingested(exchange)
    exchange.bars["ETHUSDT"] = exchange.bars["ETHUSDT"][:1300]
    short = ingested(exchange)
    exchange.order(Fault.UNORDERED, path="symbol=BTCUSDT")
    exchange.order(Fault.FUTURE, path="symbol=XRPUSDT")
    exchange.order(Fault.DUPLICATE, times=2, path="symbol=ETHUSDT")
    bent = ingested(exchange)
    assert encode(bent["prices"])[0] == encode(short["prices"])[0] != encode(plain["prices"])[0]
    found = bent["quality"].set_index(["symbol", "check"])["outcome"]  # type: ignore[attr-defined]
    assert found.get(("ETH/USDT", "duplicate")) == "warn"
