"""Every pair of writing functions, acting on the same chat and the same operators at once.

A does its deed and keeps its transaction open; B does its own until it is done or waits for A; then A
commits, or rolls back, and B goes on. Whatever the pair: nobody deadlocks, nobody is refused with
anything but a code of the catalogue, section 2 holds, and the end is one that the two could also have
reached one after the other.
"""

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

import pytest

from tests.concurrency.world import (
    ADA,
    ANA,
    BEN,
    CARL,
    CLEM,
    CORA,
    OK,
    Session,
    as_owner,
    as_person,
    as_service,
    broken_invariants,
    clear,
    overlap,
    refusals,
)
from tests.servers import Database

CHAT, OTHER, BENS, SENT, ANSWER, RETRY = (UUID(int=0xE0 + n) for n in range(6))

PEOPLE = f"""
insert into operators (id, name, role, capacity, auto_assign) values
  ('{ADA}', 'Ada', 'admin', 1, false),
  ('{ANA}', 'Ana', 'operator', 2, %(auto)s), ('{BEN}', 'Ben', 'operator', 1, %(auto)s);
insert into real_users (id) values ('{CORA}'), ('{CARL}'), ('{CLEM}');
insert into private.connections (person_id, process_id, seen_at, lease_until)
  select '{ANA}', gen_random_uuid(), now() - interval '1 hour', now() - interval '1 hour';
update settings set value = 'true' where name = 'allow_take';
"""
MESSAGE = f"""
insert into messages (id, chat_id, sender_type, content) values ('{SENT}', '{CHAT}', 'real', 'hello?');
"""


def chats(*rows: str) -> str:
    """SQL that makes chats a minute apart, so that the queue has an order."""
    columns = "id, real_user_id, handling, chat_state, assigned_operator_id, last_operator_id, created_at"
    return f"insert into chats ({columns}, operator_replied_at) values {', '.join(rows)};"


def chat(
    chat_id: UUID,
    customer: UUID,
    state: str,
    holder: UUID | None = None,
    last: UUID | None = None,
    handling: str = "turn",
    minutes: int = 60,
    is_answered: bool = False,
) -> str:
    """The values of a chat's row."""
    ago = f"now() - interval '{minutes} minutes'"
    holder_id, last_id = (f"'{person}'" if person else "null" for person in (holder, last or holder))
    answered = ago if is_answered else "null"
    return f"('{chat_id}', '{customer}', '{handling}', '{state}', {holder_id}, {last_id}, {ago}, {answered})"


WAITS = chat(OTHER, CARL, "waiting_assignment", last=BEN, minutes=30)

AUTOMATIC = "all are automatic and busy"

# Where the chat stands when the two begin.
SCENES = {
    "Ana holds it": PEOPLE % {"auto": "false"}
    + chats(chat(CHAT, CORA, "assigned", ANA, is_answered=True), WAITS)
    + MESSAGE,
    "Ana talks": PEOPLE % {"auto": "false"}
    + chats(chat(CHAT, CORA, "assigned", ANA, handling="session"), WAITS)
    + MESSAGE,
    "it waits": PEOPLE % {"auto": "false"}
    + chats(chat(CHAT, CORA, "waiting_assignment", last=ANA, is_answered=True), WAITS)
    + MESSAGE,
    "it is answered": PEOPLE % {"auto": "false"}
    + chats(chat(CHAT, CORA, "assigned", ANA), WAITS)
    + MESSAGE
    + f"insert into messages (id, chat_id, sender_type, content) values ('{ANSWER}', '{CHAT}', 'operator', 'hi');",
    AUTOMATIC: PEOPLE % {"auto": "true"}
    + chats(
        chat(CHAT, CORA, "assigned", ANA, is_answered=True),
        chat(BENS, CLEM, "assigned", BEN),
    )
    + f"update operators set capacity = 1 where id = '{ANA}';"
    + chats(WAITS)
    + MESSAGE,
}

LATER = "select set_config('baton.now', (now() + interval '2 hours')::text, true);"

# Every way to write that there is.
DEEDS = {
    "start_chat": as_person(CARL, f"select start_chat('me too', '{RETRY}')"),
    "send_real_user_message": as_person(CORA, f"select send_real_user_message('{CHAT}', 'more', gen_random_uuid())"),
    "send_operator_message": as_person(ANA, f"select send_operator_message('{CHAT}', 'hi', gen_random_uuid())"),
    "edit_message": as_person(CORA, f"select edit_message('{SENT}', 'hello!')"),
    "delete_message": as_person(CORA, f"select delete_message('{SENT}')"),
    "mark_read": as_person(CORA, f"select mark_read('{CHAT}', 1)"),
    "mark_read by Ana": as_person(ANA, f"select mark_read('{CHAT}', 1)"),
    "assign to Ana": as_person(ANA, f"select assign_chat_to_operator('{ANA}')"),
    "assign to Ben": as_person(BEN, f"select assign_chat_to_operator('{BEN}')"),
    "take_chat": as_person(BEN, f"select take_chat('{CHAT}')"),
    "release_and_reassign_chat": as_person(ANA, f"select release_and_reassign_chat('{CHAT}', 'lunch')"),
    "transfer_chat": as_person(ANA, f"select transfer_chat('{CHAT}', '{BEN}')"),
    "reassign to Ana": as_person(ADA, f"select reassign_chat('{CHAT}', '{ANA}')"),
    "reassign to Ben": as_person(ADA, f"select reassign_chat('{CHAT}', '{BEN}')"),
    "complete_chat": as_person(CORA, f"select complete_chat('{CHAT}')"),
    "act_on_chats: release": as_person(ADA, f"select act_on_chats('release', '{{{CHAT},{OTHER}}}')"),
    "act_on_chats: to Ben": as_person(ADA, f"select act_on_chats('reassign', '{{{OTHER},{CHAT}}}', '{BEN}')"),
    "Ana goes away": as_person(ANA, "select set_operator_status('away')"),
    "Ben comes online": as_person(BEN, "select set_operator_status('online')"),
    "record_operator_activity": as_person(ANA, f"select record_operator_activity('{CHAT}')"),
    "release_idle_assignments": as_owner(LATER + "select release_idle_assignments()"),
    "run_customer_idle": as_owner(LATER + "select private.run_customer_idle()"),
    "run_gone_detection": as_owner("select private.run_gone_detection()"),
    "run_assignment_sweep": as_service("select private.run_assignment_sweep()"),
    "deactivate Ana": as_owner(f"update operators set is_active = false where id = '{ANA}'"),
    "deactivate Ben": as_owner(f"update operators set is_active = false where id = '{BEN}'"),
    "deactivate all": as_owner("update operators set is_active = false where role = 'operator'"),
    "change hands": as_owner("update operators set capacity = 3 where role = 'operator'"),
    "change address": as_owner(f"update operators set email = 'ana@baton.example' where id = '{ANA}'"),
    "plain assign": as_owner(
        f"update chats set chat_state = 'assigned', assigned_operator_id = '{BEN}' where id = '{CHAT}'"
    ),
    "plain release": as_owner(
        f"update chats set chat_state = 'waiting_assignment', assigned_operator_id = null where id = '{CHAT}'"
    ),
    "plain completion of all": as_owner(
        "update chats set chat_state = 'completed', assigned_operator_id = null where is_active"
    ),
    "plain swap": as_owner(
        "update chats set assigned_operator_id ="
        f" case assigned_operator_id when '{ANA}' then '{BEN}' else '{ANA}' end::uuid where chat_state = 'assigned'"
    ),
    "plain message": as_owner(f"insert into messages (chat_id, sender_type, content) values ('{CHAT}', 'real', 'hey')"),
    "plain reply": as_owner(
        f"insert into messages (chat_id, sender_type, content) values ('{CHAT}', 'operator', 'hi')"
    ),
    "plain messages to all": as_owner(
        "insert into messages (chat_id, sender_type, content) select id, 'real', 'hey' from chats order by id"
    ),
    "erase_user_data": as_person(CORA, "select erase_user_data()"),
    "erase the customer": as_owner(f"delete from real_users where id = '{CORA}'"),
}

# What is worth doing first in a scene that resembles another.
ONLY = {
    "it waits": {
        "send_real_user_message",
        "delete_message",
        "assign to Ana",
        "assign to Ben",
        "take_chat",
        "reassign to Ana",
        "reassign to Ben",
        "complete_chat",
        "plain assign",
        "plain messages to all",
        "plain completion of all",
        "erase_user_data",
    },
    "Ana talks": {
        "send_operator_message",
        "send_real_user_message",
        "transfer_chat",
        "release_idle_assignments",
        "run_customer_idle",
    },
    "it is answered": {
        "send_real_user_message",
        "delete_message",
        "reassign to Ben",
        "complete_chat",
        "plain messages to all",
    },
}

# These look for something to do and pass over what is locked: beside another, they may do less.
PASS_OVER = {
    "assign to Ana",
    "assign to Ben",
    "release_idle_assignments",
    "run_customer_idle",
    "run_gone_detection",
    "run_assignment_sweep",
}
# One statement about many rows sees those that were committed when it began, as everywhere in Postgres; and many
# chats, each for itself, are refused one by one where one deed before them all refuses the whole.
MANY_ROWS = {"plain completion of all", "plain swap", "plain messages to all", "act_on_chats: to Ben"}

WORLD = f"""
select json_build_object(
  'chats', (
    select json_agg(json_build_array(
      -- start_chat gives its chat a new id each time.
      case when c.id in ('{CHAT}', '{OTHER}', '{BENS}') then c.id end,
      c.chat_state, c.assigned_operator_id, c.last_operator_id, c.owed_since is not null, c.last_seq,
      (
        select json_agg(
          json_build_array(m.sender_type, m.deleted_at is not null, m.edited_at is not null, m.handled_by_operator_id)
          order by m.seq
        )
        from messages m where m.chat_id = c.id
      )
    ) order by c.id in ('{CHAT}', '{OTHER}', '{BENS}') desc, c.id)
    from chats c
  ),
  'operators', (
    select json_agg(json_build_array(o.id, o.capacity, o.is_active, o.status, o.email, l.held, l.is_auto) order by o.id)
    from operators o join private.operator_load l on l.operator_id = o.id
  ),
  'holds', (
    select json_agg(h order by h.chat_id, h.operator_id, h.release_reason)
    from (
      select case when a.chat_id in ('{CHAT}', '{OTHER}', '{BENS}') then a.chat_id end as chat_id,
        a.operator_id, a.release_reason
      from chat_assignments a
    ) h
  ),
  'read', (select json_agg(r order by r) from (select m.chat_id, m.reader_id, m.seq from read_marks m) r)
)::text as world
"""

# What a scene and the deeds may fill: all that is empty before, save the log, which nobody can shorten.
TABLES = """
select c.oid::regclass::text as name
from pg_class c
where c.relkind = 'r' and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace)
  and c.oid <> 'audit_log'::regclass
order by 1
"""
COLUMNS = """
select attname as name, atttypid = 'timestamptz'::regtype as is_time
from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated = ''
order by attnum
"""


class End(NamedTuple):
    """What came of it: which deeds were refused, if any, and the world."""

    results: tuple[str, ...]
    world: str

    def is_like(self, other: "End") -> bool:
        """Whether the same deeds succeeded, with the same world; which of several codes was given may differ."""
        return self.world == other.world and [r == OK for r in self.results] == [r == OK for r in other.results]


class Scenery:
    """Scenes, each built once with all its triggers and copied from then on, in a fifth of the time.

    Rows of tables that were empty come back, and their columns of the type timestamptz are as old as they were; other
    tables, and times in columns of other types, stay what they are.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        names = [row["name"] for row in database.rows(TABLES)]
        self._tables = [name for name in names if not database.rows(f"table {name} limit 1")]
        self._built: set[str] = set()
        database.owner.execute("create schema scenes")
        # No triggers. For good, in a session of its own: whenever this changes, all plans are forgotten.
        self._copier = database.connect()
        self._copier.execute("set session_replication_role = replica")

    def set(self, scene: str) -> None:
        """Leave nothing but this scene."""
        if scene not in self._built:
            self._build(scene)
            self._built.add(scene)
        self._copier.execute(f'select scenes."{scene}"()')

    def _build(self, scene: str) -> None:
        """Build it, keep copies of what there is then, and make a function that brings them back."""
        clear(self.database)
        with self.database.owner.transaction():
            self.database.owner.execute(SCENES[scene])
            built_at = self.database.value("select now()::text")
        steps = [f"delete from {table};" for table in self._tables]
        for table in self._tables:
            if not self.database.rows(f"table {table} limit 1"):
                continue
            copy = f'scenes."{scene}: {table}"'
            self.database.owner.execute(f"create table {copy} as table {table}")
            columns = self.database.rows(COLUMNS, table)
            names = ", ".join(column["name"] for column in columns)
            values = ", ".join(
                f"{column['name']} + (now() - '{built_at}')" if column["is_time"] else column["name"]
                for column in columns
            )
            steps.append(f"insert into {table} ({names}) overriding system value select {values} from {copy};")
        self.database.owner.execute(
            f'create function scenes."{scene}"() returns void language plpgsql as $$ begin {" ".join(steps)} end $$'
        )


class Stage:
    """A database, two sessions, and what the deeds of a scene lead to one after the other."""

    def __init__(self, database: Database, pair: list[Session]) -> None:
        self.database = database
        self.pair = pair
        self.refusals = refusals(database)
        self._scenery = Scenery(database)
        self._in_turn: dict[tuple[str, ...], End] = {}
        database.owner.execute(f"prepare world as {WORLD}")

    def set(self, scene: str) -> None:
        """Begin anew."""
        self._scenery.set(scene)

    def world(self) -> str:
        return str(self.database.value("execute world"))

    def in_turn(self, scene: str, *deeds: str) -> End:
        """What the deeds lead to, each committed before the next begins."""
        key = (scene, *deeds)
        if key not in self._in_turn:
            self.set(scene)
            results = tuple(self.pair[0].run(DEEDS[deed]) for deed in deeds)
            self._in_turn[key] = End(results, self.world())
        return self._in_turn[key]

    def at_once(self, scene: str, first: str, second: str, how: str) -> tuple[End, bool]:
        """Let the second begin before the first ends; also tell whether it was done by then."""
        self.set(scene)
        *results, was_done = overlap(self.pair, DEEDS[first], DEEDS[second], how)
        return End(tuple(results), self.world()), was_done


@pytest.fixture(scope="module")
def stage(arena_of_module: Database, pair: list[Session]) -> Stage:
    return Stage(arena_of_module, pair)


# There are thousands of pairs, and what one row's lock does is the same in every Postgres. In which order many rows
# are locked is up to a plan, and that to the version: who locks many is tried on both.
LOCK_MANY = {
    "release_idle_assignments",
    "run_customer_idle",
    "run_gone_detection",
    "deactivate all",
    "change hands",
    "plain completion of all",
    "plain swap",
    "plain messages to all",
    "erase_user_data",
    "erase the customer",
}


@pytest.mark.parametrize(
    ("scene", "first"),
    [
        pytest.param(scene, first, marks=() if scene == AUTOMATIC and first in LOCK_MANY else pytest.mark.one_postgres)
        for scene in SCENES
        for first in DEEDS
        if first in ONLY.get(scene, DEEDS)
    ],
)
def test_two_at_once_end_well(stage: Stage, scene: str, first: str) -> None:
    alone = stage.in_turn(scene, first)
    if alone.results != (OK,) or alone.world == stage.in_turn(scene).world:
        return  # It does nothing here that another could meet.
    wrong = [f"{second}: {problem}" for second in DEEDS for problem in problems_of_pair(stage, scene, first, second)]
    assert not wrong, "\n".join(wrong)


def problems_of_pair(stage: Stage, scene: str, first: str, second: str) -> Iterator[str]:
    """Yield what went wrong when both were done at once."""
    end, was_done = stage.at_once(scene, first, second, "commit")
    yield from problems_of_end(stage, scene, end)
    if scene != AUTOMATIC and second not in PASS_OVER | MANY_ROWS:
        forward = stage.in_turn(scene, first, second)
        if not end.is_like(forward):
            backward = stage.in_turn(scene, second, first)
            if not end.is_like(End(backward.results[::-1], backward.world)):
                yield f"committed: {end}\nin turn: {forward}\nor: {backward}"
    if was_done:
        return
    end, _ = stage.at_once(scene, first, second, "rollback")
    yield from problems_of_end(stage, scene, end)
    alone = stage.in_turn(scene, second)
    if scene != AUTOMATIC and second not in PASS_OVER and not End(end.results[1:], end.world).is_like(alone):
        yield f"rolled back: {end}\nalone: {alone}"


def problems_of_end(stage: Stage, scene: str, end: End) -> Iterator[str]:
    """Yield what no end may show."""
    unknown = set(end.results) - stage.refusals - {OK}
    if unknown:
        yield f"refused with {unknown}"
    if broken := broken_invariants(stage.database):
        yield f"broken: {broken}"
    if scene == AUTOMATIC and (missed := stage.database.value("select private.run_assignment_sweep()")):
        yield f"{missed} chats were not given: {end}"
