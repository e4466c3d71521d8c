"""The cases: what is measured, against whom, and what it should reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import benefit as one_day
from . import exports
from . import inventory as s3_inventory
from .contest import OURS, PORTABLE, Contestant, Place, Result, child, contest
from .exports import BIG, FIXED, HUGE, MONTH, TINY, Shape
from .machine import REPOSITORY
from .proxy import INSTALL_HINT, SlowProxy, find_haproxy

PEERS = Path(__file__).parent / "peers"
DUCKDB_S3 = "1.5.5"
"""The newest DuckDB whose httpfs extension is on PyPI (2026-11-21)."""


@dataclass(frozen=True)
class Options:
    """What the command line says, and what could not be measured.

    `work` is thrown away, `data` is kept for the next time.
    """

    runs: int
    cap_s: float
    latencies_ms: tuple[int, ...]
    data: Path
    work: Path
    contestants: tuple[str, ...]
    left_out: list[str] = field(default_factory=list)

    def chosen(self, contestants: Sequence[Contestant]) -> list[Contestant]:
        if not self.contestants:
            return list(contestants)
        return [c for c in contestants if any(part in c.name for part in self.contestants)]


def tiny(options: Options) -> list[Result]:
    """20,000 objects of 100 rows, from S3 to S3, near and far away."""
    if find_haproxy() is None:
        options.left_out.append(f"the whole S3 case (tiny): {INSTALL_HINT}")
        return []
    from compactor.seaweed import SeaweedServer

    folder = _export(TINY, options)
    duckdb = _duckdb_s3(options)
    results = []
    with SeaweedServer() as server:
        env = server.env()
        print("  tiny: uploading", file=sys.stderr, flush=True)
        child("tests.bench.s3data", "upload", str(folder), "exports", env=env)
        child("tests.bench.s3data", "create", "-", "lake", env=env)
        for latency in options.latencies_ms:
            with SlowProxy(server.endpoint, latency, options.work) as proxy:
                place = Place(
                    options.work,
                    env={**env, "AWS_ENDPOINT_URL": proxy.endpoint},
                    bucket="lake",
                    take_counts=proxy.take_counts,
                    prefix=f"{latency}ms-",
                )
                case = f"tiny, {latency} ms"
                contestants = options.chosen(_tiny_contestants(options, duckdb))
                results += contest(case, contestants, place, **_size(TINY), runs=options.runs)
    return results


def _tiny_contestants(options: Options, duckdb: Path | None) -> list[Contestant]:
    objects = f"s3://exports/{TINY.export_id}/**/*.parquet"
    contestants = [
        _ours(options, "s3://exports/", TINY),
        Contestant(
            "Polars, 64 in flight",
            lambda target: [sys.executable, str(PEERS / "polars_copy.py"), objects, target, "64"],
            cap_s=options.cap_s,
        ),
    ]
    for threads in ("default", "64", "128") if duckdb else ():
        number = [] if threads == "default" else [threads]
        contestants.append(
            Contestant(
                f"DuckDB {DUCKDB_S3}, {threads} threads",
                lambda target, number=number: [
                    str(duckdb), str(PEERS / "duckdb_copy.py"), objects, target, *number
                ],
                cap_s=options.cap_s,
            )
        )  # fmt: skip
    return contestants


def big(options: Options) -> list[Result]:
    """16 files of 250,000 rows, local folder to local folder."""
    return _local(BIG, options, _duckdb_local)


def big_portable(options: Options) -> list[Result]:
    """The same files, with and without the fingerprint that other databases can recompute."""
    return _local(BIG, options, _with_portable(options), case="big-portable")


def huge(options: Options) -> list[Result]:
    """160 such files; ours with 2 GiB of memory, the peer without a limit."""
    return _local(HUGE, options, _duckdb_local, memory="2GiB")


def fixed(options: Options) -> list[Result]:
    """10 small tables: what a run costs before it does anything."""
    return _local(FIXED, options)


def inventory(options: Options) -> list[Result]:
    """Ten million objects of an S3 Inventory: taking stock, nothing else."""
    return s3_inventory.contest(options.data, options.work, options.runs)


def benefit(options: Options) -> list[Result]:
    """One day of a month, of three months, and of 20,000 tiny files: before and after a run."""
    results = []
    for shape in (MONTH, BIG, TINY):
        folder = _export(shape, options)
        lake = options.work / f"benefit-{shape.name}"
        config = options.work / "compactor.toml"
        config.write_text(_config(str(folder), str(lake), shape, "auto"))
        runs = 1 if shape is TINY else options.runs  # some 100 s a round
        results += one_day.contest(
            f"benefit, {shape.name}", config, str(lake), **_size(shape), runs=runs
        )
    return results + _distant_benefit(options)


def _distant_benefit(options: Options) -> list[Result]:
    """Return the same of the month on S3, where each request takes its time."""
    if find_haproxy() is None:
        options.left_out.append(f"benefit on S3: {INSTALL_HINT}")
        return []
    from compactor.seaweed import SeaweedServer

    folder = _export(MONTH, options)
    results = []
    with SeaweedServer() as server:
        child("tests.bench.s3data", "upload", str(folder), "exports", env=server.env())
        child("tests.bench.s3data", "create", "-", "lake", env=server.env())
        config = options.work / "compactor.toml"
        config.write_text(_config("s3://exports/", "s3://lake/", MONTH, "auto"))
        for latency in options.latencies_ms:
            with SlowProxy(server.endpoint, latency, options.work) as proxy:
                env = {**server.env(), "AWS_ENDPOINT_URL": proxy.endpoint}
                case = f"benefit, month on S3, {latency} ms"
                results += one_day.contest(
                    case, config, "s3://lake/", **_size(MONTH), runs=options.runs, env=env
                )
    return results


CASES: dict[str, Callable[[Options], list[Result]]] = {
    "tiny": tiny,
    "big": big,
    "big-portable": big_portable,
    "huge": huge,
    "fixed": fixed,
    "inventory": inventory,
    "benefit": benefit,
}


def _local(
    shape: Shape,
    options: Options,
    *peers: Callable[[Path], Contestant],
    memory: str = "auto",
    case: str = "",
) -> list[Result]:
    folder = _export(shape, options)
    for path in folder.rglob("*.parquet"):  # nobody is the first to read from disk
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass
    contestants = options.chosen(
        [_ours(options, str(folder), shape, memory), *(peer(folder) for peer in peers)]
    )
    place = Place(options.work)
    return contest(case or shape.name, contestants, place, **_size(shape), runs=options.runs)


def _duckdb_local(folder: Path) -> Contestant:
    from importlib.metadata import version

    source = str(folder / "**" / "*.parquet")
    return Contestant(
        f"DuckDB {version('duckdb')} COPY",
        lambda target: [sys.executable, str(PEERS / "duckdb_copy.py"), source, target],
    )


def _with_portable(options: Options) -> Callable[[Path], Contestant]:
    return lambda folder: _ours(options, str(folder), BIG, portable=True)


def _ours(
    options: Options, source: str, shape: Shape, memory: str = "auto", *, portable: bool = False
) -> Contestant:
    """Return the whole verified run, without an archive, by the command users type."""

    def command(target: str) -> list[str]:
        config = options.work / "compactor.toml"
        text = _config(source, target, shape, memory)
        config.write_text(text + ("[verify]\nportable = true\n" if portable else ""))
        return [sys.executable, "-m", "compactor", "-c", str(config), "run", "--json"]

    # as pip does when it installs: where PYTHONDONTWRITEBYTECODE is set, each run would compile
    child("compileall", "-q", str(REPOSITORY / "compactor"))
    path = os.pathsep.join(filter(None, (str(REPOSITORY), os.environ.get("PYTHONPATH"))))
    return Contestant(PORTABLE if portable else OURS, command, env={"PYTHONPATH": path})


def _config(source: str, target: str, shape: Shape, memory: str) -> str:
    """Ask for what the peers do, a folder for each day; the small export shows the defaults."""
    lines = [
        "[source]", f"urls = [{json.dumps(source)}]",
        "[lake]", f"url = {json.dumps(target)}",
        "[limits]", f"memory = {json.dumps(memory)}",
    ]  # fmt: skip
    if shape is not FIXED:
        lines += ["[compact]", 'grain = "day"', 'date_column = "created_at"']
        for table in shape.tables:
            name = json.dumps(f"{exports.DATABASE}.public.{table}")
            lines += [f"[tables.{name}]", 'sort_by = ["id"]']
    return "\n".join(lines) + "\n"


def _size(shape: Shape) -> dict[str, int]:
    return {"rows": shape.rows, "source_files": shape.files}


def _export(shape: Shape, options: Options) -> Path:
    print(f"  {shape.name}: generating, unless it is there", file=sys.stderr, flush=True)
    return Path(child("tests.bench.exports", shape.name, str(options.data)).strip())


def _duckdb_s3(options: Options) -> Path | None:
    """Return the Python of a virtualenv with the DuckDB that reads S3; None if pip cannot."""
    folder = options.data / f"duckdb-{DUCKDB_S3}"
    python = folder / "bin" / "python"
    ready = folder / ".done"
    if ready.exists():
        return python
    venv.create(folder, with_pip=True, clear=True)
    wanted = [f"duckdb=={DUCKDB_S3}", f"duckdb-extension-httpfs=={DUCKDB_S3}"]
    done = subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=False)
    if done.returncode != 0:
        options.left_out.append(f"DuckDB on S3: pip could not install {' '.join(wanted)}")
        return None
    ready.touch()
    return python
