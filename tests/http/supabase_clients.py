"""Supabase's two clients, called alike, so that one test is a test of both."""

from collections.abc import Callable
from typing import Any

import httpx
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client

from tests.node import run_module
from tests.servers import NO_AUTHORITIES, Baton

Json = dict[str, Any]
Speaker = Callable[..., list[Json]]


def python_client(baton: Baton, key: str) -> Client:
    """Return a client that keeps no connection: one that stays open keeps the server from stopping."""
    http = httpx.Client(timeout=30, limits=httpx.Limits(max_keepalive_connections=0), verify=NO_AUTHORITIES)
    return create_client(baton.base_url, key, ClientOptions(auto_refresh_token=False, httpx_client=http))


def call(name: str, arguments: Json | None = None, /, **options: Any) -> Json:
    """Describe a call; options are get, head, count, and a modifier: single or maybeSingle."""
    return {"name": name, "arguments": arguments or {}, "modifier": options.pop("modifier", None), "options": options}


def in_python(baton: Baton, *calls: Json, key: str | None = None, token: str | None = None) -> list[Json]:
    """Make calls with supabase-py, with the service key unless another is given."""
    client = python_client(baton, key or baton.service_key)
    if token:
        client.postgrest.auth(token)
    answers: list[Json] = []
    for each in calls:
        query: Any = client.rpc(each["name"], each["arguments"], **each["options"])
        if each["modifier"]:
            query = query.single() if each["modifier"] == "single" else query.maybe_single()
        try:
            answer = query.execute()
        except APIError as error:
            answers.append({"error": error.json()})
        else:
            answers.append({"data": answer and answer.data, "count": answer and answer.count, "error": None})
    return answers


def in_javascript(baton: Baton, *calls: Json, key: str | None = None, token: str | None = None) -> list[Json]:
    """Make calls with supabase-js, with the service key unless another is given."""
    answers: list[Json] = run_module(
        """
        import { createClient } from "@supabase/supabase-js";
        const options = given.token ? { accessToken: async () => given.token } : { auth: { persistSession: false } };
        const client = createClient(given.url, given.key, options);
        const answers = [];
        for (const { name, arguments: args, modifier, options } of given.calls) {
          let query = client.rpc(name, args, options);
          if (modifier) query = query[modifier]();
          answers.push(await query);
        }
        console.log(JSON.stringify(answers));
        """,
        url=baton.base_url,
        key=key or baton.service_key,
        token=token,
        calls=calls,
    )
    return answers


SPEAKERS: dict[str, Speaker] = {"python": in_python, "javascript": in_javascript}
