"""The Glue Data Catalog: read what it has, make the calls that a difference asks for.

In:  names to look at; `Call`s. Out: `GlueState`. IO: Glue's API. It reads with GetDatabase,
GetTables, GetPartitions, BatchGetPartition, and writes with CreateDatabase, CreateTable,
UpdateTable, BatchCreatePartition, BatchUpdatePartition. Nothing here deletes.

A table is updated only as it was read: UpdateTable is given the version that the comparison saw,
and Glue refuses it if there is a newer one by now.

Sources (read 2026-11):
  https://docs.aws.amazon.com/glue/latest/webapi/API_UpdateTable.html   VersionId
  https://iceberg.apache.org/docs/latest/aws/#optimistic-locking   what Glue does with it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from ..errors import Changed, StoreError
from ..store.s3_client import client_error_code
from .aws import translated
from .glue_diff import Call, GluePartition, GlueState, GlueTable, same_partition
from .glue_forms import LAKE, Structure

_PAGE = 1000
"""Partitions in one answer, the most there are
(https://docs.aws.amazon.com/glue/latest/webapi/API_GetPartitions.html, read 2026-11)."""
_NAMED = 5


class Glue:
    """One catalog. Counts its calls."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.reads = 0
        self.writes = 0

    # --- reading ---

    def state(self, databases: Iterable[str], externals: Iterable[tuple[str, str]]) -> GlueState:
        """Return what the catalog has in some databases.

        `externals`: (database, name) of the tables whose partitions are needed.

        Raises: Denied, StoreError.
        """
        there = frozenset(name for name in databases if self._has_database(name))
        tables: dict[tuple[str, str], GlueTable] = {}
        wanted = set(externals)
        for database in sorted(there):
            for table in self._tables(database):
                name = database, str(table["Name"])
                is_needed = name in wanted and LAKE in (table.get("Parameters") or {})
                partitions = self._partitions(*name) if is_needed else {}
                tables[name] = GlueTable(table=table, partitions=partitions)
        return GlueState(databases=there, tables=tables)

    def _has_database(self, name: str) -> bool:
        self.reads += 1
        with translated("glue", "get_database", f"database {name}"):
            try:
                self._client.get_database(Name=name)
            except ClientError as error:
                if client_error_code(error) == "EntityNotFoundException":
                    return False
                raise
        return True

    def _tables(self, database: str) -> list[Structure]:
        found: list[Structure] = []
        with translated("glue", "get_tables", f"database {database}"):
            pages = self._client.get_paginator("get_tables").paginate(DatabaseName=database)
            for page in pages:
                self.reads += 1
                found += page["TableList"]
        return found

    def _partitions(self, database: str, name: str) -> Mapping[tuple[str, ...], GluePartition]:
        found: dict[tuple[str, ...], GluePartition] = {}
        with translated("glue", "get_partitions", f"table {database}.{name}"):
            pages = self._client.get_paginator("get_partitions").paginate(
                DatabaseName=database,
                TableName=name,
                ExcludeColumnSchema=True,  # our parameters tell which columns they have
                PaginationConfig={"PageSize": _PAGE},
            )
            for page in pages:
                self.reads += 1
                found |= {tuple(one["Values"]): _partition(one) for one in page["Partitions"]}
        return found

    # --- writing ---

    def apply(self, call: Call) -> None:
        """Make one call.

        Raises: Changed if somebody else changed the same meanwhile; Denied; StoreError, naming the
                partitions that Glue refused.
        """
        self.writes += 1
        with translated("glue", call.operation, call.where):
            answer = getattr(self._client, call.operation)(**call.arguments)
        errors = answer.get("Errors") or []
        if call.operation == "batch_create_partition":
            errors = self._without_equal(call, errors)
        if errors:
            raise StoreError(
                f"Glue refused {len(errors)} partitions of {call.where}: {_named(errors)}",
                hint="see what is said of each, then run again: what was done stays",
            )

    def _without_equal(self, call: Call, errors: Sequence[Structure]) -> list[Structure]:
        """Return the errors that are none of "it is there already", after a look at those.

        A repeated request meets the partitions of its first attempt
        (https://github.com/apache/hudi/issues/5960).
        """
        present = [one for one in errors if _code(one) == "AlreadyExistsException"]
        if not present:
            return list(errors)
        wanted = {tuple(one["Values"]): one for one in call.arguments["PartitionInputList"]}
        found = self._look_up(call, [one["PartitionValues"] for one in present])
        for values in (tuple(one["PartitionValues"]) for one in present):
            if values not in found or not same_partition(wanted[values], found[values]):
                raise Changed(
                    f"somebody else registered the partition {'/'.join(values)} of {call.where}, "
                    "and otherwise than it should be",
                    hint="run again: it is then brought in line",
                )
        return [one for one in errors if one not in present]

    def _look_up(
        self, call: Call, asked: Sequence[Sequence[str]]
    ) -> Mapping[tuple[str, ...], GluePartition]:
        """Read partitions by their values; Glue may answer a part and name the rest."""
        found: dict[tuple[str, ...], GluePartition] = {}
        rest = [{"Values": list(values)} for values in asked]
        while rest:
            self.reads += 1
            with translated("glue", "batch_get_partition", call.where):
                answer = self._client.batch_get_partition(
                    DatabaseName=call.arguments["DatabaseName"],
                    TableName=call.arguments["TableName"],
                    PartitionsToGet=rest,
                )
            found |= {tuple(one["Values"]): _partition(one) for one in answer["Partitions"]}
            left = answer.get("UnprocessedKeys") or []
            if len(left) >= len(rest):
                raise StoreError(
                    f"Glue does not answer about {len(left)} partitions of {call.where}",
                    hint="run again later",
                )
            rest = left
        return found


def _partition(one: Mapping[str, Any]) -> GluePartition:
    return GluePartition(
        location=(one.get("StorageDescriptor") or {}).get("Location") or "",
        parameters=one.get("Parameters") or {},
    )


def _code(error: Mapping[str, Any]) -> str:
    return str((error.get("ErrorDetail") or {}).get("ErrorCode"))


def _named(errors: Sequence[Structure]) -> str:
    """Return the first refusals in words."""
    told = [
        f"{'/'.join(one.get('PartitionValues') or one.get('PartitionValueList') or ())}: "
        f"{_code(one)}: {(one.get('ErrorDetail') or {}).get('ErrorMessage')}"
        for one in errors[:_NAMED]
    ]
    more = len(errors) - len(told)
    return "; ".join(told) + (f"; and {more} more" if more else "")
