"""What customers think of their chats."""

from typing import Any

import pytest

from tests.sql.helpers import World


def rate(**arguments: Any) -> dict[str, Any]:
    return {f"p_{name}": value for name, value in arguments.items()}


def test_a_customer_rates_his_chat_and_may_think_again(world: World) -> None:
    kim, ana = world.customer(), world.operator()
    chat = world.chat("waiting_real_user_reply", ana, kim)
    first = kim.call("rate_chat", **rate(chat_id=chat, score=2, comment="  slow "))
    assert (first["score"], first["comment"]) == (2, "slow")
    world.completes(chat)
    second = kim.call("rate_chat", **rate(chat_id=chat, score=5, comment=" "))
    assert (second["score"], second["comment"], second["created_at"]) == (5, None, first["created_at"])
    for who in (kim, ana, world.admin()):
        assert who.call_all("get_rating", p_chat_id=chat) == [second]


def test_the_staff_are_told_and_the_customer_gets_no_number_for_it(world: World) -> None:
    kim, ana = world.customer(), world.operator()
    chat = world.chat("waiting_real_user_reply", ana, kim)
    before = world.get(chat)
    kim.call("rate_chat", **rate(chat_id=chat, score=4, comment="quick"))
    (event,) = ana.call_all("list_events", p_chat_id=chat, p_after_event=before["event_seq"])
    assert (event["event"], event["detail"]) == ("chat.rated", {"score": 4, "comment": "quick"})
    assert kim.call_all("list_events", p_chat_id=chat, p_after_event=before["customer_event_seq"]) == []
    assert world.get(chat)["customer_event_seq"] == before["customer_event_seq"]


@pytest.mark.parametrize(
    ("field", "score", "comment"),
    [("score", 0, None), ("score", 6, None), ("score", None, None), ("comment", 3, "x" * 2001)],
)
def test_what_cannot_be_is_refused_by_its_field(world: World, field: str, score: int | None, comment: str) -> None:
    kim = world.customer()
    chat = world.chat("waiting_real_user_reply", world.operator(), kim)
    with world.unchanged(), pytest.raises(Exception, match=f"HINT:  {field}: "):
        kim.call("rate_chat", **rate(chat_id=chat, score=score, comment=comment))


def test_nobody_rates_before_the_first_reply_or_for_somebody_else(world: World) -> None:
    kim, lee, ana = world.customer("Kim"), world.customer("Lee"), world.operator()
    chat = world.chat("assigned", ana, kim)
    with world.refused("PT409", "chat_not_answered"):
        kim.call("rate_chat", **rate(chat_id=chat, score=5))
    world.replies(chat, ana)
    with world.refused("PT404", "chat_not_found"):
        lee.call("rate_chat", **rate(chat_id=chat, score=1))
    with world.refused("PT404", "chat_not_found"):
        lee.call_all("get_rating", p_chat_id=chat)
    with world.refused("PT403", "not_your_chat"):
        ana.call("rate_chat", **rate(chat_id=chat, score=5))
