"""The chain of evidence: one line whoever appends, what breaks it, keys that change.

Envelopes are verified by `signed.opened`, with cryptography alone; buckets are read by boto3.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from signed import LONG_AGO, lines_of, make_key, sha256

from compactor.errors import EvidenceError, SignatureError
from compactor.evidence import chain
from compactor.evidence.chain import Chain, Link, link_key
from compactor.evidence.keys import SigningKey, TrustedKeys, always
from compactor.evidence.predicate import NO_PREDECESSOR, Predecessor, RunPredicate, Statement
from compactor.evidence.sign import sign
from compactor.evidence.statement import placed, to_bytes
from compactor.store import open_store
from compactor.store.interface import Retention, Store

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
IN_TOTO = "application/vnd.in-toto+json"


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return make_key(tmp_path)


@pytest.fixture(params=["folder", "S3 with Object Lock"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return open_store(str(tmp_path / "store"))
    return open_store(f"s3://{request.getfixturevalue('lock_bucket')()}/tables/")


def act(run_id: str, **more: Any) -> Statement:
    """Return something to be said, of no weight."""
    predicate = RunPredicate(
        number=0,
        predecessor=Predecessor(number=-1, envelope_sha256=NO_PREDECESSOR),
        run_id=run_id,
        started_at=NOW,
        finished_at=NOW,
        sources=("s3://acme-exports/",),
        lake="s3://acme-lake/",
        archive=None,
        **more,
    )
    return Statement(subject=(), predicate=predicate)


def chain_of(store: Store, key: SigningKey, at: datetime = NOW) -> Chain:
    return Chain(store, key, always(key), lambda: at)


# --- several at once ------------------------------------------------------------------------------


def test_appends_at_once_make_one_line(store: Store, key: SigningKey) -> None:
    start = threading.Barrier(6)

    def append(who: int) -> list[int]:
        own = chain_of(store, key)
        start.wait(30)
        return [own.append(act(f"run-{who}-{no}")).link.number for no in range(3)]

    with ThreadPoolExecutor(6) as pool:
        given = sorted(number for some in pool.map(append, range(6)) for number in some)

    assert given == list(range(18))
    told = lines_of([link.body for link in chain.read_links(store)], key.public)
    assert {one["run_id"] for one in told} == {f"run-{a}-{b}" for a in range(6) for b in range(3)}
    for number in given:
        assert len(store.versions(link_key(number))) <= 1


def test_one_act_appended_by_many_at_once_has_one_link(store: Store, key: SigningKey) -> None:
    start = threading.Barrier(4)

    def append(who: int) -> tuple[int, bool]:
        own = chain_of(store, key, NOW + timedelta(seconds=who))
        start.wait(30)
        done = own.append(act("the-run"))
        return done.link.number, done.is_new

    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(append, range(4)))

    assert sorted(given) == [(0, False)] * 3 + [(0, True)]
    assert len(list(chain.read_links(store))) == 1


# --- what breaks it -------------------------------------------------------------------------------


@pytest.fixture
def three(store: Store, key: SigningKey) -> list[Link]:
    own = chain_of(store, key)
    for number in range(3):
        own.append(act(f"run-{number}"))
    return list(chain.read_links(store))


def overwrite(store: Store, number: int, body: bytes) -> None:
    store.put(link_key(number), body, sha256=sha256(body))


def test_links_verify_in_order_and_are_read_with_their_versions(
    three: list[Link], store: Store, key: SigningKey
) -> None:
    before: Link | None = None
    for number, link in enumerate(three):
        assert (link.number, link.key) == (number, link_key(number))
        assert link.version_id == next(iter(store.versions(link.key)), None)
        said = chain.verify_link(link, before, always(key))
        assert said.predicate.run_id == f"run-{number}"
        before = link


def test_every_changed_byte_of_a_payload_is_noticed(three: list[Link], key: SigningKey) -> None:
    envelope = json.loads(three[1].body)
    payload = base64.b64decode(envelope["payload"])
    assert len(payload) > 500
    for place in range(len(payload)):
        changed = bytearray(payload)
        changed[place] ^= 1
        envelope["payload"] = base64.b64encode(bytes(changed)).decode()
        link = three[1]._replace(body=json.dumps(envelope).encode())
        with pytest.raises(EvidenceError, match="link 1 "):
            chain.verify_link(link, three[0], always(key))


def test_a_link_without_signature_is_not_taken(three: list[Link], key: SigningKey) -> None:
    envelope = json.loads(three[1].body) | {"signatures": []}
    link = three[1]._replace(body=json.dumps(envelope).encode())

    with pytest.raises(SignatureError, match=r"link 1 .* is not signed: expected a signature"):
        chain.verify_link(link, three[0], always(key))


def test_a_link_signed_by_an_unknown_key_names_both_keys(
    three: list[Link], key: SigningKey, tmp_path: Path
) -> None:
    other = make_key(tmp_path, "other")

    with pytest.raises(SignatureError) as caught:
        chain.verify_link(three[1], three[0], always(other))

    assert "link 1 " in caught.value.message
    assert key.keyid in caught.value.message
    assert other.keyid in caught.value.message
    assert caught.value.exit_code == 6


def test_a_known_key_id_over_a_strangers_signature_is_not_taken(
    three: list[Link], key: SigningKey, tmp_path: Path
) -> None:
    forged = json.loads(sign(make_key(tmp_path, "other"), b"{}", IN_TOTO))
    envelope = json.loads(three[1].body)
    envelope["signatures"][0]["sig"] = forged["signatures"][0]["sig"]
    link = three[1]._replace(body=json.dumps(envelope).encode())

    with pytest.raises(SignatureError, match=f"signature of key {key.keyid} does not fit"):
        chain.verify_link(link, three[0], always(key))


def test_a_link_in_another_place_is_not_taken(three: list[Link], key: SigningKey) -> None:
    moved = Link(2, link_key(2), three[1].body, None)

    with pytest.raises(EvidenceError, match="expected number 2 in it, found 1"):
        chain.verify_link(moved, three[1], always(key))


def test_a_replaced_predecessor_is_noticed(three: list[Link], key: SigningKey) -> None:
    other = act("another")
    before = Predecessor(number=0, envelope_sha256=three[0].sha256)
    body = sign(key, to_bytes(placed(other, before, NOW)), IN_TOTO)
    replaced = three[1]._replace(body=body)
    chain.verify_link(replaced, three[0], always(key))

    with pytest.raises(EvidenceError, match=r"link 2 .*: expected link 1 before it"):
        chain.verify_link(three[2], replaced, always(key))


def test_a_link_dated_before_its_predecessor_is_noticed(three: list[Link], key: SigningKey) -> None:
    before = Predecessor(number=2, envelope_sha256=three[2].sha256)
    early = placed(act("backdated"), before, NOW - timedelta(seconds=1))
    link = Link(3, link_key(3), sign(key, to_bytes(early), IN_TOTO), None)

    with pytest.raises(EvidenceError, match="expected a time of signing not before"):
        chain.verify_link(link, three[2], always(key))


def test_a_clock_that_is_behind_keeps_the_order(
    three: list[Link], store: Store, key: SigningKey
) -> None:
    slow = chain_of(store, key, NOW - timedelta(minutes=5))

    added = slow.append(act("slow"))

    assert added.statement.predicate.signed_at == NOW
    chain.verify_link(added.link, three[2], always(key))


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_nothing_is_appended_after_a_gap(three: list[Link], store: Store, key: SigningKey) -> None:
    (Path(store.url) / link_key(1)).unlink()

    with pytest.raises(EvidenceError, match="has a gap: expected links 0 to 2, 1 are missing"):
        chain_of(store, key).append(act("more"))
    assert chain.numbers(store) == [0, 2]


@pytest.mark.parametrize("store", ["S3 with Object Lock"], indirect=True)
@pytest.mark.parametrize("number", [0, 1, 2], ids=["the first", "in the middle", "the head"])
def test_nothing_is_appended_where_a_link_is_hidden_by_a_delete_marker(
    three: list[Link], store: Store, key: SigningKey, s3_env: Any, number: int
) -> None:
    name = store.url.removeprefix("s3://").split("/")[0]
    s3_env.client().delete_object(Bucket=name, Key=f"tables/{link_key(number)}")
    assert number not in chain.numbers(store)

    with pytest.raises(EvidenceError, match="hidden by a delete" if number == 2 else "has a gap"):
        chain_of(store, key).append(act("more"))
    assert max(chain.numbers(store)) <= 2
    assert store.versions(link_key(3)) == []


@pytest.mark.parametrize("store", ["S3 with Object Lock"], indirect=True)
def test_the_chain_goes_on_after_its_oldest_links_have_expired(
    three: list[Link], store: Store, key: SigningKey, s3_env: Any
) -> None:
    name = store.url.removeprefix("s3://").split("/")[0]
    for link in three[:1]:  # not locked, as after its retention
        where = {"Bucket": name, "Key": f"tables/{link.key}", "VersionId": link.version_id}
        s3_env.client().delete_object(**where)

    added = chain_of(store, key).append(act("run-3"))

    assert added.link.number == 3
    chain.verify_link(added.link, three[2], always(key))


@pytest.mark.parametrize("store", ["S3 with Object Lock"], indirect=True)
def test_nothing_is_appended_to_a_head_that_was_written_twice(
    three: list[Link], store: Store, key: SigningKey
) -> None:
    overwrite(store, 2, three[2].body)

    with pytest.raises(EvidenceError, match="expected one version, found 2"):
        chain_of(store, key).append(act("more"))
    assert store.versions(link_key(3)) == []


def test_nothing_is_appended_to_a_head_that_does_not_verify(
    store: Store, key: SigningKey, tmp_path: Path
) -> None:
    chain_of(store, make_key(tmp_path, "other")).append(act("run-0"))

    with pytest.raises(SignatureError, match="link 0 "):
        chain_of(store, key).append(act("run-1"))
    assert chain.numbers(store) == [0]


def test_a_store_that_ignores_conditions_is_found_out(
    lock_bucket: Callable[[], str], key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(f"s3://{lock_bucket()}/tables/")
    inner = store.put

    def careless(name: str, body: bytes, **more: Any) -> Any:
        overwrite_first = sign(key, b"{}", IN_TOTO)
        inner(name, overwrite_first, sha256=sha256(overwrite_first))
        return inner(name, body, **(more | {"only_if_absent": False}))

    monkeypatch.setattr(store, "put", careless)

    with pytest.raises(EvidenceError, match="was written more than once"):
        chain_of(store, key).append(act("run-0"))


# --- keys change ----------------------------------------------------------------------------------


def test_old_links_verify_with_the_keys_of_their_time(store: Store, tmp_path: Path) -> None:
    change = NOW + timedelta(days=10)
    old, new = make_key(tmp_path, "old"), make_key(tmp_path, "new")
    first = old.trusted(LONG_AGO).model_copy(update={"valid_until": change})
    keys = TrustedKeys(keys=(first, new.trusted(change)))
    Chain(store, old, keys, lambda: NOW).append(act("run-0"))
    Chain(store, new, keys, lambda: change).append(act("run-1"))
    zero, one = chain.read_links(store)

    assert chain.verify_link(zero, None, keys).predicate.run_id == "run-0"
    assert chain.verify_link(one, zero, keys).predicate.run_id == "run-1"
    with pytest.raises(SignatureError, match="was not valid at") as caught:
        Chain(store, old, keys, lambda: change).append(act("run-2"))
    assert old.keyid in caught.value.message
    assert chain.numbers(store) == [0, 1]


def test_an_append_locks_the_link_with_it(lock_bucket: Callable[[], str], key: SigningKey) -> None:
    store = open_store(f"s3://{lock_bucket()}/tables/")
    until = (datetime.now(UTC) + timedelta(hours=2)).replace(microsecond=0)

    done = chain_of(store, key).append(
        act("hold", kind="hold"), retention=Retention(mode="COMPLIANCE", until=until)
    )

    seen = store.stat(done.link.key, done.link.version_id)
    assert (seen.lock_mode, seen.retain_until) == ("COMPLIANCE", until)
