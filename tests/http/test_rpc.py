"""Functions called as PostgREST is called: what is found, how it is answered, and what is refused how."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from flask import Flask

from tests.http.conftest import Person
from tests.servers import Baton, Database
from web import create_app
from web.config import Config

# What a function can be, besides those that Baton has: each answers the same at each call.
FUNCTIONS = """
create function public.rpc_add(a integer, b integer default 10) returns integer
  language sql stable as 'select a + b';
create function public.rpc_which(a integer) returns text language sql stable as $$ select 'integer' $$;
create function public.rpc_which(a text) returns text language sql stable as $$ select 'text' $$;
create function public.rpc_which(a integer, b integer) returns text language sql stable as $$ select 'both' $$;
create function public.rpc_rows() returns table (n integer) language sql stable as 'values (1), (2)';
create function public.rpc_one() returns table (n integer) language sql stable as 'values (1)';
create function public.rpc_none() returns setof public.chats
  language sql stable as 'select * from public.chats where false';
create function public.rpc_nothing() returns void language plpgsql as 'begin end';
create function public.rpc_keep(p_times integer default 1) returns setof text language plpgsql as $$
begin
  for i in 1 .. p_times loop
    return query insert into public.rpc_kept values (i) returning 'kept';
  end loop;
end $$;
create table public.rpc_kept (n integer);
create function public.rpc_keep_stably() returns void language sql stable as 'select public.rpc_keep()';
create function public.rpc_sum(variadic p_numbers integer[]) returns bigint
  language sql stable as 'select sum(n) from unnest(p_numbers) n';
create function public."rpc odd %s ""name""; --"("an ""odd %s"" argument" integer) returns integer
  language sql stable as 'select $1';
create function public.rpc_number(p_number numeric) returns text language sql stable as 'select p_number::text';
create function public.rpc_status(p_status text) returns text language sql as
  $$ select set_config('response.status', p_status, true) $$;
create function public.rpc_raise(p_sqlstate text) returns void language plpgsql as $$
begin
  raise 'what it says' using errcode = p_sqlstate, detail = 'its detail', hint = 'its hint';
end $$;
create function public.rpc_only_service() returns integer language sql stable as 'select 1';
revoke execute on function public.rpc_only_service() from public, anon, authenticated;
grant all on public.rpc_kept to service_role, authenticated;
create function public.rpc_trigger() returns trigger language plpgsql as 'begin return new; end';
create function public.rpc_unnamed(jsonb) returns jsonb language sql stable as 'select $1';
create function public.rpc_any(p_value anyelement) returns anyelement language sql stable as 'select p_value';
create function public.rpc_shapeless() returns record language sql stable as 'select 1, 2';
create procedure public.rpc_procedure() language sql as 'select 1';
"""


@pytest.fixture(scope="module", autouse=True)
def functions(baton: Baton) -> Iterator[None]:
    """Make the functions; everybody may call them, unless it is said there."""
    before = names(baton.database)
    baton.database.rows(FUNCTIONS)
    made = [name for name in names(baton.database) if name not in before]
    for name in made:
        callers = "service_role" if "rpc_only_service" in name else "anon, authenticated, service_role"
        baton.database.rows(f"grant execute on routine {name} to {callers}")
    yield
    for name in names(baton.database):
        if name not in before:
            baton.database.rows(f"drop routine {name}")
    baton.database.rows("drop table public.rpc_kept")


def names(database: Database) -> list[str]:
    """Return the routines of schema public, as commands name them."""
    query = "select oid::regprocedure::text as name from pg_proc where pronamespace = 'public'::regnamespace"
    return [row["name"] for row in database.rows(query)]


@pytest.fixture
def kept(baton: Baton) -> Callable[[], int]:
    """Count what `rpc_keep` has kept since now."""
    baton.database.rows("truncate public.rpc_kept")
    return lambda: int(baton.database.value("select count(*) from public.rpc_kept"))


def rpc(person: Person, name: str, /, headers: Any = None, **arguments: Any) -> httpx.Response:
    """Call a function by POST."""
    return person.http.post(f"/rest/v1/rpc/{name}", json=arguments, headers=headers)


def read(person: Person, name: str, /, headers: Any = None, **arguments: Any) -> httpx.Response:
    """Call a function by GET."""
    return person.http.get(f"/rest/v1/rpc/{name}", params=arguments, headers=headers)


def refuses(answer: httpx.Response, status: int, code: str, details: str) -> bool:
    """Return whether the answer is this refusal in PostgREST's form; say so if not."""
    body = answer.json()
    assert (answer.status_code, body["code"], body["details"]) == (status, code, details), answer.text
    assert set(body) == {"code", "message", "details", "hint"}
    assert answer.headers["Proxy-Status"] == f"PostgREST; error={code}"
    return True


# Which function is meant.


def test_arguments_go_by_name_and_missing_ones_take_their_defaults(service: Person) -> None:
    assert rpc(service, "rpc_add", b=1, a=2).json() == 3
    assert rpc(service, "rpc_add", a=2).json() == 12
    assert rpc(service, "rpc_add", a=2, b=None).json() is None
    assert read(service, "rpc_add", a="2", b="1").json() == 3


@pytest.mark.parametrize("arguments", [{}, {"b": 1}, {"a": 1, "c": 1}, {"A": 1}, {"": 1}], ids=str)
def test_a_set_of_names_that_does_not_fit_is_not_found(service: Person, arguments: dict[str, int]) -> None:
    for answer in (rpc(service, "rpc_add", **arguments), read(service, "rpc_add", **arguments)):
        assert refuses(answer, 404, "PGRST202", "function_not_found")
        given = f"({', '.join(sorted(arguments))})" if arguments else " without parameters"
        assert answer.json()["message"] == f"Could not find the function public.rpc_add{given} in the schema cache"
        assert answer.json()["hint"] == "Perhaps you meant to call the function public.rpc_add(a, b)"


def test_a_name_that_is_nearly_right_is_suggested(service: Person) -> None:
    answer = rpc(service, "start_chatt")
    assert refuses(answer, 404, "PGRST202", "function_not_found")
    assert answer.json()["hint"] == "Perhaps you meant to call the function public.start_chat"
    assert rpc(service, "something_else_entirely").json()["hint"] is None


def test_overloads_are_told_apart_by_their_names_only(service: Person) -> None:
    assert rpc(service, "rpc_which", a=1, b=2).json() == "both"
    answer = rpc(service, "rpc_which", a=1)
    assert refuses(answer, 300, "PGRST203", "function_ambiguous")
    assert "public.rpc_which(a => integer), public.rpc_which(a => text)" in answer.json()["message"]


def test_a_variadic_argument_is_an_array(service: Person) -> None:
    assert rpc(service, "rpc_sum", p_numbers=[1, 2, 3]).json() == 6
    assert read(service, "rpc_sum", p_numbers="{1,2,3}").json() == 6


@pytest.mark.parametrize(
    "name",
    [
        "rpc_trigger",
        "rpc_unnamed",
        "rpc_any",
        "rpc_shapeless",
        "rpc_procedure",
        "pg_sleep",
        "version",
        "pg_catalog.version",
        "private.now",
        "public.who_am_i",
        '"who_am_i"',
        "who_am_i()",
        "who_am_i(); drop table public.rpc_kept; --",
        "WHO_AM_I",
        "%00",
        "%27",
        "%s",
        "%(role)s",
    ],
)
def test_what_is_not_for_callers_is_not_there(service: Person, name: str) -> None:
    for answer in (service.http.post(f"/rest/v1/rpc/{name}"), service.http.get(f"/rest/v1/rpc/{name}")):
        assert refuses(answer, 404, "PGRST202", "function_not_found")


@pytest.mark.parametrize(("name", "argument"), [("rpc_unnamed", ""), ("rpc_any", "p_value")])
def test_what_takes_no_named_or_no_certain_argument_is_not_there(service: Person, name: str, argument: str) -> None:
    assert refuses(rpc(service, name, **{argument: 1}), 404, "PGRST202", "function_not_found")
    assert refuses(read(service, name, **{argument: 1}), 404, "PGRST202", "function_not_found")


def test_no_name_is_read_as_sql(service: Person) -> None:
    path = '/rest/v1/rpc/rpc odd %25s "name"; --'
    assert service.http.post(path, json={'an "odd %s" argument': 5}).json() == 5
    assert service.http.get(path, params={'an "odd %s" argument': "5"}).json() == 5
    for name in ("a => 1); drop table public.rpc_kept; --", 'a" => 1', "%s", "body", "role"):
        assert refuses(rpc(service, "rpc_add", **{name: 1}), 404, "PGRST202", "function_not_found")


# Who may call.


def test_who_may_not_execute_it_is_refused(service: Person, customer: Person, baton: Baton) -> None:
    assert rpc(service, "rpc_only_service").json() == 1
    assert refuses(rpc(customer, "rpc_only_service"), 403, "42501", "not_allowed")
    answer = rpc(Person(baton.base_url, baton.anon_key), "rpc_only_service")
    assert refuses(answer, 401, "42501", "not_signed_in")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_key_alone_the_token_alone_or_both(baton: Baton, customer: Person) -> None:
    def me(**headers: str) -> Any:
        return baton.client.post("/rest/v1/rpc/who_am_i", headers=headers).json()

    token = f"Bearer {customer.token}"
    assert me(apikey=baton.service_key) == {"id": None, "kind": "service"}
    assert me(Authorization=token)["id"] == customer.id
    assert me(apikey=baton.anon_key, Authorization=token)["id"] == customer.id


def test_a_token_is_refused_as_postgrest_does(baton: Baton, sign: Callable[..., str]) -> None:
    def ask(**headers: str) -> httpx.Response:
        return baton.client.post("/rest/v1/rpc/who_am_i", headers=headers)

    assert refuses(ask(), 401, "PGRST302", "not_signed_in")
    assert ask().headers["WWW-Authenticate"] == "Bearer"
    for headers in ({"apikey": "x"}, {"Authorization": "Basic eDp4"}, {"apikey": sign(secret="y" * 32)}):
        answer = ask(**headers)
        assert refuses(answer, 401, "PGRST301", "token_invalid")
        assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token", error_description=')
    expired = ask(Authorization=f"Bearer {sign(exp=int(time.time()) - 1)}")
    assert refuses(expired, 401, "PGRST303", "token_expired")
    assert expired.json()["message"] == "JWT expired"
    assert expired.headers["WWW-Authenticate"] == 'Bearer error="invalid_token", error_description="JWT expired"'


def test_a_call_counts_against_its_callers_limit(customer: Person, owner: Database) -> None:
    assert rpc(customer, "who_am_i").status_code == 200
    owner.rows(
        "update private.rate_buckets set tokens = 0, refilled_at = now() + interval '10 s' where user_id = %s",
        customer.id,
    )
    answer = rpc(customer, "rpc_add", a=1)
    assert refuses(answer, 429, "PT429", "rate_limited")
    assert int(answer.headers["Retry-After"]) >= 1


# What comes back.


def test_nothing_is_no_content(service: Person) -> None:
    answer = rpc(service, "rpc_nothing")
    assert (answer.status_code, answer.content) == (204, b"")
    assert "Content-Type" not in answer.headers


def test_rows_are_counted_when_asked(service: Person) -> None:
    assert rpc(service, "rpc_rows").headers["Content-Range"] == "0-1/*"
    assert rpc(service, "rpc_none").headers["Content-Range"] == "*/*"
    counted = {"Prefer": "count=exact"}
    assert rpc(service, "rpc_rows", headers=counted).headers["Content-Range"] == "0-1/2"
    assert rpc(service, "rpc_none", headers=counted).headers["Content-Range"] == "*/0"
    head = service.http.head("/rest/v1/rpc/rpc_rows", headers=counted)
    assert (head.status_code, head.content, head.headers["Content-Range"]) == (200, b"", "0-1/2")


def test_a_minimal_answer_has_no_body(service: Person) -> None:
    answer = rpc(service, "rpc_rows", headers={"Prefer": "count=exact,return=minimal"})
    assert (answer.status_code, answer.content, answer.headers["Content-Range"]) == (204, b"", "0-1/2")


def test_one_row_is_an_object_when_asked(service: Person, kept: Callable[[], int]) -> None:
    one = {"Accept": "application/vnd.pgrst.object+json"}
    answer = rpc(service, "rpc_one", headers=one)
    assert answer.json() == {"n": 1}
    assert answer.headers["Content-Type"] == "application/vnd.pgrst.object+json; charset=utf-8"
    assert read(service, "rpc_one", headers=one).json() == {"n": 1}
    assert rpc(service, "rpc_keep", headers=one).json() == "kept"
    assert kept() == 1


@pytest.mark.parametrize("times", [0, 2])
def test_what_is_not_one_row_has_not_happened(service: Person, kept: Callable[[], int], times: int) -> None:
    answer = rpc(service, "rpc_keep", headers={"Accept": "application/vnd.pgrst.object+json"}, p_times=times)
    assert refuses(answer, 406, "PGRST116", f"The result contains {times} rows")
    assert kept() == 0


def test_a_function_chooses_its_status(service: Person) -> None:
    assert rpc(service, "rpc_status", p_status="201").status_code == 201
    assert rpc(service, "rpc_status", p_status="200").status_code == 200


def test_sending_twice_is_sending_once(customer: Person, owner: Database) -> None:
    message = {"p_content": "hello", "p_client_message_id": str(uuid4())}
    answers = [rpc(customer, "start_chat", **message) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["id"] == answers[1].json()["id"]


# Reading only.


def test_a_get_only_reads(service: Person, kept: Callable[[], int]) -> None:
    assert refuses(read(service, "rpc_keep"), 405, "25006", "method_not_allowed")
    assert refuses(
        read(service, "rpc_keep", {"Accept": "application/vnd.pgrst.object+json"}), 405, "25006", "method_not_allowed"
    )
    head = service.http.head("/rest/v1/rpc/rpc_keep")
    assert (head.status_code, head.headers["Proxy-Status"]) == (405, "PostgREST; error=25006")
    assert refuses(rpc(service, "rpc_keep_stably"), 405, "25006", "method_not_allowed")
    assert kept() == 0
    assert rpc(service, "rpc_keep").json() == ["kept"]
    assert kept() == 1


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_not_allowed(service: Person, method: str) -> None:
    answer = service.http.request(method, "/rest/v1/rpc/who_am_i")
    assert refuses(answer, 405, "PGRST101", "method_not_allowed")
    assert answer.headers["Allow"] == "OPTIONS, GET, HEAD, POST"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_there_are_no_tables(service: Person, method: str) -> None:
    answer = service.http.request(method, "/rest/v1/chats", params={"select": "*"})
    assert refuses(answer, 404, "PGRST205", "route_not_found")
    assert "rpc" in answer.json()["hint"]
    assert refuses(service.http.request(method, "/rest/v1/"), 404, "PGRST126", "route_not_found")
    assert refuses(service.http.request(method, "/rest/v1/rpc/a/b"), 404, "PGRST125", "route_not_found")
    assert refuses(service.http.request(method, "/rest/v1/rpc/"), 404, "PGRST125", "route_not_found")


# What is sent.


@pytest.mark.parametrize(
    "body", [b"{", b"hello", b"{'a': 1}", b'{"a": \xff}', b"[", b"[1]", b'"a"', b"1", b"true"], ids=str
)
def test_what_is_no_object_is_refused(service: Person, body: bytes) -> None:
    answer = service.http.post("/rest/v1/rpc/rpc_add", content=body, headers={"Content-Type": "application/json"})
    assert refuses(answer, 400, "PGRST102", "invalid_json")


@pytest.mark.parametrize("body", [b"", b"{}", b"null"], ids=str)
def test_no_arguments_are_sent_in_three_ways(service: Person, body: bytes) -> None:
    answer = service.http.post("/rest/v1/rpc/rpc_one", content=body, headers={"Content-Type": "application/json"})
    assert answer.json() == [{"n": 1}]


@pytest.mark.parametrize("number", ["12345678901234567890.123456789", "0.1000", "1e3"])
def test_numbers_keep_all_their_digits(service: Person, number: str) -> None:
    body = f'{{"p_number": {number}}}'.encode()
    answer = service.http.post("/rest/v1/rpc/rpc_number", content=body, headers={"Content-Type": "application/json"})
    assert answer.json() == {"1e3": "1000"}.get(number, number)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/csv", "application/xml"])
def test_only_json_is_read(service: Person, kind: str) -> None:
    answer = service.http.post("/rest/v1/rpc/rpc_add", content=b"a=1", headers={"Content-Type": kind})
    assert refuses(answer, 415, "PT415", "unsupported_media_type")


def test_a_body_of_10_mb_is_too_large(service: Person) -> None:
    answer = service.http.post("/rest/v1/rpc/rpc_add", content=b" " * 10_000_000)
    assert (answer.status_code, answer.json()["details"]) == (413, "too_large")


@pytest.mark.parametrize("text", [r"\u0000", r"\ud800"])
def test_what_postgres_cannot_store_is_refused(customer: Person, owner: Database, text: str) -> None:
    body = f'{{"p_content": "{text}", "p_client_message_id": "{uuid4()}"}}'
    answer = customer.http.post("/rest/v1/rpc/start_chat", content=body, headers={"Content-Type": "application/json"})
    assert refuses(answer, 400, "PT400", "content_invalid")
    assert refuses(read(customer, "rpc_add", a="\0"), 400, "PT400", "content_invalid")


@pytest.mark.parametrize("value", ["x", 1.5, [1], {"a": 1}, True, 2**31, 10**30], ids=lambda value: str(value)[:8])
def test_a_value_of_another_type_is_refused(service: Person, value: Any) -> None:
    assert rpc(service, "rpc_add", a=value).status_code == 400
    assert rpc(service, "rpc_add", a=value).json()["details"] == "invalid_input"


@pytest.mark.parametrize(
    "name", ["select", "order", "limit", "offset", "columns", "and", "or", "chats.order", "on_conflict"]
)
def test_what_could_be_asked_besides_is_refused_by_its_name(service: Person, name: str) -> None:
    for answer in (
        service.http.post("/rest/v1/rpc/rpc_rows", json={}, params={name: "n"}),
        service.http.get("/rest/v1/rpc/rpc_rows", params={name: "n"}),
    ):
        assert refuses(answer, 400, "PGRST100", "query_unsupported")
        assert answer.json()["message"].startswith(f"{name} is not supported")


@pytest.mark.parametrize("value", ["eq.1", "not.is.null", "in.(1,2)", "plfts(english).x", "like(any).{a}"])
def test_a_filter_is_refused(service: Person, value: str) -> None:
    assert refuses(read(service, "rpc_rows", n=value), 400, "PGRST100", "query_unsupported")
    answer = service.http.post("/rest/v1/rpc/rpc_rows", json={}, params={"n": value})
    assert refuses(answer, 400, "PGRST100", "query_unsupported")


def test_an_argument_is_given_once(service: Person) -> None:
    answer = service.http.get("/rest/v1/rpc/rpc_add?a=1&a=2")
    assert refuses(answer, 400, "PGRST100", "query_unsupported")


def test_a_range_is_refused(service: Person) -> None:
    assert refuses(read(service, "rpc_rows", {"Range": "0-0"}), 400, "PGRST100", "query_unsupported")


def test_everything_of_a_row_can_be_asked_for(service: Person) -> None:
    assert service.http.post("/rest/v1/rpc/rpc_one?select=*", json={}).json() == [{"n": 1}]
    assert read(service, "rpc_one", select="*").json() == [{"n": 1}]


@pytest.mark.parametrize(
    "preference", ["tx=rollback", "timezone=Europe/Paris", "max-affected=1", "params=single-object"]
)
def test_a_preference_that_would_change_something_is_refused(
    service: Person, kept: Callable[[], int], preference: str
) -> None:
    answer = rpc(service, "rpc_keep", {"Prefer": f"count=exact, {preference}"})
    assert refuses(answer, 400, "PGRST122", "invalid_preference")
    assert answer.json()["hint"] == f"Invalid preferences: {preference}"
    assert kept() == 0


def test_only_schema_public_is_there(service: Person) -> None:
    assert rpc(service, "rpc_one", {"Content-Profile": "public"}).status_code == 200
    assert read(service, "rpc_one", {"Accept-Profile": "public"}).status_code == 200
    for answer in (
        rpc(service, "rpc_one", {"Content-Profile": "private"}),
        read(service, "rpc_one", {"Accept-Profile": "auth"}),
    ):
        assert refuses(answer, 406, "PGRST106", "schema_not_exposed")
        assert answer.json()["hint"] == "Only the following schemas are exposed: public"


@pytest.mark.parametrize(
    "kind", ["text/csv", "application/vnd.pgrst.object+json;nulls=stripped", "application/geo+json"]
)
def test_another_form_of_answer_is_not_acceptable(service: Person, kept: Callable[[], int], kind: str) -> None:
    assert refuses(rpc(service, "rpc_keep", {"Accept": kind}), 406, "PGRST107", "not_acceptable")
    assert kept() == 0


@pytest.mark.parametrize("kind", ["*/*", "application/*", "text/html, application/json;q=0.5"])
def test_whoever_takes_json_gets_json(service: Person, kind: str) -> None:
    assert rpc(service, "rpc_one", {"Accept": kind}).headers["Content-Type"] == "application/json; charset=utf-8"


# What Postgres refuses.


@pytest.mark.parametrize(
    ("sqlstate", "status", "details"),
    [
        ("P0001", 400, "its detail"),
        ("PT404", 404, "its detail"),
        ("PT409", 409, "its detail"),
        ("PT418", 418, "its detail"),
        ("22P02", 400, "invalid_input"),
        ("23502", 400, "constraint_violated"),
        ("23503", 409, "reference_missing"),
        ("23505", 409, "already_there"),
        ("23514", 400, "constraint_violated"),
        ("25006", 405, "method_not_allowed"),
        ("25P02", 500, "database_unavailable"),
        ("40001", 500, "conflict"),
        ("40P01", 500, "conflict"),
        ("42501", 403, "not_allowed"),
        ("42703", 400, "internal_error"),
        ("42883", 404, "internal_error"),
        ("42P01", 404, "internal_error"),
        ("53300", 503, "database_unavailable"),
        ("54001", 500, "invalid_input"),
        ("55P03", 500, "conflict"),
        ("57014", 500, "timed_out"),
        ("57P01", 503, "database_unavailable"),
        ("P0002", 500, "internal_error"),
        ("XX000", 500, "internal_error"),
        ("ZZ999", 400, "internal_error"),
    ],
)
def test_every_sqlstate_has_postgrests_status(service: Person, sqlstate: str, status: int, details: str) -> None:
    answer = service.http.build_request("POST", "/rest/v1/rpc/rpc_raise", json={"p_sqlstate": sqlstate})
    service.http.event_hooks["response"] = []  # 418 is in no description
    refusal = service.http.send(answer)
    assert refuses(refusal, status, sqlstate, details)
    is_told = sqlstate.startswith("PT") or sqlstate == "P0001"
    assert (refusal.json()["message"] == "what it says") == is_told
    assert ("its" in str(refusal.json()["hint"])) == is_told
    assert ("Retry-After" in refusal.headers) == (status == 503)


def test_without_a_database_one_is_asked_to_come_back(baton: Baton) -> None:
    url = "postgresql://postgres@127.0.0.1:1/nowhere?connect_timeout=1"
    app = create_app(Config(database_url=url, jwt_secret=baton.jwt_secret))
    pool = app.extensions["baton_database"].pool
    pool.timeout = 0.5
    answer = app.test_client().post("/rest/v1/rpc/who_am_i", headers={"apikey": baton.service_key})
    pool.close()
    assert (answer.status_code, answer.get_json()["details"]) == (503, "database_unavailable")


# Functions that change while the server runs.


@pytest.fixture
def app(baton: Baton) -> Flask:
    """Make the app in this process, so that its cache is known to be of one process."""
    return create_app(Config(database_url=baton.database.url, jwt_secret=baton.jwt_secret))


def test_a_new_function_is_found_at_once(app: Flask, baton: Baton, owner: Database) -> None:
    client, headers = app.test_client(), {"apikey": baton.service_key}
    assert client.post("/rest/v1/rpc/rpc_new", headers=headers).status_code == 404
    owner.rows("create function public.rpc_new() returns integer language sql stable as 'select 1'")
    owner.rows("grant execute on function public.rpc_new() to service_role")
    assert client.post("/rest/v1/rpc/rpc_new", headers=headers).get_json() == 1
    owner.rows("create function public.rpc_new(p_more integer) returns integer language sql stable as 'select 2'")
    owner.rows("grant execute on function public.rpc_new(integer) to service_role")
    assert client.post("/rest/v1/rpc/rpc_new", headers=headers, json={"p_more": 1}).get_json() == 2


def test_a_function_with_other_arguments_is_called_anew(app: Flask, baton: Baton, owner: Database) -> None:
    client, headers = app.test_client(), {"apikey": baton.service_key}

    def ask() -> Any:
        return client.post("/rest/v1/rpc/rpc_changing", headers=headers, json={"p_value": 1})

    owner.rows("create function public.rpc_changing(p_value integer) returns integer language sql stable as 'select 1'")
    owner.rows("grant execute on function public.rpc_changing(integer) to service_role")
    assert ask().get_json() == 1
    owner.rows("drop function public.rpc_changing(integer)")
    owner.rows("create function public.rpc_changing(p_value uuid[]) returns integer language sql stable as 'select 2'")
    owner.rows("grant execute on function public.rpc_changing(uuid[]) to service_role")
    assert (ask().status_code, ask().get_json()["code"]) == (400, "22P02")  # 1 is no array: the new one was meant
    owner.rows("drop function public.rpc_changing(uuid[])")
    assert (ask().status_code, ask().get_json()["code"]) == (404, "PGRST202")


def test_what_is_looked_up_is_believed_for_a_while(app: Flask, baton: Baton, monkeypatch: pytest.MonkeyPatch) -> None:
    database = app.extensions["baton_database"]
    looks: list[object] = []

    def as_owner(work: Any) -> Any:
        looks.append(work)
        return type(database).as_owner(database, work)

    monkeypatch.setattr(database, "as_owner", as_owner)
    client, headers = app.test_client(), {"apikey": baton.service_key}
    for _ in range(5):
        assert client.post("/rest/v1/rpc/rpc_one", headers=headers).status_code == 200
    assert len(looks) == 1


def test_a_lost_race_is_run_again(service: Person, owner: Database) -> None:
    owner.rows("create sequence public.rpc_tries")
    owner.rows("grant usage on sequence public.rpc_tries to service_role")
    owner.rows(
        """
        create function public.rpc_lose() returns bigint language plpgsql as $$
        declare v_try bigint := nextval('public.rpc_tries');
        begin
          if v_try < 2 then raise 'lost' using errcode = '40P01'; end if;
          return v_try;
        end $$
        """
    )
    owner.rows("grant execute on function public.rpc_lose() to service_role")
    try:
        assert rpc(service, "rpc_lose").json() == 2
    finally:
        owner.rows("drop function public.rpc_lose()")
        owner.rows("drop sequence public.rpc_tries")
