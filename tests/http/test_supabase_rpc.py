"""Supabase's own clients, in Python and JavaScript, call functions, and understand what they are told."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from supabase_functions.errors import FunctionsHttpError

import functions as jobs
from tests.http.conftest import PASSWORD, Person
from tests.http.supabase_clients import SPEAKERS, Json, Speaker, call, python_client
from tests.node import run_module
from tests.servers import ROOT, Baton, Database

FUNCTIONS = """
create function public.say(
  p_uuid uuid default null, p_text text default null, p_jsonb jsonb default null, p_integer integer default null,
  p_bigint bigint default null, p_interval interval default null, p_numeric numeric default null,
  p_boolean boolean default null, p_time timestamptz default null, p_integers integer[] default null,
  p_texts text[] default null, p_default text default 'by default'
) returns text[] language sql stable as $$
  select array[p_uuid::text, p_text, p_jsonb::text, p_integer::text, p_bigint::text, p_interval::text,
    p_numeric::text, p_boolean::text, p_time::text, p_integers::text, p_texts::text, p_default]
$$;
create type public.say_pair as (a integer, b text);
create function public.say_void() returns void language sql as '';
create function public.say_text() returns text language sql stable as $$ select 'text' $$;
create function public.say_null() returns text language sql stable as 'select null::text';
create function public.say_bigint() returns bigint language sql stable as 'select 9007199254740993';
create function public.say_numeric() returns numeric language sql stable as 'select 1.50';
create function public.say_boolean() returns boolean language sql stable as 'select true';
create function public.say_interval() returns interval language sql stable as $$ select interval '1 day 2 hours' $$;
create function public.say_time() returns timestamptz
  language sql stable as $$ select timestamptz '2026-01-02 03:04:05.678901+02' $$;
create function public.say_json() returns jsonb language sql stable as $$ select '{"a": [1, null]}'::jsonb $$;
create function public.say_array() returns integer[] language sql stable as $$ select '{1,2}'::integer[] $$;
create function public.say_pair() returns public.say_pair language sql stable as $$ select 1, 'one' $$;
create function public.say_no_pair() returns public.say_pair language sql stable as $$ select null::public.say_pair $$;
create function public.say_out(out a integer) language sql stable as 'select 1';
create function public.say_pairs() returns setof public.say_pair
  language sql stable as $$ values (1, 'one'), (2, 'two') $$;
create function public.say_table() returns table (a integer) language sql stable as 'values (1)';
create function public.say_numbers() returns setof integer language sql stable as 'values (1), (null)';
create function public.say_no_numbers() returns setof integer language sql stable as 'select 1 where false';
"""

PAIR: Json = {"a": 1, "b": "one"}

# What a function is declared to return → what the clients make of it (of nothing, each something else).
ANSWERS: dict[str, Any] = {
    "say_text": "text",
    "say_null": None,
    "say_numeric": 1.5,
    "say_boolean": True,
    "say_interval": "1 day 02:00:00",
    "say_time": "2026-01-02T01:04:05.678901+00:00",
    "say_json": {"a": [1, None]},
    "say_array": [1, 2],
    "say_pair": PAIR,
    "say_no_pair": {"a": None, "b": None},
    "say_out": {"a": 1},
    "say_pairs": [PAIR, {"a": 2, "b": "two"}],
    "say_table": [{"a": 1}],
    "say_numbers": [1, None],
    "say_no_numbers": [],
}

ID = "7c3f6c1e-3f0e-4c69-9c1e-0a4a5d1f2b3c"
PLACES = ["uuid", "text", "jsonb", "integer", "bigint", "interval"]
PLACES += ["numeric", "boolean", "time", "integers", "texts", "default"]

# An argument as a program gives it → as Postgres writes what it has understood.
VALUES: list[tuple[str, Any, str | None]] = [
    ("uuid", ID, ID),
    ("text", 'it\'s "quoted", \\ and % é 👩‍👩‍👧', 'it\'s "quoted", \\ and % é 👩‍👩‍👧'),
    ("text", "", ""),
    ("text", "null", "null"),
    ("integer", -5, "-5"),
    ("bigint", "9223372036854775807", "9223372036854775807"),
    ("interval", "90 minutes", "01:30:00"),
    ("numeric", 0.1, "0.1"),
    ("numeric", "12345678901234567890.123456789", "12345678901234567890.123456789"),
    ("boolean", False, "false"),
    ("time", "2026-01-02T03:04:05+02:00", "2026-01-02 01:04:05+00"),
    ("integers", [1, 2], "{1,2}"),
    ("integers", [], "{}"),
]
# These only as JSON: supabase-js writes them into an address as something else.
JSON_VALUES: list[tuple[str, Any, str | None]] = [
    *VALUES,
    ("texts", ["a,b", 'c"d', None], '{"a,b","c\\"d",NULL}'),
    ("jsonb", {"a": [1, None, {"b": "c"}]}, '{"a": [1, null, {"b": "c"}]}'),
    ("jsonb", [1, 2], "[1, 2]"),
    ("jsonb", "text", '"text"'),
    ("text", None, None),
    ("default", None, None),
]


@pytest.fixture(scope="module", autouse=True)
def functions(baton: Baton) -> Iterator[None]:
    """Make the functions, for everybody."""
    database = baton.database
    mine = "select oid::regprocedure::text as name from pg_proc where starts_with(proname, 'say')"
    database.rows(FUNCTIONS)
    for row in database.rows(mine):
        database.rows(f"grant execute on function {row['name']} to anon, authenticated, service_role")
    yield
    for row in database.rows(mine):
        database.rows(f"drop function {row['name']}")
    database.rows("drop type public.say_pair")


@pytest.fixture(params=SPEAKERS)
def speaks(request: pytest.FixtureRequest, baton: Baton) -> Speaker:
    """Make calls with one of the two clients."""
    speaker: Speaker = SPEAKERS[request.param]
    return lambda *calls, **who: speaker(baton, *calls, **who)


@pytest.mark.parametrize("get", [False, True], ids=["post", "get"])
def test_arguments_arrive_as_what_they_are(speaks: Speaker, get: bool) -> None:
    values = VALUES if get else JSON_VALUES
    answers = speaks(*(call("say", {f"p_{name}": value}, get=get) for name, value, _ in values))
    for (name, value, text), answer in zip(values, answers, strict=True):
        expected = dict.fromkeys(PLACES) | {"default": "by default", name: text}
        assert answer["error"] is None, (name, value)
        assert dict(zip(PLACES, answer["data"], strict=True)) == expected, (name, value)


@pytest.mark.parametrize("get", [False, True], ids=["post", "get"])
def test_answers_arrive_as_what_they_are(speaks: Speaker, get: bool) -> None:
    answers = speaks(*(call(name, get=get) for name in ANSWERS))
    found = {name: answer["data"] for name, answer in zip(ANSWERS, answers, strict=True)}
    assert found == ANSWERS
    assert [answer["error"] for answer in answers] == [None] * len(ANSWERS)


def test_nothing_arrives_as_nothing(speaks: Speaker) -> None:
    (answer,) = speaks(call("say_void"))
    assert not answer["data"]
    assert answer["error"] is None
    assert answer.get("status", 204) == 204


def test_long_numbers_are_sent_whole(baton: Baton) -> None:
    # Python reads them; JavaScript has none such, as against any server.
    (answer,) = SPEAKERS["python"](baton, call("say_bigint"))
    assert answer["data"] == 9007199254740993


def test_rows_are_counted(speaks: Speaker) -> None:
    head, both, post = speaks(
        call("say_pairs", head=True, count="exact"),
        call("say_pairs", count="exact"),
        call("say", {"p_jsonb": {"a": 1}}, head=True, count="exact"),  # supabase-js makes a POST of this
    )
    assert (head["count"], both["count"], post["count"]) == (2, 2, 1)
    assert not head["data"]
    assert not post["data"]
    assert len(both["data"]) == 2


def test_one_row_is_taken_out_of_its_array(speaks: Speaker) -> None:
    one, bare, none, no_or_one, many = speaks(
        call("say_table", modifier="single"),
        call("say_pair", modifier="single"),
        call("say_no_numbers", modifier="single"),
        call("say_no_numbers", modifier="maybeSingle"),
        call("say_pairs", modifier="single"),
    )
    assert one["data"] == {"a": 1}
    assert bare["data"] == PAIR
    assert (none["error"]["code"], none["error"]["details"]) == ("PGRST116", "The result contains 0 rows")
    assert (no_or_one["data"], no_or_one["error"]) == (None, None)
    assert (many["error"]["code"], many["error"]["details"]) == ("PGRST116", "The result contains 2 rows")


def test_refusals_arrive_with_their_codes(speaks: Speaker, customer: Person) -> None:
    calls = [
        call("get_chat", {"p_chat_id": ID}),
        call("start_chat", {"p_content": "", "p_client_message_id": ID}),
        call("check_invariants"),
        call("start_chat", {"p_content": "hello"}),
        call("get_chat", {"p_chat_id": "x"}),
        call("start_chat", {"p_content": "hello", "p_client_message_id": ID}, get=True),
    ]
    answers = speaks(*calls, token=customer.token)
    assert [(answer["error"]["code"], answer["error"]["details"]) for answer in answers] == [
        ("PT404", "chat_not_found"),
        ("PT400", "content_empty"),
        ("PT403", "not_allowed"),
        ("PGRST202", "function_not_found"),
        ("22P02", "invalid_input"),
        ("25006", "method_not_allowed"),
    ]
    assert all(answer["error"]["message"] for answer in answers)
    if "status" in answers[0]:
        assert [answer["status"] for answer in answers] == [404, 400, 403, 404, 400, 405]


def test_the_anon_key_alone_may_not_start_a_chat(speaks: Speaker, baton: Baton) -> None:
    (answer,) = speaks(call("start_chat", {"p_content": "hello", "p_client_message_id": ID}), key=baton.anon_key)
    assert answer["error"]["details"] == "not_signed_in"


def test_a_missing_function_is_known_without_a_body(baton: Baton) -> None:
    # Python's client reads the code from a header; to JavaScript's a missing function is an empty answer.
    (answer,) = SPEAKERS["python"](baton, call("say_everything", head=True))
    assert answer["error"]["code"] == "PGRST202"


# A whole conversation.


@pytest.fixture
def operator_login(account: str, owner: Database) -> Iterator[str]:
    """Make an operator who signs in with PASSWORD; return his email."""
    operator_id = owner.value("select id from auth.users where email = %s", account)
    owner.rows("insert into operators (id, name) values (%s, 'Ana')", operator_id)
    yield account
    owner.rows("select public.complete_chat(id) from public.chats where assigned_operator_id = %s", operator_id)
    owner.rows("update operators set is_active = false where id = %s", operator_id)


CONVERSATION = ["hello", "how can I help?", "where is my order?"]


def test_a_conversation_in_python(baton: Baton, operator_login: str) -> None:
    visitor, operator = (python_client(baton, baton.anon_key) for _ in range(2))
    visitor.auth.sign_in_anonymously()
    signed_in = operator.auth.sign_in_with_password({"email": operator_login, "password": PASSWORD})
    assert signed_in.user

    def ask(client: Any, name: str, **arguments: Any) -> Any:
        return client.rpc(name, {f"p_{key}": value for key, value in arguments.items()}).execute().data

    chat = ask(visitor, "start_chat", content=CONVERSATION[0], client_message_id=str(uuid4()))
    given = ask(operator, "assign_chat_to_operator", operator_id=signed_in.user.id)
    assert [(each["id"], each["chat_state"]) for each in given] == [(chat["id"], "assigned")]
    reply = {"chat_id": chat["id"], "content": CONVERSATION[1], "client_message_id": str(uuid4())}
    assert ask(operator, "send_operator_message", **reply)["seq"] == 2
    assert ask(operator, "send_operator_message", **reply)["seq"] == 2  # a retry
    again = {"chat_id": chat["id"], "content": CONVERSATION[2], "client_message_id": str(uuid4())}
    ask(visitor, "send_real_user_message", **again)
    assert not ask(visitor, "mark_read", chat_id=chat["id"], seq=2)
    messages = ask(visitor, "list_messages", chat_id=chat["id"])
    assert [message["content"] for message in messages] == CONVERSATION
    assert {message["handled_by_operator_id"] for message in messages} == {None}
    assert ask(visitor, "complete_chat", chat_id=chat["id"])["chat_state"] == "completed"
    assert ask(visitor, "list_chats")[0]["is_active"] is False


def test_a_conversation_in_javascript(baton: Baton, operator_login: str) -> None:
    told = run_module(
        """
        import { createClient } from "@supabase/supabase-js";
        const auth = { persistSession: false, autoRefreshToken: false };
        const [visitor, operator] = ["visitor", "operator"].map((storageKey) =>
          createClient(given.url, given.key, { auth: { ...auth, storageKey } }));
        const ask = async (client, name, args) => {
          const { data, error } = await client.rpc(name, args).throwOnError();
          return data;
        };
        const uuid = () => crypto.randomUUID();
        await visitor.auth.signInAnonymously();
        const { data: { user } } = await operator.auth.signInWithPassword(given.login);
        const chat = await ask(visitor, "start_chat", { p_content: given.said[0], p_client_message_id: uuid() });
        const p_chat_id = chat.id;
        const given_ = await ask(operator, "assign_chat_to_operator", { p_operator_id: user.id });
        const reply = { p_chat_id, p_content: given.said[1], p_client_message_id: uuid() };
        const replies = [await ask(operator, "send_operator_message", reply),
                         await ask(operator, "send_operator_message", reply)];
        const again = { p_chat_id, p_content: given.said[2], p_client_message_id: uuid() };
        await ask(visitor, "send_real_user_message", again);
        await ask(visitor, "mark_read", { p_chat_id, p_seq: 2 });
        const messages = await ask(visitor, "list_messages", { p_chat_id });
        const ended = await ask(visitor, "complete_chat", { p_chat_id });
        const chats = await ask(visitor, "list_chats");
        console.log(JSON.stringify({ chat, given: given_, replies, messages, ended, chats }));
        """,
        url=baton.base_url,
        key=baton.anon_key,
        login={"email": operator_login, "password": PASSWORD},
        said=CONVERSATION,
    )
    assert [(each["id"], each["chat_state"]) for each in told["given"]] == [(told["chat"]["id"], "assigned")]
    assert [reply["seq"] for reply in told["replies"]] == [2, 2]
    assert [message["content"] for message in told["messages"]] == CONVERSATION
    assert {message["handled_by_operator_id"] for message in told["messages"]} == {None}
    assert told["ended"]["chat_state"] == "completed"
    assert told["chats"][0]["is_active"] is False


def example(language: str, baton: Baton) -> str:
    """Return the example of docs/supabase-clients.md, with our address."""
    text = (ROOT / "docs/supabase-clients.md").read_text()
    found = re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1].replace("http://127.0.0.1:8000", baton.base_url)


def test_the_examples_of_the_documentation_run(baton: Baton) -> None:
    values: dict[str, Any] = {"ANON_KEY": baton.anon_key}
    exec(example("python", baton), values)  # noqa: S102 - our own
    assert [message["content"] for message in values["messages"]] == ["Where is my order?"]
    script = f"const ANON_KEY = given.key;\n{example('js', baton)}\nconsole.log(JSON.stringify({{ chat, error }}));"
    told = run_module(script, key=baton.anon_key)
    assert told["error"] is None
    assert told["chat"]["chat_state"] == "waiting_assignment"


def test_every_public_function_can_be_reached_by_somebody(
    baton: Baton, owner: Database, customer: Person, operator: Person, admin: Person, service: Person
) -> None:
    rows = owner.rows(
        """
        select p.proname as name, proargnames[:pronargs - pronargdefaults] as needed,
          array(
            select r from unnest('{anon,authenticated,service_role}'::text[]) r
            where has_function_privilege(r, p.oid, 'execute')
          ) as roles
        from pg_proc p
        where pronamespace = 'public'::regnamespace and prokind = 'f' and not starts_with(proname, 'say')
        """
    )
    assert len(rows) >= 30
    callers = {"authenticated": [customer, operator, admin], "service_role": [service]}
    callers["anon"] = [Person(baton.base_url, baton.anon_key)]
    for row in rows:
        assert row["roles"], f"{row['name']} is for nobody"
        for role, people in callers.items():
            for person in people:
                # Without values: what a function then refuses, it refuses itself.
                body = dict.fromkeys(row["needed"] or [])
                answer = person.http.post(f"/rest/v1/rpc/{row['name']}", json=body)
                is_reached = answer.is_success or answer.json()["code"].startswith(("PT", "23"))
                assert is_reached == (role in row["roles"]), (row["name"], role, answer.text)


# Background functions.


@pytest.mark.parametrize("name", jobs.JOBS)
def test_python_invokes_a_background_function(baton: Baton, name: str) -> None:
    client = python_client(baton, baton.service_key)
    answer = client.functions.invoke(name, {"responseType": "json"})
    assert isinstance(answer, dict)
    assert answer["name"] == name


@pytest.mark.parametrize(
    ("key", "name", "status", "message"),
    [
        ("anon", "idle-detection", 401, "You are not signed in."),
        ("customer", "idle-detection", 403, "You may not do that."),
        ("service", "everything", 404, "There is no such function."),
    ],
)
def test_both_are_told_why_a_background_function_did_not_run(
    baton: Baton, customer: Person, key: str, name: str, status: int, message: str
) -> None:
    token = {"anon": baton.anon_key, "customer": customer.token, "service": baton.service_key}[key]
    client = python_client(baton, baton.anon_key)
    client.functions.set_auth(str(token))
    with pytest.raises(FunctionsHttpError) as refusal:
        client.functions.invoke(name)
    assert (refusal.value.status, refusal.value.message) == (status, message)
    told = run_module(
        """
        import { createClient } from "@supabase/supabase-js";
        const client = createClient(given.url, given.key, { accessToken: async () => given.token });
        const { data, error } = await client.functions.invoke(given.name);
        const { status } = error.context;
        console.log(JSON.stringify({ data, kind: error.name, status, body: await error.context.json() }));
        """,
        url=baton.base_url,
        key=baton.anon_key,
        token=token,
        name=name,
    )
    assert (told["data"], told["kind"], told["status"]) == (None, "FunctionsHttpError", status)
    assert told["body"]["message"] == told["body"]["error"] == message


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (None, {}),
        ({"a": 1}, {}),
        ("text", {}),
        (b"\0\xff", {}),
        ("{", {"Content-Type": "application/json"}),
        ("a=1", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("x" * 10_000_000, {}),
    ],
    ids=["none", "json", "text", "bytes", "broken", "form", "large"],
)
def test_a_background_function_runs_whatever_is_sent_along(baton: Baton, body: Any, headers: dict[str, str]) -> None:
    options = {"body": body, "headers": headers, "responseType": "json"}
    answer = python_client(baton, baton.service_key).functions.invoke("idle-detection", options)
    assert isinstance(answer, dict)
    assert answer["name"] == "idle-detection"


def test_javascript_invokes_a_background_function_with_any_body(baton: Baton) -> None:
    told = run_module(
        """
        import { createClient } from "@supabase/supabase-js";
        const client = createClient(given.url, given.key, { auth: { persistSession: false } });
        const form = new FormData();
        form.append("a", "1");
        const bodies = [undefined, { a: 1 }, "text", new Blob(["x"]), new ArrayBuffer(8), form];
        const answers = [];
        for (const body of bodies) {
          answers.push(await client.functions.invoke("idle-detection", { body, region: "eu-west-1" }));
        }
        answers.push(await client.functions.invoke("idle-detection", { method: "GET" }));
        console.log(JSON.stringify(answers.map(({ data, error }) => data?.name ?? error.context.status)));
        """,
        url=baton.base_url,
        key=baton.service_key,
    )
    assert told == ["idle-detection"] * 6 + [405]
