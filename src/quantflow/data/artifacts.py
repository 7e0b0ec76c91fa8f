"""How artifacts become bytes and back: Parquet for tables, JSON for records, UTF-8 for text. Never pickle."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from quantflow.data.panel import Panel
from quantflow.errors import DataError, IntegrityError

_META = b"quantflow"


def encode(value: Any) -> tuple[bytes, str, int | None, dict[str, str]]:
    """Return the bytes, file suffix, row count and column types of an artifact.

    Equal values give equal bytes: index and kind travel in our own metadata, without library versions.

    Args:
        value: A ``Panel``, a pandas ``DataFrame`` with named columns, a JSON mapping (finite or null numbers),
            or a ``str``.

    Raises:
        DataError: If the value is of another type, or a record holds what JSON cannot.
    """
    if isinstance(value, Panel):
        return _encode_panel(value)
    if isinstance(value, str):
        return value.encode(), ".txt", None, {}
    if isinstance(value, Mapping):
        return encode_json(value), ".json", None, {}
    if type(value).__name__ == "DataFrame":
        return _encode_frame(value)
    raise DataError(
        f"A {type(value).__name__} cannot be an artifact.", hint="Return a DataFrame, Panel, mapping or str."
    )


def decode(data: bytes, suffix: str) -> Any:
    """Return the value that ``encode`` turned into *data*.

    Raises:
        IntegrityError: If the bytes are not what the suffix says.
    """
    try:
        if suffix == ".json":
            return json.loads(data)
        if suffix == ".parquet":
            return _decode_table(data)
        return data.decode()
    except (ValueError, KeyError, OSError) as error:  # pyarrow's errors derive from these
        raise IntegrityError(f"An artifact is not readable as {suffix}: {error}") from error


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Return canonical JSON: sorted keys, no NaN.

    Raises:
        DataError: If a value is not JSON, NaN and infinities included.
    """
    try:
        return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"A record holds a value that JSON cannot: {error}.") from error


def _encode_table(table: Any, kind: Mapping[str, Any]) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    meta = {_META: json.dumps(kind, sort_keys=True).encode()}
    pq.write_table(table.replace_schema_metadata(meta), sink, compression="zstd")
    return sink.getvalue()


def _encode_panel(panel: Panel) -> tuple[bytes, str, int | None, dict[str, str]]:
    import pyarrow as pa

    n, t = len(panel.symbols), len(panel.sessions)
    codes = pa.array(np.repeat(np.arange(n, dtype=np.int32), t))
    columns = {
        "symbol": pa.DictionaryArray.from_arrays(codes, pa.array(panel.symbols, pa.string())).cast(pa.string()),
        "date": pa.array(np.tile(panel.sessions.astype("datetime64[D]"), n)),
        **{name: pa.array(values.reshape(-1)) for name, values in sorted(panel.fields.items())},
    }
    kind = {"kind": "panel", "shape": [n, t], "symbols": [] if t else list(panel.symbols)}
    schema = {name: str(column.type) for name, column in columns.items()}
    return _encode_table(pa.table(columns), kind), ".parquet", n * t, schema


def _encode_frame(frame: Any) -> tuple[bytes, str, int | None, dict[str, str]]:
    import pyarrow as pa

    names = [name for name in frame.index.names if name is not None]
    flat = frame.reset_index() if names else frame
    if not all(isinstance(column, str) for column in flat.columns) or not flat.columns.is_unique:
        raise DataError("An artifact's columns must be unique strings.")
    table = pa.Table.from_pandas(flat, preserve_index=False).replace_schema_metadata(None)
    plain = [f.with_type(pa.string()) if pa.types.is_large_string(f.type) else f for f in table.schema]
    table = table.cast(pa.schema(plain))  # which of the two types text has depends on how the frame came about
    schema = {column.name: str(column.type) for column in table.schema}
    return _encode_table(table, {"kind": "frame", "index": names}), ".parquet", len(frame), schema


def _decode_table(data: bytes) -> Any:
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(data))
    kind = json.loads((table.schema.metadata or {})[_META])
    if kind["kind"] == "panel":
        return _decode_panel(table, kind["symbols"], *kind["shape"])
    frame = table.replace_schema_metadata(None).to_pandas()
    return frame.set_index(kind["index"]) if kind["index"] else frame


def _decode_panel(table: Any, known: list[str], n: int, t: int) -> Panel:
    values = {name: table.column(name) for name in table.column_names if name not in ("symbol", "date")}
    symbols = table.column("symbol").take(np.arange(n) * t).to_pylist() if t else known
    sessions = table.column("date").slice(0, t).to_numpy().astype("datetime64[D]")
    fields = {name: np.ascontiguousarray(column.to_numpy()).reshape(n, t) for name, column in values.items()}
    return Panel(tuple(symbols), sessions, fields)


def latest_date(value: Any) -> Any:
    """Return the latest date in an artifact's sessions, date index or date columns (``datetime64[D]``).

    None when it holds no dates.
    """
    if isinstance(value, Panel):
        return value.last_session if len(value.sessions) else None
    if type(value).__name__ != "DataFrame":
        return None
    dated = [column for column in (value.index, *(value[name] for name in value.columns)) if column.dtype.kind == "M"]
    latest = [column.dropna().to_numpy().max().astype("datetime64[D]") for column in dated if column.notna().any()]
    return max(latest, default=None)
