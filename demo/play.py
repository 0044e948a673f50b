"""The play: everybody on stage, a progress bar, and the end."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from demo import customers, staff
from demo.customers import Customer
from demo.http import Person, Server
from demo.operators import Admin, Operator
from demo.schedule import Schedule

GRACE = 20  # seconds that the last requests may take after the time is up


@dataclass(frozen=True)
class Play:
    """What is played."""

    seed: int
    seconds: float
    customers: int
    logins: list[staff.Login]


async def perform(play: Play, server: Server, console: Console) -> None:
    """Play it; afterwards the server's ledger and latencies are full.

    Raises StaffError, Unreachable; and Refused where staff were refused what they must be able to do.
    """
    try:
        admin, *operators = await staff.sign_all_in(server, play.logins)
        schedule = Schedule(play.seconds)
        async with asyncio.timeout(play.seconds + GRACE), asyncio.TaskGroup() as group:
            actors = [group.create_task(actor) for actor in _actors(play, server, schedule, admin, operators)]
            group.create_task(_show_progress(schedule, server, actors, console))
    except ExceptionGroup as failures:  # of many who failed for the same reason one says it
        raise failures.exceptions[0] from None
    finally:
        await server.close()


def _actors(
    play: Play, server: Server, schedule: Schedule, admin: Person, operators: list[Person]
) -> list[Coroutine[Any, Any, None]]:
    # Everyone draws from a generator of his own, so that his choices do not depend on who is faster.
    def random(who: str) -> Random:
        return Random(f"{play.seed} {who}")

    actors = [Admin(admin, operators, schedule, random("admin")).play()]
    for number, person in enumerate(operators):
        kind = {"is_dawdler": number % 8 == 1, "is_walker": number % 8 == 2}
        colleagues = [other for other in operators if other is not person]
        actors.append(Operator(person, colleagues, schedule, random(f"operator {number}"), **kind).play())
    actors.extend(
        customers.play(Customer(server, schedule, random(f"customer {number}"))) for number in range(play.customers)
    )
    return actors


async def _show_progress(
    schedule: Schedule, server: Server, actors: list[asyncio.Task[None]], console: Console
) -> None:
    columns = (TextColumn("playing"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=schedule.seconds)
        while not all(actor.done() for actor in actors):
            ledger = server.ledger
            replies = sum(sent.sender_type == "operator" for sent in ledger.sent)
            text = f"{len(ledger.chats)} chats, {len(ledger.sent) - replies} messages, {replies} replies"
            progress.update(task, completed=schedule.elapsed, description=text)
            await asyncio.sleep(0.25)
