"""The stand-in for Supabase's login: sessions, refresh tokens, and who may touch them."""

from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from tests.servers import Database

ROTATE = "select id, email, session_id from auth.rotate_refresh_token(%s, %s)"
A_MINUTE_PASSES = """
update auth.refresh_tokens
set created_at = created_at - interval '1 minute', used_at = used_at - interval '1 minute'
where true
"""


@pytest.fixture
def service(database: Database) -> Connection[dict[str, Any]]:
    """The web's embedded login: it runs as service_role."""
    return database.connect(role="service_role")


def sign_in(
    service: Connection[dict[str, Any]], email: str = "ana@example.org", token: str = "one"
) -> tuple[UUID, UUID]:
    """Make a user and a session with the refresh token `token`; return their ids."""
    user = service.execute("select * from auth.create_user(%s, 'hash', false)", (email,)).fetchone()
    assert user
    session = service.execute("select auth.start_session(%s, %s) as id", (user["id"], token)).fetchone()
    assert session
    return user["id"], session["id"]


def is_live(service: Connection[dict[str, Any]], session_id: UUID) -> bool:
    """Whether access tokens of the session are good."""
    row = service.execute("select auth.session_is_live(%s) as live", (session_id,)).fetchone()
    assert row
    return bool(row["live"])


def test_claims_decide_who_calls_and_an_empty_setting_is_nobody(database: Database) -> None:
    caller = database.connect(role="authenticated", sub="00000000-0000-4000-8000-000000000001")
    row = caller.execute("select auth.uid()::text, auth.role(), auth.jwt() ->> 'sub' as sub").fetchone()
    assert row == {
        "uid": "00000000-0000-4000-8000-000000000001",
        "role": "authenticated",
        "sub": "00000000-0000-4000-8000-000000000001",
    }
    caller.execute("select set_config('request.jwt.claims', '', false)")
    assert caller.execute("select auth.uid(), auth.jwt()").fetchone() == {"uid": None, "jwt": None}


def test_an_email_is_taken_in_whatever_case(service: Connection[dict[str, Any]]) -> None:
    sign_in(service, "Ana@Example.org")
    with pytest.raises(psycopg.errors.UniqueViolation):
        service.execute("select auth.create_user('ANA@example.org', 'hash', false)")
    found = service.execute("select email from auth.find_user('aNa@example.org')").fetchall()
    assert found == [{"email": "ana@example.org"}]


def test_a_refresh_token_is_exchanged_for_a_new_one(service: Connection[dict[str, Any]]) -> None:
    user_id, session_id = sign_in(service)
    expected = [{"id": user_id, "email": "ana@example.org", "session_id": session_id}]
    assert service.execute(ROTATE, ("one", "two")).fetchall() == expected
    assert service.execute(ROTATE, ("two", "three")).fetchall() == expected


def test_two_tabs_may_use_the_same_token_within_ten_seconds(service: Connection[dict[str, Any]]) -> None:
    _, session_id = sign_in(service)
    assert service.execute(ROTATE, ("one", "two")).fetchall()
    assert service.execute(ROTATE, ("one", "too")).fetchall()
    assert is_live(service, session_id)


def test_a_later_second_use_ends_the_session_for_both(database: Database, service: Connection[dict[str, Any]]) -> None:
    _, session_id = sign_in(service)
    assert service.execute(ROTATE, ("one", "two")).fetchall()
    assert service.execute(ROTATE, ("two", "three")).fetchall()
    database.rows(A_MINUTE_PASSES)
    assert service.execute(ROTATE, ("one", "stolen")).fetchall() == []
    assert service.execute(ROTATE, ("three", "four")).fetchall() == []
    assert not is_live(service, session_id)


def test_whoever_never_got_the_answer_may_ask_again_however_late_and_often(
    database: Database, service: Connection[dict[str, Any]]
) -> None:
    sign_in(service)
    for lost in ("two", "too"):
        assert service.execute(ROTATE, ("one", lost)).fetchall()
        database.rows(A_MINUTE_PASSES)
    # Two tabs that wake up together, of which each is given one that is good.
    assert service.execute(ROTATE, ("one", "three")).fetchall()
    assert service.execute(ROTATE, ("one", "four")).fetchall()
    assert service.execute(ROTATE, ("three", "five")).fetchall()
    assert service.execute(ROTATE, ("four", "six")).fetchall()


def test_an_answer_that_was_taken_for_lost_and_comes_up_after_all_ends_the_session(
    database: Database, service: Connection[dict[str, Any]]
) -> None:
    _, session_id = sign_in(service)
    assert service.execute(ROTATE, ("one", "two")).fetchall()
    database.rows(A_MINUTE_PASSES)
    assert service.execute(ROTATE, ("one", "a thief's")).fetchall()
    assert service.execute(ROTATE, ("two", "three")).fetchall() == []
    assert service.execute(ROTATE, ("a thief's", "another")).fetchall() == []
    assert not is_live(service, session_id)


@pytest.mark.parametrize(
    "change",
    [
        "update auth.refresh_tokens set created_at = now() - interval '31 days' where true",
        "update auth.users set banned_until = now() + interval '1 day' where true",
        "delete from auth.users where true",
    ],
)
def test_an_old_token_and_one_of_a_banned_or_deleted_user_are_refused(
    database: Database, service: Connection[dict[str, Any]], change: str
) -> None:
    sign_in(service)
    database.rows(change)
    assert service.execute(ROTATE, ("one", "two")).fetchall() == []
    assert service.execute(ROTATE, ("unknown", "two")).fetchall() == []


def test_signing_out_ends_one_session_or_all_but_one(service: Connection[dict[str, Any]]) -> None:
    user_id, first = sign_in(service)
    others = []
    for token in ("second", "third"):
        row = service.execute("select auth.start_session(%s, %s) as id", (user_id, token)).fetchone()
        assert row
        others.append(row["id"])
    service.execute("select auth.end_session(%s)", (first,))
    assert [is_live(service, each) for each in (first, *others)] == [False, True, True]
    service.execute("select auth.end_sessions(%s, %s)", (user_id, others[1]))
    assert [is_live(service, each) for each in (first, *others)] == [False, False, True]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("select 1", "refresh_token_already_used"),
        ("update auth.refresh_tokens set created_at = now() - interval '31 days', revoked = false", "session_expired"),
        ("update auth.users set banned_until = now() + interval '1 day' where true", "user_banned"),
        ("delete from auth.users where true", "refresh_token_not_found"),
    ],
)
def test_why_a_token_was_not_exchanged_is_said_afterwards(
    database: Database, service: Connection[dict[str, Any]], change: str, problem: str
) -> None:
    sign_in(service)
    service.execute(ROTATE, ("one", "two"))
    service.execute(ROTATE, ("two", "three"))
    database.rows(A_MINUTE_PASSES)
    assert service.execute(ROTATE, ("one", "stolen")).fetchall() == []
    database.rows(change)
    row = service.execute("select auth.refresh_token_problem('one') as problem").fetchone()
    assert row == {"problem": problem}


def test_a_user_changes_what_he_says_of_himself_key_by_key(service: Connection[dict[str, Any]]) -> None:
    user_id, session_id = sign_in(service)
    update = "select encrypted_password, raw_user_meta_data as said from auth.update_user(%s, %s, %s, %s)"
    first = service.execute(update, (user_id, '{"a": 1, "b": {"c": null}}', None, session_id)).fetchall()
    assert first == [{"encrypted_password": "hash", "said": {"a": 1, "b": {"c": None}}}]
    second = service.execute(update, (user_id, '{"a": null, "d": 2}', None, session_id)).fetchall()
    assert second == [{"encrypted_password": "hash", "said": {"b": {"c": None}, "d": 2}}]
    assert is_live(service, session_id)
    assert service.execute(update, (UUID(int=0), "{}", None, None)).fetchall() == []


def test_a_new_password_ends_the_other_sessions(service: Connection[dict[str, Any]]) -> None:
    user_id, mine = sign_in(service)
    row = service.execute("select auth.start_session(%s, 'other') as id", (user_id,)).fetchone()
    assert row
    changed = service.execute(
        "select encrypted_password from auth.update_user(%s, null, 'new hash', %s)", (user_id, mine)
    ).fetchall()
    assert changed == [{"encrypted_password": "new hash"}]
    assert [is_live(service, each) for each in (mine, row["id"])] == [True, False]


def test_the_hosts_user_is_no_longer_anonymous(service: Connection[dict[str, Any]]) -> None:
    visitor = service.execute('select id from auth.create_user(null, null, true, \'{"page": "/"}\')').fetchone()
    assert visitor
    keep = "select is_anonymous, raw_user_meta_data as said from auth.keep_host_user(%s, %s)"
    for user_id, said in ((visitor["id"], {"page": "/", "name": "Kim"}), (UUID(int=1), {"name": "Kim"})):
        for _ in range(2):
            kept = service.execute(keep, (user_id, '{"name": "Kim"}')).fetchall()
            assert kept == [{"is_anonymous": False, "said": said}]


def test_the_visitors_sessions_end_when_he_becomes_the_hosts_user_and_not_again(
    service: Connection[dict[str, Any]],
) -> None:
    visitor = service.execute("select id from auth.create_user(null, null, true)").fetchone()
    assert visitor
    begin, keep = "select auth.start_session(%s, %s) as id", "select auth.keep_host_user(%s, '{}')"
    before = service.execute(begin, (visitor["id"], "one")).fetchone()
    service.execute(keep, (visitor["id"],))
    after = service.execute(begin, (visitor["id"], "two")).fetchone()
    service.execute(keep, (visitor["id"],))  # another page of his, at the same moment
    assert before
    assert after
    assert [is_live(service, each["id"]) for each in (before, after)] == [False, True]


def test_clean_up_removes_what_can_no_longer_be_used(database: Database, service: Connection[dict[str, Any]]) -> None:
    _, dead = sign_in(service, "old@example.org", "old")
    _, alive = sign_in(service)
    database.rows("update auth.refresh_tokens set created_at = now() - interval '31 days' where token_hash = 'old'")
    database.rows("update auth.sessions set created_at = now() - interval '31 days' where true")
    for expected in (2, 0):  # the token, and the session that has none left
        row = service.execute("select auth.run_clean_up() as count").fetchone()
        assert row == {"count": expected}
    assert not is_live(service, dead)
    assert is_live(service, alive)


@pytest.mark.parametrize("role", ["anon", "authenticated"])
def test_nobody_but_the_service_reaches_the_login(database: Database, role: str) -> None:
    caller = database.connect(role=role)
    functions = database.rows(
        """
        select p.proname, p.oid::regprocedure::text as signature from pg_proc p
        where p.pronamespace = 'auth'::regnamespace and p.proname not in ('uid', 'jwt', 'role')
        """
    )
    assert len(functions) >= 12
    for function in functions:
        allowed = database.value("select has_function_privilege(%s, %s, 'execute')", role, function["signature"])
        assert not allowed, function["signature"]
    for table in ("users", "sessions", "refresh_tokens"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            caller.execute(f"select from auth.{table}")


def test_the_service_reads_accounts_by_functions_only(service: Connection[dict[str, Any]]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        service.execute("select from auth.users")
