"""Background functions on demand."""

import pytest

import functions
from tests.http.conftest import Person, refuses
from tests.servers import Database


@pytest.mark.parametrize("name", functions.JOBS)
def test_the_service_runs_every_function(service: Person, name: str) -> None:
    answer = service.post(f"/functions/v1/{name}")
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == name
    assert answer.json()["count"] >= 0


def test_idle_detection_has_an_address_for_cron_too(
    service: Person, customer: Person, operator: Person, owner: Database
) -> None:
    chat = customer.starts_chat()
    operator.takes_next()
    owner.rows("""select set_setting('idle_limit', '"1 millisecond"')""")
    try:  # whichever comes first, this or the scheduler
        assert service.post("/api/cron/idle-detection").status_code == 200
    finally:
        owner.rows("""select set_setting('idle_limit', '"5 minutes"')""")
    freed = service.get(f"/api/chats/{chat['id']}").json()
    assert (freed["chat_state"], freed["last_operator_id"]) == ("waiting_assignment", operator.id)
    assert operator.get("/api/operator/inbox").json()["operator"]["status"] == "away"


@pytest.mark.parametrize("path", ["/functions/v1/idle-detection", "/api/cron/idle-detection"])
def test_nobody_else_runs_functions(customer: Person, operator: Person, admin: Person, path: str) -> None:
    for person in (customer, operator, admin):
        assert refuses(person.post(path), 403, "not_allowed")


def test_an_unknown_function_is_not_found(service: Person) -> None:
    assert refuses(service.post("/functions/v1/everything"), 404, "function_not_found")
