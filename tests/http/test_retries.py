"""A request that loses a race is done again, once."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.servers import Baton, Database
from web import create_app
from web.config import Config
from web.db import call


@pytest.fixture
def losing(baton: Baton, owner: Database) -> Iterator[Flask]:
    """Make an app, and a function that deadlocks as often as its argument says before it succeeds."""
    owner.rows("create sequence public.tries")
    owner.rows(
        """
        create function public.lose(p_times bigint, p_sqlstate text) returns bigint language plpgsql as $$
        declare v_try bigint := nextval('public.tries');
        begin
          if v_try <= p_times then raise 'lost' using errcode = p_sqlstate; end if;
          return v_try;
        end $$
        """
    )
    owner.rows("grant usage on sequence public.tries to service_role")
    yield create_app(Config(database_url=baton.database.url, jwt_secret=baton.jwt_secret))
    owner.rows("drop function public.lose(bigint, text)")
    owner.rows("drop sequence public.tries")


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_lost_race_is_run_again(losing: Flask, baton: Baton, sqlstate: str) -> None:
    with losing.test_request_context(headers={"apikey": baton.service_key}):
        assert call("lose", p_times=1, p_sqlstate=sqlstate) == [{"lose": 2}]


def test_a_race_lost_twice_is_a_conflict(losing: Flask, baton: Baton, owner: Database) -> None:
    client = losing.test_client()
    losing.add_url_rule("/lose", view_func=lambda: call("lose", p_times=9, p_sqlstate="40P01"))
    answer = client.get("/lose", headers={"apikey": baton.service_key})
    assert (answer.status_code, answer.get_json()["details"]) == (409, "conflict")
    assert owner.value("select last_value from public.tries") == 2


def test_other_failures_are_not_repeated(losing: Flask, baton: Baton, owner: Database) -> None:
    losing.add_url_rule("/lose", view_func=lambda: call("lose", p_times=9, p_sqlstate="PT409"))
    assert losing.test_client().get("/lose", headers={"apikey": baton.service_key}).status_code == 409
    assert owner.value("select last_value from public.tries") == 1


def test_what_is_refused_at_commit_is_refused(baton: Baton, owner: Database) -> None:
    owner.rows("create table public.once (id integer constraint only_once unique deferrable initially deferred)")
    owner.rows("grant insert on public.once to service_role")
    owner.rows(
        "create function public.twice() returns bigint language sql as"
        " 'insert into public.once values (1), (1); select 2::bigint'"
    )
    try:
        app = create_app(Config(database_url=baton.database.url, jwt_secret=baton.jwt_secret))
        app.add_url_rule("/twice", view_func=lambda: call("twice"))
        answer = app.test_client().get("/twice", headers={"apikey": baton.service_key})
        assert (answer.status_code, answer.get_json()["details"]) == (409, "only_once")
        assert owner.rows("select from public.once") == []
    finally:
        owner.rows("drop function public.twice()")
        owner.rows("drop table public.once")
