"""Who a browser is signed in as: cookies that only these routes get, and the key that stands in for a visitor's."""

import time
from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from tests.http.conftest import PASSWORD, Person, check_answer
from tests.http.test_host_users import SECRET, identity
from tests.servers import NO_AUTHORITIES, Baton, Server, running_baton
from web.auth.passwords import hash_password


@pytest.fixture(scope="module")
def shop(server: Server) -> Iterator[Baton]:
    """Run a server whose host page can identify its users."""
    with running_baton(server, BATON_IDENTITY_SECRET=SECRET, BATON_TRUSTED_PROXIES="1") as baton:
        yield baton


class Browser:
    """What a browser does with our cookies; its pages are of our own origin unless said otherwise."""

    def __init__(self, baton: Baton, scheme: str = "http") -> None:
        self.base_url = baton.base_url.replace("http", scheme, 1)  # as its pages see it: TLS ends before Baton
        self.scheme = scheme
        self.cookies: dict[str, str] = {}
        self.keeps_cookies = True
        self._http = httpx.Client(base_url=baton.base_url, timeout=30, verify=NO_AUTHORITIES)
        self._http.event_hooks["response"] = [check_answer]

    def asks(self, method: str, path: str, origin: str | None = None, **body: Any) -> httpx.Response:
        """Send JSON, with the cookies that are kept; keep those that come back."""
        headers = {"Origin": origin or self.base_url, "Connection": "close", "X-Forwarded-Proto": self.scheme}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self._http.request(method, path, json=body, headers=headers)
        self._http.cookies.clear()
        for cookie in cookies_of(answer).values():
            if cookie["max-age"] == "0":
                self.cookies.pop(cookie.key, None)
            elif self.keeps_cookies:
                self.cookies[cookie.key] = cookie.value
        return answer

    def becomes_somebody(self) -> dict[str, Any]:
        """Make the visitor somebody, as his first action does."""
        return session_of(self.asks("POST", "/session/visitor", create=True))


def cookies_of(answer: httpx.Response) -> dict[str, "Morsel[str]"]:
    """Return the cookies that an answer sets."""
    jar: SimpleCookie = SimpleCookie()
    for line in answer.headers.get_list("Set-Cookie"):
        jar.load(line.replace("; Partitioned", ""))  # which Python knows from 3.14 on
    return dict(jar)


def session_of(answer: httpx.Response) -> dict[str, Any]:
    """Return the session of an answer."""
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


def ended(shop: Baton, token: str) -> str:
    """Return an access token as it is when its time has come."""
    claims = jwt.decode(token, shop.jwt_secret, ["HS256"], audience="authenticated")
    return jwt.encode({**claims, "exp": int(time.time()) - 1}, shop.jwt_secret)


def account_count(shop: Baton) -> int:
    """Return how many people there are."""
    return int(shop.database.value("select count(*) from auth.users"))


def test_before_his_first_action_nothing_is_made_of_a_visitor(shop: Baton) -> None:
    people = account_count(shop)
    answer = Browser(shop).asks("POST", "/session/visitor")
    assert answer.status_code == 204
    assert "Set-Cookie" not in answer.headers
    assert account_count(shop) == people


def test_a_visitors_cookies_reach_no_script_and_no_other_route_and_are_kept_apart_for_each_site(shop: Baton) -> None:
    answer = Browser(shop).asks("POST", "/session/visitor", create=True)
    cookies = cookies_of(answer)
    assert set(cookies) == {"baton_visitor_access", "baton_visitor_refresh"}
    for cookie in cookies.values():
        assert cookie["httponly"]
        assert cookie["secure"]
        assert cookie["samesite"] == "None"
        assert cookie["path"] == "/session/visitor"
    assert all("Partitioned" in line for line in answer.headers.get_list("Set-Cookie"))
    assert int(cookies["baton_visitor_refresh"]["max-age"]) == 30 * 24 * 3600


def test_the_staffs_cookies_come_along_from_no_other_site_and_its_page_is_told_no_refresh_token(shop: Baton) -> None:
    email = f"{uuid4().hex}@baton.example"
    shop.database.rows("select auth.create_user(%s, %s, false)", email, hash_password(PASSWORD))
    browser = Browser(shop)
    answer = browser.asks("POST", "/session", email=email, password=PASSWORD)
    session = session_of(answer)
    assert "resume" not in session
    for name, path in (("baton_staff_access", "/"), ("baton_staff_refresh", "/session")):
        cookie = cookies_of(answer)[name]
        assert (cookie["path"], cookie["samesite"], bool(cookie["httponly"])) == (path, "Lax", True)
    assert session_of(browser.asks("POST", "/session/token"))["access_token"] == session["access_token"]
    assert browser.asks("DELETE", "/session").status_code == 204
    assert browser.cookies == {}
    assert browser.asks("POST", "/session/token").status_code == 204


def test_over_https_our_cookies_are_this_hosts_alone(shop: Baton) -> None:
    email = f"{uuid4().hex}@baton.example"
    shop.database.rows("select auth.create_user(%s, %s, false)", email, hash_password(PASSWORD))
    browser = Browser(shop, "https")
    visitor = browser.asks("POST", "/session/visitor", create=True)
    staff = browser.asks("POST", "/session", email=email, password=PASSWORD)
    for answer, side, others in ((visitor, "visitor", "None"), (staff, "staff", "Lax")):
        cookies = cookies_of(answer)
        assert set(cookies) == {f"__Host-baton_{side}_access", f"__Host-baton_{side}_refresh"}
        for cookie in cookies.values():  # as browsers ask for, of such a name
            assert (bool(cookie["secure"]), cookie["path"], cookie["domain"]) == (True, "/", "")
            assert (bool(cookie["httponly"]), cookie["samesite"]) == (True, others)
    assert all("Partitioned" in line for line in visitor.headers.get_list("Set-Cookie"))
    assert session_of(browser.asks("POST", "/session/token"))["user_id"] == staff.json()["user_id"]
    assert session_of(browser.asks("POST", "/session/visitor"))["user_id"] == visitor.json()["user_id"]
    assert browser.asks("DELETE", "/session").status_code == 204
    assert browser.asks("DELETE", "/session/visitor").status_code == 204
    assert browser.cookies == {}


def test_over_https_what_a_neighbour_has_set_for_the_whole_domain_signs_in_nobody(shop: Baton) -> None:
    neighbour = Browser(shop)
    neighbour.becomes_somebody()
    browser = Browser(shop, "https")
    browser.cookies = dict(neighbour.cookies)
    assert browser.asks("POST", "/session/visitor").status_code == 204


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/session", {"email": "a@baton.example", "password": PASSWORD}),
        ("POST", "/session/token", {}),
        ("DELETE", "/session", {}),
        ("POST", "/session/visitor", {"create": True}),
        ("POST", "/session/visitor/identity", {"id_token": "x"}),
        ("DELETE", "/session/visitor", {}),
    ],
)
def test_pages_of_other_origins_may_ask_nothing(
    shop: Baton, method: str, path: str, body: dict[str, Any], origin: str
) -> None:
    people = account_count(shop)
    answer = Browser(shop).asks(method, path, origin=origin, **body)
    assert (answer.status_code, answer.json()["details"]) == (403, "origin_not_allowed")
    assert "Set-Cookie" not in answer.headers
    assert account_count(shop) == people


def test_a_reload_goes_on_with_the_same_token_and_uses_up_nothing(shop: Baton) -> None:
    browser = Browser(shop)
    session = browser.becomes_somebody()
    again = session_of(browser.asks("POST", "/session/visitor"))
    assert again == {**session, "resume": None}
    assert shop.database.value("select count(*) from auth.refresh_tokens where user_id = %s", session["user_id"]) == 1


def test_when_the_access_token_has_ended_the_refresh_token_brings_another(shop: Baton) -> None:
    browser = Browser(shop)
    session = browser.becomes_somebody()
    browser.cookies["baton_visitor_access"] = ended(shop, session["access_token"])
    renewed = session_of(browser.asks("POST", "/session/visitor"))
    assert renewed["user_id"] == session["user_id"]
    assert renewed["resume"] not in (None, session["resume"])
    assert renewed["expires_at"] > time.time() + 3000


def test_a_visitor_whose_new_token_was_lost_on_the_way_is_himself_an_hour_later(shop: Baton) -> None:
    browser = Browser(shop)
    session = browser.becomes_somebody()
    kept = {**browser.cookies, "baton_visitor_access": ended(shop, session["access_token"])}
    for _ in range(2):
        browser.cookies = dict(kept)
        assert session_of(browser.asks("POST", "/session/visitor"))["user_id"] == session["user_id"]
        shop.database.rows(
            "update auth.refresh_tokens set used_at = used_at - interval '1 hour' where user_id = %s",
            session["user_id"],
        )


def test_without_cookies_the_resume_key_does_what_they_do(shop: Baton) -> None:
    browser = Browser(shop)
    browser.keeps_cookies = False
    session = browser.becomes_somebody()
    assert browser.asks("POST", "/session/visitor").status_code == 204
    again = session_of(browser.asks("POST", "/session/visitor", resume=session["resume"]))
    assert again == {**session, "resume": None}
    refresh_token = session["resume"].partition(".")[0]
    renewed = session_of(browser.asks("POST", "/session/visitor", resume=refresh_token))
    assert renewed["user_id"] == session["user_id"]
    assert renewed["resume"] not in (None, session["resume"])


@pytest.mark.parametrize("resume", ["", ".", "x", "x.y.z", "é" * 100])
def test_a_resume_key_that_is_none_makes_nobody_and_signs_in_nobody(shop: Baton, resume: str) -> None:
    assert Browser(shop).asks("POST", "/session/visitor", resume=resume).status_code == 204


def test_an_absurdly_long_resume_key_is_refused(shop: Baton) -> None:
    answer = Browser(shop).asks("POST", "/session/visitor", resume="x" * 10_000)
    assert (answer.status_code, answer.json()["details"]) == (400, "invalid_input")


def test_a_visitor_whom_the_host_identifies_keeps_his_chats(shop: Baton) -> None:
    browser = Browser(shop)
    visitor = browser.becomes_somebody()
    chat = Person(shop.base_url, visitor["access_token"]).starts_chat()
    known = session_of(browser.asks("POST", "/session/visitor/identity", id_token=identity(name="Kim")))
    assert known["user_id"] == visitor["user_id"]
    assert session_of(browser.asks("POST", "/session/visitor"))["access_token"] == known["access_token"]
    chats = Person(shop.base_url, known["access_token"]).get("/api/chats").json()["data"]
    assert [each["id"] for each in chats] == [chat["id"]]


def test_another_user_of_the_host_in_the_same_browser_is_somebody_else(shop: Baton) -> None:
    browser = Browser(shop)
    first = session_of(browser.asks("POST", "/session/visitor/identity", id_token=identity()))
    second = session_of(browser.asks("POST", "/session/visitor/identity", id_token=identity()))
    assert first["user_id"] != second["user_id"]
    assert session_of(browser.asks("POST", "/session/visitor"))["user_id"] == second["user_id"]


def test_a_visitor_whose_session_has_ended_elsewhere_is_identified_as_if_he_were_new(shop: Baton) -> None:
    browser = Browser(shop)
    visitor = browser.becomes_somebody()
    shop.database.rows("delete from auth.sessions where user_id = %s", visitor["user_id"])
    known = session_of(browser.asks("POST", "/session/visitor/identity", id_token=identity()))
    assert known["user_id"] != visitor["user_id"]


def test_an_identity_that_is_refused_leaves_the_visitor_who_he_was(shop: Baton) -> None:
    browser = Browser(shop)
    visitor = browser.becomes_somebody()
    answer = browser.asks("POST", "/session/visitor/identity", id_token=identity(secret="of somebody else" * 3))
    assert (answer.status_code, answer.json()["details"]) == (400, "identity_token_invalid")
    assert session_of(browser.asks("POST", "/session/visitor"))["user_id"] == visitor["user_id"]


@pytest.mark.parametrize("keeps_cookies", [True, False], ids=["by cookie", "by key"])
def test_logging_out_ends_the_session_and_takes_the_cookies_away(shop: Baton, keeps_cookies: bool) -> None:
    browser = Browser(shop)
    browser.keeps_cookies = keeps_cookies
    session = browser.becomes_somebody()
    key = {} if keeps_cookies else {"resume": session["resume"]}
    kept = dict(browser.cookies)
    assert browser.asks("DELETE", "/session/visitor", **key).status_code == 204
    assert browser.cookies == {}
    assert browser.asks("POST", "/session/visitor").status_code == 204
    browser.cookies = {name: value for name, value in kept.items() if name.endswith("refresh")}
    refresh_token = session["resume"].partition(".")[0]
    assert browser.asks("POST", "/session/visitor", resume=refresh_token).status_code == 204
