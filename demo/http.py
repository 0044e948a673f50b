"""Calls to the server: paced, timed by route, and tried again when nobody answers."""

import asyncio
import ssl
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import httpx

from demo.ledger import Ledger, Sent

# An address may make 6000 requests a minute: the demo stays well below.
REQUESTS_PER_SECOND = 80
TRIES = 6

# What a busy day brings: somebody else was faster, or changed his mind. Any other refusal is a mistake.
EXPECTED_REFUSALS = frozenset(
    {
        "chat_completed",
        "chat_not_assigned",
        "not_the_holder",
        "operator_at_capacity",
        "message_not_found",
    }
)


class Refused(Exception):  # noqa: N818 - not an error
    """The server has refused; `code` is its machine code."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code


class Unreachable(Exception):  # noqa: N818
    """Nobody answers at the address."""


def check(url: str) -> None:
    """Raise Unreachable where no Baton answers at `url`."""
    try:
        httpx.get(f"{url}/healthz", timeout=5, trust_env=False).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unreachable(f"no Baton answers at {url} ({error}): start it with `make run`, or set BATON_URL") from None


@dataclass
class Server:
    """The running Baton, and how long it has taken to answer."""

    url: str
    ledger: Ledger
    latencies: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # seconds, by route
    _next: float = 0

    def __post_init__(self) -> None:
        self._tls = ssl.create_default_context()  # once: it is the dear part of a client
        self._clients: list[httpx.AsyncClient] = []

    def open(self) -> httpx.AsyncClient:
        """Return connections for one person. One pool for all would have them wait for each other, not for Baton."""
        client = httpx.AsyncClient(base_url=self.url, timeout=20, verify=self._tls, trust_env=False)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(client.aclose() for client in self._clients))

    async def call(
        self,
        client: httpx.AsyncClient,
        method: str,
        route: str,
        *ids: str,
        token: str | None = None,
        json: dict[str, Any] | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """Call `route`, with its {} filled by `ids`, and return the JSON of the answer, None for 204.

        When the connection breaks, or the server says that it is busy, the call is made again: what a
        call changes is safe to repeat. Raises Refused, Unreachable.
        """
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        for attempt in range(TRIES):
            await self._pace()
            begin = time.perf_counter()
            try:
                answer = await client.request(method, route.format(*ids), json=json, params=params, headers=headers)
            except httpx.TransportError as error:
                if attempt == TRIES - 1:
                    raise Unreachable(f"{self.url} does not answer: {error or type(error).__name__}") from None
                await asyncio.sleep(0.2 * 2**attempt)
                continue
            self.latencies[f"{method} {route}"].append(time.perf_counter() - begin)
            if answer.status_code in (429, 503) and attempt < TRIES - 1:
                await asyncio.sleep(min(float(answer.headers.get("Retry-After", 1)), 5))
                continue
            return self._read(answer, f"{method} {route}")
        raise AssertionError("unreachable")

    async def _pace(self) -> None:
        """Wait for the next free moment, of which there are REQUESTS_PER_SECOND."""
        now = time.monotonic()
        self._next = max(self._next + 1 / REQUESTS_PER_SECOND, now)
        await asyncio.sleep(self._next - now)

    def _read(self, answer: httpx.Response, route: str) -> Any:
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            body = answer.json()
        except ValueError:
            body = {}
        code = str(body.get("details") or body.get("error_code") or "no_code")
        message = str(body.get("message") or body.get("msg") or answer.text[:200])
        self.ledger.refusals[code] += 1
        if code not in EXPECTED_REFUSALS:
            self.ledger.problems.append(f"{route} was answered with {answer.status_code} {code}: {message}")
        raise Refused(answer.status_code, code, message)


@dataclass
class Person:
    """Somebody who is signed in."""

    server: Server
    client: httpx.AsyncClient
    id: str
    token: str

    async def get(self, route: str, *ids: str, **params: Any) -> Any:
        """Read something. Raises Refused, Unreachable."""
        return await self.server.call(self.client, "GET", route, *ids, token=self.token, params=params)

    async def post(self, route: str, *ids: str, **body: Any) -> Any:
        """Do something. Raises Refused, Unreachable."""
        return await self.server.call(self.client, "POST", route, *ids, token=self.token, json=body)

    async def patch(self, route: str, *ids: str, **body: Any) -> Any:
        """Change something. Raises Refused, Unreachable."""
        return await self.server.call(self.client, "PATCH", route, *ids, token=self.token, json=body)

    async def delete(self, route: str, *ids: str) -> Any:
        """Take something away. Raises Refused, Unreachable."""
        return await self.server.call(self.client, "DELETE", route, *ids, token=self.token)

    async def send(self, route: str, chat_id: str, content: str, sender_type: str, is_repeated: bool) -> Sent:
        """Send a message and note it; repeated, a second try overtakes the first one's answer.

        Raises Refused, Unreachable.
        """
        ledger = self.server.ledger
        sent = ledger.intend(self.id, sender_type, chat_id, content)
        body = {"chat_id": chat_id, "content": content, "client_message_id": sent.client_message_id}
        answers = await asyncio.gather(
            *(self.post(route, **body) for _ in range(2 if is_repeated else 1)), return_exceptions=True
        )
        for answer in answers:
            if not isinstance(answer, BaseException):
                ledger.acknowledge(sent, answer)
        if not sent.is_acknowledged and isinstance(answers[0], BaseException):
            raise answers[0]
        return sent


async def sign_up(server: Server) -> Person:
    """Sign in as a new anonymous visitor. Raises Refused, Unreachable."""
    client = server.open()
    session = await server.call(client, "POST", "/auth/v1/signup", json={})
    return _person(server, client, session)


async def sign_in(server: Server, email: str, password: str) -> Person:
    """Sign in with a password. Raises Refused, Unreachable."""
    client = server.open()
    body, params = {"email": email, "password": password}, {"grant_type": "password"}
    session = await server.call(client, "POST", "/auth/v1/token", json=body, params=params)
    return _person(server, client, session)


def _person(server: Server, client: httpx.AsyncClient, session: dict[str, Any]) -> Person:
    person = Person(server, client, session["user"]["id"], session["access_token"])
    server.ledger.cast.add(person.id)
    return person
