"""How the time of a run is divided."""

import asyncio
import time
from dataclasses import dataclass, field


@dataclass
class Schedule:
    """A run of `seconds`; everybody's pauses are shorter in one that is shorter than a minute."""

    seconds: float
    begin: float = field(default_factory=time.monotonic)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.begin

    @property
    def is_writing_over(self) -> bool:
        """In the last quarter customers begin nothing new, and operators answer what is left."""
        return self.elapsed > self.seconds * 0.75

    @property
    def is_over(self) -> bool:
        """The time is up."""
        return self.elapsed > self.seconds

    @property
    def idle_limit(self) -> int:
        """The setting during the run, in seconds: short enough for a dawdler to be caught."""
        return max(round(self.seconds / 6), 1)

    async def pause(self, seconds: float) -> None:
        """Wait for `seconds` of a run of a minute, but not past the end."""
        wanted = seconds * min(self.seconds / 60, 1)
        await asyncio.sleep(max(min(wanted, self.seconds - self.elapsed), 0))
