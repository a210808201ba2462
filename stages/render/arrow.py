"""Rows as Arrow columns and Parquet files. The only file that imports pyarrow."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tgbulk.stages.render.column import COLUMNS, GROUPS, STRUCTS, Column, Kind
from tgbulk.stages.render.flat import EMPTY, Row

#: In the metadata of each file: which columns, names and types these are.
SCHEMA_VERSION = b"1"
#: Rows of a row group at most.
GROUP_ROWS = 1 << 17
#: Rows of a table that are made at a time.
_BATCH = 4096

_TYPES: dict[Kind, Any] = {
    Kind.INT64: pa.int64(),
    Kind.INT32: pa.int32(),
    Kind.FLOAT64: pa.float64(),
    Kind.BOOL: pa.bool_(),
    Kind.STRING: pa.string(),
    Kind.WORD: pa.dictionary(pa.int32(), pa.string()),
    Kind.TIME: pa.timestamp("ms", tz="UTC"),
    Kind.STRINGS: pa.list_(pa.string()),
    Kind.INTS: pa.list_(pa.int64()),
}
_STRUCTS = {kind: pa.struct([(name, _TYPES[one]) for name, one in members.items()]) for kind, members in STRUCTS.items()}
_TYPES |= {kind: pa.list_(struct) for kind, struct in _STRUCTS.items()}


def schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    """The Arrow schema of a table."""
    fields = [pa.field(one.name, _TYPES[one.kind], nullable=one.null) for one in columns]
    return pa.schema(fields, metadata={b"tgbulk.schema": SCHEMA_VERSION})


class MessageTable:
    """Collects the rows of one file as columns."""

    def __init__(self, columns: tuple[Column, ...]) -> None:
        self._columns = columns
        self._names = {one.name for one in columns}
        self._chunks: dict[str, list[Any]] = {one.name: [] for one in columns}

    def add(self, rows: list[Row]) -> None:
        """Rows that follow those before."""
        for place, group in enumerate(GROUPS):
            if self._names.isdisjoint(one.name for one in group):
                continue
            empty = EMPTY[place]
            found = [row[place] for row in rows]
            if empty is not None and all(one is empty for one in found):
                columns: Iterator[Sequence[Any]] = ([value] * len(rows) for value in empty)
            else:
                columns = iter(zip(*found, strict=True))
            for column, values in zip(group, columns, strict=True):
                if column.name in self._names:
                    self._chunks[column.name].append(array_of(column.kind, values))

    def write(self, path: Path) -> None:
        """One row group."""
        schema = schema_of(self._columns)
        arrays = []
        for field, column in zip(schema, self._columns, strict=True):
            chunks = pa.chunked_array(self._chunks.pop(column.name))
            is_word = column.kind == Kind.WORD
            arrays.append(chunks.combine_chunks().dictionary_encode() if is_word else chunks.cast(field.type))
        with _writer(path, schema, sorted_by="message_id" if self._columns == COLUMNS else None) as writer:
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema), row_group_size=GROUP_ROWS)


def write_table(columns: tuple[Column, ...], rows: Iterator[tuple[Any, ...]], path: Path) -> None:
    """A whole table, some thousand rows at a time."""
    schema = schema_of(columns)
    with _writer(path, schema, None) as writer:
        while some := list(islice(rows, _BATCH)):
            arrays = [array_of(one.kind, values) for one, values in zip(columns, zip(*some, strict=True), strict=True)]
            arrays = [array.dictionary_encode() if one.kind == Kind.WORD else array
                      for one, array in zip(columns, arrays, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))


def array_of(kind: Kind, values: Sequence[Any]) -> Any:
    """Values of one kind as an Arrow array; words not yet as a dictionary."""
    if kind == Kind.TIME:
        return pa.array([None if one is None else one * 1000 for one in values], pa.int64()).cast(_TYPES[kind])
    if kind == Kind.WORD:
        return pa.array(values, pa.string())
    if kind in STRUCTS:
        return _structs(kind, values)
    return pa.array(values, _TYPES[kind])


def _structs(kind: Kind, values: Sequence[list[dict[str, Any]] | None]) -> Any:
    """Lists of dicts, member by member: several times faster than letting Arrow look into each dict."""
    offsets: list[int | None] = []
    place = 0
    for one in values:
        offsets.append(None if one is None else place)
        place += len(one or ())
    offsets.append(place)
    items = list(chain.from_iterable(one for one in values if one))
    members = [pa.array([item[name] for item in items], _TYPES[member]) for name, member in STRUCTS[kind].items()]
    inner = pa.StructArray.from_arrays(members, fields=list(_STRUCTS[kind]))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), inner)


def _writer(path: Path, schema: pa.Schema, sorted_by: str | None) -> Any:
    order = [pq.SortingColumn(schema.get_field_index(sorted_by))] if sorted_by else None
    return pq.ParquetWriter(path, schema, compression="zstd", write_page_index=True, write_statistics=True,
                            sorting_columns=order)
