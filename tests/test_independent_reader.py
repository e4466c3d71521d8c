"""A reader that shares nothing with us finds in the lake what the manifest says."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import s3fs
from s3_line import ORDERS, Place, write_shop


def test_a_file_system_client_reads_the_objects_that_the_manifest_names(place: Place) -> None:
    place.deliver(write_shop(place.folder / "export"))
    place.settings = place.without_archive()
    done = place.run()
    assert done.exit_code == 0
    assert done.result.manifest is not None
    lake = s3fs.S3FileSystem(
        client_kwargs={"endpoint_url": place.server.endpoint}, skip_instance_cache=True
    )
    with lake.open(done.result.manifest.url, "rb") as file:
        manifest = json.load(file)
    orders = next(table for table in manifest["tables"] if table["table"] == "public.orders")
    found = []
    for partition in orders["partitions"]:
        for item in partition["objects"]:
            with lake.open(f"{place.lake}/tables/{item['key']}", "rb") as file:
                part = pq.read_table(file, columns=["id", "note", "created_at"])
            assert part.num_rows == item["rows"]
            days = {day.replace(day=1).isoformat() for day in part["created_at"].to_pylist()}
            assert days == {partition["value"]}
            found += zip(*(column.to_pylist() for column in part.columns), strict=True)
    assert sorted(found) == ORDERS
