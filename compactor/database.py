"""The edge to a PostgreSQL, MySQL or MariaDB that holds, or held, what was exported.

In:  a `Dsn`. Out: catalogue, counts and other aggregates, one row at a time.
IO:  one connection with one transaction, READ ONLY and REPEATABLE READ, so that all numbers are of
     one moment. Nothing is written, nothing is locked but against DDL.

Names come from the catalogue and are hostile: statements are static files of `queries/reconcile/`,
or sqlglot expressions whose identifiers it quotes. Drivers are optional extras. Their errors are
translated here, with the password taken out.
https://www.postgresql.org/docs/18/transaction-iso.html,
https://dev.mysql.com/doc/refman/8.4/en/innodb-consistent-read.html (read 2026-11)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import sqlglot
from sqlglot import ErrorLevel, exp
from sqlglot.errors import SqlglotError

from .dsn import Dialect, Dsn
from .errors import ConfigError, SourceError
from .sql import query

if TYPE_CHECKING:
    import psycopg

_CONNECT_TIMEOUT_S = 10
_READ_GRACE_S = 60
"""How much longer than the statement's timeout a client waits for a server that has gone silent."""
_MARIADB = "MariaDB"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseTable:
    """A relation as the catalogue names it, and as exports do."""

    database: str
    schema: str
    name: str
    kind: str
    """`table`, `partitioned table`, `view`, `materialized view`, `foreign table`, ..."""
    part_of: str | None = None
    """The partitioned table that this is a partition of, as exports name it."""
    caution: str = ""
    """What to know of its count."""

    @property
    def table(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class DatabaseColumn:
    name: str
    type: str


class Database(Protocol):
    """One transaction on one server."""

    dsn: Dsn
    dialect: Dialect
    at: datetime
    """The moment that the transaction sees, by the database's clock."""
    server: str
    name: str | None
    """The database that the connection is restricted to; None where it sees all of the server."""
    sees_every_table: bool
    """False where the catalogue leaves out tables that the user has no rights to."""
    is_utf8: bool

    @property
    def is_open(self) -> bool: ...
    def tables(self) -> tuple[DatabaseTable, ...]: ...
    def columns(self, table: DatabaseTable) -> tuple[DatabaseColumn, ...]:
        """Return the columns of one table; the first call asks for those of all tables."""
        ...

    def row(self, select: exp.Select) -> tuple[Any, ...]:
        """Run a statement that returns one row. Raises: SourceError; others may still work."""
        ...

    def close(self) -> None: ...


@contextmanager
def open_database(dsn: Dsn, timeout_s: float) -> Iterator[Database]:
    """Connect, and begin the transaction that sees one moment.

    `timeout_s` is how long one statement may take; 0 is without end.

    Raises: ConfigError if the driver is not installed; SourceError if the server cannot be reached
            or refuses.
    """
    opened: Database
    opened = _Postgres(dsn, timeout_s) if dsn.dialect == "postgres" else _MySQL(dsn, timeout_s)
    try:
        yield opened
    finally:
        opened.close()


# --- statements -----------------------------------------------------------------------------------

_MUST_NOT = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Lock, exp.Placeholder, exp.Parameter)
_BOOLEAN = (exp.Predicate, exp.Connector, exp.Not, exp.Boolean, exp.Column, exp.Func)


def parse_predicate(text: str, dialect: Dialect) -> exp.Expr:
    """Parse a predicate that the operator wrote for their own database.

    Raises: ConfigError unless it is a single boolean expression that writes and locks nothing.
    """
    hint = "write one condition as after WHERE, such as created_at < '2026-10-06 03:47:12'"
    try:
        (found,) = sqlglot.Dialect.get_or_raise(dialect).parse_into(exp.Condition, text)
    except (SqlglotError, ValueError, RecursionError) as error:
        raise ConfigError(f"{text!r} is not a condition of {dialect}", hint=hint) from error
    plain = found.unnest() if isinstance(found, exp.Expression) else None
    is_condition = isinstance(plain, _BOOLEAN)
    if plain is None or not is_condition:
        raise ConfigError(f"{text!r} is not a condition of {dialect}", hint=hint)
    for node in plain.walk():
        if isinstance(node, _MUST_NOT) and not isinstance(node, exp.Query):
            raise ConfigError(f"{text!r} does more than compare: {node.key}", hint=hint)
    return plain


def table_expression(table: DatabaseTable) -> exp.Table:
    return exp.Table(
        this=exp.to_identifier(table.name, quoted=True),
        db=exp.to_identifier(table.schema, quoted=True),
    )


def count_rows(database: Database, table: DatabaseTable, where: exp.Expr | None) -> int:
    """Count the rows of a table; a partitioned one's are those of its partitions.

    Raises: SourceError.
    """
    select = exp.select(exp.Count(this=exp.Star())).from_(table_expression(table))
    return int(database.row(select.where(where) if where is not None else select)[0])


def _sql(select: exp.Select, dialect: Dialect) -> str:
    """Print a statement; raises SourceError where the dialect has no words for it."""
    try:
        return select.sql(dialect=dialect, comments=False, unsupported_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        raise SourceError(f"the statement cannot be written for {dialect}: {error}") from error


# --- PostgreSQL -----------------------------------------------------------------------------------


class _Postgres:
    dialect: Dialect = "postgres"
    sees_every_table = True

    def __init__(self, dsn: Dsn, timeout_s: float) -> None:
        self.dsn = dsn
        self._connection = self._connect()
        try:
            begin = query("reconcile/postgres_begin")
            at, version, name, encoding, *_ = self._rows(begin, [str(round(timeout_s * 1000))])[0]
        except SourceError:
            self.close()
            raise
        self.at: datetime = at.astimezone(UTC)
        self.server = f"PostgreSQL {version}"
        self.name: str | None = name
        self.is_utf8 = encoding == "UTF8"
        self._columns: dict[tuple[str, str], list[DatabaseColumn]] | None = None

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        try:
            import psycopg
            from psycopg.conninfo import make_conninfo
        except ImportError as error:
            raise _no_driver("PostgreSQL", "postgres") from error
        dsn = self.dsn
        given = {"host": dsn.host, "port": dsn.port, "user": dsn.user, "password": dsn.password}
        given |= {
            "dbname": dsn.database,
            "client_encoding": "utf8",
            "application_name": "compactor",
        }
        given |= {"connect_timeout": _CONNECT_TIMEOUT_S, **dsn.parameters}
        try:
            conninfo = make_conninfo(
                "", **{key: text for key, text in given.items() if text is not None}
            )
            connection = psycopg.connect(conninfo, cursor_factory=psycopg.RawCursor)
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
        except psycopg.Error as error:
            raise self._unreachable(error) from None  # its traceback may hold the password
        return connection

    def _unreachable(self, error: Exception) -> SourceError:
        return _unreachable(self.dsn, str(error))

    def _rows(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        import psycopg

        try:
            # a savepoint: a statement that fails would end the transaction, and its moment
            with self._connection.cursor() as cursor:
                if parameters is not None:  # the first statement: it begins the transaction
                    return cursor.execute(sql.encode(), parameters).fetchall()
                with self._connection.transaction():
                    return cursor.execute(sql.encode()).fetchall()
        except psycopg.errors.QueryCanceled as error:
            raise SourceError(_TOO_LONG, hint=_LONGER) from error
        except psycopg.Error as error:
            raise SourceError(self.dsn.hide(_first_line(str(error)))) from error

    @property
    def is_open(self) -> bool:
        return not (self._connection.closed or self._connection.broken)

    def row(self, select: exp.Select) -> tuple[Any, ...]:
        return self._rows(_sql(select, self.dialect))[0]

    def tables(self) -> tuple[DatabaseTable, ...]:
        heirs = "its count includes the rows of tables that inherit from it"
        return tuple(
            DatabaseTable(
                database=self.name or "",
                schema=schema,
                name=name,
                kind=kind,
                part_of=f"{parent_schema}.{parent}" if parent is not None else None,
                caution=heirs if has_heirs else "",
            )
            for schema, name, kind, parent_schema, parent, has_heirs in self._rows(
                query("reconcile/postgres_tables")
            )
        )

    def columns(self, table: DatabaseTable) -> tuple[DatabaseColumn, ...]:
        if self._columns is None:
            self._columns = _by_table(self._rows(query("reconcile/postgres_columns")))
        return tuple(self._columns.get((table.schema, table.name), ()))

    def close(self) -> None:
        self._connection.close()


# --- MySQL and MariaDB ----------------------------------------------------------------------------

_SNAPSHOT_ENGINES = frozenset(("innodb", "rocksdb", "myrocks"))


class _MySQL:
    dialect: Dialect = "mysql"
    sees_every_table = False
    is_utf8 = True  # texts are converted by the statement
    name: str | None = None

    def __init__(self, dsn: Dsn, timeout_s: float) -> None:
        self.dsn = dsn
        self._connection = self._connect(timeout_s)
        try:
            self._begin(timeout_s)
            at, version = self._rows(query("reconcile/mysql_begin"))[0]
        except SourceError:
            self.close()
            raise
        self.at: datetime = at.replace(tzinfo=UTC)
        product = _MARIADB if _MARIADB in version else "MySQL"
        self.server = f"{product} {version}"
        self._columns: dict[tuple[str, str], list[DatabaseColumn]] | None = None

    def _connect(self, timeout_s: float) -> Any:
        try:
            import pymysql
        except ImportError as error:
            raise _no_driver("MySQL and MariaDB", "mysql") from error
        dsn = self.dsn
        given: dict[str, Any] = {"host": dsn.host, "port": dsn.port, "user": dsn.user}
        given |= {
            "database": dsn.database,
            "password": dsn.password or os.environ.get("MYSQL_PWD"),
            **dsn.parameters,
        }
        if "ssl_ca" in dsn.parameters:  # the driver would check the chain, but not the name
            given["ssl_verify_identity"] = dsn.parameters.get("ssl_verify_identity") != "false"
        try:
            return pymysql.connect(
                **{key: text for key, text in given.items() if text is not None},
                charset="utf8mb4",
                connect_timeout=_CONNECT_TIMEOUT_S,
                read_timeout=timeout_s + _READ_GRACE_S if timeout_s else None,
            )
        except (
            pymysql.Error,
            OSError,
            RuntimeError,
        ) as error:  # RuntimeError: a library is missing
            raise _unreachable(dsn, _mysql_text(error)) from None

    def _begin(self, timeout_s: float) -> None:
        # UTC: what is compared with a TIMESTAMP column means the same everywhere
        self._do("SET SESSION time_zone = '+00:00'")
        if timeout_s and _MARIADB in self._connection.get_server_info():
            self._do("SET SESSION max_statement_time = %s", [timeout_s])  # seconds
        elif timeout_s:
            self._do("SET SESSION max_execution_time = %s", [round(timeout_s * 1000)])
        self._do("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._do("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def _do(self, sql: str, parameters: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        import pymysql

        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return list(cursor.fetchall())
        except (pymysql.Error, OSError) as error:
            text = _mysql_text(error)
            if error.args and error.args[0] in _MYSQL_TIMEOUTS:
                raise SourceError(_TOO_LONG, hint=_LONGER) from error
            raise SourceError(self.dsn.hide(text)) from error

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._do(sql)

    @property
    def is_open(self) -> bool:
        return bool(self._connection.open)

    def row(self, select: exp.Select) -> tuple[Any, ...]:
        return self._rows(_sql(select, self.dialect))[0]

    def tables(self) -> tuple[DatabaseTable, ...]:
        return tuple(
            DatabaseTable(
                database=schema,
                schema=schema,
                name=name,
                kind=kind,
                caution=""
                if kind != "table" or (engine or "").lower() in _SNAPSHOT_ENGINES
                else f"its engine {engine} has no snapshots: counted as it was a little later",
            )
            for schema, name, kind, engine in self._rows(query("reconcile/mysql_tables"))
        )

    def columns(self, table: DatabaseTable) -> tuple[DatabaseColumn, ...]:
        if self._columns is None:
            self._columns = _by_table(self._rows(query("reconcile/mysql_columns")))
        return tuple(self._columns.get((table.schema, table.name), ()))

    def close(self) -> None:
        if self._connection.open:
            self._connection.close()


# --- both -----------------------------------------------------------------------------------------

_TOO_LONG = "the statement took longer than --timeout allows"
_LONGER = "give --timeout SECONDS, or 0 for no limit"
_MYSQL_TIMEOUTS = (3024, 1969)
"""ER_QUERY_TIMEOUT of MySQL, ER_STATEMENT_TIMEOUT of MariaDB."""


def _by_table(found: Sequence[Sequence[Any]]) -> dict[tuple[str, str], list[DatabaseColumn]]:
    known: dict[tuple[str, str], list[DatabaseColumn]] = {}
    for schema, name, column, kind in found:
        known.setdefault((schema, name), []).append(DatabaseColumn(column, kind))
    return known


def _no_driver(product: str, extra: str) -> ConfigError:
    return ConfigError(
        f"the driver for {product} is not installed", hint=f"pip install 'compactor[{extra}]'"
    )


def _unreachable(dsn: Dsn, text: str) -> SourceError:
    return SourceError(
        f"{dsn.url} cannot be opened: {dsn.hide(_first_line(text))}",
        hint="is the server running, and may this user connect from here?",
    )


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def _mysql_text(error: Exception) -> str:
    """Return the words of `(1045, "Access denied ...")`."""
    return str(error.args[1]) if len(error.args) > 1 else str(error)
