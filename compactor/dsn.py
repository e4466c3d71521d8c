"""Where a database is, from a URL; its password never leaves this value by accident.

    postgresql://user:password@host:5432/database?sslmode=verify-full
    mysql://user:password@host:3306/database?ssl_ca=rds.pem

Pure. What is left out is taken from where the drivers take it: PGHOST, PGPASSWORD, ~/.pgpass, a
service file; for MySQL `MYSQL_PWD` and `read_default_file`. Parameters behind `?` are those of
libpq, for MySQL those of `MYSQL_PARAMETERS`. Special characters are percent-encoded.
https://www.postgresql.org/docs/18/libpq-connect.html#LIBPQ-CONNSTRING-URIS (read 2026-11)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from .errors import ConfigError

Dialect = Literal["postgres", "mysql"]

_SCHEMES: dict[str, Dialect] = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
    "mariadb": "mysql",
}
MYSQL_PARAMETERS = frozenset(
    {
        *("unix_socket", "read_default_file", "read_default_group"),
        *("ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_identity"),
    }
)
_FORM = (
    "write postgresql://user@host:5432/database or mysql://user@host:3306/database, with special "
    "characters of the password percent-encoded"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dsn:
    dialect: Dialect
    host: str | None
    port: int | None
    user: str | None
    database: str | None
    password: str | None = field(default=None, repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def url(self) -> str:
        """Return the URL to show: no password, no parameters."""
        scheme = "postgresql" if self.dialect == "postgres" else "mysql"
        user = f"{quote(self.user)}@" if self.user else ""
        host = self.host or self.parameters.get("host") or self.parameters.get("unix_socket") or ""
        host = f"[{host}]" if ":" in host else quote(host, safe="/")
        port = f":{self.port}" if self.port else ""
        return f"{scheme}://{user}{host}{port}/{quote(self.database or '')}"

    def hide(self, text: str) -> str:
        """Return a driver's message without anything secret of this URL."""
        secrets = [self.password] if self.password else []
        secrets += [value for key, value in self.parameters.items() if "password" in key and value]
        for secret in sorted(secrets, key=len, reverse=True):
            for form in (secret, quote(secret), quote(secret, safe="")):
                text = text.replace(form, "***")
        return text


def parse_dsn(text: str) -> Dsn:
    """Parse a database URL.

    Raises: ConfigError, which never repeats the text: a password may stand in any place of it.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:  # its message repeats what should be a port, and may be a password
        raise ConfigError("the database URL cannot be parsed", hint=_FORM) from None
    dialect = _SCHEMES.get(parts.scheme)
    if dialect is None or not text.partition(":")[2].startswith("//") or parts.fragment:
        raise ConfigError(
            "the database URL does not begin with postgresql:// or mysql://, or holds a '#'",
            hint=_FORM,
        )
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ConfigError(
            "the parameters of the database URL cannot be parsed", hint=_FORM
        ) from None
    parameters = dict(pairs)
    if dialect == "mysql" and (unknown := sorted(parameters.keys() - MYSQL_PARAMETERS)):
        raise ConfigError(
            f"the database URL has the unknown parameter {unknown[0]!r}",
            hint=f"known are {', '.join(sorted(MYSQL_PARAMETERS))}",
        )
    return Dsn(
        dialect=dialect,
        host=unquote(parts.hostname) if parts.hostname else None,
        port=port,
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        database=unquote(parts.path.removeprefix("/")) or None,
        parameters=parameters,
    )
