"""Structured logs: one JSON line a request, found by its id. Never a body, never a token."""

import logging
import re
import sys
import time
from uuid import uuid4

import orjson
import structlog
from flask import Flask, Response, g, request

from web.config import Config

log = structlog.get_logger("baton.request")

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_QUIET = ("/healthz", "/readyz", "/metrics")


def configure(level: str = "INFO") -> None:
    """Send everything that is logged in this process to stderr, a JSON object a line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(lambda event, **_: orjson.dumps(event, default=str).decode()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it would tell every address, with what files are called


def init_app(app: Flask, config: Config) -> None:
    """Give every request an id, return it, and log the request when it is answered."""
    configure(config.log_level)
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
    g.started_at = time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    log.log(
        logging.DEBUG if request.path in _QUIET else logging.INFO,
        "request",
        method=request.method,
        path=_path(),
        status=response.status_code,
        duration_ms=round((time.perf_counter() - g.started_at) * 1000, 2),
        role=g.get("role", "none"),
        address=request.remote_addr,
    )
    return response


def _path() -> str:
    """Return the request's path, without what people have called a file."""
    rule = request.url_rule.rule if request.url_rule else ""
    return rule if "<path:" in rule else request.path
