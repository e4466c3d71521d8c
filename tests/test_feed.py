"""The buffer between decoding and loading: everything comes through, and nobody waits for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from compactor.feed import Feed, First
from compactor.pack import Pack

SCHEMA = pa.schema([("id", pa.int64())])
PATIENCE_S = 30


def _table(*ids: int) -> pa.Table:
    return pa.table({"id": pa.array(ids, pa.int64())})


def _opened(limit_bytes: int = 1 << 20) -> Feed:
    feed = Feed(limit_bytes)
    feed.open(First(schema=SCHEMA, plain=(), tuned=()))
    return feed


def test_every_row_comes_through_in_order_although_little_may_wait() -> None:
    feed = _opened(limit_bytes=8)

    def decode() -> None:
        for number in range(1_000):
            feed.put(_table(number, -number))
        feed.close()

    with ThreadPoolExecutor(1) as pool:
        decoding = pool.submit(decode)
        rows = feed.reader().read_all()["id"].to_pylist()
        decoding.result(PATIENCE_S)
    assert rows == [value for number in range(1_000) for value in (number, -number)]
    assert feed.is_whole


def test_a_decoder_waits_for_room_until_the_loader_takes_something() -> None:
    feed = _opened(limit_bytes=8)
    put = threading.Event()

    def decode() -> None:
        feed.put(_table(1))
        feed.put(_table(2))
        put.set()
        feed.close()

    with ThreadPoolExecutor(1) as pool:
        decoding = pool.submit(decode)
        assert not put.wait(0.05)
        assert feed.reader().read_all()["id"].to_pylist() == [1, 2]
        decoding.result(PATIENCE_S)


def test_a_loader_that_leaves_frees_a_decoder_that_waits() -> None:
    feed = _opened(limit_bytes=8)
    with ThreadPoolExecutor(1) as pool:
        decoding = pool.submit(lambda: [feed.put(_table(number)) for number in range(100)])
        feed.leave()
        decoding.result(PATIENCE_S)
    feed.close()
    assert not feed.is_whole
    assert feed.reader().read_all().num_rows == 0


@pytest.mark.parametrize("how", ["void", "other columns", "before it was opened"])
def test_rows_that_do_not_fit_one_stream_end_it_and_it_is_not_whole(how: str) -> None:
    feed = Feed() if how == "before it was opened" else _opened()
    if how == "void":
        feed.put(_table(1))
        feed.void()
    elif how == "other columns":
        feed.put(_table(1))
        feed.put(pa.table({"id": pa.array([1], pa.int32())}))
    else:
        feed.put(_table(1))
        feed.open(First(schema=SCHEMA, plain=(), tuned=()))
    feed.put(_table(2))
    feed.close()
    assert feed.first() is None
    assert not feed.is_whole


def test_a_loader_learns_that_nothing_was_ever_decoded() -> None:
    feed = Feed()
    feed.close()
    assert feed.first() is None
    assert not feed.is_whole


def test_a_file_of_many_objects_gives_each_one_back(tmp_path: Path) -> None:
    pack = Pack(tmp_path / "pack")
    bodies = {7: b"seven", 0: b"", 3: bytes(range(256)) * 50}
    for number, body in bodies.items():
        pack.add(number, pa.py_buffer(body))
    assert {number: pack.get(number).to_pybytes() for number in bodies} == bodies
    assert 1 not in pack
    pack.close()


def test_a_file_of_many_objects_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    pack = Pack(tmp_path / "pack")
    pack.add(0, pa.py_buffer(b"a whole object"))
    (tmp_path / "pack").write_bytes(b"a who")
    with pytest.raises(OSError, match="5 of 14 bytes"):
        pack.get(0)
    pack.close()
