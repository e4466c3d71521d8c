"""Tables, views and partitions in the form that Glue's API takes them. Pure.

In:  an `ExternalTable` or a `View`. Out: `TableInput` and `PartitionInput` structures.

A view is what Athena itself would store for CREATE VIEW: the query lies as base64 of JSON in a
comment, and two parameters tell Trino that it is there.

Sources (read 2026-11):
  https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html   structure and limits
  https://docs.aws.amazon.com/glue/latest/webapi/API_StorageDescriptor.html
  https://repost.aws/knowledge-center/athena-failed-nullpointerexception-error   TableType is needed
  https://github.com/trinodb/trino/blob/01344209825d3d5c48e2840894bbd3c8ae0e27c4/plugin/trino-hive/
  src/main/java/io/trino/plugin/hive/ViewReaderUtil.java   isTrinoView, VIEW_PREFIX, VIEW_SUFFIX
  https://stackoverflow.com/a/56347331   the fields of the JSON that Athena needs
Glue keeps column names in lower case (https://github.com/apache/flink-connector-aws/pull/206): they
are sent so, else every comparison would find a difference.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import __version__
from .layout import CatalogColumn, CatalogPartition, CatalogTable, ExternalTable
from .views import View

Structure = dict[str, Any]
"""A structure of Glue's API."""

LAKE = "compactor.lake"
"""Parameter: the lake that a table is of. Whatever lacks it is not ours."""
TABLE = "compactor.table"
RUN = "compactor.run"
VERSION = "compactor.version"
"""Parameter: of the compactor that wrote last. It alone is no reason to write."""
COLUMNS = "compactor.columns"
"""Parameter of a partition: digest of its columns, so that they need not be listed."""

DESCRIPTION_CHARACTERS = 2048
VIEW_TEXT_CHARACTERS = 409_600
NAME_CHARACTERS = 255
LOCATION_CHARACTERS = 2056

_EXTERNAL = "EXTERNAL_TABLE"
_VIEW = "VIRTUAL_VIEW"
_FORMAT: Structure = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {
        "SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
        "Parameters": {"serialization.format": "1"},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose a table is: the lake, and the table in it."""

    lake: str
    table: str

    @classmethod
    def of(cls, table: CatalogTable, lake_url: str) -> Owner:
        return cls(lake=lake_parameter(lake_url), table=one_line(table.source.name))

    @property
    def parameters(self) -> dict[str, str]:
        return {LAKE: self.lake, TABLE: self.table, VERSION: __version__}


def lake_parameter(lake_url: str) -> str:
    return f"{lake_url.rstrip('/')}/"


def one_line(text: str) -> str:
    """Return a text as Glue takes it as a description: printable, one line, not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    cut = DESCRIPTION_CHARACTERS - 3
    return line if len(line) <= DESCRIPTION_CHARACTERS else f"{line[:cut]}..."


def columns(some: Sequence[CatalogColumn]) -> list[Structure]:
    return [
        {"Name": one.name.lower(), "Type": one.hive_type, "Comment": one.comment} for one in some
    ]


def external_table(
    external: ExternalTable, owner: Owner, kept: Sequence[Structure] = ()
) -> Structure:
    """Return the TableInput of an external table.

    `kept`: columns that Glue has and the lake does not; they stay, at the end.
    """
    comment = one_line(external.comment)
    return {
        "Name": external.name,
        "Description": comment,
        "TableType": _EXTERNAL,
        "PartitionKeys": columns(external.keys),
        "StorageDescriptor": _descriptor([*columns(external.columns), *kept], external.location),
        "Parameters": {
            **owner.parameters,
            "EXTERNAL": "TRUE",
            "classification": "parquet",
            "comment": comment,
        },
    }


def partition(one: CatalogPartition, table: Structure) -> Structure:
    """Return the PartitionInput of a partition of a table, with the table's own columns.

    Without their comments: a batch holds all columns a hundred times.
    Its statistics are those of Hive: numRows, totalSize (bytes), numFiles
    (https://cwiki.apache.org/confluence/display/Hive/StatsDev, read 2026-11).
    """
    shown = table["StorageDescriptor"]["Columns"]
    return {
        "Values": list(one.values),
        "StorageDescriptor": _descriptor(
            [{"Name": column["Name"], "Type": column["Type"]} for column in shown], one.location
        ),
        "Parameters": {
            COLUMNS: columns_digest(shown),
            "numRows": str(one.rows),
            "totalSize": str(one.bytes),
            "numFiles": str(one.files),
        },
    }


def columns_digest(some: Sequence[Mapping[str, Any]]) -> str:
    """Return a short digest of names and types, in their order."""
    told = json.dumps([[one["Name"], one["Type"]] for one in some])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def view(one: View, owner: Owner, run_id: str) -> Structure:
    """Return the TableInput of a view; `run_id` is the latest run that it shows."""
    definition = {
        "originalSql": one.sql,
        "catalog": "awsdatacatalog",
        "schema": one.database,
        "columns": [{"name": each.name.lower(), "type": each.trino_type} for each in one.columns],
        "runAsInvoker": False,
        "properties": {},
    }
    told = base64.b64encode(json.dumps(definition).encode()).decode()
    return {
        "Name": one.name,
        "Description": one_line(one.comment),
        "TableType": _VIEW,
        "PartitionKeys": [],
        "ViewOriginalText": f"/* Presto View: {told} */",
        "ViewExpandedText": "/* Presto View */",
        "StorageDescriptor": {"Columns": columns(one.columns), "Location": "", "SerdeInfo": {}},
        "Parameters": {
            **owner.parameters,
            RUN: run_id,
            "presto_view": "true",
            "comment": "Presto View",
        },
    }


def problem(table: Structure) -> str:
    """Return why Glue would not take a table; empty if it would."""
    shown = [*table["PartitionKeys"], *table["StorageDescriptor"]["Columns"]]
    for name in (table["Name"], *(column["Name"] for column in shown)):
        if not 0 < len(name) <= NAME_CHARACTERS:
            return f"a name may have 1 to {NAME_CHARACTERS} characters, {name[:40]!r}... has more"
    if len(table["StorageDescriptor"]["Location"]) > LOCATION_CHARACTERS:
        return f"its location has more than {LOCATION_CHARACTERS} characters"
    text = len(table.get("ViewOriginalText", ""))
    if text > VIEW_TEXT_CHARACTERS:
        return f"its text would have {text:,} characters, Glue takes {VIEW_TEXT_CHARACTERS:,}"
    return ""


def _descriptor(shown: Sequence[Structure], location: str) -> Structure:
    return {"Columns": list(shown), "Location": location, **_FORMAT}
