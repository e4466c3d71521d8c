"""One suite for every store, then what only S3, only folders and only the opening can do."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import botocore.credentials
import botocore.session
import obstore
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from botocore.awsrequest import AWSResponse
from conftest import S3Server
from faulty_s3 import FaultyS3
from hypothesis import example, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from compactor.errors import (
    AlreadyExists,
    Changed,
    ConfigError,
    Denied,
    LockUnsupported,
    NotFound,
    StoreError,
)
from compactor.store import Store, open_store, s3_bulk, s3_client, s3_list, s3_versions
from compactor.store.interface import (
    LISTING_SCHEMA,
    VERSIONS_SCHEMA,
    Object,
    Retention,
    Version,
    Wanted,
)
from compactor.store.local import LocalStore
from compactor.store.s3 import S3Store
from compactor.store.s3_client import Patience

ODD_KEYS = (
    "a b/c d.parquet",
    "per%cent/%20/100%.txt",
    "plus+and space/a+b",
    "hash#/what?x=y&z=1",
    "ünï/日本語/naïve-é",
    "quotes'\"/<tag>&amp;",
    "[brackets]/{curly}/*star*",
    "dt=2026-10-05/part-00000-~$@!,;=.parquet",
    "pipe|caret^",  # no backslash: SeaweedFS makes it a slash
    "🙂/😀.parquet",
)
PATIENT = Patience(read_timeout_s=20, attempts=3, backoff_s=0.001)
IMPATIENT = Patience(read_timeout_s=0.5, attempts=3, backoff_s=0.001)
"""Where the server hangs on purpose."""


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def put(store: Store, key: str, body: bytes = b"content", **options) -> Object:
    return store.put(key, body, sha256=digest(body), **options)


def rows(store: Store, prefix: str = "") -> list[dict]:
    return [row for table in store.list(prefix) for row in table.to_pylist()]


def keys(store: Store, prefix: str = "") -> list[str]:
    return sorted(row["key"] for row in rows(store, prefix))


def wanted(store: Store, prefix: str = "") -> list[Wanted]:
    return [
        Wanted(key=row["key"], size_bytes=row["size_bytes"], etag=row["etag"])
        for row in sorted(rows(store, prefix), key=lambda row: row["key"])
    ]


def later(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)


# --- every store ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def shared_bucket(s3_server: S3Server) -> str:
    """One bucket for the tests that need nothing of it but room; each takes a prefix of its own."""
    name = f"shared-{uuid.uuid4().hex}"
    s3_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def s3_url(s3_env: S3Server, shared_bucket: str) -> str:
    return f"s3://{shared_bucket}/{uuid.uuid4().hex}/"


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return open_store(str(tmp_path / "store"))
    return S3Store(request.getfixturevalue("s3_url"), concurrency=8, patience=PATIENT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "scratch"
    path.mkdir()
    return path


def test_listing_an_empty_place_yields_no_rows(store: Store) -> None:
    assert rows(store) == []


def test_listing_has_the_promised_columns_and_true_values(store: Store) -> None:
    before = datetime.now(UTC) - timedelta(minutes=5)
    written = put(store, "a/b.parquet", b"12345")

    tables = list(store.list())

    assert all(table.schema.equals(LISTING_SCHEMA) for table in tables)
    (row,) = pa.concat_tables(tables).to_pylist()
    assert (row["key"], row["size_bytes"], row["etag"]) == ("a/b.parquet", 5, written.etag)
    assert before < row["modified_at"] < datetime.now(UTC) + timedelta(minutes=5)


def test_listing_takes_any_prefix_also_one_that_ends_inside_a_name(store: Store) -> None:
    for key in ("a/1", "a/12", "a/12/x", "a/2", "ab/1", "b"):
        if not (key == "a/12/x" and isinstance(store, LocalStore)):  # a folder has one or the other
            put(store, key)

    deep = [] if isinstance(store, LocalStore) else ["a/12/x"]
    assert keys(store, "a/") == sorted(["a/1", "a/12", "a/2", *deep])
    assert keys(store, "a/1") == sorted(["a/1", "a/12", *deep])
    assert keys(store, "a") == sorted(["a/1", "a/12", "a/2", "ab/1", *deep])
    assert keys(store, "c") == keys(store, "b/") == []


def test_any_key_can_be_written_listed_and_read(store: Store, folder: Path) -> None:
    for key in ODD_KEYS:
        put(store, key, key.encode())

    assert keys(store) == sorted(ODD_KEYS)
    assert [store.get(key).decode() for key in ODD_KEYS] == list(ODD_KEYS)
    assert {store.stat(key).size_bytes for key in ODD_KEYS} == {len(k.encode()) for k in ODD_KEYS}
    asked = wanted(store)
    for one in store.fetch(asked, folder):
        assert one.path is not None, one.error
        assert one.path.read_bytes().decode() == asked[one.index].key
    for index, tail in store.tails(asked, 3):
        assert tail == asked[index].key.encode()[-3:]
    assert keys(store, "per%cent/") == ["per%cent/%20/100%.txt"]


def test_an_empty_object_is_an_object(store: Store, folder: Path) -> None:
    put(store, "_success", b"")

    assert store.get("_success") == b""
    assert [(row["key"], row["size_bytes"]) for row in rows(store)] == [("_success", 0)]
    (one,) = store.fetch(wanted(store), folder)
    assert one.path is not None
    assert one.path.read_bytes() == b""
    assert list(store.tails(wanted(store), 8)) == [(0, b"")]


def test_reading_what_is_not_there_raises_not_found_and_names_it(store: Store) -> None:
    for read in (store.get, store.stat):
        with pytest.raises(NotFound, match=r"no/such") as caught:
            read("no/such")
        assert caught.value.key == "no/such"
    with pytest.raises(NotFound):
        list(store.tails([Wanted(key="no/such", size_bytes=1, etag="")], 1))


def test_tails_are_the_last_bytes_of_each_object(store: Store) -> None:
    bodies = {f"k{number:02d}": bytes(range(number)) for number in range(0, 40, 3)}
    for key, body in bodies.items():
        put(store, key, body)
    asked = wanted(store)

    found = dict(store.tails(asked, 8))

    assert {asked[index].key: tail for index, tail in found.items()} == {
        key: body[-8:] for key, body in bodies.items()
    }


def test_head_gives_the_first_bytes_and_all_of_a_smaller_object(store: Store) -> None:
    bodies = {key: f"{number}-{key}".encode() for number, key in enumerate(ODD_KEYS)}
    for key, body in (bodies | {"none": b""}).items():
        put(store, key, body)

    for want in wanted(store):
        body = bodies.get(want.key, b"")
        assert store.head(want, 3) == body[:3]
        assert store.head(want, 4096) == body


def test_part_gives_the_bytes_between_and_none_beyond_the_end(store: Store) -> None:
    for key in ODD_KEYS:
        put(store, key, b"0123456789")

    for want in wanted(store):
        assert store.part(want, 3, 4) == b"3456"
        assert store.part(want, 8, 100) == b"89"
        assert store.part(want, 10, 1) == b""


def test_head_of_a_changed_object_raises_changed(store: Store) -> None:
    put(store, "k", b"first content")
    (asked,) = wanted(store)
    put(store, "k", b"other content, longer")

    with pytest.raises(Changed, match="k"):
        store.head(asked, 4)


def test_tails_of_a_changed_object_raise_changed(store: Store) -> None:
    put(store, "k", b"first content")
    asked = wanted(store)
    put(store, "k", b"other content")

    with pytest.raises(Changed, match="k"):
        list(store.tails(asked, 4))


def test_fetch_brings_every_object_once_under_its_index(store: Store, folder: Path) -> None:
    bodies = {f"t/{number % 7}/p-{number:03d}": os.urandom(number * 11) for number in range(60)}
    for key, body in bodies.items():
        put(store, key, body)
    asked = wanted(store)

    fetched = list(store.fetch(asked, folder))

    assert sorted(one.index for one in fetched) == list(range(60))
    for one in fetched:
        assert one.path is not None, one.error
        assert one.path.read_bytes() == bodies[asked[one.index].key]
    if isinstance(store, S3Store):
        names = {one.path for one in fetched}
        assert names == {folder / f"{index:08d}.parquet" for index in range(60)}
    else:
        assert list(folder.iterdir()) == []


def test_fetch_reports_what_cannot_be_had_and_brings_the_rest(store: Store, folder: Path) -> None:
    for key in ("good", "rewritten", "grown"):
        put(store, key, b"0123456789")
    asked = {want.key: want for want in wanted(store)}
    put(store, "rewritten", b"9876543210")
    put(store, "grown", b"0123456789+")
    asked["grown"] = Wanted(key="grown", size_bytes=10, etag="")  # the size must do without a tag
    asked["gone"] = Wanted(key="gone", size_bytes=10, etag="")

    fetched = {list(asked)[one.index]: one for one in store.fetch(list(asked.values()), folder)}

    errors = {key: type(one.error) for key, one in fetched.items()}
    assert errors == {
        "good": type(None),
        "rewritten": Changed,
        "grown": Changed,
        "gone": NotFound,
    }
    for key in ("rewritten", "grown", "gone"):
        assert fetched[key].path is None
        assert key in str(fetched[key].error)
    assert len(list(folder.iterdir())) == (1 if isinstance(store, S3Store) else 0)


def test_put_takes_bytes_and_files_and_replaces(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "body.bin"
    file.write_bytes(os.urandom(300_000))

    first = put(store, "a/k", b"short", metadata={"rows": "12"})
    second = store.put("a/k", file, sha256=digest(file.read_bytes()))

    assert (first.key, first.size_bytes, first.sha256) == ("a/k", 5, digest(b"short"))
    assert (second.size_bytes, second.sha256) == (300_000, digest(file.read_bytes()))
    assert store.get("a/k") == file.read_bytes()
    assert store.stat("a/k").sha256 == second.sha256
    assert keys(store) == ["a/k"]


def test_put_refuses_bytes_that_are_not_those_announced(store: Store) -> None:
    with pytest.raises(StoreError, match="SHA-256") as caught:
        store.put("k", b"damaged", sha256=digest(b"intended"))

    assert digest(b"damaged") in str(caught.value)
    assert keys(store) == []


def test_a_refused_write_leaves_the_object_that_was_there(store: Store) -> None:
    """LocalStack 4.7 fails here: its refused PUT has already written over the old bytes."""
    put(store, "k", b"old")
    with pytest.raises(StoreError, match="SHA-256"):
        store.put("k", b"damaged", sha256=digest(b"intended"))

    assert store.get("k") == b"old"


def test_create_only_write_meets_nothing_itself_or_another(store: Store) -> None:
    first = put(store, "k", b"one", only_if_absent=True)
    again = put(store, "k", b"one", only_if_absent=True)
    with pytest.raises(AlreadyExists, match="k exists") as caught:
        put(store, "k", b"two", only_if_absent=True)

    assert (again.etag, again.modified_at) == (first.etag, first.modified_at)
    assert digest(b"one") in str(caught.value)
    assert store.get("k") == b"one"


def test_of_many_create_only_writers_exactly_one_wins(store: Store) -> None:
    def write(number: int) -> bool:
        try:
            put(store, "chain/42", f"writer {number}".encode(), only_if_absent=True)
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(write, range(8)))

    assert won.count(True) == 1
    assert store.get("chain/42") == f"writer {won.index(True)}".encode()


def test_many_threads_may_write_and_describe_at_once(store: Store) -> None:
    def write(number: int) -> str | None:
        body = f"body {number}".encode()
        put(store, f"k{number}", body)
        return store.stat(f"k{number}").sha256

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(write, range(32)))

    assert found == [digest(f"body {number}".encode()) for number in range(32)]


def test_a_store_that_cannot_lock_says_so_and_writes_nothing(store: Store) -> None:
    retention = Retention(mode="COMPLIANCE", until=later(1))

    with pytest.raises(LockUnsupported, match="Object Lock") as caught:
        store.check_lock_support()
    assert caught.value.hint
    with pytest.raises(LockUnsupported):
        put(store, "k", retention=retention)
    assert keys(store) == []


def test_a_fetch_that_is_given_up_ends_its_threads(store: Store, folder: Path) -> None:
    for number in range(40):
        put(store, f"k{number}")
    fetching = store.fetch(wanted(store) * 50, folder)

    next(fetching)
    fetching.close()

    assert [t.name for t in threading.enumerate() if t.name.startswith("s3-")] == []
    assert len(list(folder.iterdir())) < 200


# --- versions -------------------------------------------------------------------------------------


def versions_of(store: Store, prefix: str = "") -> list[dict]:
    pages = list(store.list_versions(prefix))
    assert all(page.schema.equals(VERSIONS_SCHEMA) for page in pages)
    return [row for page in pages for row in page.to_pylist()]


def test_a_listing_of_versions_holds_every_object_with_its_size(store: Store) -> None:
    for name in ODD_KEYS:
        put(store, f"odd/{name}", name.encode())
    put(store, "other", b"left out")

    found = versions_of(store, "odd/")

    assert {row["key"]: row["size_bytes"] for row in found} == {
        f"odd/{name}": len(name.encode()) for name in ODD_KEYS
    }
    assert all(row["is_latest"] and not row["is_delete_marker"] for row in found)
    assert all(row["modified_at"] is not None for row in found)
    assert versions_of(store, "nothing/") == []


def test_many_objects_are_described_as_one_by_one(store: Store) -> None:
    for name in ODD_KEYS:
        put(store, name, name.encode())
    asked = [*(Version(name, None) for name in ODD_KEYS), Version("gone", None)]

    found = dict(store.stats(asked))

    assert sorted(found) == list(range(len(asked)))
    assert isinstance(found.pop(len(ODD_KEYS)), NotFound)
    for index, described in found.items():
        assert described == store.stat(asked[index].key)
        assert described.sha256 == digest(ODD_KEYS[index].encode())


def test_descriptions_of_many_do_not_need_boto3_unless_something_is_wrong(
    s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signature that the server refuses would be hidden by asking once more."""
    store = S3Store(s3_url, concurrency=8, patience=PATIENT)
    names = [name for name in ODD_KEYS if not s3_bulk.is_awkward(name)]
    assert len(names) > 5
    for name in names:
        put(store, name)
    monkeypatch.setattr(s3_versions, "describe", None)

    found = dict(store.stats([Version(name, None) for name in names]))

    assert [found[index].key for index in range(len(names))] == names


def test_all_versions_and_delete_markers_are_listed_and_described(
    lock_bucket: Callable[[], str], s3_env: S3Server, folder: Path
) -> None:
    name = lock_bucket()
    store = S3Store(f"s3://{name}/top/", concurrency=8, patience=PATIENT)
    until = later(1)
    first = put(store, "a/x", b"one", retention=Retention(mode="GOVERNANCE", until=until))
    second = put(store, "a/x", b"second")
    hold = Retention(mode="COMPLIANCE", until=until, legal_hold=True)
    held = put(store, "b", b"held", retention=hold)
    marker = s3_env.client().delete_object(Bucket=name, Key="top/b")["VersionId"]

    found = {
        (row["key"], row["version_id"]): (row["is_latest"], row["is_delete_marker"])
        for row in versions_of(store)
    }

    assert found == {
        ("a/x", first.version_id): (False, False),
        ("a/x", second.version_id): (True, False),
        ("b", held.version_id): (False, False),
        ("b", marker): (True, True),
    }
    asked = [Version("a/x", first.version_id), Version("b", held.version_id), Version("b", marker)]
    seen = dict(store.stats(asked))
    assert seen[0] == store.stat("a/x", first.version_id)
    assert (seen[0].lock_mode, seen[0].retain_until) == ("GOVERNANCE", until)
    assert seen[1] == store.stat("b", held.version_id)
    assert (seen[1].lock_mode, seen[1].legal_hold) == ("COMPLIANCE", True)
    assert isinstance(seen[2], NotFound)
    # and read: the version that was asked for, though another one or a marker lies above it
    wanted = [
        Wanted(key="a/x", size_bytes=3, etag="", version_id=first.version_id),
        Wanted(key="b", size_bytes=4, etag="", version_id=held.version_id),
    ]
    bodies = {one.index: one.path.read_bytes() for one in store.fetch(wanted, folder)}
    assert bodies == {0: b"one", 1: b"held"}


@pytest.mark.parametrize("page", [1, 7, 1000])
def test_a_long_listing_of_versions_is_complete_wherever_its_pages_end(
    lock_bucket: Callable[[], str],
    s3_env: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    page: int,
) -> None:
    """In the middle of folders, of keys, of the versions of one key.

    Not of a key that is the name of a folder, too: SeaweedFS 4.48 loses its versions there.
    """
    name = lock_bucket()
    client = s3_env.client()
    names = [f"t/f{n % 9}/part-{n:05d}" for n in range(60)] + ["t/one"] * 28
    made = {(key, client.put_object(Bucket=name, Key=key)["VersionId"]) for key in names}
    for key in ("t/one", "t/f1/part-00001"):
        made.add((key, client.delete_object(Bucket=name, Key=key)["VersionId"]))
    real = s3_client.Connection.boto_client

    def with_short_pages(*args, **options):
        made_client = real(*args, **options)
        made_client.meta.events.register(
            "provide-client-params.s3.ListObjectVersions",
            lambda params, **_: params.update(MaxKeys=page),
        )
        return made_client

    monkeypatch.setattr(s3_client.Connection, "boto_client", with_short_pages)

    rows = versions_of(open_store(f"s3://{name}/"), "t/")

    assert len(rows) == len(made) == 90
    assert {(row["key"], row["version_id"]) for row in rows} == made
    assert sum(row["is_delete_marker"] for row in rows) == 2
    assert sum(row["is_latest"] for row in rows) == 61


def test_a_version_that_may_not_be_described_is_denied_and_the_others_are_not(
    s3_env: S3Server, bucket: Callable[[], str]
) -> None:
    name = bucket()
    with FaultyS3(s3_env.endpoint) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        store = S3Store(f"s3://{name}/", concurrency=4, patience=PATIENT)
        for key in ("a", "b", "c"):
            put(store, key)
        proxy.inject("deny", method="HEAD", key=f"{name}/b", times=2)

        found = dict(store.stats([Version(key, None) for key in ("a", "b", "c")]))

    assert isinstance(found[1], Denied)
    assert isinstance(found[0], Object)
    assert isinstance(found[2], Object)


# --- listing: the splitting, on a simulated server ------------------------------------------------


class SimulatedS3:
    """ListObjectsV2 over a set of keys, in pages, in byte order or in one of its own."""

    def __init__(self, keys: list[str], page: int) -> None:
        self.keys, self.page, self.requests = keys, page, 0

    def list_objects_v2(
        self, Bucket: str, Prefix: str, ContinuationToken: str = "0", Delimiter: str = ""
    ) -> dict:
        self.requests += 1
        entries: dict[str, bool] = {}
        for key in self.keys:
            if key.startswith(Prefix):
                head, slash, _ = key[len(Prefix) :].partition("/") if Delimiter else ("", "", "")
                entries[Prefix + head + "/" if slash else key] = bool(slash)
        start = int(ContinuationToken)
        part = list(entries.items())[start : start + self.page]
        found = [key for key, is_folder in part if not is_folder]
        moments = pa.nulls(len(found), pa.timestamp("us", tz="UTC"))
        table = pa.table(
            [
                found,
                [0] * len(found),
                [""] * len(found),
                moments,
                pa.nulls(len(found), pa.string()),
            ],
            schema=LISTING_SCHEMA,
        )
        more = start + self.page < len(entries)
        token = (str(start + self.page),) if more else None
        folders = [key for key, is_folder in part if is_folder]
        return {"Page": s3_list.Page(objects=table, folders=folders, token=token)}


NAMES = st.text(alphabet="ab1é", max_size=4)
KEYS = st.lists(NAMES, min_size=1, max_size=4).map("/".join).filter(bool)


@settings(deadline=None, max_examples=100)
@given(
    keys=st.sets(KEYS, min_size=8, max_size=60).map(sorted),
    order=st.randoms(use_true_random=False),
    in_order=st.booleans(),
    prefix=st.sampled_from(["", "", "a", "a/"]),
    page=st.integers(1, 4),
    few=st.integers(0, 3),
    groups=st.integers(1, 9),
    folder_pages=st.integers(1, 3),
)
@example(
    keys=[f"{a}/{b}" for a in "abcdefgh" for b in "123"],
    order=random.Random(0),
    in_order=True,
    prefix="",
    page=3,
    few=0,
    groups=1,
    folder_pages=2,
)
def test_splitting_a_listing_gives_each_key_exactly_once(
    keys: list[str],
    order: random.Random,
    in_order: bool,
    prefix: str,
    page: int,
    few: int,
    groups: int,
    folder_pages: int,
) -> None:
    if not in_order:
        order.shuffle(keys)
    lister = object.__new__(s3_list.Lister)
    lister._kind = s3_list.OBJECTS
    lister._bucket, lister._threads, lister._client = "b", 2, SimulatedS3(keys, page)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(s3_list, "_FEW_ENTRIES", few)
        patch.setattr(s3_list, "_GROUPS", groups)
        patch.setattr(s3_list, "_FOLDER_PAGES", folder_pages)
        found = [key for table in lister.list(prefix) for key in table["key"].to_pylist()]

    assert sorted(found) == sorted(key for key in keys if key.startswith(prefix))


def test_500_folders_take_few_requests() -> None:
    keys = [f"t/{folder}/part-{number}" for folder in range(1, 501) for number in range(40)]
    lister = object.__new__(s3_list.Lister)
    lister._kind = s3_list.OBJECTS
    server = SimulatedS3(sorted(keys), 1000)
    lister._bucket, lister._threads, lister._client = "b", 1, server

    assert sum(len(table) for table in lister.list("t/")) == 20_000
    assert server.requests < 150


def test_a_folder_in_a_folder_costs_one_request_each() -> None:
    keys = [f"exports/one/shop/public.orders/1/part-{number:05d}" for number in range(1500)]
    lister = object.__new__(s3_list.Lister)
    lister._kind = s3_list.OBJECTS
    server = SimulatedS3(keys, 1000)
    lister._bucket, lister._threads, lister._client = "b", 1, server

    assert sum(len(table) for table in lister.list("")) == 1500
    # the first page, six looks for folders, and the two pages of the last one
    assert server.requests <= 1 + 6 + 2


# --- S3 -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def big_prefix(s3_server: S3Server, shared_bucket: str) -> tuple[str, set[str]]:
    """More than two pages of objects: folders of folders, files between them, odd names."""
    keys = {f"big/t/{n % 80}/part-{n:05d} +%é.parquet" for n in range(1100)}
    keys |= {f"big/t/{n}.json" for n in range(150)} | {f"big/other/x/y/{n}" for n in range(50)}
    remote = obstore.store.S3Store(
        shared_bucket,
        endpoint=s3_server.endpoint,
        region="us-east-1",
        access_key_id=s3_server.env["AWS_ACCESS_KEY_ID"],
        secret_access_key=s3_server.env["AWS_SECRET_ACCESS_KEY"],
        client_options={"allow_http": True},
    )
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: obstore.put(remote, key, key.encode()), sorted(keys)))
    return f"s3://{shared_bucket}/big/", {key.removeprefix("big/") for key in keys}


@pytest.mark.parametrize("concurrency", [1, 32])
def test_a_listing_of_many_pages_is_complete(
    s3_env: S3Server, big_prefix: tuple[str, set[str]], concurrency: int
) -> None:
    url, expected = big_prefix
    store = open_store(url, concurrency=concurrency)

    table = pa.concat_tables(store.list())

    assert len(table) == len(expected)
    assert set(table["key"].to_pylist()) == expected
    assert pc.all(pc.greater(table["size_bytes"], 0)).as_py()
    assert keys(store, "t/7") == sorted(key for key in expected if key.startswith("t/7"))


def test_folder_placeholders_are_listed_with_their_slash_and_can_be_read(
    s3_env: S3Server, s3_url: str, shared_bucket: str, folder: Path
) -> None:
    store = open_store(s3_url)
    prefix = s3_url.removeprefix(f"s3://{shared_bucket}/")
    for key in ("dir/", "dir/empty/", "dir/file"):
        body = b"" if key.endswith("/") else b"file"
        s3_env.client().put_object(Bucket=shared_bucket, Key=prefix + key, Body=body)

    assert keys(store) == ["dir/", "dir/empty/", "dir/file"]
    assert store.get("dir/empty/") == b""
    assert [one.error for one in store.fetch(wanted(store), folder)] == [None, None, None]


def test_large_objects_come_in_chunks(
    s3_env: S3Server, s3_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_bulk, "_CHUNK", 100_000)
    monkeypatch.setattr(s3_bulk, "_MEMORY", 2 * s3_bulk._CHUNKED_COST)  # one at a time
    store = open_store(s3_url, concurrency=4)
    body = os.urandom(1_234_567)
    for number in range(6):
        put(store, f"k{number}", body)

    fetched = list(store.fetch(wanted(store), folder))

    assert [one.path and one.path.read_bytes() == body for one in fetched] == [True] * 6


def test_metadata_and_digest_come_back_and_unfit_metadata_is_refused(s3_url: str) -> None:
    store = open_store(s3_url)

    written = put(store, "k", b"body", metadata={"Rows": "12", "task": "a b~"})

    assert written.metadata == {"rows": "12", "task": "a b~", "sha256": digest(b"body")}
    assert written.sha256 == digest(b"body")
    for value in ("naïve", "line\nbreak", " space"):
        with pytest.raises(StoreError, match="percent-encode"):
            put(store, "other", metadata={"name": value})
    assert keys(store) == ["k"]


def test_a_body_too_large_for_one_put_is_refused_unsent(s3_url: str, tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as sparse:
        sparse.truncate((5 << 30) + 1)

    with pytest.raises(StoreError, match="target_file_size"):
        open_store(s3_url).put("k", file, sha256=digest(b""))


def test_versions_are_those_of_the_key_newest_first(
    s3_env: S3Server, lock_bucket: Callable[[], str]
) -> None:
    name = lock_bucket()
    store = open_store(f"s3://{name}/p/")
    ids = [put(store, "k", f"{number}".encode()).version_id for number in range(3)]
    put(store, "k2")
    s3_env.client().delete_object(Bucket=name, Key="p/k")

    assert list(store.versions("k")) == ids[::-1]
    assert store.versions("none") == []
    assert store.stat("k", ids[0]).version_id == ids[0]
    with pytest.raises(NotFound):
        store.stat("k")


def test_a_locked_write_is_locked_and_read_back(lock_bucket: Callable[[], str]) -> None:
    store = open_store(f"s3://{lock_bucket()}/")
    store.check_lock_support()
    until = later(2)
    retention = Retention(mode="COMPLIANCE", until=until, legal_hold=True)

    written = put(store, "k", retention=retention)

    assert (written.lock_mode, written.retain_until) == ("COMPLIANCE", until)
    assert written.legal_hold
    assert written == store.stat("k", written.version_id)
    assert list(store.versions("k")) == [written.version_id]


def test_a_lock_can_be_lengthened_and_never_shortened(lock_bucket: Callable[[], str]) -> None:
    store = open_store(f"s3://{lock_bucket()}/")
    version = put(store, "k").version_id
    assert version is not None

    def lock(mode, days: int, *, hold: bool = False) -> Object:
        retention = Retention(mode=mode, until=later(days), legal_hold=hold)
        return store.lock("k", version, retention)

    until = later(3)
    first = lock("GOVERNANCE", 3)
    shorter = lock("GOVERNANCE", 1)
    longer = lock("GOVERNANCE", 5, hold=True)
    without_hold = lock("GOVERNANCE", 5)

    assert (first.lock_mode, first.legal_hold) == ("GOVERNANCE", False)
    assert shorter.retain_until == first.retain_until
    assert longer.retain_until is not None
    assert longer.retain_until >= until + timedelta(days=2)
    assert (longer.legal_hold, without_hold.legal_hold) == (True, True)


def test_a_weaker_mode_keeps_the_stronger_one_when_it_lasts_longer(
    lock_bucket: Callable[[], str],
) -> None:
    store = open_store(f"s3://{lock_bucket()}/")
    written = put(store, "k", retention=Retention(mode="COMPLIANCE", until=later(1)))
    assert written.version_id is not None

    locked = store.lock("k", written.version_id, Retention(mode="GOVERNANCE", until=later(4)))

    assert locked.lock_mode == "COMPLIANCE"
    assert locked.retain_until is not None
    assert locked.retain_until > later(3)


@mock_aws
def test_a_stronger_mode_for_a_shorter_time_keeps_the_longer_time(
    s3_env: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on AWS this takes a special permission, on SeaweedFS it is refused
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    boto3.client("s3", region_name="us-east-1").create_bucket(
        Bucket="bucket", ObjectLockEnabledForBucket=True
    )
    store = open_store("s3://bucket/")
    until = later(5)
    written = put(store, "k", retention=Retention(mode="GOVERNANCE", until=until))
    assert written.version_id is not None

    locked = store.lock("k", written.version_id, Retention(mode="COMPLIANCE", until=later(1)))

    assert (locked.lock_mode, locked.retain_until) == ("COMPLIANCE", until)


def _drop_lock_headers(params: dict, **_: object) -> None:
    for name in [name for name in params if name.startswith("ObjectLock")]:
        del params[name]


def test_a_server_that_ignores_lock_headers_is_locked_afterwards(
    lock_bucket: Callable[[], str],
) -> None:
    store = S3Store(f"s3://{lock_bucket()}/")
    events = store._connection.write_client.meta.events
    events.register("provide-client-params.s3.PutObject", _drop_lock_headers)
    until = later(2)

    written = put(store, "k", retention=Retention(mode="COMPLIANCE", until=until, legal_hold=True))

    assert (written.lock_mode, written.retain_until) == ("COMPLIANCE", until)
    assert written.legal_hold


class _Nothing:
    """Body of an answer that a simulated server gives."""

    def stream(self) -> Iterator[bytes]:
        return iter(())


def test_a_server_that_only_pretends_to_lock_is_found_out(
    lock_bucket: Callable[[], str],
) -> None:
    store = S3Store(f"s3://{lock_bucket()}/")
    connection = store._connection
    connection.write_client.meta.events.register(
        "provide-client-params.s3.PutObject", _drop_lock_headers
    )
    connection.client.meta.events.register(
        "before-send.s3.PutObjectRetention",
        lambda request, **_: AWSResponse(request.url, 200, {}, _Nothing()),
    )

    with pytest.raises(StoreError, match=r"not locked as asked.*COMPLIANCE") as caught:
        put(store, "k", retention=Retention(mode="COMPLIANCE", until=later(2)))
    assert "do not use it" in caught.value.hint


def test_a_refused_lock_raises_denied(lock_bucket: Callable[[], str]) -> None:
    store = S3Store(f"s3://{lock_bucket()}/")
    version = put(store, "k").version_id
    assert version is not None
    with FaultyS3(store._connection.client.meta.endpoint_url) as proxy:
        proxied = _proxied(proxy, store.url)
        proxy.inject("deny", method="PUT")
        with pytest.raises(Denied, match=f"lock.*version {version}"):
            proxied.lock("k", version, Retention(mode="GOVERNANCE", until=later(1)))


def test_a_user_without_permission_is_denied(
    s3_env: S3Server, s3_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if s3_env.limited_env is None:
        pytest.skip("the given endpoint has no second user")
    put(open_store(s3_url), "k")
    asked = wanted(open_store(s3_url))
    for name, text in s3_env.limited_env.items():
        monkeypatch.setenv(name, text)
    store = open_store(s3_url)

    for attempt in (
        lambda: rows(store),
        lambda: store.get("k"),
        lambda: store.stat("k"),
        lambda: put(store, "new"),
        lambda: list(store.tails(asked, 3)),
        store.check_lock_support,
    ):
        with pytest.raises(Denied, match=s3_url.split("/")[2]):
            attempt()
    (one,) = store.fetch(asked, folder)
    assert isinstance(one.error, Denied)


# --- S3 that misbehaves ---------------------------------------------------------------------------


def _proxied(proxy: FaultyS3, url: str, kind: str = "", concurrency: int = 4) -> S3Store:
    """Open the same place through the proxy, ready for that kind of fault."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        patience = IMPATIENT if kind == "hang" else PATIENT
        return S3Store(url, concurrency=concurrency, patience=patience)


@pytest.fixture
def proxy(s3_env: S3Server) -> Iterator[FaultyS3]:
    if not s3_env.endpoint.startswith("http://"):
        pytest.skip("the proxy speaks plain HTTP only")
    with FaultyS3(s3_env.endpoint) as proxy:
        yield proxy
        assert proxy.pending_faults() == 0


@pytest.fixture
def ten(s3_url: str) -> dict[str, bytes]:
    """Ten objects below s3_url."""
    bodies = {f"k{number}": os.urandom(5000 + number) for number in range(10)}
    store = open_store(s3_url)
    for key, body in bodies.items():
        put(store, key, body)
    return bodies


def test_reading_takes_one_get_an_object_and_no_head(
    proxy: FaultyS3, s3_url: str, ten: dict[str, bytes], folder: Path
) -> None:
    store = _proxied(proxy, s3_url)
    asked = wanted(store)
    list(store.fetch(asked, folder))
    assert (proxy.count("LIST"), proxy.count("GET"), proxy.count("HEAD")) == (1, 10, 0)

    list(store.tails(asked, 8))
    assert (proxy.count("GET"), proxy.count("HEAD")) == (20, 0)


@pytest.mark.parametrize("kind", ["slow_down", "hang", "reset", "truncate"])
@pytest.mark.parametrize("chunk", [1 << 20, 1000], ids=["whole", "chunks"])
def test_a_read_that_fails_in_passing_is_repeated_and_right(
    proxy: FaultyS3,
    s3_url: str,
    ten: dict[str, bytes],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind,
    chunk: int,
) -> None:
    monkeypatch.setattr(s3_bulk, "_CHUNK", chunk)
    store = _proxied(proxy, s3_url, kind)
    asked = wanted(store)
    proxy.inject(kind, method="GET", key=".*/k3", times=2)

    fetched = {asked[one.index].key: one for one in store.fetch(asked, folder)}

    assert {key: one.error for key, one in fetched.items()} == dict.fromkeys(ten)
    assert {key: one.path.read_bytes() for key, one in fetched.items() if one.path} == ten
    assert proxy.count("GET") >= 12 if kind == "hang" else proxy.count("GET") == 12


@pytest.mark.parametrize("kind", ["slow_down", "hang", "reset", "truncate"])
@pytest.mark.parametrize("chunk", [1 << 20, 1000], ids=["whole", "chunks"])
def test_a_read_that_keeps_failing_is_reported_and_leaves_no_file(
    proxy: FaultyS3,
    s3_url: str,
    ten: dict[str, bytes],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind,
    chunk: int,
) -> None:
    monkeypatch.setattr(s3_bulk, "_CHUNK", chunk)
    store = _proxied(proxy, s3_url, kind)
    asked = wanted(store)
    proxy.inject(kind, method="GET", key=".*/k3", times=3)

    fetched = {asked[one.index].key: one for one in store.fetch(asked, folder)}

    assert [key for key, one in fetched.items() if one.error] == ["k3"]
    assert type(fetched["k3"].error) is StoreError
    assert f"{s3_url}k3" in str(fetched["k3"].error)
    assert len(list(folder.iterdir())) == 9


def test_a_denied_read_is_not_repeated(
    proxy: FaultyS3, s3_url: str, ten: dict[str, bytes], folder: Path
) -> None:
    store = _proxied(proxy, s3_url)
    asked = wanted(store)
    proxy.inject("deny", method="GET", key=".*/k3")

    errors = [one.error for one in store.fetch(asked, folder) if one.error]

    assert [type(error) for error in errors] == [Denied]
    assert proxy.count("GET") == 10


@pytest.mark.parametrize("kind", ["slow_down", "hang", "reset", "truncate"])
def test_small_reads_tails_listings_and_heads_are_repeated_too(
    proxy: FaultyS3, s3_url: str, ten: dict[str, bytes], kind
) -> None:
    store = _proxied(proxy, s3_url, kind)
    proxy.inject(kind, method="LIST")
    proxy.inject(kind, method="GET", times=2)
    if kind != "truncate":  # a HEAD has no body
        proxy.inject(kind, method="HEAD")

    assert store.get("k5") == ten["k5"]
    assert keys(store) == sorted(ten)
    assert store.stat("k5").size_bytes == len(ten["k5"])


def test_a_flipped_byte_in_a_small_read_is_noticed(
    proxy: FaultyS3, s3_url: str, ten: dict[str, bytes]
) -> None:
    proxy.inject("flip", method="GET", key=".*/k5")

    assert _proxied(proxy, s3_url).get("k5") == ten["k5"]
    assert proxy.count("GET") == 2


@pytest.mark.parametrize("kind", ["lose", "late", "slow_down", "reset", "hang", "flip"])
@pytest.mark.parametrize(
    ("exists", "only_if_absent"),
    [(False, False), (False, True), (True, False)],
    ids=["new", "create-only", "replace"],
)
def test_a_repeated_write_leaves_exactly_one_new_version(
    proxy: FaultyS3, versioned_url: str, kind, only_if_absent: bool, exists: bool
) -> None:
    store = _proxied(proxy, versioned_url, kind)
    key = uuid.uuid4().hex
    if exists:
        put(store, key, b"before")
    proxy.inject(kind, method="PUT", key=f".*/{key}")

    written = put(store, key, b"after", only_if_absent=only_if_absent)

    versions = list(store.versions(key))
    assert len(versions) == (2 if exists else 1)
    assert written.version_id == versions[0]
    assert (written.sha256, store.get(key)) == (digest(b"after"), b"after")


def test_a_server_that_knows_no_conditions_is_written_to_all_the_same(
    proxy: FaultyS3, versioned_url: str
) -> None:
    store = _proxied(proxy, versioned_url)
    put(store, "unconditional", b"before")
    proxy.inject("slow_down", method="PUT")
    proxy.inject("condition", method="PUT")  # of Ceph RGW 16, to every If-Match

    written = put(store, "unconditional", b"after")

    assert len(store.versions("unconditional")) == 2
    assert store.get("unconditional") == b"after"
    assert written.version_id == store.versions("unconditional")[0]


@pytest.fixture(scope="session")
def versioned_url(s3_server: S3Server) -> str:
    name = f"versioned-{uuid.uuid4().hex}"
    s3_server.client().create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return f"s3://{name}/p/"


def test_a_locked_write_whose_answer_is_lost_is_locked_once(
    proxy: FaultyS3, versioned_url: str
) -> None:
    store = _proxied(proxy, versioned_url)
    proxy.inject("lose", method="PUT")
    retention = Retention(mode="GOVERNANCE", until=later(1))

    written = put(store, "locked-once", retention=retention)

    assert written.lock_mode == "GOVERNANCE"
    assert list(store.versions("locked-once")) == [written.version_id]


@pytest.mark.parametrize("kind", ["slow_down", "reset", "flip"])
def test_a_write_that_keeps_failing_raises_and_leaves_nothing(
    proxy: FaultyS3, s3_url: str, kind
) -> None:
    store = _proxied(proxy, s3_url, kind)
    proxy.inject(kind, method="PUT", times=3)

    with pytest.raises(StoreError, match=f"write, 3 times.*{s3_url}k"):
        put(store, "k", b"body")
    assert keys(store) == []
    assert proxy.count("PUT") == 3


def test_a_denied_write_raises_denied_at_once(proxy: FaultyS3, s3_url: str) -> None:
    store = _proxied(proxy, s3_url)
    proxy.inject("deny", method="PUT")

    with pytest.raises(Denied, match=f"{s3_url}k"):
        put(store, "k")
    assert proxy.count("PUT") == 1


def test_a_fetch_that_is_given_up_sends_no_more_requests(
    proxy: FaultyS3, s3_url: str, ten: dict[str, bytes], folder: Path
) -> None:
    store = _proxied(proxy, s3_url)
    fetching = store.fetch(wanted(store) * 100, folder)

    next(fetching)
    fetching.close()

    sent = proxy.count("GET")
    assert sent < 100
    assert len(list(folder.iterdir())) <= sent


# --- opening --------------------------------------------------------------------------------------


def test_urls_are_opened_and_end_in_a_slash(s3_env: S3Server, tmp_path: Path) -> None:
    assert open_store("s3://bucket").url == "s3://bucket/"
    assert open_store("s3://bucket/a#b?c%20/d").url == "s3://bucket/a#b?c%20/d/"
    assert open_store(str(tmp_path)).url == f"{tmp_path}/"
    assert open_store((tmp_path / "a b").as_uri()).url == f"{tmp_path}/a b/"
    for url in ("", "gs://bucket/", "s3:///x", "s3://"):
        with pytest.raises(ConfigError):
            open_store(url)


def test_missing_credentials_and_region_are_configuration_errors(
    s3_env: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(ConfigError, match="credentials"):
        open_store("s3://bucket/")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(ConfigError, match="credentials") as caught:
        open_store("s3://bucket/")
    assert "AWS_PROFILE" in caught.value.hint
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(ConfigError, match="nobody"):
        open_store("s3://bucket/")


def test_a_missing_region_is_a_configuration_error_on_aws_only(
    s3_env: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    open_store("s3://bucket/")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    with pytest.raises(ConfigError, match="region"):
        open_store("s3://bucket/")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    open_store("s3://bucket/")


@mock_aws
def test_bulk_reads_go_to_the_region_of_the_bucket(
    s3_env: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    boto3.client("s3", region_name="eu-central-1").create_bucket(
        Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )

    config = S3Store("s3://bucket/")._connection.remote.config

    assert config["region"] == "eu-central-1"
    assert config["endpoint"] == "https://bucket.s3.eu-central-1.amazonaws.com"


def test_an_endpoint_for_s3_alone_is_taken(
    s3_env: S3Server, s3_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_env.endpoint)
    store = open_store(s3_url)

    put(store, "k", b"body")
    assert list(store.tails(wanted(store), 2)) == [(0, b"dy")]


def test_an_endpoint_that_does_not_answer_is_a_store_error(
    s3_env: S3Server, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    store = S3Store("s3://bucket/", patience=Patience(attempts=2, backoff_s=0.001))

    for attempt in (lambda: rows(store), lambda: store.get("k"), lambda: put(store, "k")):
        with pytest.raises(StoreError, match=r"127\.0\.0\.1:9") as caught:
            attempt()
        assert caught.value.hint
    want = Wanted(key="k", size_bytes=1, etag="")
    (one,) = store.fetch([want], folder)
    assert type(one.error) is StoreError
    with pytest.raises(StoreError, match="in a row"):
        list(store.fetch([want] * 1000, folder))


def test_a_missing_bucket_is_named(s3_env: S3Server) -> None:
    store = open_store("s3://no-such-bucket-anywhere/x/")

    for attempt in (lambda: rows(store), lambda: put(store, "k"), store.check_lock_support):
        with pytest.raises(NotFound, match="no-such-bucket-anywhere"):
            attempt()


def test_credentials_that_are_refreshed_are_used(s3_env: S3Server, s3_url: str) -> None:
    asked: list[datetime] = []

    def refresh() -> dict[str, str]:
        asked.append(datetime.now(UTC))
        return {
            "access_key": s3_env.env["AWS_ACCESS_KEY_ID"],
            "secret_key": s3_env.env["AWS_SECRET_ACCESS_KEY"],
            "token": None,
            "expiry_time": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
        }

    session = botocore.session.get_session()
    stale = {**refresh(), "access_key": "stale", "expiry_time": datetime.now(UTC).isoformat()}
    session._credentials = botocore.credentials.RefreshableCredentials.create_from_metadata(
        stale, refresh_using=refresh, method="test"
    )
    session.set_config_variable("region", "us-east-1")
    store = open_store(s3_url, session=boto3.Session(botocore_session=session))

    put(store, "k", b"body")

    assert list(store.tails(wanted(store), 2)) == [(0, b"dy")]
    assert len(asked) == 2


# --- folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", ""])
def test_keys_that_are_no_paths_below_the_folder_are_refused(tmp_path: Path, key: str) -> None:
    store = LocalStore(tmp_path / "store")

    for attempt in (lambda: store.get(key), lambda: store.stat(key), lambda: put(store, key)):
        with pytest.raises(StoreError, match="relative"):
            attempt()
    assert list(tmp_path.iterdir()) == []


def test_links_out_of_the_folder_are_neither_listed_nor_followed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = LocalStore(tmp_path / "store")
    put(store, "inside/file", b"12")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    root = tmp_path / "store"
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    (root / "nothing").symlink_to(tmp_path / "missing")
    (root / "alias").symlink_to(root / "inside/file")

    assert keys(store) == ["alias", "inside/file"]
    assert "file is a link" in caplog.text
    for key in ("file", "folder/secret"):
        with pytest.raises(Denied):
            store.get(key)
    with pytest.raises(Denied):
        put(store, "folder/new")
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_write_that_was_cut_off_is_not_listed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    put(store, "a/k")
    (tmp_path / "a" / ".compactor-tmp-123").write_text("half")

    assert keys(store) == ["a/k"]


def test_a_failed_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with pytest.raises(StoreError):
        store.put("a/k", b"x", sha256=digest(b"y"))
    put(store, "a/k", b"x", only_if_absent=True)
    with pytest.raises(AlreadyExists):
        put(store, "a/k", b"y", only_if_absent=True)

    assert [path.name for path in (tmp_path / "a").iterdir()] == ["k"]


def test_a_folder_with_many_files_is_listed_in_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compactor.store.local._ROWS_PER_TABLE", 10)
    for number in range(35):
        path = tmp_path / f"{number % 4}" / f"{number}"
        path.parent.mkdir(exist_ok=True)
        path.touch()

    tables = list(LocalStore(tmp_path).list())

    assert [len(table) for table in tables] == [10, 10, 10, 5]


def test_a_file_name_that_is_not_utf8_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad-\xff")).touch()

    with pytest.raises(StoreError, match="UTF-8"):
        list(LocalStore(tmp_path).list())
