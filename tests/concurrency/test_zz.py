import pytest
from tests.concurrency import test_model as m
from tests.concurrency.test_guards import Guard, take_away
M = {
 "none": None,
 "let_go": Guard(None, "private.offer_chat(chats)", "and l.operator_id is distinct from p_chat.let_go_by", ""),
 "let_go2": Guard(None, "private.pick_own_chat(uuid,boolean)", "p_is_unasked and", "false and"),
 "last": Guard(None, "private.offer_chat(chats)", "(l.operator_id is not distinct from p_chat.last_operator_id), ", ""),
 "free_since": Guard(None, "private.offer_chat(chats)", "l.free_since, ", ""),
 "own_last": Guard(None, "private.pick_foreign_chat(uuid)", "h.last_operator_id is distinct from p_operator_id", "true"),
 "forgive": Guard(None, "private.tg_messages__forgive()", "set owed_since = null", "set owed_since = owed_since"),
 "place": Guard(None, "private.tg_chats__derive_update()", "coalesce(new.waiting_since, new.owed_since, v_now)", "v_now"),
 "handled": Guard(None, "private.apply_operator_message(messages)", "m.seq > v_chat.replied_seq", "true"),
 "capfree": Guard(None, "private.set_hands(uuid[])", "l.held >= l.capacity or", ""),
 "idle": Guard(None, "private.release_idle_assignments(interval)", "and o.status = 'online'", ""),
 "idle2": Guard(None, "private.idle_holds(interval)", "and c.owed_since is not null", ""),
 "hist": Guard(None, "private.tg_chats__follow_load_update()", "if v_is_idle then", "if false then"),
}
@pytest.mark.parametrize("name", ["none","forgive","capfree","idle","last"])
def test_mut(database, name):
    import time; t=time.time()
    if M[name]: take_away(database, M[name])
    try:
        m.run_state_machine_as_test(m.machine_for(database), settings=m.settings(max_examples=100, stateful_step_count=40, derandomize=True, deadline=None, database=None, phases=(m.Phase.generate,), suppress_health_check=list(m.HealthCheck), print_blob=False))
        print(name, "SURVIVED", time.time()-t)
    except BaseException as e:
        print(name, "killed", time.time()-t, str(type(e)))
