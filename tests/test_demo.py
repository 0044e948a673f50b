"""The demo's traffic, and that its account would notice what was lost."""

import os
import subprocess
import sys
from uuid import uuid4

import pytest

from demo.account import audit
from demo.ledger import Ledger, Sent
from tests.servers import ROOT, Baton, Database

pytestmark = pytest.mark.one_postgres


def demo(baton: Baton, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"BATON_URL": baton.url, "DATABASE_URL": baton.database.url, "SUPABASE_JWT_SECRET": baton.jwt_secret}
    return subprocess.run(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_few_seconds_of_traffic_are_all_accounted_for(baton: Baton) -> None:
    before = baton.database.value("select value from settings where name = 'idle_limit'")

    done = demo(baton, "--seconds", "5", "--customers", "12", "--operators", "4")

    assert done.returncode == 0, done.stdout + done.stderr
    for table in (
        "chat_state_summary",
        "assignment_metrics",
        "operator_performance",
        "Answers over HTTP",
        "Accounted for",
    ):
        assert table in done.stdout
    assert baton.database.value("select value from settings where name = 'idle_limit'") == before


def test_without_a_server_it_says_so_in_one_line(baton: Baton) -> None:
    done = demo(baton, "--url", "http://127.0.0.1:1", "--operators", "1")

    assert done.returncode == 1
    assert done.stderr.startswith("demo: no Baton answers at http://127.0.0.1:1 (")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """Return the ledger of one chat with two messages, as the database has them."""
    customer_id = str(uuid4())
    database.rows("insert into real_users (id) values (%s)", customer_id)
    ledger = Ledger(cast={customer_id})
    customer = database.connect("authenticated", customer_id)
    first = ledger.intend(customer_id, "real", None, "hello")
    chat = customer.execute("select * from start_chat('hello', %s)", (first.client_message_id,)).fetchone()
    assert chat is not None
    chat_id = str(chat["id"])
    ledger.acknowledge_chat(first, {"id": chat_id})
    second = ledger.intend(customer_id, "real", chat_id, "are you there?")
    arguments = (chat_id, second.contents[0], second.client_message_id)
    message = customer.execute("select * from send_real_user_message(%s, %s, %s)", arguments).fetchone()
    assert message is not None
    ledger.acknowledge(second, {"id": str(message["id"]), "seq": message["seq"]})
    return ledger


def problems(database: Database, ledger: Ledger) -> list[str]:
    return [problem for check in audit(database.connect(), ledger) for problem in check.problems]


def test_what_is_there_is_accounted_for(database: Database, ledger: Ledger) -> None:
    assert problems(database, ledger) == []


def test_a_lost_message_is_noticed(database: Database, ledger: Ledger) -> None:
    ledger.sent.append(Sent(ledger.sent[0].sender_id, "real", ledger.sent[0].chat_id, ["?"], is_acknowledged=True))
    assert len(problems(database, ledger)) == 1


def test_a_doubled_message_is_noticed(database: Database, ledger: Ledger) -> None:
    row = (ledger.sent[1].chat_id, ledger.sent[1].sender_id)
    database.rows(
        "insert into messages (chat_id, sender_id, sender_type, content) values (%s, %s, 'real', 'again')", *row
    )
    assert len(problems(database, ledger)) == 1


def test_a_changed_message_is_noticed(database: Database, ledger: Ledger) -> None:
    database.rows("update messages set content = 'other' where seq = 2")
    assert len(problems(database, ledger)) == 1


def test_a_lost_chat_is_noticed(database: Database, ledger: Ledger) -> None:
    database.rows("delete from chats")
    assert any("is lost" in problem for problem in problems(database, ledger))
