"""The SQL surface, driven at random beside a model of sections 2 and 3: after every step they agree.

A step is done by a function, as the person who may or may not do it, or by plain SQL; compared are
the code of a refusal, every chat with its messages and holds, the queue, the operators' numbers. And the
events have led to what there is, every column of it.
"""

from collections.abc import Callable
from copy import deepcopy
from datetime import datetime
from itertools import islice, permutations
from typing import Any
from uuid import UUID, uuid5

import psycopg
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg.rows import dict_row

from tests.concurrency.follower import Follower
from tests.concurrency.model import ANSWERED, ASSIGNED, COMPLETED, WAITING, Model, Operator, Refused
from tests.concurrency.world import ADA, ANA, BEN, CARL, CLEO, CORA, OK, as_owner, as_person, as_service, clear, code_of
from tests.servers import Database, Server

OPERATORS, CUSTOMERS = [ANA, BEN, CLEO], [CARL, CORA]

PICTURE = """
select clock_timestamp() as at, json_build_object(
  'broken', (select json_agg(b) from check_invariants() b),
  'queue', (select coalesce(json_agg(q.chat_id order by q.position), '[]') from assignment_queue q),
  'chats', (
    select coalesce(json_object_agg(c.id, json_build_object(
      'state', c.chat_state, 'holder', c.assigned_operator_id, 'last_operator', c.last_operator_id,
      'priority', c.priority, 'is_owed', c.owed_since is not null,
      'messages', (
        select coalesce(json_agg(
          json_build_array(m.sender_type, m.deleted_at is not null, m.handled_by_operator_id) order by m.seq
        ), '[]')
        from messages m where m.chat_id = c.id
      ),
      'holds', (
        select coalesce(json_agg(
          json_build_array(a.operator_id, a.release_reason) order by a.assigned_at, a.released_at
        ), '[]')
        from chat_assignments a where a.chat_id = c.id
      )
    )), '{}')
    from chats c
  ),
  'operators', (
    select json_object_agg(o.id, json_build_object(
      'status', o.status, 'is_active', o.is_active, 'capacity', o.capacity, 'auto_assign', o.auto_assign,
      'held', l.held,
      'messages_sent', coalesce(s.messages_sent, 0), 'chats_handled', coalesce(s.chats_handled, 0),
      'idle_incidents', coalesce(s.idle_incidents, 0)
    ))
    from operators o
    join private.operator_load l on l.operator_id = o.id
    left join operator_stats s on s.operator_id = o.id
    where o.role = 'operator'
  )
) as picture
"""

chat_numbers = st.integers(0, 4)
operators = st.sampled_from(OPERATORS)
is_stranger = st.sampled_from([False] * 5 + [True])
somebody = st.sampled_from([None, None, None, *OPERATORS])  # none: the holder
customers = st.sampled_from(CUSTOMERS)


def outcome(model: Model, change: Callable[[Model], None]) -> str:
    """Change the model; return ok or the code that it refuses with."""
    try:
        change(model)
    except Refused as refused:
        return str(refused)
    return OK


def machine_for(database: Database) -> type[RuleBasedStateMachine]:
    """The state machine of this database."""
    connection = psycopg.connect(database.url, autocommit=True, row_factory=dict_row, prepare_threshold=None)
    connection.execute("update settings set value = 'true' where name = 'allow_take'")

    def execute(deed: str) -> tuple[str, Any]:
        """Do it in one transaction; return ok or the refusal's code, and the value of its last row."""
        try:
            cursor = connection.execute(f"begin; {deed}; commit")
        except psycopg.Error as error:
            connection.execute("rollback")
            return code_of(error), None
        value = None
        while cursor.nextset():
            if cursor.description and (row := cursor.fetchone()):
                (value,) = row.values()
        return OK, value

    class ChatMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.model = Model()
            self.numbers = 0
            # Who sent what: it may be sent again.
            self.sent: list[tuple[UUID, str]] = []
            # When each step of the model's clock was over, by the clock of the database.
            self.ends: list[tuple[int, datetime]] = []
            self.follower: Follower | None = None
            self.looks = 0

        @initialize(
            capacities=st.tuples(*[st.integers(1, 3)] * 3),
            automatic=st.tuples(*[st.booleans()] * 3),
        )
        def people(self, capacities: tuple[int, ...], automatic: tuple[bool, ...]) -> None:
            clear(database)
            connection.execute(f"insert into operators (id, name, role) values ('{ADA}', 'Ada', 'admin')")
            for customer in CUSTOMERS:
                connection.execute("insert into real_users (id) values (%s)", (customer,))
            for operator, capacity, is_automatic in zip(OPERATORS, capacities, automatic, strict=True):
                connection.execute(
                    "insert into operators (id, name, capacity, auto_assign) values (%s, 'somebody', %s, %s)",
                    (operator, capacity, is_automatic),
                )
                self.model.operators[operator] = Operator(capacity, is_automatic, free_since=self.model.now())
            self.compare()
            self.follower = Follower(connection)
            for customer in CUSTOMERS * 2:
                self.starts_a_chat(customer)

        # The step itself

        def step(self, deed: str, change: Callable[[Model], None]) -> bool:
            """Do it, and change the model: both refuse with the same code, or both end in the same picture.

            Return whether it was done.
            """
            code, _ = execute(deed)
            after = deepcopy(self.model)
            assert code == outcome(after, change), deed
            if code == OK:
                self.settle(after)
            else:
                self.compare()
            return code == OK

        def settle(self, after: Model) -> None:
            """Take over the world after a step. Which of several chats that came at once is offered first is free."""
            picture = self.picture()
            for came in islice(permutations(dict.fromkeys(after.came)), 24):
                model = deepcopy(after)
                model.dispatch(came)
                model.is_frozen = False
                if model.picture() == picture:
                    self.model = model
                    break
            else:
                assert picture == model.picture()
            self.ends.append((self.model.now(), self.at))

        def picture(self) -> dict[str, Any]:
            row = connection.execute(PICTURE).fetchone()
            assert row
            self.at: datetime = row["at"]
            picture: dict[str, Any] = row["picture"]
            return picture

        def compare(self) -> None:
            assert self.picture() == self.model.picture()

        def chat(self, number: int) -> UUID:
            return list(self.model.chats)[number % len(self.model.chats)]

        def chat_and_operator(self, number: int, somebody: UUID | None) -> tuple[UUID, UUID]:
            """A chat, and somebody who does something with it: its holder, if nobody else."""
            chat = self.chat(number)
            return chat, somebody or self.model.chats[chat].holder or CLEO

        def chat_and_customer(self, number: int, is_stranger: bool) -> tuple[UUID, UUID]:
            """A chat, and its customer or another one."""
            chat = self.chat(number)
            return chat, CUSTOMERS[(CUSTOMERS.index(self.model.chats[chat].customer) + is_stranger) % len(CUSTOMERS)]

        def new_id(self) -> UUID:
            self.numbers += 1
            return uuid5(ADA, str(self.numbers))

        def may_have_more(self) -> bool:
            return len(self.model.chats) < 5

        # Customers

        @precondition(may_have_more)
        @rule(customer=customers)
        def starts_a_chat(self, customer: UUID) -> None:
            deed = as_person(customer, f"select id from start_chat('hello', '{self.new_id()}')")
            code, chat_id = execute(deed)
            assert code == OK
            self.sent.append((customer, deed))
            after = deepcopy(self.model)
            after.starts(chat_id, customer)
            after.writes(customer, chat_id)
            self.settle(after)

        @rule(number=chat_numbers, is_stranger=is_stranger)
        def customer_writes(self, number: int, is_stranger: bool) -> None:
            chat, customer = self.chat_and_customer(number, is_stranger)
            deed = as_person(customer, f"select send_real_user_message('{chat}', 'and?', '{self.new_id()}')")
            if self.step(deed, lambda model: model.writes(customer, chat)):
                self.sent.append((customer, deed))

        @rule(
            number=chat_numbers,
            from_end=st.sampled_from([0, 0, 0, 1, 2]),
            is_author=st.sampled_from([True, True, False]),
            verb=st.sampled_from(["delete", "delete", "edit"]),
        )
        def revises_a_message(self, number: int, from_end: int, is_author: bool, verb: str) -> None:
            chat = self.chat(number)
            messages = self.model.chats[chat].messages
            if not messages:
                return
            index = len(messages) - 1 - from_end % len(messages)
            sender = messages[index].sender if is_author else CLEO
            # Its id is found by the owner: who asks may not see it.
            row = connection.execute(
                "select id from messages where chat_id = %s and seq = %s", (chat, index + 1)
            ).fetchone()
            assert row
            call = f"delete_message('{row['id']}')" if verb == "delete" else f"edit_message('{row['id']}', 'edited')"
            self.step(
                as_person(sender, f"select {call}"),
                lambda model: (model.deletes if verb == "delete" else model.edits)(sender, chat, index),
            )

        @rule(number=chat_numbers)
        def customer_writes_after_a_reply_and_takes_it_back(self, number: int) -> None:
            self.operator_replies(number, None)
            self.customer_writes(number, False)
            self.revises_a_message(number, 0, True, "delete")

        @rule(number=chat_numbers, is_stranger=is_stranger)
        def customer_completes(self, number: int, is_stranger: bool) -> None:
            chat, customer = self.chat_and_customer(number, is_stranger)

            def change(model: Model) -> None:
                if model.chats[chat].customer != customer:
                    raise Refused("chat_not_found")
                model.completes(chat)

            self.step(as_person(customer, f"select complete_chat('{chat}')"), change)

        # Operators

        @rule(number=chat_numbers, somebody=somebody)
        def operator_replies(self, number: int, somebody: UUID | None) -> None:
            chat, operator = self.chat_and_operator(number, somebody)
            deed = as_person(operator, f"select send_operator_message('{chat}', 'hi', '{self.new_id()}')")
            if self.step(deed, lambda model: model.replies(operator, chat)):
                self.sent.append((operator, deed))

        @rule(back=st.integers(0, 9))
        def sending_again_changes_nothing(self, back: int) -> None:
            sender, deed = self.sent[-1 - back % len(self.sent)]
            if sender in CUSTOMERS or self.model.operators[sender].is_active:
                assert execute(deed)[0] == OK
                self.compare()

        @rule(number=chat_numbers, somebody=somebody)
        def operator_types(self, number: int, somebody: UUID | None) -> None:
            chat, operator = self.chat_and_operator(number, somebody)
            self.step(
                as_person(operator, f"select record_operator_activity('{chat}')"),
                lambda model: model.types(operator, chat),
            )

        @rule(number=chat_numbers, reader=st.sampled_from(OPERATORS + CUSTOMERS), seq=st.integers(0, 9))
        def somebody_reads(self, number: int, reader: UUID, seq: int) -> None:
            chat = self.chat(number)

            def change(model: Model) -> None:
                if reader in OPERATORS:
                    model.require_sight(reader, chat)
                elif model.chats[chat].customer != reader:
                    raise Refused("chat_not_found")

            self.step(as_person(reader, f"select mark_read('{chat}', {seq})"), change)

        @rule(operator=operators, for_another=st.sampled_from([False] * 9 + [True]))
        def operator_asks(self, operator: UUID, for_another: bool) -> None:
            for_whom = OPERATORS[OPERATORS.index(operator) - for_another]
            self.step(
                as_person(operator, f"select assign_chat_to_operator('{for_whom}')"),
                lambda model: model.asks(operator, for_whom),
            )

        @rule(number=chat_numbers, operator=operators)
        def operator_takes(self, number: int, operator: UUID) -> None:
            chat = self.chat(number)
            self.step(as_person(operator, f"select take_chat('{chat}')"), lambda model: model.takes(operator, chat))

        @rule(number=chat_numbers, somebody=somebody)
        def operator_hands_back(self, number: int, somebody: UUID | None) -> None:
            chat, operator = self.chat_and_operator(number, somebody)
            self.step(
                as_person(operator, f"select release_and_reassign_chat('{chat}', null)"),
                lambda model: model.hands_back(operator, chat),
            )

        @rule(number=chat_numbers, somebody=somebody, to=operators)
        def operator_transfers(self, number: int, somebody: UUID | None, to: UUID) -> None:
            chat, operator = self.chat_and_operator(number, somebody)
            self.step(
                as_person(operator, f"select transfer_chat('{chat}', '{to}')"),
                lambda model: model.transfers(operator, chat, to),
            )

        @rule(number=chat_numbers, somebody=somebody)
        def operator_completes(self, number: int, somebody: UUID | None) -> None:
            chat, operator = self.chat_and_operator(number, somebody)
            self.step(
                as_person(operator, f"select complete_chat('{chat}')"),
                lambda model: model.operator_completes(operator, chat),
            )

        @rule(operator=operators, status=st.sampled_from(["online", "online", "away", "offline"]))
        def operator_comes_or_goes(self, operator: UUID, status: str) -> None:
            self.step(
                as_person(operator, f"select set_operator_status('{status}')"),
                lambda model: model.sets_status(operator, status),
            )

        # Admins and jobs

        @rule(number=chat_numbers, to=operators)
        def admin_reassigns(self, number: int, to: UUID) -> None:
            chat = self.chat(number)
            self.step(
                as_person(ADA, f"select reassign_chat('{chat}', '{to}')"), lambda model: model.reassigns(chat, to)
            )

        @rule(step=st.integers(0, 60))
        def idle_holds_are_released(self, step: int) -> None:
            since, at = self.ends[-1 - step % len(self.ends)]

            def change(model: Model) -> None:
                model.now()
                model.is_frozen = True
                model.releases_idle(since)

            # The clock stands still, so that the limit reaches back to the end of that step exactly.
            self.step(
                as_owner(
                    "select set_config('baton.now', clock_timestamp()::text, true);"
                    f"select release_idle_assignments(current_setting('baton.now')::timestamptz - '{at.isoformat()}')"
                ),
                change,
            )

        @rule()
        def the_sweep_finds_nothing_to_do(self) -> None:
            assert execute(as_service("select private.run_assignment_sweep()")) == (OK, 0)
            self.compare()

        # Plain SQL

        @precondition(may_have_more)
        @rule(customer=customers, handling=st.sampled_from(["turn", "session"]))
        def plain_chat(self, customer: UUID, handling: str) -> None:
            chat = self.new_id()
            values = f"('{chat}', '{customer}', 'waiting_assignment', '{handling}')"
            self.step(
                as_owner(f"insert into chats (id, real_user_id, chat_state, handling) values {values}"),
                lambda model: model.starts(chat, customer, handling),
            )

        @rule(number=chat_numbers, sender_type=st.sampled_from(["real", "operator"]))
        def plain_message(self, number: int, sender_type: str) -> None:
            chat = self.chat(number)

            def change(model: Model) -> None:
                if sender_type == "real":
                    model.writes(model.chats[chat].customer, chat)
                else:
                    model.plainly_replied(chat)

            self.step(
                as_owner(
                    f"insert into messages (chat_id, sender_type, content) values ('{chat}', '{sender_type}', 'hey')"
                ),
                change,
            )

        @rule(number=chat_numbers, to=operators)
        def plain_assignment(self, number: int, to: UUID) -> None:
            self.plain_update(
                number,
                f"chat_state = 'assigned', assigned_operator_id = '{to}'",
                lambda model, chat: model.plainly_assigned(chat, to),
            )

        @rule(number=chat_numbers, state=st.sampled_from([WAITING, ANSWERED, COMPLETED]))
        def plain_end_of_a_hold(self, number: int, state: str) -> None:
            changes: dict[str, Callable[[Model, UUID], None]] = {
                WAITING: Model.plainly_released,
                ANSWERED: Model.plainly_answered,
                COMPLETED: lambda model, chat: model.completes(chat, "sql"),
            }
            to = f"chat_state = '{state}', assigned_operator_id = null"
            if state == ANSWERED:
                # Of a chat that is answered already it would be a change of a time alone, which is no event.
                to += ", operator_replied_at = case chat_state when 'assigned' then clock_timestamp()"
                to += " else operator_replied_at end"
            # What reopens a chat is a message; that plain SQL may also do it is not modelled.
            if state != WAITING or self.model.chats[self.chat(number)].state in (ASSIGNED, WAITING):
                self.plain_update(number, to, changes[state])

        @rule(number=chat_numbers, priority=st.integers(-1, 2))
        def plain_priority(self, number: int, priority: int) -> None:
            self.plain_update(
                number, f"priority = {priority}", lambda model, chat: setattr(model.chats[chat], "priority", priority)
            )

        @rule(number=chat_numbers)
        def half_a_change_is_refused(self, number: int) -> None:
            def refuse(_: Model, __: UUID) -> None:
                raise Refused("chats_holder_matches_state")

            is_held = self.model.chats[self.chat(number)].state == ASSIGNED
            self.plain_update(number, f"assigned_operator_id = {'null' if is_held else repr(str(ANA))}", refuse)

        def plain_update(self, number: int, to: str, change: Callable[[Model, UUID], None]) -> None:
            chat = self.chat(number)
            self.step(as_owner(f"update chats set {to} where id = '{chat}'"), lambda model: change(model, chat))

        @rule(
            operator=operators,
            change=st.one_of(
                st.tuples(st.just("capacity"), st.integers(1, 3)),
                st.tuples(st.just("auto_assign"), st.booleans()),
                st.tuples(st.just("is_active"), st.booleans()),
                st.tuples(st.just("is_active"), st.just(True)),
            ),
        )
        def plain_change_of_an_operator(self, operator: UUID, change: tuple[str, int]) -> None:
            column, value = change
            self.step(
                as_owner(f"update operators set {column} = {value} where id = '{operator}'"),
                lambda model: model.change(operator, **{column: value}),
            )

        # What is asked and changes nothing

        @invariant()
        def explanations_are_true(self) -> None:
            for operator_id, operator in self.model.operators.items():
                if operator.is_active:
                    rows = connection.execute(
                        "select array_agg(chat_id order by rank) as chats from explain_assignment(%s)", (operator_id,)
                    ).fetchone()
                    assert rows
                    assert (rows["chats"] or []) == self.model.candidates(operator_id)

        @invariant()
        def events_lead_to_what_there_is(self) -> None:
            # A full look takes as long as a step: at every fourth.
            self.looks += 1
            if self.follower and self.looks % 4 == 0:
                self.follower.look()

        def teardown(self) -> None:
            if self.follower:
                self.follower.look()
                self.follower.end()

    return ChatMachine


def test_the_sql_surface_does_what_the_model_does(arena: Database, server: Server) -> None:
    # The same steps on both: of those on 18, Postgres 15 does the first.
    run_state_machine_as_test(
        machine_for(arena),
        settings=settings(
            max_examples=60 if server.major_version == 18 else 15,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
