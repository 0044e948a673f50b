"""For whoever watches the process: alive, ready, numbers."""

from functools import cache

import psycopg
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from psycopg.rows import scalar_row

from web import metrics
from web.db import Conn, database
from web.limits import limiter
from web.live.process import live
from web.loader import SQL_FOLDER
from web.openapi import operation
from web.schemas import Health

blueprint = Blueprint("health", __name__)
limiter.exempt(blueprint)


@blueprint.get("/healthz")
@operation("Health", Health, is_public=True)
def is_alive() -> ResponseReturnValue:
    """Answer while the process is alive; asks nobody else."""
    return {"status": "ok"}


@blueprint.get("/readyz")
@operation("Health", Health, is_public=True, problem=Health)
def is_ready() -> ResponseReturnValue:
    """Answer 200 when database, migrations and listener are ready, else 503 with what is missing."""
    problem = _missing()
    if problem:
        return {"status": "unavailable", "problem": problem}, 503, {"Retry-After": "1"}
    return {"status": "ok"}


@blueprint.get("/metrics")
def numbers() -> Response:
    """Return the process's numbers for Prometheus."""
    return metrics.render()


def _missing() -> str | None:
    try:
        is_loaded = database().as_owner(_is_loaded)
    except psycopg.Error:
        return "database"
    return live().problem if is_loaded else "migrations"


def _is_loaded(connection: Conn) -> bool:
    """Return whether every migration of ours is applied; more of them are a newer Baton's, and welcome."""
    with connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute("select to_regclass('private.schema_migrations') is not null")
        if not cursor.fetchone():
            return False
        cursor.execute("select version from private.schema_migrations")
        return _our_migrations() <= set(cursor.fetchall())


@cache
def _our_migrations() -> frozenset[str]:
    files = (SQL_FOLDER / "migrations").glob("*.sql")
    return frozenset(file.name.partition("_")[0] for file in files)
