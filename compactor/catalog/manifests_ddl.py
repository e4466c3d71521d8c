"""The manifests as tables of Athena: one external table, and views over it.

In:  the URL of a lake. Out: statements, in the order in which they must run. IO: query files.

`documents` is an external table over `<lake>/_compactor/runs/` with one column, `line`. Each JSON
document of ours is one line (`model.to_json`), so the view `manifests` takes the lines of files
called `manifest.json`, and reads them by the type that `model.RunResult` has now: a field that
an older manifest lacks is NULL, one that the model lacks (a finding's own fields) is left out. The
other views are files, `queries/athena/views/*.sql`.

Why no JSON SerDe: plans, reports and HTML lie beside the manifests, and a LOCATION is a folder. A
SerDe parses all of it, so it must be told to ignore what is not JSON; and of the one that can, AWS
says that "the number of results and their values can be non-deterministic": no ground for evidence.
Lines of text are read as they are, and a manifest that is broken is an error. Facts (read 2026-11),
below docs.aws.amazon.com/athena/latest/ug/:

* openx-json-serde.html: the words above; a document must be on one line for a SerDe, too
* tables-location-format.html: all files below LOCATION are read
* other-notable-limitations.html: a line of text takes at most 200 MB, **a row 32 MB: a larger
  manifest cannot be read by Athena**; files whose names begin with `_` are hidden. `_compactor` is
  above LOCATION and hides nothing: Trino looks at the path below it
  (github.com/trinodb/trino, plugin/trino-hive, HiveFileIterator and TestHiveFileIterator)
* serde-create-a-table.html, lazy-simple-serde.html: LazySimpleSerDe is for text. It divides fields
  at the character 1 unless told otherwise, and JSON never holds that one unescaped.
* considerations-limitations-views.html: of the hidden columns, views may use "$path"
* JSON becomes a ROW by the names of its fields (trino, core/trino-main, util/JsonUtil.java), and
  UNNEST of rows keeps these names (sql/analyzer/StatementAnalyzer.java).
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from sqlglot import exp

from .. import lake, sql
from ..errors import ConfigError
from ..model import RunResult
from .audit_queries import parsed, qualified
from .ddl import Statement, create_database
from .dialects import HiveDdl
from .names import TABLES_OF_OURS

DOCUMENTS = "documents"
MANIFESTS = "manifests"
VIEWS = (
    "athena/views/runs",
    "athena/views/tables",
    "athena/views/partitions",
    "athena/views/objects",
    "athena/views/checks",
    "athena/views/findings",
    "athena/views/snapshots",
)
"""In an order in which each needs only those before it."""
_TEXT_SERDE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

_PLAIN: Mapping[Any, str] = {
    str: "VARCHAR",
    int: "BIGINT",
    float: "DOUBLE",
    bool: "BOOLEAN",
    datetime: "VARCHAR",  # ISO 8601 with a Z; views make timestamps of it
}


def statements(lake_url: str, database: str = TABLES_OF_OURS) -> tuple[Statement, ...]:
    """Return what Athena must run, one after the other: database and table first, then the views.

    Repeating them is safe; after an upgrade it is how views learn of new fields.

    Raises: ConfigError for a lake that is not on S3.
    """
    if not lake_url.startswith("s3://"):
        raise ConfigError(
            f"Athena reads S3 only, and the lake is {lake_url}",
            hint="for a local lake: compactor queries NAME --dialect duckdb",
        )
    documents = _create_documents(lake_url, database)
    views = {MANIFESTS: _manifests(), **view_queries()}
    return (
        create_database(database),
        Statement(
            database=database,
            table=DOCUMENTS,
            kind="table",
            sql=documents.sql(dialect=HiveDdl, pretty=True),
        ),
        *(_create_view(database, name, query) for name, query in views.items()),
    )


def view_queries() -> dict[str, exp.Query]:
    """Return the views that are files, by name; they need `manifests`."""
    return {name.rpartition("/")[2]: parsed(sql.query(name)) for name in VIEWS}


def manifest_columns() -> dict[str, exp.DataType]:
    """Return the columns of `manifests`: name and type of each field of a run's result."""
    return {name: _type(field.annotation) for name, field in RunResult.model_fields.items()}


# --- statements -----------------------------------------------------------------------------------


def _create_view(database: str, name: str, query: exp.Query) -> Statement:
    made = exp.Create(
        this=exp.table_(name, db=database, quoted=True),
        kind="VIEW",
        replace=True,
        expression=qualified(query, database),
    )
    sql = made.sql(dialect="trino", pretty=True)
    return Statement(database=database, table=name, kind="view", sql=sql)


def _create_documents(lake_url: str, database: str) -> exp.Create:
    line = exp.ColumnDef(
        this=exp.to_identifier("line", quoted=True), kind=exp.DataType.build("text")
    )
    location = exp.Literal.string(f"{lake_url.rstrip('/')}/{lake.RUNS}")
    return exp.Create(
        this=exp.Schema(
            this=exp.table_(DOCUMENTS, db=database, quoted=True),
            expressions=[line],
        ),
        kind="TABLE",
        exists=True,
        properties=exp.Properties(
            expressions=[
                exp.ExternalProperty(),
                exp.RowFormatSerdeProperty(this=exp.Literal.string(_TEXT_SERDE)),
                exp.FileFormatProperty(this=exp.var("TEXTFILE")),
                exp.LocationProperty(this=location),
            ]
        ),
    )


def _manifests() -> exp.Query:
    """Return the query that reads manifests, and nothing that lies beside them.

    CASE holds back the parser: conditions of a WHERE may be tried in any order.
    """
    path = exp.column("$path", quoted=True)
    is_manifest = exp.Like(this=path, expression=exp.Literal.string("%/manifest.json"))
    columns = manifest_columns()
    document = exp.cast(
        exp.Anonymous(this="json_parse", expressions=[exp.column("line")]), _row(columns)
    )
    read = (
        exp.select(
            exp.alias_(path.copy(), "url"),
            exp.alias_(exp.Case().when(is_manifest.copy(), document), "document"),
        )
        .from_(exp.table_(DOCUMENTS))
        .where(is_manifest)
        .subquery("lines")
    )
    fields = [
        exp.alias_(exp.Dot(this=exp.column("document"), expression=_name(name)), name, quoted=True)
        for name in columns
    ]
    return exp.select(exp.column("url"), *fields).from_(read)


# --- types of the model ---------------------------------------------------------------------------


def _type(annotation: Any) -> exp.DataType:
    """Return the Trino type of what a field's JSON form holds."""
    if annotation in _PLAIN:
        return exp.DataType.build(_PLAIN[annotation])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = annotation.model_fields.items()
        return _row({name: _type(field.annotation) for name, field in fields})
    inner = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Literal:
        return exp.DataType.build("VARCHAR")
    if origin in (Union, types.UnionType) and len(inner) == 2 and type(None) in inner:
        return _type(next(one for one in inner if one is not type(None)))
    if origin is tuple and inner[1:] == (...,):
        return exp.DataType(this=exp.DType.ARRAY, expressions=[_type(inner[0])], nested=True)
    if origin is dict:
        return exp.DataType(
            this=exp.DType.MAP, expressions=[_type(one) for one in inner], nested=True
        )
    raise AssertionError(f"no type of Athena is known for a field of type {annotation}")


def _row(fields: Mapping[str, exp.DataType]) -> exp.DataType:
    return exp.DataType(
        this=exp.DType.STRUCT,
        expressions=[exp.ColumnDef(this=_name(name), kind=kind) for name, kind in fields.items()],
        nested=True,
    )


def _name(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)
