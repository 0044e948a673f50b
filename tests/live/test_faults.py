"""What dies, stalls or is cut off, on real servers, for a few seconds each; `make soak` does it for long.

Each test ends by comparing what the senders were told is stored with what each watcher saw and with
what is stored. Postgres flushes to the disk here, as in production.
"""

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.rows import DictRow

from tests.live.client import Crowd
from tests.live.world import World, cut_at_random, wait_until

LONGEST = 65_536  # bytes of a message


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Give a Postgres and two web servers that only this module uses."""
    with tempfile.TemporaryDirectory(prefix="baton-test-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder))
        try:
            world.start(webs=2)
            yield world
        finally:
            world.stop()


@pytest.fixture
def crowd(world: World) -> Iterator[Crowd]:
    """Give room for clients, who go from one web server to the other when they lose one."""
    with Crowd(*world.base_urls) as crowd:
        yield crowd


def insert(connection: psycopg.Connection[DictRow], chat_id: str, content: str) -> DictRow:
    """Write a message in plain SQL, in the transaction that is open."""
    query = (
        "insert into messages (chat_id, sender_type, content) values (%s, 'real', %s)"
        " returning id::text, chat_id::text, seq"
    )
    message = connection.execute(query, (chat_id, content)).fetchone()
    assert message is not None
    return message


def test_sockets_are_cut_at_random(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd, chats=5, lost_answers=0.1)
    with traffic.flowing(cut_at_random(crowd.clients, traffic, every=0.02)):
        traffic.wait_for(400)
    world.check(traffic.ledger, crowd.clients)
    assert sum(client.connections for client in crowd.clients) > 5 * len(crowd.clients)


def test_a_page_is_reloaded_while_it_sends(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd, chats=1)
    (chat,) = traffic.chats
    contents = [f"message {number}" for number in range(20)]

    async def send_until(after: int) -> None:
        """Send all at once, and go away when so many are acknowledged."""
        sending = {asyncio.create_task(chat.customer.send(chat.id, content)): content for content in contents}
        for number, done in enumerate(asyncio.as_completed(sending)):
            await done
            if number >= after:
                break
        for task in sending:
            task.cancel()
        results = await asyncio.gather(*sending, return_exceptions=True)
        for message, content in zip(results, sending.values(), strict=True):
            if isinstance(message, dict):
                traffic.ledger.acknowledge(message, content)

    for after in range(8):
        crowd.do(send_until(after))
        reloaded = crowd.client(chat.customer.token, is_staff=False, unsent=chat.customer.unsent)
        assert len(reloaded.unsent) > 0
        for message, content in crowd.do(reloaded.resend()):
            traffic.ledger.acknowledge(message, content)
    assert traffic.ledger.count == 8 * len(contents)
    world.check(traffic.ledger, crowd.clients)


def test_web_processes_are_killed(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd)
    with traffic.flowing():
        for web in world.webs:
            traffic.wait_for(50)
            web.kill_worker()
            traffic.wait_for(100)
    world.check(traffic.ledger, crowd.clients)
    assert max(client.connections for client in crowd.clients) > 1


def test_the_listeners_lose_their_connections(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd)
    for _ in range(2):
        with traffic.flowing():
            traffic.wait_for(50)
            wait_until(lambda: world.kill_listeners() == len(world.webs), what="each web server has a listener")
            traffic.wait_for(50)
        # Nothing comes after this that would show the listener what it has missed.
        world.kill_listeners()
        world.write(traffic)
        world.wait_until_all_have_seen_all(crowd.clients)
    world.check(traffic.ledger, crowd.clients)


def test_the_postmaster_is_killed(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd)
    with traffic.flowing():
        traffic.wait_for(100)
        world.kill_postmaster()
        world.restart_postgres()
        traffic.wait_for(100)
    world.kill_postmaster()
    world.restart_postgres()
    world.write(traffic)
    world.check(traffic.ledger, crowd.clients)


def test_a_web_server_is_stopped_and_started(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd)
    web = world.webs[0]
    with traffic.flowing():
        traffic.wait_for(50)
        web.terminate()
        web.wait_for_end(10)
        traffic.wait_for(50)
        web.start()
        traffic.wait_for(50)
    world.check(traffic.ledger, crowd.clients)
    assert {code for client in crowd.clients for code in client.closings} == {1012}


def test_no_notify_arrives(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd)
    with world.silent():
        for _ in range(2):
            wait_until(world.all_relays_sleep, what="all relays sleep")
            with traffic.flowing():
                traffic.wait_for(20)
            world.wait_until_all_have_seen_all(crowd.clients, seconds=10)
    world.check(traffic.ledger, crowd.clients)


def test_a_transaction_stays_open(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd)
    waiting = world.traffic(crowd, chats=1)
    (chat,) = waiting.chats
    watches = [client.watches[chat.id] for client in crowd.clients if chat.id in client.watches]
    world.wait_until_all_have_seen_all(crowd.clients)
    before = [watch.event_seq for watch in watches]
    with world.connect() as connection, traffic.flowing():
        connection.execute("begin")
        for content in ("one", "two", "three"):
            waiting.ledger.acknowledge(insert(connection, chat.id, content), content)
            traffic.wait_for(100)
        assert [watch.event_seq for watch in watches] == before
        connection.execute("commit")
        wait_until(lambda: all(watch.events["message.created"] == 3 for watch in watches), 5)
    traffic.ledger.acknowledged |= waiting.ledger.acknowledged
    world.check(traffic.ledger, crowd.clients)


def test_transactions_and_savepoints_are_rolled_back(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd)
    # In the order of their ids, as whoever locks several chats must.
    chat_ids = sorted(chat.id for chat in traffic.chats)[:2]
    with world.connect() as connection, traffic.flowing():
        for n in range(40):
            connection.execute("begin")
            stay = []
            for chat_id in chat_ids:
                stay.append(insert(connection, chat_id, "stays"))
                connection.execute("savepoint here")
                insert(connection, chat_id, "never happened")
                connection.execute("rollback to here")
                stay.append(insert(connection, chat_id, "stays"))
            if n % 4 == 0:
                connection.execute("rollback")
            else:
                connection.execute("commit")
                for message in stay:
                    traffic.ledger.acknowledge(message, "stays")
    world.check(traffic.ledger, crowd.clients)


def test_a_reader_stops_reading(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd, chats=2)
    others = list(crowd.clients)
    chat = traffic.chats[0]
    slow = crowd.client(chat.operator.token, is_staff=True, receive_buffer=16 * 1024)
    crowd.do(slow.watch(chat.id, after_event=0, keeps_state=False))
    wait_until(lambda: slow.is_live)
    before = world.count("baton_outbox_overflows_total")
    crowd.call(slow.stop_reading)
    traffic.content = lambda number: f"{number}".ljust(LONGEST // 2, ".")
    with traffic.flowing():
        wait_until(lambda: world.count("baton_outbox_overflows_total") > before, what="he is cut off")
        assert traffic.slowest < 2
        crowd.call(slow.read_on)
        wait_until(lambda: slow.connections == 2)
    world.check(traffic.ledger, crowd.clients)
    # He learns why if he reads on within two seconds; then the connection is gone.
    assert set(slow.closings) <= {1013, 1006}
    assert all(client.connections == 1 for client in others)


@pytest.mark.parametrize("character", ["a", "\x01", '"', "€", "😀"])
def test_the_longest_messages(world: World, crowd: Crowd, character: str) -> None:
    traffic = world.traffic(crowd, chats=2)
    content = character * (LONGEST // len(character.encode()))
    traffic.content = lambda number: content
    with traffic.flowing():
        traffic.wait_for(12)
    world.check(traffic.ledger, crowd.clients)


def test_two_web_processes_serve_one_chat(world: World, crowd: Crowd) -> None:
    one, other = world.base_urls
    traffic = world.traffic(crowd, chats=3, customers=[one], operators=[other])
    with traffic.flowing():
        traffic.wait_for(200)
    world.check(traffic.ledger, crowd.clients)


def test_who_can_have_no_socket_asks_instead(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd, chats=2)
    chat = traffic.chats[0]
    cut_off = crowd.client(chat.customer.token, is_staff=False, has_socket=False)
    watch = crowd.do(cut_off.watch(chat.id, after_event=0))
    with traffic.flowing():
        wait_until(lambda: cut_off.polls >= 2 and watch.events["message.created"] > 0)
    world.check(traffic.ledger, crowd.clients)
    assert cut_off.connections == 0


def test_who_comes_back_too_late_fetches_afresh(world: World, crowd: Crowd) -> None:
    traffic = world.traffic(crowd, chats=2)
    late = [crowd.client(chat.customer.token, is_staff=False) for chat in traffic.chats]
    for chat, client in zip(traffic.chats, late, strict=True):
        crowd.do(client.watch(chat.id))
    with traffic.flowing():
        traffic.wait_for(20)
        wait_until(lambda: all(watch.seen for client in late for watch in client.watches.values()))
        crowd.do_all([client.close() for client in late])
        traffic.wait_for(250)  # more than a snapshot has
        world.forget_events([chat.id for chat in traffic.chats])
        crowd.do_all([client.start() for client in late])
        traffic.wait_for(20)
    world.check(traffic.ledger, crowd.clients)
    for client in late:
        (watch,) = client.watches.values()
        assert watch.resets == 1
        assert watch.snapshot is not None
        assert watch.snapshot.differences(crowd.do(client.fetch(watch.chat_id))) == []


def test_the_database_is_restored_elsewhere(world: World, crowd: Crowd) -> None:
    """Numbers from before mean nothing there: everybody fetches afresh, whoever stayed connected too."""
    traffic = world.traffic(crowd, chats=2, after_event=None, keeps_state=True)
    with traffic.flowing():
        traffic.wait_for(40)
        world.become_another_server()
        traffic.wait_for(40)
        wait_until(lambda: all(watch.resets for client in crowd.clients for watch in client.watches.values()))
        traffic.wait_for(40)
    world.check(traffic.ledger, crowd.clients)
    for client in crowd.clients:
        for watch in client.watches.values():
            assert watch.snapshot is not None
            assert watch.snapshot.differences(crowd.do(client.fetch(watch.chat_id))) == []


def test_nothing_is_left_behind(world: World, crowd: Crowd) -> None:
    """Sockets come and go by the hundred; a process keeps neither their files nor their memory."""
    traffic = world.traffic(crowd, chats=3)
    workers = [psutil.Process(web.worker) for web in world.webs]

    def open_files() -> int:
        return sum(worker.num_fds() for worker in workers)

    before = open_files()
    with traffic.flowing(cut_at_random(crowd.clients, traffic, every=0.01)):
        wait_until(lambda: sum(client.connections for client in crowd.clients) > 60, 30)
    world.check(traffic.ledger, crowd.clients)
    wait_until(lambda: open_files() <= before + 20, what="closed sockets are closed")
