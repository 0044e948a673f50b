import re, psycopg, pytest
from collections import Counter
from tests.concurrency import test_chaos as c
from tests.concurrency import world
from tests.concurrency.test_chaos import *
del test_thirty_two_callers_who_do_everything_at_once
NOW={}; PAIRS=Counter(); EX={}
def kind(s):
    s=s.split("true); ")[-1] if "true); " in s else s
    return re.sub(r"'[^']*'", "?", s)[:160]
def execute(self, deed):
    NOW[self.pid]=deed
    try:
        self.connection.execute(deed)
    except psycopg.Error as e:
        if e.sqlstate=='40P01':
            ids=sorted({int(x) for x in re.findall(r"[Pp]rocess (\d+)", e.diag.message_detail)})
            k=tuple(sorted(kind(NOW[i]) for i in ids)); PAIRS[k]+=1
            EX.setdefault(k, (e.diag.message_detail, e.diag.context))
        return world.code_of(e)
    return OK
def test_odd(arena, monkeypatch):
    monkeypatch.setattr(world.Session,"execute",execute)
    try: c.test_thirty_two_callers_who_do_everything_at_once(arena, "read committed")
    except AssertionError as e: print(str(e)[:300])
    for k,v in PAIRS.most_common(): print(v,k, EX[k][0],"|", (EX[k][1] or "")[:900])
