"""What browsers are given around the screens: files under addresses that last, policies, languages."""

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.conftest import Servers
from web import create_app
from web.build import build
from web.config import Config
from web.languages import LANGUAGES

SECRET = "of a test that signs nothing, but long enough"
STAFF = ("/operator", "/operator/00000000-0000-4000-8000-000000000001", "/admin", "/admin/operators")
PAGES = (*STAFF, "/widget")


@pytest.fixture(scope="module")
def client(servers: Servers) -> Iterator[FlaskClient]:
    with servers.server("postgres-18-embedded").loaded_database() as database:
        config = Config(database_url=database.url, jwt_secret=SECRET, allowed_origins=("https://shop.example",))
        app = create_app(config)
        yield app.test_client(use_cookies=False)
        app.extensions["baton_database"].pool.close()


def addresses(html: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/static/[^"]+)"', html)


@pytest.mark.parametrize("path", PAGES)
def test_everything_that_a_page_loads_is_there_and_may_be_kept_for_ever(client: FlaskClient, path: str) -> None:
    page = client.get(path, headers={"Accept-Encoding": "br"})
    assert page.headers["Content-Encoding"] == "br"
    found = addresses(client.get(path).text)
    assert any(each.endswith(".css") for each in found)
    assert any(each.endswith("main.all.js") for each in found)
    for address in found:
        answer = client.get(address, headers={"Accept-Encoding": "br, gzip"})
        assert answer.status_code == 200, address
        assert "immutable" in answer.headers["Cache-Control"], address
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        if len(client.get(address).data) > 1000:  # others are too small for it
            assert answer.headers["Content-Encoding"] == "br", address


@pytest.mark.parametrize("path", PAGES)
def test_the_scripts_of_a_page_are_one_file(client: FlaskClient, path: str) -> None:
    html = client.get(path).text
    (script,) = re.findall(r'<script type="module" src="([^"]+)"', html)
    code = client.get(script).text
    assert not re.search(r"^(import|export)\b", code, re.M)
    for later in re.findall(r'\bimport\("([^"]+)"\)', code):
        address = posixpath.normpath(posixpath.join(posixpath.dirname(script), later))
        assert client.get(address).status_code == 200, later


def test_the_console_has_the_pages_that_it_leads_to_and_no_others(client: FlaskClient) -> None:
    places = re.findall(r'href="(/admin[^"]*)" data-to', client.get("/admin").text)
    assert len(set(places)) > 10
    for place in places:
        assert client.get(place).status_code == 200, place
    for place in ("/admin/nothing", "/admin/chats/more", "/admin/live"):
        assert client.get(place).status_code == 404, place


def test_an_address_of_another_state_is_not_there(client: FlaskClient) -> None:
    assert client.get("/static/000000000000/css/base.css").status_code == 404


@pytest.mark.parametrize("path", PAGES)
def test_nothing_runs_in_a_page_but_its_own_scripts(client: FlaskClient, path: str) -> None:
    policy = dict(part.split(" ", 1) for part in client.get(path).headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["trusted-types"] == "'none'"
    assert policy["base-uri"] == "'none'"


def test_who_may_frame_what(client: FlaskClient) -> None:
    for path in STAFF:
        headers = client.get(path).headers
        assert "frame-ancestors 'none';" in headers["Content-Security-Policy"]
        assert headers["X-Frame-Options"] == "DENY"
    headers = client.get("/widget").headers
    assert "frame-ancestors 'self' https://shop.example;" in headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in headers


@pytest.mark.parametrize(
    ("query", "cookie", "accepted", "code"),
    [
        ("", "", "", "en"),
        ("", "", "ar-EG, en;q=0.5", "ar"),
        ("", "", "fr, tlh", "en"),
        ("", "ar", "en", "ar"),
        ("", "xx", "en", "en"),
        ("?language=ar", "en", "en", "ar"),
        ("?language=%22%3E", "", "", "en"),
    ],
)
def test_the_language_of_a_page(client: FlaskClient, query: str, cookie: str, accepted: str, code: str) -> None:
    headers = {"Accept-Language": accepted, "Cookie": f"baton_language={cookie}"}
    page = client.get(f"/operator{query}", headers=headers)
    assert page.headers["Content-Language"] == code
    assert f'<html lang="{code}" dir="{LANGUAGES[code].direction}"' in page.text


@pytest.mark.parametrize(
    ("chosen", "said"), [("dark", ' data-theme="dark"'), ("light", ' data-theme="light"'), ("x", "")]
)
def test_the_theme_of_a_page(client: FlaskClient, chosen: str, said: str) -> None:
    page = client.get("/operator", headers={"Cookie": f"baton_theme={chosen}"})
    assert re.findall(r"<html[^>]*?( data-theme=[^>]*)?>", page.text) == [said]


def test_what_is_just_being_made_is_not_among_what_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may be looking through that, and must not find what is gone a moment later."""
    monkeypatch.setattr("web.build._CACHE", tmp_path)
    others: list[Path] = []

    def make(folder: Path) -> None:
        (folder / "made").touch()
        others.extend((tmp_path / "kind").iterdir())

    folder = build(Config(), "kind", [Path(__file__)], make)
    assert others == []
    assert [*(tmp_path / "kind").iterdir()] == [folder]
    assert [each.name for each in folder.iterdir()] == ["made"]
