"""The table of section 2 over HTTP, row by row: what happens to a chat in each state, and what is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from tests.http.conftest import Person, refuses

WAITING, ASSIGNED, WAITING_REPLY, COMPLETED = (
    "waiting_assignment",
    "assigned",
    "waiting_real_user_reply",
    "completed",
)
STATES = (WAITING, ASSIGNED, WAITING_REPLY, COMPLETED)


@dataclass
class Scene:
    """One chat in some state, Ana who has held it, Ben who has not, and the admin."""

    chat_id: str
    customer: Person
    ana: Person
    ben: Person
    admin: Person

    @property
    def state(self) -> tuple[str, str | None]:
        """The chat's state and holder, as the admin sees them."""
        chat = self.admin.get(f"/api/chats/{self.chat_id}").json()
        return chat["chat_state"], chat["assigned_operator_id"]


Event = Callable[[Scene], httpx.Response]


def write(path: str, who: str) -> Event:
    """Return the event that somebody writes into the chat."""
    return lambda scene: getattr(scene, who).post(
        path, chat_id=scene.chat_id, content="a line", client_message_id=str(uuid4())
    )


customer_writes = write("/api/messages", "customer")
holder_replies = write("/api/operator/messages", "ana")
other_replies = write("/api/operator/messages", "ben")


def released_by_hand(scene: Scene) -> httpx.Response:
    return scene.ana.post("/api/operator/unassign", chat_id=scene.chat_id, reason="by hand")


def released_by_admin(scene: Scene) -> httpx.Response:
    return scene.admin.post(f"/api/admin/chats/{scene.chat_id}/release", reason="by an admin")


def transferred(scene: Scene) -> httpx.Response:
    return scene.ana.post("/api/operator/transfer", chat_id=scene.chat_id, operator_id=scene.ben.id)


def reassigned(scene: Scene) -> httpx.Response:
    return scene.admin.post(f"/api/admin/chats/{scene.chat_id}/reassign", operator_id=scene.ben.id)


def completed(scene: Scene) -> httpx.Response:
    return scene.customer.post(f"/api/chats/{scene.chat_id}/complete")


# What the event makes of a chat in each state: the state after it, with its holder, or the refusal.
# A released chat goes back to the queue here: its customer is owed a reply.
TABLE: dict[Event, tuple[tuple[str, str | None] | str, ...]] = {
    customer_writes: ((WAITING, None), (ASSIGNED, "ana"), (WAITING, None), (WAITING, None)),
    holder_replies: ("chat_not_assigned", (WAITING_REPLY, None), "chat_not_assigned", "chat_completed"),
    other_replies: ("chat_not_assigned", "chat_not_found", "chat_not_found", "chat_not_found"),
    released_by_hand: ("chat_not_assigned", (WAITING, None), "chat_not_assigned", "chat_completed"),
    released_by_admin: ("chat_not_assigned", (WAITING, None), "chat_not_assigned", "chat_completed"),
    transferred: ("chat_not_assigned", (ASSIGNED, "ben"), "chat_not_assigned", "chat_completed"),
    reassigned: ((ASSIGNED, "ben"), (ASSIGNED, "ben"), (ASSIGNED, "ben"), "chat_completed"),
    completed: ((COMPLETED, None), (COMPLETED, None), (COMPLETED, None), (COMPLETED, None)),
}
STATUS = {"chat_not_found": 404}


@pytest.fixture
def scene(customer: Person, new_operator: Callable[..., Person], admin: Person) -> Scene:
    chat = customer.starts_chat()
    return Scene(chat["id"], customer, new_operator("Ana"), new_operator("Ben"), admin)


def bring_to(scene: Scene, state: str) -> None:
    """Bring the scene's chat into a state in which Ana has held it already."""
    scene.ana.takes_next()
    if state == WAITING:
        scene.ana.post("/api/operator/unassign", chat_id=scene.chat_id)
    if state in (WAITING_REPLY, COMPLETED):
        holder_replies(scene)
    if state == COMPLETED:
        completed(scene)
    assert scene.state[0] == state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("event", TABLE, ids=lambda event: getattr(event, "__name__", "writes"))
def test_each_event_does_to_each_state_what_the_table_says(scene: Scene, event: Event, state: str) -> None:
    bring_to(scene, state)
    before = scene.state
    outcome = TABLE[event][STATES.index(state)]
    answer = event(scene)
    if isinstance(outcome, str):
        assert refuses(answer, STATUS.get(outcome, 409), outcome)
        assert scene.state == before
    else:
        assert answer.status_code in (200, 201), answer.text
        holder = getattr(scene, outcome[1]).id if outcome[1] else None
        assert scene.state == (outcome[0], holder)


@pytest.mark.parametrize("state", [ASSIGNED, WAITING_REPLY, COMPLETED])
def test_a_chat_that_does_not_wait_is_given_to_nobody(scene: Scene, state: str) -> None:
    bring_to(scene, state)
    assert scene.ben.takes_next().status_code == 204


def test_a_waiting_chat_is_given_to_the_one_who_asks(scene: Scene) -> None:
    assert scene.ben.takes_next().json()["id"] == scene.chat_id
    assert scene.state == (ASSIGNED, scene.ben.id)
