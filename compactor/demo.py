"""The demo: a real S3 server with Object Lock, realistic exports, and the whole line over them.

Everything happens on this machine, on loopback, in folders that are removed at the end; only the
report, the configuration, the plan and the signing key stay in the folder that was asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import pipeline, progress, report
from .config import Config, parse_config
from .errors import CompactorError
from .evidence.keys import new_key
from .measured_benefit import measure
from .model import HIVE_NULL, RunResult, to_json
from .sample_exports import (
    CartsSize,
    DmsTarget,
    DynamoDbExport,
    ShopSize,
    write_carts,
    write_dms_shop,
    write_mysql_shop,
    write_postgres_shop,
)
from .seaweed import SeaweedServer
from .store import open_store

_CONFIG = """\
# What the demo used. The server has been stopped; with your own buckets, this is all to set.
[source]
urls = ["s3://demo-exports/"]
settle = "0s"                   # what was just uploaded is complete; 15 minutes are safer elsewhere
[source.dms]
folders = ["s3://demo-exports/dms/"]
[lake]
url = "s3://demo-lake/tables/"
[archive]
url = "s3://demo-archive/tables/"
mode = "COMPLIANCE"
retain = "7y"
retention_ceiling_usd = 1.0   # what a run may lock without --accept-retention
[evidence]
key = {key}
[tables."shop.public.orders"]   # a demo is too small for the automatic choice to divide it
grain = "month"
[tables."shop.public.events"]
grain = "month"
[tables."shop.shop.orders"]
grain = "month"
"""

_MEASURED = ("shop", "public.orders")


def demo(folder: Path) -> int:
    """Run the demo; return the exit code of its run."""
    import tomllib

    begun = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    text = _CONFIG.format(key=json.dumps(_key(folder / "compactor.key")))  # TOML quotes like JSON
    (folder / "compactor.toml").write_text(text, encoding="utf-8")
    config = parse_config(tomllib.loads(text), "demo")
    _say("1. start an S3 server with Object Lock on this machine (SeaweedFS)")
    with SeaweedServer() as server, _environment(server.env()):
        _make_buckets()
        _say("2. deliver exports: a PostgreSQL shop with monthly partitions, a MySQL shop,")
        _say("   a DynamoDB table of carts and what changed in it since, a DMS target")
        objects, size = _deliver()
        _say(f"   {objects} objects, {size / 1e6:.1f} MB")
        _say("3. compactor scan")
        print(_indent(report.scan_text(pipeline.take_stock(config))))
        _say("4. compactor plan")
        plan = pipeline.preview(config)
        (folder / "plan.json").write_text(to_json(plan, indent=1), encoding="utf-8")
        print(_indent(report.plan_text(plan)))
        _say("5. compactor run")
        result, code = _run(config, folder)
        _say("6. compactor run, once more")
        again = pipeline.run(config, load_report=lambda: report.html).result
        print(_indent(f"status: {again.status}"))
        _say("7. query one day, of the export and of the lake")
        print(_indent(_one_day(result)))
        _say("8. try to delete a locked version")
        print(_indent(_try_to_delete(result)))
        _say("9. compactor query")
        print(_indent(_ask(config, result)))
    print()
    _say(f"done in {time.monotonic() - begun:.0f} s; the server has been stopped")
    _say(f"report: {(folder / 'report.html').resolve().as_uri()}")
    return code


def _key(path: Path) -> str:
    """Return the URI of the demo's signing key; the first demo in a folder makes it."""
    return f"ed25519:{path}" if path.exists() else new_key(path).uri


def _run(config: Config, folder: Path) -> tuple[RunResult, int]:
    with progress.show("text", quiet=not os.isatty(2)) as show:
        done = pipeline.run(config, show=show, load_report=lambda: report.html)
    print(_indent(report.text(done.result)))
    (folder / "report.html").write_text(report.html(done.result), encoding="utf-8")
    (folder / "report.json").write_text(to_json(done.result), encoding="utf-8")
    return done.result, done.exit_code


def _say(text: str) -> None:
    print(text, flush=True)


def _indent(text: str) -> str:
    return "\n".join(f"   {line}".rstrip() for line in text.splitlines())


@contextlib.contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Point AWS clients at the demo's server, and back again."""
    names = {*values, "AWS_PROFILE", "AWS_SESSION_TOKEN"}
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _make_buckets() -> None:
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket="demo-exports")
    client.create_bucket(Bucket="demo-lake")
    client.create_bucket(Bucket="demo-archive", ObjectLockEnabledForBucket=True)


def _deliver() -> tuple[int, int]:
    """Write the exports as AWS would, and upload them; return (objects, bytes)."""
    snapshot = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=5)
    store = open_store("s3://demo-exports/")
    with tempfile.TemporaryDirectory(prefix="compactor-demo-") as name:
        root = Path(name)
        day = f"{snapshot:%Y-%m-%d}"
        write_postgres_shop(root, f"shop-{day}", snapshot, ShopSize())
        write_mysql_shop(root, f"legacy-{day}", snapshot, ShopSize(tiny_files=200))
        carts = DynamoDbExport(table="carts", moment=snapshot, prefix="carts")
        write_carts(root, snapshot, CartsSize(carts=1_000, files=8), carts)
        # three days of changes, the last of them yesterday
        write_dms_shop(DmsTarget(root, bucket_folder="dms/"), snapshot - timedelta(days=4))
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]

        def upload(path: Path) -> int:
            body = path.read_bytes()
            store.put(
                path.relative_to(root).as_posix(), body, sha256=hashlib.sha256(body).hexdigest()
            )
            return len(body)

        with ThreadPoolExecutor(32) as pool:
            return len(files), sum(pool.map(upload, files))


def _ask(config: Config, result: RunResult) -> str:
    """Ask about the newest month of orders: the files of all other months stay unread."""
    from sqlglot import exp

    from . import query
    from .query_output import read_text, write_table

    (orders,) = (
        table
        for table in result.tables
        if (table.database, table.table, table.status) == ("shop", "public.orders", "done")
    )
    month = max(part.value for part in orders.partitions if part.value != HIVE_NULL)
    statement = (
        exp.select("status", "count(*) AS orders", "sum(amount) AS amount")
        .from_("shop.public.orders")
        .where(exp.column("dt").eq(month))
        .group_by("status")
        .order_by("orders DESC")
        .sql("duckdb")
    )
    begun = time.monotonic()
    out = io.StringIO()
    with query.answer(config, statement) as found:
        write_table(found, out, None)
        read = found.read(time.monotonic() - begun)
    return f"{statement}\n\n{out.getvalue()}\n{read_text(found.shown, read)}"


def _one_day(result: RunResult) -> str:
    """Measure what a query for one day of the orders reads, before and after."""
    (orders,) = (table for table in result.tables if (table.database, table.table) == _MEASURED)
    found = measure(orders, open_store(orders.source_url), open_store(result.lake))
    if found is None:
        raise CompactorError(f"{'.'.join(_MEASURED)} of the demo has no days")
    return report.measured_text(found)


def _try_to_delete(result: RunResult) -> str:
    """Show that the lock holds: ask the server to delete a locked version for good."""
    import boto3
    from botocore.exceptions import ClientError

    for table in result.tables:
        for partition in table.partitions:
            for item in partition.archived:
                key = f"tables/{item.key}"
                until = item.retain_until.date().isoformat() if item.retain_until else "-"
                try:
                    boto3.client("s3").delete_object(
                        Bucket="demo-archive", Key=key, VersionId=item.version_id or ""
                    )
                except ClientError as error:
                    return (
                        f"s3://demo-archive/{key}\nversion {item.version_id}, "
                        f"{item.lock_mode} until {until}\n"
                        f"refused by the server: {error.response['Error']['Code']}"
                    )
                raise CompactorError(f"{key}: a locked version could be deleted")
    raise CompactorError("the run archived nothing")
