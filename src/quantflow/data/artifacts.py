"""How artifacts become bytes and back: Parquet for tables, JSON for records, UTF-8 for text. Never pickle."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from quantflow.data.panel import Panel
from quantflow.errors import DataError, IntegrityError, NewerRecordError
from quantflow.types import Record

_META = b"quantflow"
_GROUP_ROWS = 1 << 18
"""Rows of a panel that are turned into bytes, or back, at a time."""


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
        IntegrityError: If the bytes are not what the suffix says; a ``NewerRecordError`` for a kind of table that is
            not known here.
    """
    try:
        if suffix == ".json":
            return json.loads(data)
        if suffix == ".parquet":
            return _decode_table(data)
        return data.decode()
    except (ValueError, KeyError, OSError) as error:  # pyarrow's errors derive from these
        raise IntegrityError(f"An artifact is not readable as {suffix}: {error}") from error


def decode_rows(data: bytes) -> list[dict[str, Any]]:
    """Return the rows of a table that ``encode`` turned into *data*, by column, its index too; NaN is None.

    Raises:
        IntegrityError: If the bytes are no such table.
    """
    try:
        file, kind = _opened(data)
        if kind["kind"] != "frame":
            raise IntegrityError(f"A table of the kind {kind['kind']!r} has no rows to show.")
        rows: list[dict[str, Any]] = file.read(use_threads=False).to_pylist()
    except (ValueError, KeyError, OSError) as error:  # pyarrow's errors derive from these
        raise IntegrityError(f"An artifact is not readable as a table: {error}") from error
    return rows


def encode_json(value: Record) -> bytes:
    """Return canonical JSON: sorted keys, no NaN.

    Raises:
        DataError: If a value is not JSON, NaN and infinities included.
    """
    try:
        return json.dumps(value, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise DataError(f"A record holds a value that JSON cannot: {error}.") from error


def _encode_table(table: Any, kind: Record) -> bytes:
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    meta = {_META: json.dumps(kind, sort_keys=True).encode()}
    pq.write_table(table.replace_schema_metadata(meta), sink, compression="zstd")
    return sink.getvalue()


def _encode_panel(panel: Panel) -> tuple[bytes, str, int | None, dict[str, str]]:
    """Write some symbols at a time: as one table, a panel of closes alone would take four times its own memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    n, t = panel.close.shape
    names = sorted(panel.fields)
    fields = [("symbol", pa.string()), ("date", pa.date32()), *((name, pa.float64()) for name in names)]
    kind = {"kind": "panel", "shape": [n, t], "symbols": [] if t else list(panel.symbols)}
    schema = pa.schema(fields, {_META: json.dumps(kind, sort_keys=True).encode()})
    days, height = pa.array(panel.sessions.astype("datetime64[D]")), max(1, _GROUP_ROWS // max(t, 1))
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=["symbol", "date"]) as writer:
        for first in range(0, n, height):
            symbols = panel.symbols[first : first + height]
            codes = pa.array(np.repeat(np.arange(len(symbols), dtype=np.int32), t))
            labels = pa.DictionaryArray.from_arrays(codes, pa.array(symbols, pa.string())).cast(pa.string())
            values = [pa.array(panel.fields[name][first : first + height].reshape(-1)) for name in names]
            writer.write_table(pa.table([labels, pa.concat_arrays([days] * len(symbols)), *values], schema=schema))
    return sink.getvalue(), ".parquet", n * t, {name: str(column) for name, column in fields}


def _encode_frame(frame: Any) -> tuple[bytes, str, int | None, dict[str, str]]:
    import pyarrow as pa

    names = [name for name in frame.index.names if name is not None]
    flat = frame.reset_index() if names else frame
    if not all(isinstance(column, str) for column in flat.columns) or not flat.columns.is_unique:
        raise DataError("An artifact's columns must be unique strings.")
    table = pa.Table.from_pandas(flat, preserve_index=False, nthreads=1).replace_schema_metadata(None)
    plain = [f.with_type(pa.string()) if pa.types.is_large_string(f.type) else f for f in table.schema]
    table = table.cast(pa.schema(plain))  # which of the two types text has depends on how the frame came about
    schema = {column.name: str(column.type) for column in table.schema}
    return _encode_table(table, {"kind": "frame", "index": names}), ".parquet", len(frame), schema


def _opened(data: bytes) -> tuple[Any, Any]:
    """Return a table's file, and what ``_encode_table`` said of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    return file, json.loads((file.schema_arrow.metadata or {})[_META])


def _decode_table(data: bytes) -> Any:
    file, kind = _opened(data)
    if kind["kind"] == "panel":
        return _decode_panel(file, kind["symbols"], *kind["shape"])
    if kind["kind"] != "frame":
        raise NewerRecordError(
            f"An artifact is a table of the kind {kind['kind']!r}, which a newer quantflow has written.",
            hint="Upgrade quantflow; nothing was changed.",
        )
    frame = file.read(use_threads=False).replace_schema_metadata(None).to_pandas(use_threads=False)
    return frame.set_index(kind["index"]) if kind["index"] else frame


def _decode_panel(file: Any, known: list[str], n: int, t: int) -> Panel:
    names = [name for name in file.schema_arrow.names if name not in ("symbol", "date")]
    fields = {name: np.empty((n, t)) for name in names}
    flat = {name: values.reshape(-1) for name, values in fields.items()}
    symbols: list[str] = [] if t else known
    days: list[Any] = []
    row = 0
    for batch in file.iter_batches(_GROUP_ROWS, use_threads=False):
        symbols += batch.column("symbol").take(np.arange(-row % t, len(batch), t)).to_pylist()
        if row < t:
            days.append(batch.column("date").slice(0, t - row).to_numpy(zero_copy_only=False))
        for name, values in flat.items():
            values[row : row + len(batch)] = batch.column(name).to_numpy(zero_copy_only=False)
        row += len(batch)
    sessions = np.concatenate(days) if days else np.empty(0, "datetime64[D]")
    return Panel(tuple(symbols), sessions.astype("datetime64[D]"), fields)


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
