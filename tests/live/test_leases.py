"""What a process does again and again, and the leases that it has to renew in time."""

import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from tests.http.conftest import Person
from tests.live.line import Line, live_on, session_on
from tests.live.world import wait_until
from tests.servers import Baton, Database
from web.live import people as people_module
from web.live.people import People
from web.live.task import Task


def test_a_task_that_takes_long_is_done_again_before_long() -> None:
    done: list[None] = []
    task = Task("test", lambda: done.append(None), pause=0, share=1e12, longest=0.01, every=0)
    task.start()
    wait_until(lambda: len(done) > 3, what="it is done again and again")
    task.stop()


def test_leases_are_renewed_while_everything_else_waits_for_the_database(
    baton: Baton, owner: Database, customer: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_module, "RENEW_EVERY", 0)
    with live_on(baton) as live, owner.connect(autocommit=False) as holding:
        holding.execute("select pg_advisory_xact_lock(77)")
        slow = [
            threading.Thread(target=live.store.ask_for_task, args=("select pg_advisory_xact_lock_shared(77)",))
            for _ in range(3)
        ]
        for thread in slow:
            thread.start()
        waiting = "select count(*) from pg_stat_activity where wait_event = 'advisory'"
        wait_until(lambda: owner.value(waiting) == 2, what="the tasks have no turn left")
        session = session_on(Line())
        session.person_id = UUID(customer.id)
        assert live.people.admit(session, session.person_id)
        live.people.tell_database()
        assert owner.value("select is_open from private.connections where person_id = %s", customer.id)
        assert owner.value(waiting) == 2
        holding.commit()
        for thread in slow:
            thread.join(10)
        live.people.close()


def test_whose_last_socket_is_closing_gets_no_lease_again(
    baton: Baton, owner: Database, new_customer: Callable[[], Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_module, "RENEW_EVERY", 0)
    process_id, persons = uuid4(), [UUID(new_customer().id) for _ in range(3)]
    with live_on(baton) as live:
        people = People(live.store, process_id, most_sockets=5)
        closed = [(True,), (True, False), (False,)]  # of each person's sockets
        for person_id, of_each in zip(persons, closed, strict=True):
            for is_closed in of_each:
                session = session_on(line := Line())
                session.person_id = person_id
                assert people.admit(session, person_id)
                if is_closed:
                    line.close(4401, "erased")
        people.tell_database()
        rows = owner.rows("select person_id from private.connections where process_id = %s", process_id)
        assert {row["person_id"] for row in rows} == set(persons[1:])
        people.close()
