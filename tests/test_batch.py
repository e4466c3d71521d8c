"""S3 Batch Operations: what a run hands over, what is asked of S3, what is believed afterwards.

The lake and the archive are on a real server. The job is done by `S3Batch`, which reads manifest
and request as S3 would, copies, and writes a completion report as the documentation shows it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import boto3
import pytest
from audits import faults, look
from botocore.stub import ANY, Stubber
from s3_line import SHOP, SNAPSHOT, UNTIL, Place, write_shop

from compactor import batch_copy, batch_report, completion_report, holdings, report
from compactor.config import ArchiveConfig, parse_config
from compactor.errors import ConfigError, NotFound, SourceError, VerificationFailed
from compactor.evidence.keys import new_key
from compactor.model import StoredObject
from compactor.places import Stores
from compactor.store import open_store, s3_copy
from compactor.store.s3 import S3Store

ROLE = "arn:aws:iam::111122223333:role/batch-copy"
NAME = UNTIL.strftime("%Y%m%dT%H%M%SZ")
PARTS = 3


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def handed(place: Place) -> tuple[Place, str]:
    """The shop, verified and handed over; and the run."""
    return place, hand_over(place)


def hand_over(place: Place) -> str:
    place.settings["archive"] |= {"method": "batch", "batch_role_arn": ROLE}
    place.deliver(write_shop(place.folder / "exports"))
    done = place.run()
    assert done.exit_code == 0, done.result
    return done.result.run_id


class S3Batch:
    """Does a job as S3 would, from the documents that lie in the lake."""

    def __init__(self, place: Place, run_id: str) -> None:
        self.place = place
        self.folder = f"tables/_compactor/batch/{run_id}/"
        self.asked = json.loads(place.body(place.lake, f"{self.folder}{NAME}.request.json"))
        self.refuse: Callable[[str], bool] = lambda key: False
        self.leave_out: Callable[[str], bool] = lambda key: False
        self.flip: Callable[[str], bool] = lambda key: False
        self.columns_as_in_schema = False
        self.by_copy_object = False

    def run(self, job_id: str = "f8fb9d89") -> None:
        copy = self.asked["Operation"]["S3PutObjectCopy"]
        location = self.asked["Manifest"]["Location"]
        bucket, _, key = location["ObjectArn"].rpartition(":")[2].partition("/")
        listed = self.place.client.get_object(
            Bucket=bucket, Key=key, IfMatch=f'"{location["ETag"]}"'
        )["Body"].read()
        lines: dict[str, list[list[str]]] = {"succeeded": [], "failed": []}
        for source, written in csv.reader(io.StringIO(listed.decode())):
            if self.leave_out(written):
                continue
            bad = self.refuse(written)
            if not bad:
                self._copy(source, unquote(written), copy)
            told = ["403", "AccessDenied"] if bad else ["200", ""]
            if self.columns_as_in_schema:
                told.reverse()
            message = '{"error": "said ""no"""}' if bad else "{u'ETag': '\"fe66\"'}"
            status = "failed" if bad else "succeeded"
            lines[status].append([source, written, "", status, *told, message])
        self._report(job_id, lines)

    def _copy(self, bucket: str, key: str, copy: dict[str, Any]) -> None:
        target = copy["TargetResource"].rpartition(":")[2]
        new = f"{copy['TargetKeyPrefix']}/{key}" if "TargetKeyPrefix" in copy else key
        lock = {
            "ObjectLockMode": copy["ObjectLockMode"],
            "ObjectLockRetainUntilDate": datetime.fromisoformat(copy["ObjectLockRetainUntilDate"]),
        }
        if self.by_copy_object:
            self.place.client.copy_object(
                Bucket=target, Key=new, CopySource={"Bucket": bucket, "Key": key}
            )
            return
        body = self.place.body(bucket, key)
        if self.flip(key):
            body = bytes([body[0] ^ 1]) + body[1:]
        assert copy["ChecksumAlgorithm"] == "SHA256"
        self.place.client.put_object(
            Bucket=target,
            Key=new,
            Body=body,
            ChecksumSHA256=base64.b64encode(hashlib.sha256(body).digest()).decode(),
            **lock,
        )

    def _report(self, job_id: str, lines: dict[str, list[list[str]]]) -> None:
        prefix = f"{self.asked['Report']['Prefix']}/job-{job_id}"
        bucket = self.asked["Report"]["Bucket"].rpartition(":")[2]
        results = []
        for status, rows in lines.items():
            if rows:
                text = io.StringIO()
                csv.writer(text, lineterminator="\n").writerows(rows)
                body = text.getvalue().encode()
                key = f"{prefix}/results/{hashlib.sha1(body).hexdigest()}.csv"
                self.place.client.put_object(Bucket=bucket, Key=key, Body=body)
                results.append(
                    {
                        "TaskExecutionStatus": status,
                        "Bucket": bucket,
                        "MD5Checksum": hashlib.md5(body).hexdigest(),
                        "Key": key,
                    }
                )
        document = {
            "Format": "Report_CSV_20180820",
            "ReportCreationDate": "2026-11-25T17:48:39.725Z",
            "Results": results,
            "ReportSchema": "Bucket, Key, VersionId, TaskStatus, ErrorCode, HTTPStatusCode, "
            "ResultMessage",
        }
        self.place.client.put_object(
            Bucket=bucket, Key=f"{prefix}/manifest.json", Body=json.dumps(document).encode()
        )


def reported(place: Place, run_id: str, **options: Any) -> batch_report.Reported:
    return batch_report.report(place.config, run_id, clock=now, **options)


def locks(place: Place) -> dict[str, tuple[str, datetime]]:
    found = {}
    for key, (version,) in place.versions().items():
        seen = place.client.head_object(Bucket=place.vault, Key=key, VersionId=version)
        found[key] = (seen["ObjectLockMode"], seen["ObjectLockRetainUntilDate"])
    return found


# --- what a run hands over ------------------------------------------------------------------------


def test_a_run_verifies_locks_the_sidecars_and_hands_the_objects_over(
    handed: tuple[Place, str],
) -> None:
    place, run_id = handed

    assert all("/_control/" in key for key in place.versions())
    assert len(place.versions()) == 3 * 2
    for name, wanted in SHOP.items():
        assert place.table(place.lake, name) == wanted
    listed = place.body(place.lake, f"tables/_compactor/batch/{run_id}/{NAME}.csv").decode()
    lines = list(csv.reader(io.StringIO(listed)))
    assert {(bucket, unquote(key)) for bucket, key in lines} == {
        (place.lake, key) for key in place.keys(place.lake, "tables/shop/")
    }
    assert len(lines) == PARTS
    assert "snapshot%3D20261006T034712Z" in listed


def test_what_is_asked_of_s3_is_a_copy_with_lock_and_digest(handed: tuple[Place, str]) -> None:
    place, run_id = handed
    folder = f"tables/_compactor/batch/{run_id}/"
    asked = json.loads(place.body(place.lake, f"{folder}{NAME}.request.json"))
    etag = place.client.head_object(Bucket=place.lake, Key=f"{folder}{NAME}.csv")["ETag"].strip('"')

    assert asked["job"]["objects"] == PARTS
    assert (asked["AccountId"], asked["RoleArn"]) == ("111122223333", ROLE)
    assert asked["Operation"] == {
        "S3PutObjectCopy": {
            "TargetResource": f"arn:aws:s3:::{place.vault}",
            "MetadataDirective": "COPY",
            "StorageClass": "STANDARD",
            "ObjectLockMode": "COMPLIANCE",
            "ObjectLockRetainUntilDate": "2056-10-06T03:47:12Z",
            "ChecksumAlgorithm": "SHA256",
        }
    }
    assert asked["Manifest"] == {
        "Spec": {"Format": "S3BatchOperations_CSV_20180820", "Fields": ["Bucket", "Key"]},
        "Location": {
            "ObjectArn": f"arn:aws:s3:::{place.lake}/{folder}{NAME}.csv",
            "ETag": etag,
        },
    }
    assert asked["Report"] == {
        "Bucket": f"arn:aws:s3:::{place.lake}",
        "Format": "Report_CSV_20180820",
        "Enabled": True,
        "Prefix": f"{folder}report",
        "ReportScope": "AllTasks",
    }


def test_a_second_run_hands_nothing_over_again(handed: tuple[Place, str]) -> None:
    place, _ = handed

    again = place.run()

    assert (again.exit_code, again.result.status) == (0, "nothing_to_do")
    assert place.proxy.writes() == []


def test_the_run_says_that_nothing_is_locked_yet(place: Place) -> None:
    place.settings["archive"] |= {"method": "batch", "batch_role_arn": ROLE, "legal_hold": True}
    place.deliver(write_shop(place.folder / "exports"))

    done = place.run()

    (finding,) = (one for one in done.result.findings if one.kind == "awaits_batch")
    assert f"compactor batch submit {done.result.run_id}" in finding.message
    asked = S3Batch(place, done.result.run_id).asked
    assert asked["Operation"]["S3PutObjectCopy"]["ObjectLockLegalHoldStatus"] == "ON"


def test_each_date_of_retention_gets_a_job_of_its_own(handed: tuple[Place, str]) -> None:
    place, _ = handed
    for number, day in ((2, 7), (3, 8)):
        moment = SNAPSHOT.replace(day=day)
        root = write_shop(
            place.folder / f"more-{number}",
            {"public.orders": SHOP["public.orders"]},
            export_id=f"shop-{number}",
            snapshot=moment,
        )
        place.deliver(root)

    run_id = place.run().result.run_id

    names = [key.rpartition("/")[2] for key in place.keys(place.lake, "tables/_compactor/batch/")]
    own = [
        key.rpartition("/")[2]
        for key in place.keys(place.lake, f"tables/_compactor/batch/{run_id}/")
    ]
    assert sorted(own) == [
        "20561007T034712Z.csv",
        "20561007T034712Z.request.json",
        "20561008T034712Z.csv",
        "20561008T034712Z.request.json",
    ]
    assert len(names) == 6


def test_keys_are_encoded_and_versions_named_where_every_object_has_one() -> None:
    odd = 'shop/ünï +&,"x/dt=2026-10-05/part-0.parquet'
    one = StoredObject(key=odd, size_bytes=1, sha256="", version_id="v1")
    other = StoredObject(key="b", size_bytes=1, sha256="", version_id=None)

    fields, body = batch_copy.manifest(("lake", "t/"), [one])
    assert fields == ("Bucket", "Key", "VersionId")
    (line,) = body.decode().splitlines()
    bucket, key, version = line.split(",")
    assert (bucket, unquote(key), version) == ("lake", f"t/{odd}", "v1")
    assert key.isascii()
    assert not set(key) & set(' +,"')

    fields, body = batch_copy.manifest(("lake", "t/"), [one, other])
    assert fields == ("Bucket", "Key")
    assert len(body.decode().splitlines()) == 2


@pytest.mark.parametrize(
    ("lake", "archive", "prefix"),
    [
        ("s3://a/tables/", "s3://b/tables/", ""),
        ("s3://a/", "s3://b/", ""),
        ("s3://a/", "s3://b/vault/", "vault"),
        ("s3://a/tables/", "s3://b/x/y/tables/", "x/y"),
        ("s3://a/tables/", "s3://b/", None),
        ("s3://a/tables/", "s3://b/mytables/", None),
        ("s3://a/tables/", "s3://b/other/", None),
        ("folder", "s3://b/", None),
    ],
)
def test_the_archive_must_have_the_keys_that_a_copy_gives(
    s3_env: object, lake: str, archive: str, prefix: str | None
) -> None:
    vault = open_store(archive)
    stores = Stores((), open_store(lake), vault, chain=vault)
    if prefix is None:
        with pytest.raises(ConfigError, match="Batch Operations"):
            batch_copy.target_prefix(stores)
    else:
        assert batch_copy.target_prefix(stores) == prefix


def test_an_archive_with_other_keys_is_refused_before_anything_is_written(place: Place) -> None:
    place.settings["archive"] |= {
        "method": "batch",
        "batch_role_arn": ROLE,
        "url": f"s3://{place.vault}/elsewhere/",
    }
    place.deliver(write_shop(place.folder / "exports"))

    with pytest.raises(ConfigError, match="must end with 'tables/'"):
        place.run()
    assert place.proxy.writes() == []


@pytest.mark.parametrize("role", ["", "batch-copy", "arn:aws:iam::1:role/x"])
def test_batch_needs_a_role(role: str) -> None:
    archive = {"url": "s3://b/", "method": "batch", "batch_role_arn": role}
    with pytest.raises(ConfigError, match="batch_role_arn"):
        parse_config({"source": {"urls": ["in"]}, "lake": {"url": "out"}, "archive": archive})


def test_other_partitions_have_their_own_arns() -> None:
    archive = ArchiveConfig(
        url="s3://b/", method="batch", batch_role_arn="arn:aws-us-gov:iam::111122223333:role/a/b"
    )
    assert archive.batch_account() == ("aws-us-gov", "111122223333")


def test_what_is_too_large_for_a_job_is_copied_in_parts_by_the_run(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = lambda: {  # noqa: E731
        key: place.client.head_object(Bucket=place.lake, Key=key)["ContentLength"]
        for key in place.keys(place.lake, "tables/shop/")
    }
    place.deliver(write_shop(place.folder / "exports"))
    with_archive, place.settings = place.settings, place.without_archive()
    assert place.run().exit_code == 0
    large = max(sizes(), key=sizes().__getitem__)
    limit = sizes()[large] - 1
    monkeypatch.setattr(batch_copy, "LARGEST_BYTES", limit)
    monkeypatch.setattr(s3_copy, "LARGEST_COPY_BYTES", limit)
    place.settings = with_archive
    place.settings["archive"] |= {"method": "batch", "batch_role_arn": ROLE}

    done = place.run()

    assert done.exit_code == 0, done.result
    assert len(place.proxy.sent("POST", f"{place.vault}/.*")) == 2  # begun and completed
    assert locks(place)[large] == ("COMPLIANCE", UNTIL)
    copied = [c for t in done.result.tables for c in t.checks if c.name == "copied_sha256"]
    assert [(f"tables/{check.subject}", check.status) for check in copied] == [(large, "pass")]
    assert copied[0].actual == hashlib.sha256(place.body(place.vault, large)).hexdigest()
    job = S3Batch(place, done.result.run_id)
    assert job.asked["job"]["objects"] == PARTS - 1
    job.run()
    found = reported(place, done.result.run_id)
    assert (found.status, found.tasks) == ("done", PARTS - 1)
    (lock,) = {check.status for t in found.tables for check in t.checks if check.name == "lock"}
    assert lock == "pass"
    assert len(place.versions()[large]) == 1


# --- submitting -----------------------------------------------------------------------------------


@contextmanager
def s3_control(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client(
        "s3control", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    monkeypatch.setattr(S3Store, "control_client", lambda self: client)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def test_a_job_is_created_once_with_what_was_written_down(
    handed: tuple[Place, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, run_id = handed
    asked = S3Batch(place, run_id).asked
    asked.pop("job")
    with s3_control(monkeypatch) as stub:
        stub.add_response("create_job", {"JobId": "job-1"}, asked)
        first = batch_copy.submit(place.config, run_id)
        second = batch_copy.submit(place.config, run_id)

    assert first == second
    assert [(job.job_id, job.objects) for job in first.jobs] == [("job-1", PARTS)]
    assert "job-1" in report.jobs_text(first)


def test_a_job_that_is_submitted_again_has_another_token(
    handed: tuple[Place, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, run_id = handed
    tokens = []
    with s3_control(monkeypatch) as stub:
        client = stub.client
        client.meta.events.register(
            "provide-client-params.s3-control.CreateJob",
            lambda params, **_: tokens.append(params["ClientRequestToken"]),
        )
        anything = dict.fromkeys(
            ("AccountId", "ConfirmationRequired", "Operation", "Manifest", "Report"), ANY
        ) | dict.fromkeys(("Priority", "RoleArn", "ClientRequestToken", "Description"), ANY)
        for job_id in ("job-1", "job-2"):
            stub.add_response("create_job", {"JobId": job_id}, anything)
        batch_copy.submit(place.config, run_id)
        again = batch_copy.submit(place.config, run_id, again=True)

    assert [job.job_id for job in again.jobs] == ["job-2"]
    assert len(set(tokens)) == 2


def test_a_run_without_jobs_cannot_be_submitted(handed: tuple[Place, str]) -> None:
    place, _ = handed
    with pytest.raises(ConfigError, match="no finished run '20200101T000000Z-0'"):
        batch_copy.submit(place.config, "20200101T000000Z-0")


# --- what is believed afterwards ------------------------------------------------------------------


@pytest.mark.parametrize("as_in_schema", [False, True])
def test_tables_are_finished_when_the_report_and_every_version_agree(
    handed: tuple[Place, str], *, as_in_schema: bool
) -> None:
    place, run_id = handed
    job = S3Batch(place, run_id)
    job.columns_as_in_schema = as_in_schema
    job.run()

    found = reported(place, run_id)

    assert (found.status, found.exit_code, found.tasks) == ("done", 0, PARTS)
    assert {table.status for table in found.tables} == {"archived"}
    checks = [check for table in found.tables for check in table.checks]
    assert {check.status for check in checks} == {"pass"}
    assert {check.name for check in checks} == {"batch_tasks", "lock", "stored_sha256"}
    assert len(locks(place)) == PARTS + 3 * 2
    assert set(locks(place).values()) == {("COMPLIANCE", UNTIL)}
    assert place.run().result.status == "nothing_to_do"
    place.settings["archive"]["method"] = "copy"
    assert place.run().result.status == "nothing_to_do"
    again = reported(place, run_id)
    assert (again.status, again.manifest) == ("nothing_to_do", None)


def test_what_was_archived_is_named_by_a_manifest_like_any_other(
    handed: tuple[Place, str],
) -> None:
    place, run_id = handed
    S3Batch(place, run_id).run()
    reported(place, run_id)

    archive = open_store(place.config.archive.url)  # type: ignore[union-attr]
    lake = open_store(place.config.lake.url)
    found = holdings.find(lake, archive.url, holdings.Selection(), ())

    named = {f"tables/{item.key}": [item.version_id] for one in found for item in one.versions}
    assert named == place.versions()


def test_what_was_archived_is_signed_and_passes_the_audit(place: Place) -> None:
    key = place.folder / "key.pem"
    new_key(key)
    place.settings["evidence"] = {"key": f"ed25519:{key}"}
    run_id = hand_over(place)
    S3Batch(place, run_id).run()

    assert reported(place, run_id).status == "done"

    found = look(place.config)
    assert (found.status, found.exit_code, found.links.count) == ("passed", 0, 2), faults(found)
    assert place.run().result.late_links == ()


def test_an_object_that_failed_is_named_and_its_table_is_left_as_it_was(
    handed: tuple[Place, str],
) -> None:
    place, run_id = handed
    job = S3Batch(place, run_id)
    job.refuse = lambda key: "dt%3D2026-08-01" in key
    job.run()

    found = reported(place, run_id)

    assert (found.status, found.exit_code) == ("failed", 5)
    states = {table.table: table.status for table in found.tables}
    assert states == {"public.orders": "failed", "public.customers": "archived"}
    (orders,) = (table for table in found.tables if table.table == "public.orders")
    (task,) = (check for check in orders.checks if check.name == "batch_task")
    assert task.subject.endswith(".parquet")
    assert "dt=2026-08-01" in task.subject
    assert "403 AccessDenied" in (task.actual or "")
    assert task.subject in report.reported_text(found)

    place.settings["archive"]["method"] = "copy"
    done = place.run()

    assert (done.exit_code, [t.status for t in done.result.tables]) == (0, ["adopted"])
    assert place.table(place.vault, "public.orders") == SHOP["public.orders"]
    assert set(locks(place).values()) == {("COMPLIANCE", UNTIL)}  # one version of each key


def test_a_report_that_leaves_an_object_out_does_not_pass(handed: tuple[Place, str]) -> None:
    place, run_id = handed
    job = S3Batch(place, run_id)
    job.leave_out = lambda key: "public.customers" in key
    job.run()

    found = reported(place, run_id)

    bad = [c for t in found.tables for c in t.checks if c.name == "batch_task"]
    assert [check.actual for check in bad] == ["no report names it"]
    assert found.exit_code == 5


def test_other_bytes_are_found_by_their_digest_and_are_not_archived(
    handed: tuple[Place, str],
) -> None:
    place, run_id = handed
    job = S3Batch(place, run_id)
    job.flip = lambda key: "public.customers" in key
    job.run()

    found = reported(place, run_id)

    (bad,) = (table for table in found.tables if table.status == "failed")
    assert bad.table == "public.customers"
    names = {check.name for check in bad.checks if check.status == "fail"}
    assert names == {"archived_object", "lock", "stored_sha256"}


def test_a_copy_that_came_without_lock_is_locked_and_its_digest_not_verified(
    handed: tuple[Place, str],
) -> None:
    """As SeaweedFS does with the lock and the checksum of CopyObject, whatever is asked."""
    place, run_id = handed
    job = S3Batch(place, run_id)
    job.by_copy_object = True
    job.run()
    parts = {key: one for key, one in place.versions().items() if "/_control/" not in key}
    assert len(parts) == PARTS
    for key, (version,) in parts.items():
        seen = place.client.head_object(Bucket=place.vault, Key=key, VersionId=version)
        assert "ObjectLockMode" not in seen

    found = reported(place, run_id)

    assert set(locks(place).values()) == {("COMPLIANCE", UNTIL)}
    states = {c.name: c.status for t in found.tables for c in t.checks}
    assert (states["lock"], states["batch_tasks"]) == ("pass", "pass")
    assert states["stored_sha256"] in ("pass", "not_verified")
    assert found.status == "done"


def test_before_the_job_has_ended_there_is_no_report(handed: tuple[Place, str]) -> None:
    place, run_id = handed
    with pytest.raises(NotFound, match="no completion report") as caught:
        reported(place, run_id)
    assert "have the jobs ended" in caught.value.hint


def test_a_report_elsewhere_is_named_by_its_url(handed: tuple[Place, str]) -> None:
    place, run_id = handed
    job = S3Batch(place, run_id)
    job.asked["Report"]["Prefix"] = "moved"
    job.run("1")

    found = reported(place, run_id, url=f"s3://{place.lake}/moved/job-1/manifest.json")

    assert (found.status, found.tasks) == ("done", PARTS)


def test_a_report_about_another_bucket_is_refused(handed: tuple[Place, str]) -> None:
    place, run_id = handed
    job = S3Batch(place, run_id)
    job.leave_out = lambda key: True
    job.run()
    row = ["other-bucket", "k", "", "succeeded", "200", "", "ok"]
    job._report("2", {"succeeded": [row]})

    with pytest.raises(SourceError, match="not in the lake"):
        reported(place, run_id)


def test_a_result_file_that_was_changed_is_refused(handed: tuple[Place, str]) -> None:
    place, run_id = handed
    S3Batch(place, run_id).run()
    (key,) = (key for key in place.keys(place.lake) if "/results/" in key)
    body = place.body(place.lake, key)
    place.client.put_object(Bucket=place.lake, Key=key, Body=body + b"\n")

    with pytest.raises(VerificationFailed, match="expected MD5"):
        reported(place, run_id)


# --- the lines of a report ------------------------------------------------------------------------

DOCUMENTED = (
    b'b1,image_14975,,failed,200,PermanentFailure,"Lambda returned function error: '
    b'{""errorMessage"":""Task timed out, after 3.00 seconds""}"\n'
    b"b1,a%20b%2Bc,v1,succeeded,200,,\"{u'ETag': '\"\"fe66\"\"', u'x': datetime(2019, 4)}\"\n"
    b"b1,k,,failed,AccessDenied,403,\n"
    b"b1,k2,,failed,,,no code at all\n"
)


def test_status_and_code_are_told_apart_by_shape_and_messages_are_unquoted() -> None:
    first, second, third, fourth = completion_report.lines(DOCUMENTED, "x.csv")

    assert (first.http_status, first.error_code, first.is_done) == (200, "PermanentFailure", False)
    assert '{"errorMessage":"Task timed out, after 3.00 seconds"}' in first.message
    assert (second.key, second.version_id, second.is_done) == ("a b+c", "v1", True)
    assert (second.http_status, second.error_code) == (200, "")
    assert (third.http_status, third.error_code) == (403, "AccessDenied")
    assert (fourth.http_status, fourth.error_code) == (None, "")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"b,k,,succeeded,200,\n", "line 1: expected 7 columns, found 6"),
        (b"b,k,,succeeded,abc,def,\n", "neither 'abc' nor 'def'"),
        (b'b,k,,succeeded,200,,"open\n', "not CSV"),
        (b"\xff\n", "not CSV"),
    ],
)
def test_a_line_that_is_not_as_documented_is_refused(body: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        list(completion_report.lines(body, "x.csv"))


@pytest.mark.parametrize(
    ("manifest", "says"),
    [(b"{}", "is not the manifest"), (b"[]", "is not"), (b"x", "is not"), (b"null", "is not")],
)
def test_a_manifest_that_is_none_is_refused(manifest: bytes, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        list(completion_report.read(manifest, lambda *_: b"", where="m"))


def test_a_report_of_another_format_is_refused() -> None:
    manifest = json.dumps({"Format": "Report_CSV_20990101", "Results": []}).encode()
    with pytest.raises(SourceError, match="expected the format Report_CSV_20180820"):
        list(completion_report.read(manifest, lambda *_: b"", where="m"))


# --- the command line -----------------------------------------------------------------------------


def test_report_by_command(handed: tuple[Place, str], tmp_path: Path) -> None:
    place, run_id = handed
    early = place.cli("batch", "report", run_id)
    S3Batch(place, run_id).run()
    found = place.cli("batch", "report", run_id, "--json")
    text = place.cli("batch", "report", run_id)

    assert (early.returncode, found.returncode, text.returncode) == (4, 0, 0)
    assert json.loads(found.stdout)["status"] == "done"
    assert "NOTHING TO DO" in text.stdout
