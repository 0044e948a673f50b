"""The console over HTTP: lists, one deed for many chats, numbers over time, files, the audit log."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest

from tests.http.conftest import Person, refuses
from tests.servers import Database
from web import exports


def test_the_console_at_a_glance(customer: Person, operator: Person, admin: Person) -> None:
    chat = customer.starts_chat()
    console = admin.get("/api/admin/console").json()
    assert console["queue"][0]["id"] == chat["id"]
    assert console["numbers"]["waiting_count"] == 1
    assert operator.id in {lane["id"] for lane in console["operators"]}
    assert refuses(operator.get("/api/admin/console"), 403, "not_allowed")


def test_all_chats_are_listed_page_by_page(new_customer: Callable[[], Person], admin: Person) -> None:
    begin = datetime.now(UTC)
    chats = [new_customer().starts_chat()["id"] for _ in range(3)]
    wanted = {"state": ["waiting_assignment", "assigned"], "sort": "created", "from": begin.isoformat(), "limit": 2}
    first = admin.get("/api/admin/chats", **wanted).json()
    second = admin.get("/api/admin/chats", **wanted, cursor=first["next_cursor"]).json()
    assert [row["id"] for row in first["data"] + second["data"]] == chats[::-1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "wanted",
    [{"state": "asleep"}, {"operator_id": "Ana"}, {"cursor": "2"}, {"cursor": "{}"}, {"from": "noon"}, {"colour": 1}],
    ids=str,
)
def test_a_list_that_makes_no_sense_is_refused(admin: Person, wanted: dict[str, object]) -> None:
    answer = admin.get("/api/admin/chats", **wanted)
    assert refuses(answer, 400, "invalid_argument" if wanted == {"cursor": "{}"} else "invalid_input")
    assert next(iter(wanted)) in answer.json()["hint"]


def test_many_chats_are_acted_on_at_once(new_customer: Callable[[], Person], operator: Person, admin: Person) -> None:
    chats = [new_customer().starts_chat()["id"] for _ in range(2)]
    body = {"action": "reassign", "chat_ids": [*chats, str(uuid4())], "operator_id": operator.id}
    deeds = admin.post("/api/admin/chats/bulk", **body).json()["data"]
    codes = {deed["chat_id"]: deed["code"] for deed in deeds}
    assert sorted(str(codes[chat]) for chat in chats) == ["None", "operator_at_capacity"]
    assert codes[body["chat_ids"][2]] == "chat_not_found"
    assert refuses(operator.post("/api/admin/chats/bulk", **body), 403, "not_allowed")
    assert refuses(admin.post("/api/admin/chats/bulk", action="hide", chat_ids=chats), 400, "invalid_input")
    assert refuses(admin.post("/api/admin/chats/bulk", action="prioritise", chat_ids=chats), 400, "invalid_argument")


def test_the_panel_beside_a_chat(customer: Person, operator: Person, admin: Person) -> None:
    chat = customer.starts_chat()
    panel = operator.get(f"/api/chats/{chat['id']}/panel").json()
    assert (panel["customer"]["id"], panel["handover"]) == (customer.id, None)
    assert refuses(customer.get(f"/api/chats/{chat['id']}/panel"), 403, "not_allowed")
    assert refuses(admin.get(f"/api/chats/{uuid4()}/panel"), 404, "chat_not_found")


def test_search_over_http(customer: Person, operator: Person, new_customer: Callable[[], Person]) -> None:
    word = f"w{uuid4().hex}"
    chat = customer.starts_chat(f"Where is {word}?")
    for person in (customer, operator):
        (row,) = person.get("/api/search", q=word[:20], kind="message").json()["data"]
        assert (row["chat_id"], row["seq"], row["snippet"]) == (chat["id"], 1, f"Where is {word}?")
    assert new_customer().get("/api/search", q=word).json()["data"] == []
    assert refuses(customer.get("/api/search"), 400, "invalid_input")
    assert refuses(customer.get("/api/search", q="x", kind="cat"), 400, "invalid_input")


def test_the_numbers_over_time(customer: Person, operator: Person, admin: Person) -> None:
    customer.starts_chat()
    begin = datetime.now(UTC) - timedelta(hours=1)
    metrics = admin.get("/api/admin/metrics-over-time", **{"from": begin.isoformat()}).json()
    assert metrics["chat_volume"][-1]["started"] >= 1
    days = admin.get("/api/admin/metrics-over-time", bucket="day").json()
    assert len(days["state_history"]) == 15
    assert refuses(admin.get("/api/admin/metrics-over-time", bucket="week"), 400, "invalid_input")
    backwards = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    assert refuses(admin.get("/api/admin/metrics-over-time", **backwards), 400, "invalid_argument")
    assert refuses(operator.get("/api/admin/metrics-over-time"), 403, "not_allowed")


# Files


def test_an_export_goes_on_part_by_part_and_neutralises_formulas(
    customer: Person, admin: Person, owner: Database
) -> None:
    begin = datetime.now(UTC)
    chat = customer.starts_chat("=HYPERLINK(1)")
    owner.rows(
        "insert into messages (chat_id, sender_type, content) select %s, 'real', (array['+1', '-1', '@a', E'\\tb',"
        " E'\\rc', 'a=b', 'two' || chr(10) || 'lines, \"quoted\"', 'أهلا'])[1 + n %% 8] from generate_series(0, %s) n",
        *(chat["id"], exports.BATCH + 1),
    )
    answer = admin.get("/api/admin/export/messages", **{"from": begin.isoformat()})
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    name = f'attachment; filename="baton-messages-{datetime.now(UTC).date()}.csv"'
    assert answer.headers["Content-Disposition"] == name
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert sorted(int(row["seq"]) for row in rows) == list(range(1, exports.BATCH + 4))
    by_seq = {int(row["seq"]): row["content"] for row in rows}
    assert [by_seq[seq] for seq in range(1, 10)] == [
        "'=HYPERLINK(1)",
        "'+1",
        "'-1",
        "'@a",
        "'\tb",
        "'\rc",
        "a=b",
        'two\nlines, "quoted"',
        "أهلا",
    ]
    as_json = admin.get("/api/admin/export/messages", format="json", **{"from": begin.isoformat()}).json()
    assert [row["id"] for row in as_json] == [row["id"] for row in rows]
    assert as_json[0]["attachments"] == []


@pytest.fixture
def _something_of_everything(owner: Database) -> Iterator[None]:
    """What no person below does: an old chat that goes from hand to queue again and again, and an incident."""
    rita = uuid4()
    owner.rows("insert into operators (id, name) values (%s, 'Rita')", rita)
    owner.rows("insert into operator_stats (operator_id, date, idle_incidents) values (%s, current_date - 60, 1)", rita)
    owner.rows("insert into real_users (id) values (%s)", rita)
    owner.rows("insert into chats (real_user_id, created_at) values (%s, now() - interval '60 days')", rita)
    for _ in range(4):
        owner.rows("select assign_chat_to_operator(%s)", rita)
        owner.rows("select release_and_reassign_chat(id, null) from chats where assigned_operator_id = %s", rita)
    owner.rows("update operators set status = 'offline' where id = %s", rita)
    yield
    owner.rows("delete from real_users where id = %s", rita)
    owner.rows("update operators set is_active = false where id = %s", rita)


@pytest.mark.usefixtures("_something_of_everything")
@pytest.mark.parametrize("what", exports.SOURCES)
def test_everything_is_exported_in_both_forms(customer: Person, operator: Person, admin: Person, what: str) -> None:
    operator.replies(operator.takes_next().json())
    customer.starts_chat()
    assert customer.post("/api/tickets", type="support", title="A lamp").status_code == 201
    table = list(csv.reader(io.StringIO(admin.get(f"/api/admin/export/{what}").content.decode("utf-8-sig"))))
    rows = json.loads(admin.get(f"/api/admin/export/{what}", format="json").content)
    assert rows
    assert table[0] == list(rows[0])
    # The second export of the log has a row more: that of the first.
    assert len(table) - 1 == len(rows) - (what == "audit_log")


@pytest.mark.usefixtures("_something_of_everything")
def test_numbers_by_the_hour_are_of_the_span_that_is_asked_for(admin: Person, owner: Database) -> None:
    """Not of the views' 14 days; and no hour is lost or doubled where a part ends."""

    def hours(**span: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = admin.get("/api/admin/export/chat_volume", format="json", **span).json()
        return rows

    everything = hours()
    starts = [datetime.fromisoformat(row["bucket_start"]) for row in everything]
    assert len(starts) > exports.BATCH
    assert {after - before for before, after in pairwise(starts)} == {timedelta(hours=1)}
    first = owner.row("select date_trunc('hour', min(created_at)) as at from chats")["at"]
    assert (starts[0], everything[0]["started"]) == (first, 1)
    assert datetime.now(UTC) - starts[-1] < timedelta(hours=1)
    begin, end = first - timedelta(hours=5), first + timedelta(hours=2)
    assert hours(**{"from": begin.isoformat(), "to": end.isoformat()}) == everything[:2]
    begin = first + timedelta(hours=1)
    assert hours(**{"from": begin.isoformat(), "to": end.isoformat()}) == everything[1:2]
    for other in ("wait_history", "state_history"):
        rows = admin.get(f"/api/admin/export/{other}", format="json", to=end.isoformat()).json()
        assert [row["bucket_start"] for row in rows] == [row["bucket_start"] for row in everything[:2]]


def test_an_export_of_nothing_is_empty(admin: Person) -> None:
    never = {"to": "2000-01-01T00:00:00Z"}
    assert admin.get("/api/admin/export/chats", **never).content.decode("utf-8-sig").count("\n") == 1
    assert admin.get("/api/admin/export/chats", **never, format="json").json() == []


def test_an_export_is_for_admins_and_noted(operator: Person, admin: Person, owner: Database) -> None:
    notes = "select detail, actor_id::text from audit_log where action = 'data.exported' order by id desc limit 1"
    assert refuses(operator.get("/api/admin/export/chats"), 403, "not_allowed")
    assert owner.rows("select from audit_log where actor_id = %s", operator.id) == []
    assert admin.get("/api/admin/export/chats", format="json", **{"from": "2026-01-01T00:00:00Z"}).status_code == 200
    assert owner.rows(notes) == [
        {
            "detail": {"what": "chats", "format": "json", "from_epoch": 1767225600, "to_epoch": None},
            "actor_id": admin.id,
        }
    ]
    assert refuses(admin.get("/api/admin/export/chats", format="xml"), 400, "invalid_input")
    assert refuses(admin.get("/api/admin/export/pg_roles"), 404, "route_not_found")
    backwards = {"from": "2026-03-02T00:00:00Z", "to": "2026-03-01T00:00:00Z"}
    assert refuses(admin.get("/api/admin/export/chats", **backwards), 400, "invalid_argument")


# The audit log


def test_the_audit_log_is_read_page_by_page_and_checked(operator: Person, admin: Person) -> None:
    for _ in range(2):
        admin.get("/api/admin/export/assignment_metrics")
    first = admin.get("/api/admin/audit", limit=1).json()
    second = admin.get("/api/admin/audit", limit=1, cursor=first["next_cursor"]).json()
    newest, before = first["data"][0], second["data"][0]
    assert (newest["action"], newest["actor_id"], newest["id"]) == ("data.exported", admin.id, before["id"] + 1)
    assert newest["previous_hash"] == before["hash"]
    assert admin.get("/api/admin/audit/check").json() == {"data": [], "next_cursor": None}
    for path in ("/api/admin/audit", "/api/admin/audit/check"):
        assert refuses(operator.get(path), 403, "not_allowed")
    assert refuses(admin.get("/api/admin/audit", limit=0), 400, "invalid_input")
