"""What must be done so that Glue has what the lake has: layout against catalog. Pure.

In:  `CatalogTable`s, and what Glue has (`GlueState`). Out: `Difference`: changes in words, and the
calls that make them, in their order.

Order. Of each table: its database, its external tables, their partitions, the views `_asof` and
`_snapshots`, and last the view that carries the table's name. A view names the snapshots that it
shows, so a snapshot shows up whole, in one call, when all its partitions are there. Wherever the
calls end, readers of the views have a complete snapshot; the next comparison finds the rest.

Nothing is ever taken away: tables, columns, partitions and parameters that only Glue has stay. What
is not ours is not touched. There is no operation here that could delete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from . import glue_forms as forms
from .changes import Change
from .glue_forms import Owner, Structure
from .layout import CatalogTable, ExternalTable
from .views import View, views

BATCH = 100
"""Partitions in one call (https://docs.aws.amazon.com/glue/latest/webapi/API_BatchCreatePartition.html
and API_BatchUpdatePartition.html, read 2026-11)."""
_DETAILS = 20

Operation = Literal[
    "create_database",
    "create_table",
    "update_table",
    "batch_create_partition",
    "batch_update_partition",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class GluePartition:
    location: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlueTable:
    """A table or view that Glue has."""

    table: Mapping[str, Any]
    """The Table structure of the API."""
    partitions: Mapping[tuple[str, ...], GluePartition] = field(default_factory=dict)
    """By their values. Read of external tables that are ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlueState:
    databases: frozenset[str]
    tables: Mapping[tuple[str, str], GlueTable]
    """(database, name) -> table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of Glue's API that writes."""

    operation: Operation
    arguments: Structure
    where: str
    """`shop.orders_data`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    changes: tuple[Change, ...]
    calls: tuple[Call, ...]


def diff(
    tables: Sequence[CatalogTable], state: GlueState, lake_url: str, *, is_whole: bool
) -> Difference:
    """Return what must be done for these tables.

    `is_whole`: these are all tables of the lake, so what else Glue has in their databases can be
    told as left alone.
    """
    changes: list[Change] = []
    calls: list[Call] = []
    made: set[str] = set()
    for table in tables:
        found = _Table(table, state, Owner.of(table, lake_url)).compare()
        if found.calls and table.database not in state.databases | made:
            made.add(table.database)
            changes.append(
                Change(database=table.database, name="", type="database", action="create")
            )
            calls.append(_create_database(table.database, lake_url))
        changes += found.changes
        calls += found.calls
    if is_whole:
        changes += _left_alone(tables, state)
    return Difference(changes=tuple(changes), calls=tuple(calls))


def newest_run(state: GlueState, lake_url: str) -> str:
    """Return the latest run of a lake that any view in Glue shows; empty if there is none."""
    shown = (one.table.get("Parameters") or {} for one in state.tables.values())
    lake = forms.lake_parameter(lake_url)
    return max(
        (each.get(forms.RUN, "") for each in shown if each.get(forms.LAKE) == lake), default=""
    )


def is_ours(found: Mapping[str, Any], owner: Owner) -> bool:
    """Tell whether a table was made by us, of this lake and this table of it."""
    parameters = found.get("Parameters") or {}
    return (parameters.get(forms.LAKE), parameters.get(forms.TABLE)) == (owner.lake, owner.table)


def _create_database(name: str, lake_url: str) -> Call:
    told = {"Name": name, "Description": forms.one_line(f"compactor: tables of {lake_url}")}
    return Call(operation="create_database", arguments={"DatabaseInput": told}, where=name)


def _left_alone(tables: Sequence[CatalogTable], state: GlueState) -> Iterator[Change]:
    known = {(one.database, external.name) for one in tables for external in one.externals}
    known |= {(view.database, view.name) for one in tables for view in views(one)}
    for database, name in sorted(state.tables.keys() - known):
        table = state.tables[database, name].table
        ours = (table.get("Parameters") or {}).get(forms.TABLE)
        yield Change(
            database=database,
            name=name,
            type="view" if table.get("TableType") == "VIRTUAL_VIEW" else "table",
            source=ours or "",
            action="left_alone",
            message=f"of {ours}, which is not registered" if ours else "not made by compactor",
        )


class _Table:
    """Compares everything of one table of the lake."""

    def __init__(self, table: CatalogTable, state: GlueState, owner: Owner) -> None:
        self.table, self.state, self.owner = table, state, owner
        self.changes: list[Change] = []
        self.calls: list[Call] = []

    def compare(self) -> Difference:
        for external in self.table.externals:
            self._external(external)
        current, *others = views(self.table)
        for view in (*others, current):  # the one that most readers use changes last
            self._view(view)
        if any(change.action == "refused" for change in self.changes):
            # a view without its tables, or tables without their view, are of no use
            refused = [change for change in self.changes if change.action == "refused"]
            return Difference(changes=tuple(refused), calls=())
        return Difference(changes=tuple(self.changes), calls=tuple(self.calls))

    # --- one external table, one view ---

    def _external(self, external: ExternalTable) -> None:
        found = self.state.tables.get((external.database, external.name))
        own = {column["Name"] for column in forms.columns(external.columns)}
        there = _descriptor(found.table)["Columns"] if found else ()
        kept = [column for column in there if column["Name"] not in own]
        wanted = forms.external_table(external, self.owner, kept)
        has_partitions = bool(found and found.partitions)
        what, details = self._table(wanted, found, "table", has_partitions=has_partitions)
        if what is None:
            return
        known = found.partitions if found else {}
        to_add, to_update = [], []
        for one in external.partitions:
            form = forms.partition(one, wanted)
            if one.values not in known:
                to_add.append(form)
            elif not same_partition(form, known[one.values]):
                to_update.append(_merged(form, known[one.values].parameters))
        where = {"DatabaseName": external.database, "TableName": external.name}
        self._partitions("batch_update_partition", where, to_update)
        self._partitions("batch_create_partition", where, to_add)
        if to_add or to_update:
            what = (*what, "partitions")
        self.changes.append(
            self._change(
                wanted,
                "table",
                action="create" if found is None else "update" if what else "nothing",
                what=what if found else (),
                details=details,
                partitions_to_add=len(to_add),
                partitions_to_update=len(to_update),
                partitions_left_alone=len(
                    known.keys() - {one.values for one in external.partitions}
                ),
            )
        )

    def _view(self, view: View) -> None:
        run_id = max(one.run_id for one in self.table.source.snapshots)
        wanted = forms.view(view, self.owner, run_id)
        found = self.state.tables.get((view.database, view.name))
        what, details = self._table(wanted, found, "view")
        if what is not None:
            action: Literal["create", "update", "nothing"] = (
                "create" if found is None else "update" if what else "nothing"
            )
            self.changes.append(
                self._change(wanted, "view", action=action, what=what, details=details)
            )

    def _table(
        self,
        wanted: Structure,
        found: GlueTable | None,
        kind: Literal["table", "view"],
        *,
        has_partitions: bool = False,
    ) -> tuple[tuple[str, ...] | None, tuple[str, ...]]:
        """Add the call for a table itself; return what it changes, and None if it is refused."""
        database = self.table.database
        where = f"{database}.{wanted['Name']}"
        told = forms.problem(wanted)
        if found and not told:
            told = self._refusal(wanted, found.table, has_partitions=has_partitions)
        if told:
            self.changes.append(self._change(wanted, kind, action="refused", message=told))
            return None, ()
        if found is None:
            arguments = {"DatabaseName": database, "TableInput": wanted}
            self.calls.append(Call(operation="create_table", arguments=arguments, where=where))
            return (), ()
        what, details = _differences(wanted, found.table)
        if what:
            arguments = {
                "DatabaseName": database,
                "TableInput": _updated(wanted, found.table, has_partitions=has_partitions),
                "VersionId": found.table["VersionId"],
            }
            self.calls.append(Call(operation="update_table", arguments=arguments, where=where))
        return what, details

    def _refusal(self, wanted: Structure, found: Mapping[str, Any], *, has_partitions: bool) -> str:
        """Return why a table that Glue has must not be touched; empty if it may be."""
        parameters = found.get("Parameters") or {}
        if forms.LAKE not in parameters:
            return (
                "Glue has one of this name that compactor did not make; set catalog.database_prefix"
                ", or drop it yourself"
            )
        if not is_ours(found, self.owner):
            return (
                f"Glue has one of this name for {parameters.get(forms.TABLE)} of the lake "
                f"{parameters[forms.LAKE]}; set catalog.database_prefix, or drop it yourself if "
                "that lake is gone"
            )
        if found.get("TableType") != wanted["TableType"]:
            return f"it should be of the type {wanted['TableType']}, is {found.get('TableType')}"
        if has_partitions and _keys(found) != _keys(wanted):
            return (
                f"its partition keys should be {_keys(wanted)}, are {_keys(found)}; drop it "
                "yourself, the files stay"
            )
        return ""

    def _partitions(
        self,
        operation: Literal["batch_create_partition", "batch_update_partition"],
        where: Structure,
        some: Sequence[Structure],
    ) -> None:
        for start in range(0, len(some), BATCH):
            batch = some[start : start + BATCH]
            if operation == "batch_create_partition":
                arguments = {**where, "PartitionInputList": batch}
            else:
                entries = [
                    {"PartitionValueList": one["Values"], "PartitionInput": one} for one in batch
                ]
                arguments = {**where, "Entries": entries}
            self.calls.append(
                Call(
                    operation=operation,
                    arguments=arguments,
                    where=f"{where['DatabaseName']}.{where['TableName']}",
                )
            )

    def _change(self, wanted: Structure, kind: Literal["table", "view"], **facts: Any) -> Change:
        return Change(
            database=self.table.database,
            name=wanted["Name"],
            type=kind,
            source=self.table.source.name,
            **facts,
        )


# --- comparisons ----------------------------------------------------------------------------------


def _differences(
    wanted: Structure, found: Mapping[str, Any]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return which parts of a table differ, and the differences in words."""
    descriptor = _descriptor(found)
    asked = wanted["StorageDescriptor"]
    what, details = [], []
    changed = list(_column_changes(asked["Columns"], descriptor["Columns"]))
    if changed or [*map(_column, asked["Columns"])] != [*map(_column, descriptor["Columns"])]:
        what.append("columns")
        details += changed or ["their order or comments"]
    if _keys(wanted) != _keys(found):
        what.append("keys")
    if asked["Location"] != (descriptor.get("Location") or ""):
        what.append("location")
        details.append(f"location {descriptor.get('Location')} -> {asked['Location']}")
    if wanted["Description"] != (found.get("Description") or ""):
        what.append("comment")
    if any(
        (found.get("Parameters") or {}).get(name) != text
        for name, text in wanted["Parameters"].items()
        if name != forms.VERSION
    ):
        what.append("parameters")
    if any(asked.get(name) != descriptor.get(name) for name in ("InputFormat", "OutputFormat")) or (
        _library(asked) != _library(descriptor)
    ):
        what.append("format")
    if wanted.get("ViewOriginalText") != found.get("ViewOriginalText"):
        what.append("query")
    return tuple(what), tuple(details[:_DETAILS])


def _descriptor(table: Mapping[str, Any]) -> Structure:
    """Return the StorageDescriptor of any table; Glue demands none."""
    found = table.get("StorageDescriptor") or {}
    return {**found, "Columns": found.get("Columns") or []}


def _column(column: Mapping[str, Any]) -> tuple[str, str, str]:
    return column["Name"], column.get("Type") or "", column.get("Comment") or ""


def _column_changes(
    wanted: Iterable[Mapping[str, Any]], found: Iterable[Mapping[str, Any]]
) -> Iterator[str]:
    known = {column["Name"]: column.get("Type") for column in found}
    for column in wanted:
        name, kind = column["Name"], column["Type"]
        if name not in known:
            yield f"column {name} {kind} is new"
        elif known[name] != kind:
            yield f"column {name} {known[name]} -> {kind}"


def _keys(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{key['Name']} {key.get('Type')}" for key in table.get("PartitionKeys") or ())


def _library(descriptor: Mapping[str, Any]) -> str:
    return (descriptor.get("SerdeInfo") or {}).get("SerializationLibrary") or ""


def same_partition(wanted: Structure, found: GluePartition) -> bool:
    """Tell whether a partition is as a PartitionInput says; parameters of others do not matter."""
    return wanted["StorageDescriptor"]["Location"] == found.location and all(
        found.parameters.get(name) == text for name, text in wanted["Parameters"].items()
    )


def _updated(wanted: Structure, found: Mapping[str, Any], *, has_partitions: bool) -> Structure:
    """Return the TableInput of an update: an UpdateTable replaces all, so others' words go along.

    Partition keys of a table with partitions stay exactly as they are, comments included.
    """
    others = {name: found[name] for name in ("Owner", "Retention") if found.get(name)}
    made = {**others, **_merged(wanted, found.get("Parameters") or {})}
    if has_partitions:
        made["PartitionKeys"] = found["PartitionKeys"]
    return made


def _merged(wanted: Structure, parameters: Mapping[str, str]) -> Structure:
    return {**wanted, "Parameters": {**parameters, **wanted["Parameters"]}}
