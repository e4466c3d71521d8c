"""The Iceberg catalog of the configuration: how it is opened, and what its errors mean in ours.

In:  `[catalog] iceberg`, properties as pyiceberg takes them. Out: a pyiceberg `Catalog`.
IO:  whatever the catalog needs (SQL, Glue, REST); metadata goes to its warehouse.

Metadata never goes below the lake or the archive: Athena would read it as rows, an audit would find
objects that nothing names, and whoever removes orphans below a table's location would find ours.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..config import place_below
from ..errors import Changed, CompactorError, ConfigError, StoreError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

DEFAULT_NAME = "compactor"
FILE_IO = "pyiceberg.io.fsspec.FsspecFileIO"
"""Its S3 takes credentials and endpoint from where boto3 takes them."""
EXAMPLES = """write in [catalog], for Glue:
    iceberg = {type = "glue", warehouse = "s3://acme-iceberg/"}
  for SQL:
    iceberg = {type = "sql", uri = "sqlite:////srv/iceberg.db", warehouse = "s3://acme-iceberg/"}"""


def open_catalog(properties: Mapping[str, str], places: Sequence[str]) -> Catalog:
    """Open the catalog; `places` are the URLs of lake and archive, where no metadata may go.

    `name` among the properties is the catalog's own name, `compactor` unless given: SQL catalogs
    keep it with each table, and PYICEBERG_CATALOG__<NAME>__URI takes a URI with a password.

    S3 is reached as by the rest of this program, unless the properties say otherwise.

    Raises: ConfigError; StoreError if it does not answer.
    """
    if not properties:
        raise ConfigError("no Iceberg catalog is configured", hint=EXAMPLES)
    try:
        from pyiceberg.catalog import load_catalog
    except ImportError as error:
        raise ConfigError(
            f"pyiceberg is not installed: {error}", hint="pip install 'compactor[iceberg]'"
        ) from error
    given = dict(properties)
    name = given.pop("name", DEFAULT_NAME)
    if "/" in given.get("warehouse", ""):  # a REST catalog's may be a mere name
        refuse_inside(given["warehouse"], places, "warehouse of the Iceberg catalog")
    with translated(f"open the Iceberg catalog {name!r}", wrong=ConfigError, hint=EXAMPLES):
        return load_catalog(name, **{"py-io-impl": FILE_IO, **given})


def refuse_inside(location: str, places: Sequence[str], what: str) -> None:
    """Refuse a location that lies in the lake or archive, or holds them. Raises: ConfigError"""
    for place in places:
        if place_below((place,), location) or place_below((location,), place):
            raise ConfigError(
                f"{what}: {location} and {place} must not lie in each other: metadata among the "
                "lake's files would be read as data",
                hint="choose a bucket or prefix of its own as warehouse",
            )


def load(catalog: Catalog, identifier: tuple[str, str]) -> Table | None:
    """Return a table, None if there is none."""
    from pyiceberg.exceptions import NoSuchTableError

    with translated(f"load {'.'.join(identifier)}"):
        try:
            return catalog.load_table(identifier)
        except NoSuchTableError:
            return None


@contextlib.contextmanager
def translated(
    doing: str, *, wrong: type[CompactorError] = StoreError, hint: str = ""
) -> Iterator[None]:
    """Turn what catalog and warehouse raise inside the block into our errors.

    `wrong`, with `hint`: for what pyiceberg does not accept.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from pyiceberg import exceptions as iceberg

    again = "run compactor iceberg again: it goes on where this one ended"
    try:
        yield
    except CompactorError:
        raise
    except (iceberg.CommitFailedException, iceberg.TableAlreadyExistsError) as error:
        raise Changed(
            f"cannot {doing}: somebody else changed the table at the same time: {error}", hint=again
        ) from error
    except (iceberg.RESTError, iceberg.NoSuchTableError, iceberg.NoSuchNamespaceError) as error:
        raise StoreError(f"cannot {doing}: {error}", hint=again) from error
    except (
        *(ValueError, TypeError, ImportError),  # TypeError: of a property that should be a number
        *(iceberg.ValidationException, iceberg.ValidationError),
        *(iceberg.NoSuchPropertyException, iceberg.NotInstalledError),
    ) as error:
        raise wrong(f"cannot {doing}: {error}", hint=hint) from error
    except (BotoCoreError, ClientError, OSError) as error:
        raise StoreError(
            f"cannot {doing}: {error}",
            hint="check endpoint, network and permissions of catalog and warehouse, then run again",
        ) from error
    except _sql_error() as error:
        raise StoreError(
            f"cannot {doing}: {error}", hint="check the uri of the SQL catalog, then run again"
        ) from error


def _sql_error() -> type[Exception]:
    """Return the root of SQLAlchemy's errors; it is there only where SQL catalogs are used."""
    try:
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        return CompactorError
    return SQLAlchemyError
