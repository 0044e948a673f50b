"""Where the time of a turn goes: in which statements, in the flush of the commit, in which functions."""

import re
import time
from dataclasses import dataclass, field

from bench.cluster import connect
from bench.turns import Jobs, Side, Turns, run

_FUNCTIONS = """
select
  f.schemaname || '.' || f.funcname,
  f.calls::float8 / t.turns,
  f.self_time / t.turns,
  f.total_time / t.turns
from pg_stat_user_functions f
cross join (
  select max(s.calls)::float8 as turns from pg_stat_user_functions s where s.funcname = 'send_operator_message'
) t
order by f.self_time desc
"""


@dataclass
class Transaction:
    """The mean milliseconds of one transaction of a script."""

    name: str
    preparing: float = 0  # begin, and saying who is calling
    statements: float = 0
    commit: float = 0  # with the deferred triggers and the flush; 0 where the statement is the transaction
    flush: float = 0  # of all these, what synchronous_commit = off saves

    @property
    def total(self) -> float:
        """All of it."""
        return self.preparing + self.statements + self.commit


@dataclass
class Function:
    """What one function costs per turn; times in milliseconds."""

    name: str
    calls: float
    self_ms: float
    total_ms: float


@dataclass
class Profile:
    """Where the time goes, with one client."""

    turn: list[Transaction]
    job: list[Transaction]
    functions: list[Function] = field(default_factory=list)


def measure(turns: Turns, jobs: Jobs, seconds: int) -> Profile:
    """Measure it with one client, so that nobody waits for another."""
    profile = Profile(_transactions(turns, seconds), _transactions(jobs, seconds))
    with connect(turns.url) as connection:
        connection.execute("select pg_stat_reset()")
        run(turns, 1, seconds, track_functions="all")
        time.sleep(0.5)  # a session hands in its statistics when it ends
        connection.execute("select pg_stat_clear_snapshot()")
        profile.functions = [Function(*row) for row in connection.execute(_FUNCTIONS)]
    return profile


def _transactions(side: Side, seconds: int) -> list[Transaction]:
    """Run with and without waiting for the flush, and put the two together."""
    flushed = _by_transaction(run(side, 1, seconds, is_by_statement=True).statements)
    unflushed = _by_transaction(run(side, 1, seconds, is_by_statement=True, synchronous_commit="off").statements)
    for transaction, other in zip(flushed, unflushed, strict=True):
        transaction.flush = max(transaction.total - other.total, 0)
    return flushed


def _by_transaction(statements: list[tuple[str, float]]) -> list[Transaction]:
    """Sum up pgbench's statements: from begin to commit, or one that stands by itself."""
    transactions: list[Transaction] = []
    is_open = False
    for text, ms in statements:
        if text.startswith("\\"):  # pgbench's own
            continue
        if not is_open:
            transactions.append(Transaction(""))
        last = transactions[-1]
        if text.startswith("begin"):
            is_open = True
            last.preparing += ms
        elif text.startswith("commit"):
            is_open = False
            last.commit += ms
        elif "set_config(" in text:
            last.preparing += ms
        else:
            last.name = _function_name(text)
            last.statements += ms
    return transactions


def _function_name(text: str) -> str:
    """Return the function that a statement is there for."""
    found = re.search(r"(?:from|select) (\w+)\(", text)
    return found[1] if found else text
