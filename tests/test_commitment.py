"""What a run may lock: not for too long, and nothing that nobody accepted the cost of."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from s3_line import ORDERS, SNAPSHOT, Place, write_shop

from compactor import commitment, prices, report
from compactor.config import ArchiveConfig
from compactor.errors import ConfigError
from compactor.model import Action, Commitment, Estimate, Plan, PlanTable, TableResult
from compactor.quantities import parse_retain, retain_months

NOW = datetime(2026, 10, 6, 12, tzinfo=UTC)
GIB = 1 << 30


def archive_config(**fields: object) -> ArchiveConfig:
    return ArchiveConfig.model_validate({"url": "s3://vault/tables/", **fields})


def plan_table(name: str, size_bytes: int = GIB, *, action: Action = "compact") -> PlanTable:
    return PlanTable(
        task_id=name,
        table_no=0,
        source=0,
        system="rds",
        export_id="shop-1",
        database="shop",
        table=name,
        snapshot=SNAPSHOT,
        action=action,
        source_files=1,
        source_bytes=size_bytes,
        objects_sha256="0",
        partition_column=None,
        partition_reason="",
        grain="none",
        grain_reason="",
        estimated_output_files=1,
        estimated_output_bytes=size_bytes,
        folder="",
        target="",
    )


def commit(*tables: PlanTable, locked: tuple[str, ...] = (), **fields: object) -> Commitment:
    plan = Plan(tables=tables, skipped=(), estimate=Estimate())
    return commitment.commitment(plan, archive_config(**fields), locked, NOW)


# --- bytes x years x price ------------------------------------------------------------------------


def test_the_cost_is_bytes_times_months_times_price() -> None:
    found = commit(plan_table("a", 10 * GIB), plan_table("b", 2 * GIB), retain="7y")

    assert (found.bytes, found.months, found.usd_gb_month) == (12 * GIB, 84, 0.023)
    assert found.usd == pytest.approx(12 * 84 * 0.023)
    assert found.until == datetime(2033, 10, 6, 3, 47, 12, tzinfo=UTC)


@pytest.mark.parametrize(("text", "months"), [("7y", 84), ("18mo", 18), ("365d", 11.992)])
def test_periods_are_billed_in_months(text: str, months: float) -> None:
    assert retain_months(parse_retain(text)) == pytest.approx(months, abs=0.001)


def test_only_what_would_be_locked_anew_counts() -> None:
    tables = [
        plan_table("done", action="done"),
        plan_table("locked", action="adopt"),
        plan_table("verified", 2 * GIB, action="adopt"),
        plan_table("maybe", 4 * GIB, action="decide"),
        plan_table("new", 8 * GIB),
    ]

    found = commit(*tables, locked=("locked",))

    assert (found.tables, found.bytes) == (3, 14 * GIB)


def test_nothing_new_needs_nobody() -> None:
    found = commit(plan_table("done", action="done"))

    assert (found.tables, found.usd, found.until, found.to_accept) == (0, 0.0, None, "")
    commitment.refuse(found, accepted=False)


# --- who must accept it ---------------------------------------------------------------------------


def test_without_a_ceiling_every_new_compliance_lock_must_be_accepted() -> None:
    tiny = commit(plan_table("a", 1))

    with pytest.raises(ConfigError, match=r"nothing was written: .*no ceiling") as caught:
        commitment.refuse(tiny, accepted=False)
    assert "--accept-retention" in caught.value.hint
    assert "retention_ceiling_usd" in caught.value.hint
    commitment.refuse(tiny, accepted=True)


@pytest.mark.parametrize(("ceiling", "passes"), [(1.932, True), (1.931, False)])
def test_a_ceiling_is_held_to_the_cent(ceiling: float, passes: bool) -> None:
    found = commit(plan_table("a", GIB), retain="7y", retention_ceiling_usd=ceiling)

    assert found.usd == pytest.approx(1.932)
    assert (found.to_accept == "") is passes
    if not passes:
        assert "$1.932000" in found.to_accept
        assert "more than archive.retention_ceiling_usd" in found.to_accept


def test_a_class_without_a_price_is_under_no_ceiling() -> None:
    found = commit(plan_table("a"), storage_class="DEEP_ARCHIVE", retention_ceiling_usd=1e9)

    assert found.usd is None
    assert "no list price here for the storage class DEEP_ARCHIVE" in found.to_accept


def test_governance_can_be_undone_and_asks_nobody() -> None:
    found = commit(plan_table("a"), mode="GOVERNANCE")

    assert found.to_accept == ""
    commitment.refuse(found, accepted=False)


# --- how long at most -----------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["COMPLIANCE", "GOVERNANCE"])
def test_a_lock_beyond_the_longest_is_refused_whatever_is_accepted(mode: str) -> None:
    found = commit(plan_table("a"), mode=mode, retain="11y")

    with pytest.raises(ConfigError, match=r"max_retain \(10y\).*2037-10-06T03:47:12Z"):
        commitment.refuse(found, accepted=True)


def test_the_longest_counts_from_now_not_from_the_snapshot() -> None:
    old = plan_table("a").model_copy(update={"snapshot": NOW - timedelta(days=2 * 366)})
    future = plan_table("b").model_copy(update={"snapshot": NOW + timedelta(days=1)})

    assert commit(old, retain="11y").too_long == ""
    assert "shop.b until" in commit(old, future, retain="10y").too_long


# --- what is really written -----------------------------------------------------------------------


def result_of(size_bytes: int) -> TableResult:
    return TableResult(
        task_id="t",
        export_id="e",
        database="shop",
        table="public.orders",
        snapshot=SNAPSHOT,
        status="done",
        output_bytes=size_bytes,
        output_files=1,
    )


def test_the_ceiling_holds_for_the_bytes_that_are_written() -> None:
    price = prices.STORAGE_USD["STANDARD"] * 84
    allowance = commitment.Allowance(
        archive_config(retain="7y", retention_ceiling_usd=price * 2), accepted=False
    )

    allowance.take(result_of(GIB), 0)
    with pytest.raises(ConfigError, match=r"public\.orders is verified and not locked"):
        allowance.take(result_of(GIB), 1 << 20)
    allowance.take(result_of(GIB), 0)  # the refused one was not counted


@pytest.mark.parametrize(("mode", "accepted"), [("COMPLIANCE", True), ("GOVERNANCE", False)])
def test_what_was_accepted_or_can_be_undone_has_no_limit(mode: str, accepted: bool) -> None:
    limited = commitment.Allowance(archive_config(mode="COMPLIANCE"), accepted=False)
    with pytest.raises(ConfigError):
        limited.take(result_of(1 << 60), 0)

    free = commitment.Allowance(archive_config(mode=mode), accepted=accepted)
    assert free.take(result_of(1 << 60), 0) is None


# --- a whole run ----------------------------------------------------------------------------------


@pytest.fixture
def delivered(place: Place) -> Place:
    place.deliver(write_shop(place.folder / "exports"))
    return place


def test_a_run_that_nobody_accepted_writes_nothing_and_says_the_sum(delivered: Place) -> None:
    del delivered.settings["archive"]["retention_ceiling_usd"]

    refused = delivered.cli("--log-format", "json", "run", "--json")

    assert (refused.returncode, refused.stdout) == (2, "")
    told = [json.loads(line) for line in refused.stderr.splitlines() if line.startswith("{")]
    (locks,) = [line for line in told if line["event"] == "locks"]
    months = 30 * 12
    assert locks["usd"] == pytest.approx(locks["bytes"] / GIB * months * 0.023, abs=1e-6)
    assert (locks["mode"], locks["tables"], locks["years"]) == ("COMPLIANCE", 3, 30.0)
    assert "nothing was written" in refused.stderr
    assert f"${locks['usd']:,.6f}" in refused.stderr.splitlines()[-2]
    assert "--accept-retention" in refused.stderr
    assert delivered.proxy.writes() == []
    assert delivered.keys(delivered.lake) == []
    assert delivered.versions() == {}

    accepted = delivered.cli("run", "--json", "--accept-retention")

    assert (accepted.returncode, json.loads(accepted.stdout)["status"]) == (0, "done")
    assert delivered.table(delivered.vault, "public.orders") == ORDERS
    again = delivered.cli("run", "--json")  # nothing new is locked: nobody is asked
    assert (again.returncode, json.loads(again.stdout)["status"]) == (0, "nothing_to_do")


def test_a_retention_beyond_the_longest_writes_nothing(delivered: Place) -> None:
    del delivered.settings["archive"]["max_retain"]

    refused = delivered.cli("run", "--accept-retention")

    assert refused.returncode == 2
    assert "archive.max_retain (10y)" in refused.stderr
    assert delivered.proxy.writes() == []


def test_the_plan_shows_bytes_years_and_price_and_has_the_same_id(delivered: Place) -> None:
    within = delivered.cli("plan", "--json")
    text = delivered.cli("plan").stdout
    delivered.settings["archive"]["retention_ceiling_usd"] = 0.0
    beyond = delivered.cli("plan", "--json")

    first, second = json.loads(within.stdout), json.loads(beyond.stdout)
    assert first["plan_id"] == second["plan_id"]
    assert (first["commitment"]["months"], first["commitment"]["to_accept"]) == (360, "")
    assert second["commitment"]["to_accept"] != ""
    assert " x 30 years x $0.023 a GB and month = " in text
    assert "within archive.retention_ceiling_usd" in text
    assert "run needs --accept-retention" in delivered.cli("plan").stdout


def test_tables_beyond_the_ceiling_stay_verified_and_are_locked_once_accepted(
    delivered: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The estimate was below the ceiling, what was written is not."""
    asked = commitment.commitment

    def too_low(*arguments: object) -> Commitment:
        return asked(*arguments).model_copy(update={"to_accept": ""})  # type: ignore[arg-type]

    monkeypatch.setattr(commitment, "commitment", too_low)
    delivered.settings["archive"]["retention_ceiling_usd"] = 1e-12

    done = delivered.run()

    assert done.exit_code == 2
    assert {table.status for table in done.result.tables} == {"failed"}
    assert all("verified and not locked" in (t.error or "") for t in done.result.tables)
    assert delivered.versions() == {}

    accepted = delivered.run(accept_retention=True)

    assert (accepted.exit_code, accepted.result.status) == (0, "done")
    assert {table.status for table in accepted.result.tables} == {"adopted"}
    assert delivered.table(delivered.vault, "public.orders") == ORDERS


def test_the_plan_text_tells_a_refusal() -> None:
    found = commit(plan_table("a"), retain="11y")
    plan = Plan(tables=(), skipped=(), estimate=Estimate(), commitment=found)

    assert "run will refuse: 1 tables would be locked beyond" in report.plan_text(plan)
