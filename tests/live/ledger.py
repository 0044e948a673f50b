"""The books of a run: what senders were told is stored, against what each watcher saw.

They balance when every watcher saw every event of a chat in the order of its numbers, and with them
every acknowledged message exactly once, in the order of `messages.seq`, as it was sent; and when nothing is
stored that was acknowledged to nobody.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tests.live.client import Watch, checksum


class Ledger:
    """What was acknowledged, by chat and number."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, dict[int, tuple[str, int]]] = defaultdict(dict)
        self.count = 0
        self._faults: list[str] = []

    def acknowledge(self, message: dict[str, Any], content: str) -> None:
        """Note a message as the server has acknowledged it, and what was sent."""
        chat, seq = self.acknowledged[message["chat_id"]], message["seq"]
        if seq in chat:
            self._faults.append(f"{message['chat_id']}: two messages were acknowledged as number {seq}")
        chat[seq] = (message["id"], checksum(content))
        self.count += 1

    def problems(self, watches: Iterable[Watch], stored: Mapping[str, Sequence[str]]) -> list[str]:
        """Return what is wrong, a line each, at most 20 a watch.

        `stored` are the ids of the messages of each chat, in their order; everything that was sent has
        been acknowledged.
        """
        found = list(self._faults)
        for watch in watches:
            ids = stored.get(watch.chat_id, [])
            found += [f"{watch.chat_id}: {problem}" for problem in [*watch.faults, *self._differences(watch, ids)][:20]]
        return found

    def _differences(self, watch: Watch, stored: Sequence[str]) -> list[str]:
        acknowledged = self.acknowledged[watch.chat_id]
        found = [f"the watch has ended: {watch.end}"] if watch.end is not None else []
        found += [
            f"message {seq} was acknowledged, and {'came otherwise' if seq in watch.seen else 'never came'}"
            for seq, message in acknowledged.items()
            if watch.seen.get(seq) != message
        ]
        found += [f"message {seq} was not sent" for seq in range(1, len(stored) + 1) if seq not in acknowledged]
        if [watch.seen[seq][0] for seq in sorted(watch.seen)] != list(stored):
            found.append(f"{len(watch.seen)} messages came, which are not the {len(stored)} that are stored")
        return found
