"""A page of another site talks to Baton through supabase-js: the browser lets it ask, and lets it read."""

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.live.world import SECRET, World
from tests.servers import ROOT
from web.keys import api_key

LIBRARY = ROOT / "node_modules/@supabase/supabase-js/dist/umd"


class Folder(SimpleHTTPRequestHandler):
    """Another site: a folder of files."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Serve supabase-js from another origin.

    By a server of its own: where a test answers in the network's place, the browser's questions before a request
    are answered by Playwright.
    """
    assert LIBRARY.exists(), "packages of JavaScript are missing: make node_modules/.installed"
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Folder, directory=LIBRARY)) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def shop(browser: Browser, world: World, site: str) -> Iterator[Page]:
    """Open a page of the other site, with a client without a session in `client`."""
    page = browser.new_page()
    page.goto(site)
    page.add_script_tag(url=f"{site}supabase.js")
    page.evaluate("([url, key]) => { globalThis.client = supabase.createClient(url, key); }", given(world, "anon"))
    yield page
    page.close()


def given(world: World, role: str) -> list[str]:
    """Return what a client is made with."""
    return [world.webs[0].base_url, api_key(role, SECRET)]


def test_a_page_of_another_site_calls_functions(shop: Page, world: World) -> None:
    told: dict[str, Any] = shop.evaluate(
        """
        async () => {
          const { error } = await client.auth.signInAnonymously();
          if (error) throw error;
          const p_client_message_id = crypto.randomUUID();
          const chat = await client.rpc("start_chat", { p_content: "hello", p_client_message_id });
          const p_chat_id = chat.data.id;
          return {
            chat,
            read: await client.rpc("list_messages", { p_chat_id }, { get: true }),
            counted: await client.rpc("list_messages", { p_chat_id }, { head: true, count: "exact" }),
            one: await client.rpc("list_messages", { p_chat_id }).single(),
            nothing: await client.rpc("mark_read", { p_chat_id, p_seq: 1 }),
            refused: await client.rpc("check_invariants"),
          };
        }
        """
    )
    assert told["chat"]["error"] is None
    assert [message["content"] for message in told["read"]["data"]] == ["hello"]
    assert told["counted"]["count"] == 1
    assert told["one"]["data"]["content"] == "hello"
    assert told["nothing"]["status"] == 204
    assert (told["refused"]["status"], told["refused"]["error"]["details"]) == (403, "not_allowed")


def test_a_page_of_another_site_is_told_of_background_functions(shop: Page, world: World) -> None:
    told: list[Any] = shop.evaluate(
        """
        async () => {
          const { error } = await client.functions.invoke("idle-detection", { body: { a: 1 }, region: "eu-west-1" });
          return [error.name, error.context.status, (await error.context.json()).message];
        }
        """
    )
    assert told == ["FunctionsHttpError", 401, "You are not signed in."]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD"])
def test_every_header_of_the_clients_may_be_sent(shop: Page, world: World, method: str) -> None:
    status = shop.evaluate(
        """
        async ([url, key, method]) => {
          const names = ["Accept-Profile", "Content-Profile", "Prefer", "Range", "X-Client-Info", "X-Upsert",
            "Cache-Control", "X-Metadata", "X-Region", "X-Retry-Count", "X-Supabase-Api-Version",
            "traceparent", "tracestate", "baggage"];
          const headers = Object.fromEntries(names.map((name) => [name, "1"]));
          const answer = await fetch(`${url}/rest/v1/chats`, { method, headers: { ...headers, apikey: key } });
          return answer.status;
        }
        """,
        [*given(world, "anon"), method],
    )
    assert status == 404
