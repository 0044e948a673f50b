"""The API's description is complete, and readable without a script."""

import re

import pytest

from tests.servers import Baton
from web import create_app
from web.config import Config
from web.pages import BLUEPRINTS as PAGES

GET = {"GET", "HEAD", "OPTIONS"}
UNDOCUMENTED = {
    "/static/<path:filename>",
    "/metrics",
    "/docs",
    "/docs/openapi.json",
    "/rest/v1/",  # there is nothing but rpc
    "/rest/v1/<path:path>",
}


@pytest.fixture(scope="module")
def document(baton: Baton) -> dict[str, dict[str, dict[str, dict[str, object]]]]:
    """Return the OpenAPI document."""
    found: dict[str, dict[str, dict[str, dict[str, object]]]] = baton.client.get("/docs/openapi.json").json()
    return found


def test_every_route_is_described(document: dict[str, dict[str, dict[str, object]]]) -> None:
    app = create_app(Config(jwt_secret="x" * 32))
    pages = {f"{blueprint.name}." for blueprint in PAGES}
    routes = {
        re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        # What pages show is HTML; what their scripts ask is described.
        if rule.rule not in UNDOCUMENTED and not (rule.endpoint.startswith(tuple(pages)) and rule.methods == GET)
    }
    assert routes == set(document["paths"])


def test_every_operation_has_its_words_answers_and_a_name_of_its_own(
    document: dict[str, dict[str, dict[str, dict[str, object]]]],
) -> None:
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    for operation in operations:
        assert operation["summary"]
        assert operation["tags"]
        assert {"400", "401", "404", "429", "503"} <= set(operation["responses"])  # type: ignore[call-overload]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))


def test_the_page_needs_no_script_and_no_other_server(baton: Baton) -> None:
    page = baton.client.get("/docs")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "<script" not in page.text
    assert "//" not in page.text.replace("<!doctype html>", "").replace("application//", "")
    for path in ("/api/chats/{chat_id}", "/api/operator/assign", "/auth/v1/token"):
        assert path in page.text
    assert baton.client.get("/static/docs.css").status_code == 200
