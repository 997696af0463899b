"""
Where the time goes: the pieces of a load before its first request, one after the other, in CPU seconds.

In a load some of them run in parallel; here none does, so that each piece can be measured separately.
"""

import functools
import importlib
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Self
from unittest.mock import patch

import polars as pl
import zstandard

from benchmarks import core, delivery
from patronload import targets
from patronload.artifacts import names, tables
from patronload.artifacts.run import Run
from patronload.config import mapping as mappings
from patronload.config import mapping_files, tenants
from patronload.exports import mojibake, spreadsheet_damage
from patronload.loads import delivery as export_rows
from patronload.loads.load import Load
from patronload.loads.posting import chunks
from patronload.mapping import transform
from patronload.rows import no_rejects


def measure(rows: int) -> None:
    """Print the pieces, the most expensive first."""
    with tempfile.TemporaryDirectory() as folder:
        core.export(Path(folder), rows, 0.0)
        with patch.dict(os.environ, PATRONLOAD_INCLUDE=str(core.include(Path(folder)))):
            spent = _spent(Path(folder))
    print(f"pieces: {rows:,} rows, CPU seconds, {spent.total():.1f} in total")
    for name, seconds in spent.most_common():
        print(f"  {seconds:6.2f} {seconds / spent.total():4.0%}  {name}")


class _Spent(Counter[str]):
    """CPU seconds by name; a piece within another one is not counted in that one."""

    def of(self, name: str, work: Callable[[], Any]) -> Any:
        before, start = self.total(), time.process_time()
        made = work()
        self[name] += time.process_time() - start - (self.total() - before)
        return made

    @contextmanager
    def within(self, module: Any, **names: str) -> Iterator[None]:
        """Functions of a module that are measured as separate pieces."""
        with ExitStack() as stack:
            for function, name in names.items():
                stack.enter_context(patch.object(module, function, self._timed(getattr(module, function), name)))
            yield

    def _timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*given: Any, **named: Any) -> Any:
            return self.of(name, lambda: function(*given, **named))

        return timed


def _spent(folder: Path) -> _Spent:
    for module in {each for modules in core.IMPORTED.values() for each in modules}:
        importlib.import_module(module)
    tenant, run, spent = tenants.load("northfield"), Run(folder / "run"), _Spent()
    delivery.leave(run)
    load, mapping = Load(tenant, run, "bench", date(2026, 11, 21)), mapping_files.load("folio/wide")
    _validate(load, mapping, spent)
    _transform(load, mapping, spent)
    _chunks(load, spent)
    return spent


def _validate(load: Load, mapping: mappings.Mapping, spent: _Spent) -> None:
    from patronload.checks import great_expectations, validation
    from patronload.exports import csv_records, reading

    with spent.within(csv_records, _mark="read: marking the end of each record"), ExitStack() as one_by_one:
        for module in (csv_records, validation):
            one_by_one.enter_context(patch.object(module, "ThreadPoolExecutor", _AtOnce))
        export = spent.of("read: CSV", lambda: reading.read(load.run.read(names.EXPORT), load.tenant.source))
        spent.of("writing rows.parquet", lambda: export_rows.keep_rows(load, export))
        one_by_one.enter_context(spent.within(spreadsheet_damage, find_damage="validate: spreadsheet damage"))
        one_by_one.enter_context(spent.within(great_expectations, results="validate: Great Expectations"))
        one_by_one.enter_context(spent.within(mojibake, find_garbled="validate: text in the wrong encoding"))
        one_by_one.enter_context(
            spent.within(
                validation,
                _for_pandas="validate: tables for Great Expectations",
                _copies="validate: identical rows",
            )
        )
        spent.of("validate: comparing key fields as FOLIO does, the rest", lambda: validation.validate(export, mapping))


def _transform(load: Load, mapping: mappings.Mapping, spent: _Spent) -> None:
    parts = export_rows.rows_in_parts(load.run)
    parts_of_it = {"_field": "transform: the fields", "_json": "transform: assembling JSON"}
    with load.run.writing(names.PATRONS) as file, spent.within(transform, **parts_of_it):
        writer = tables.Writer(file)
        while (part := spent.of("transform: reading rows.parquet", lambda: next(parts, None))) is not None:
            made = spent.of(
                "transform: the rest", lambda part=part: transform.transform_part(part, mapping, no_rejects())
            )
            spent.of("transform: writing patrons.parquet", lambda made=made: writer.write(made.patrons))
        writer.close()


def _chunks(load: Load, spent: _Spent) -> None:
    target, zstd = load.tenant.target, zstandard.ZstdCompressor(level=1)
    path = load.run.folder / names.PATRONS
    texts = spent.of("chunks: reading patrons.parquet", lambda: pl.read_parquet(path, columns=["patron"])["patron"])
    sizes = texts.str.len_bytes()
    cut = spent.of("chunks: cutting", lambda: chunks.numbers(sizes, core.CHUNK, target.chunk_bytes))
    for number, some in chunks.texts_by_chunk(cut, texts):
        body = spent.of("chunks: bodies", lambda some=some: targets.request_body(target, some))
        packed = spent.of("chunks: zstd", lambda body=body: zstd.compress(body))
        name = f"chunks/{number:04}.json.zst"
        spent.of("chunks: files", lambda name=name, packed=packed: load.run.write(name, packed))


class _AtOnce:
    """A thread pool that runs everything immediately, in the calling thread."""

    def __init__(self, _: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., Any], *given: Any, **named: Any) -> "_Done":
        return _Done(work(*given, **named))


class _Done:
    def __init__(self, made: Any) -> None:
        self._made = made

    def result(self) -> Any:
        return self._made
