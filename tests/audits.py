"""Archives to audit: on the real server, and as a folder that is copied for each test."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lines import Line
from s3_line import SHOP, SNAPSHOT, Place, Rows, rows, write_shop

from compactor import audit, pipeline
from compactor.config import Config, parse_config
from compactor.evidence.audited import Audit
from compactor.evidence.keys import new_key
from compactor.evidence.predicate import link_key
from compactor.model import Check

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def look(config: Config, *, now: datetime = NOW, **options: Any) -> Audit:
    return audit.audit(config, audit.AuditOptions(**options), clock=lambda: now)


def check(found: Audit, name: str) -> Check:
    """Return the check of one kind that counts."""
    return next(one for one in found.checks if one.name == name)


def faults(found: Audit) -> dict[str, list[Check]]:
    """Return every check that is no pass, without those that count, by kind."""
    told: dict[str, list[Check]] = {}
    for one in found.checks:
        if one.status != "pass" and not one.subject.startswith(("all ", "what was read")):
            told.setdefault(one.name, []).append(one)
    return told


def name_it(checks: Iterable[Check], name: str) -> bool:
    return any(name in one.subject for one in checks)


# --- a folder -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Folder:
    """A lake with a signed chain, two links long, and the keys that signed it."""

    root: Path

    @property
    def lake(self) -> Path:
        return self.root / "lake"

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "source": {"urls": [str(self.root / "source")]},
            "lake": {"url": str(self.lake)},
            "limits": {"scratch_dir": str(self.root / "scratch"), "memory": "1GiB"},
            "evidence": {"key": f"ed25519:{self.root / 'key.pem'}"},
        }

    @property
    def config(self) -> Config:
        return parse_config(self.settings)

    def look(self, **options: Any) -> Audit:
        return look(self.config, **options)

    def copy(self, root: Path) -> Folder:
        shutil.copytree(self.root, root)
        return Folder(root)

    def link(self, number: int) -> Path:
        return self.lake / link_key(number)

    def data(self) -> list[Path]:
        return sorted(path for path in self.lake.glob("shop/**/*.parquet"))

    def statement(self, number: int) -> dict[str, Any]:
        import base64

        return json.loads(base64.b64decode(json.loads(self.link(number).read_text())["payload"]))


def make_folder(root: Path, links: int = 2) -> Folder:
    """Run the line once for each link; each run takes one more export."""
    line = Line(root)
    new_key(root / "key.pem")
    made = Folder(root)
    for number in range(links):
        moment = SNAPSHOT + timedelta(days=number)
        tables = {"public.orders": rows(1, 40 + number), "public.customers": rows(1001, 8)}
        write_shop(line.source, tables, export_id=f"shop-{number}", snapshot=moment)
        done = pipeline.run(made.config, clock=lambda n=number: NOW - timedelta(days=9 - n))
        assert (done.exit_code, done.result.status) == (0, "done"), done.result.findings
    assert made.link(links - 1).exists()
    return made


# --- the server -----------------------------------------------------------------------------------


def archive(
    place: Place, tables: dict[str, Rows] | None = None, *, mode: str = "GOVERNANCE"
) -> Place:
    """Deliver an export, and run: afterwards there is an archive with one link."""
    key = place.folder / "key.pem"
    new_key(key)
    place.settings["archive"]["mode"] = mode
    place.settings["evidence"] = {"key": f"ed25519:{key}"}
    small = {"public.customers": SHOP["public.customers"]}
    place.deliver(write_shop(place.folder / "exports", tables or small))
    done = place.run()
    assert (done.exit_code, done.result.status) == (0, "done"), done.result.findings
    return place


def data_version(place: Place) -> tuple[str, str]:
    """Return key (in the bucket) and version of a data object."""
    return next(
        (key, version)
        for key, (version,) in place.versions().items()
        if key.endswith(".parquet") and "/_evidence/" not in key
    )
