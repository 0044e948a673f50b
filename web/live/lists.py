"""Which rows of the staff's lists have changed, and what they show now: to each who may see them, and as his own.

The relay notes chats; what is told of them is looked up later, for all staff of the process at once
(private.list_news). So a row is never older than what was noted, however late it is told.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, LiteralString
from uuid import UUID

import orjson

from web.live.relay import Change
from web.live.store import Store
from web.payload import dump

Row = dict[str, Any]

# With more than so many chats at once everybody fetches his lists afresh.
MOST_CHATS = 200

# These change a chat's row in one person's lists alone; the second, which is a signal, in everybody's where it
# names nobody.
OF_ONE = frozenset({"message.read", "list.changed"})

_NEWS: LiteralString = """
select n.what, n.chat_id, n.person_ids, n.content
from private.list_news(%(chat_ids)s::uuid[], %(since)s::bigint[], %(person_ids)s::uuid[], %(next_for)s::uuid[]) n
"""


class Noted:
    """A chat that has changed."""

    __slots__ = ("persons", "since")

    def __init__(self) -> None:
        self.since: int | None = None  # the first event that is news; None: there was none, but signals
        self.persons: set[UUID] | None = set()  # in whose lists it looks different; None: in everybody's

    def add(self, since: int | None, persons: Iterable[UUID] | None) -> None:
        """Add what else has happened to it."""
        if since is not None:
            self.since = since if self.since is None else min(self.since, since)
        if persons is None:
            self.persons = None
        elif self.persons is not None:
            self.persons.update(persons)

    def concerns(self, person_id: UUID) -> bool:
        """Whether it looks different in this person's lists."""
        return self.persons is None or person_id in self.persons

    def concerns_any(self, person_ids: set[UUID]) -> bool:
        """Whether it looks different in the lists of any of them."""
        return self.persons is None or not self.persons.isdisjoint(person_ids)


class Changes:
    """What has been noted and not been told yet."""

    def __init__(self) -> None:
        self.chats: dict[UUID, Noted] = {}
        self.deleted: set[UUID] = set()
        self.is_reset = False  # there was too much of it, or nobody knows what there was

    def __bool__(self) -> bool:
        return bool(self.chats or self.deleted or self.is_reset)

    def note(self, change: Change) -> None:
        """Note a change of a chat; what is of no chat is passed over."""
        if change.chat_id is None:
            return
        if change.event == "chat.deleted":
            self.chats.pop(change.chat_id, None)
            self.deleted.add(change.chat_id)
        elif change.event in OF_ONE and change.person_id is not None:
            self._add(change.chat_id, change.event_seq, {change.person_id})
        else:
            self._add(change.chat_id, change.event_seq, None)
        self._bound()

    def reset(self) -> None:
        """Note that anything may have happened."""
        self.chats.clear()
        self.deleted.clear()
        self.is_reset = True

    def put_back(self, taken: "Changes") -> None:
        """Add what could not be told."""
        for chat_id, noted in taken.chats.items():
            self._add(chat_id, noted.since, noted.persons)
        for chat_id in taken.deleted:
            self.chats.pop(chat_id, None)
        self.deleted |= taken.deleted
        self.is_reset |= taken.is_reset
        self._bound()

    def _add(self, chat_id: UUID, since: int | None, persons: Iterable[UUID] | None) -> None:
        if chat_id not in self.deleted:
            self.chats.setdefault(chat_id, Noted()).add(since, persons)

    def _bound(self) -> None:
        if self.is_reset or len(self.chats) + len(self.deleted) > MOST_CHATS:
            self.reset()


class Lists:
    """What the lists of the staff of one process show, and what each of them was told last."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next_told: dict[UUID, tuple[Any, ...]] = {}
        self._kinds_told: dict[UUID, str] = {}

    def look_up(self, changes: Changes, person_ids: set[UUID], next_for: set[UUID]) -> "ListNews":
        """Look up what has changed for these persons, and what is next for some of them. Raises psycopg.Error."""
        chats = {chat_id: noted for chat_id, noted in changes.chats.items() if noted.concerns_any(person_ids)}
        rows = self._store.ask_for_task(
            _NEWS,
            chat_ids=list(chats),
            since=[noted.since for noted in chats.values()],
            person_ids=list(person_ids),
            next_for=list(next_for),
        ).rows
        return ListNews(changes, next_for, rows)

    def parts(self, news: "ListNews") -> dict[UUID, Row]:
        """Return what each person is to be told; they count as told."""
        parts = {person_id: self._part(news, person_id) for person_id in news.kinds}
        self._next_told = {each: told for each, told in self._next_told.items() if each in news.kinds}
        self._kinds_told = news.kinds
        return parts

    def _part(self, news: "ListNews", person_id: UUID) -> Row:
        part: Row = {}
        # Who is no admin any more, or has just become one, sees other chats.
        if news.is_reset or self._kinds_told.get(person_id, news.kinds[person_id]) != news.kinds[person_id]:
            part["reset"] = True
        else:
            if person_id in news.changed:
                part["changed"] = news.changed[person_id]
            if person_id in news.gone:
                part["gone"] = news.gone[person_id]
            if person_id in news.taken:
                part["taken"] = news.taken[person_id]
        if person_id in news.next_for:
            row = news.next(person_id)
            told = (row["chat_id"], row["decision"], row["reason"]) if row else ()
            if told != self._next_told.get(person_id):
                part["next"] = row
            self._next_told[person_id] = told
        return part


class ListNews:
    """What the lists show now, of chats that have changed and of what is next."""

    def __init__(self, changes: Changes, next_for: set[UUID], answer: Iterable[tuple[Any, ...]]) -> None:
        self.is_reset = changes.is_reset
        self.next_for = next_for
        self.kinds: dict[UUID, str] = {}  # operator or admin; of those who are that now
        self.changed: dict[UUID, list[orjson.Fragment]] = defaultdict(list)  # rows, by person
        self.gone: dict[UUID, list[UUID]] = defaultdict(list)  # what they could see until now
        self.taken: dict[UUID, dict[str, str]] = defaultdict(dict)  # of those, who has it now, by chat
        self._next: dict[UUID, Row] = {}
        parts: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for what, *part in answer:
            parts[what].append(tuple(part))
        for _, person_ids, kind in parts["kind"]:
            self.kinds |= dict.fromkeys(person_ids, kind)
        rows = {chat_id: row for chat_id, _, row in parts["row"]}
        next_of = {person_id: (chat_id, why) for chat_id, person_ids, why in parts["next"] for person_id in person_ids}
        for chat_id, person_ids, mark in parts["mark"]:
            row, noted = rows[chat_id] | mark, changes.chats.get(chat_id)
            text = orjson.Fragment(dump(row))  # once for all to whom it is the same
            for person_id in person_ids:
                if noted is not None and noted.concerns(person_id):
                    self.changed[person_id].append(text)
                next_id, why = next_of.get(person_id, (None, {}))
                if next_id == chat_id:
                    self._next[person_id] = row | why
        for chat_id, person_ids, holder in parts["gone"]:
            for person_id in person_ids:
                self.gone[person_id].append(chat_id)
                if holder is not None:
                    self.taken[person_id][str(chat_id)] = holder
        if changes.deleted:
            for person_id in self.kinds:
                self.gone[person_id] += changes.deleted

    def next(self, person_id: UUID) -> Row | None:
        """Return what is next for this person, one of `next_for`; None: nothing waits."""
        return self._next.get(person_id)
