"""Prometheus: requests by route and status, and how long they took; sockets, and what goes over them.

With PROMETHEUS_MULTIPROC_DIR set (gunicorn's processes share the folder) `/metrics` answers for all
processes; without it, for the one that was asked.
"""

import os
import time

from flask import Flask, Response, g, request
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from web.config import Config

REQUESTS = Counter("baton_http_requests", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "baton_http_request_seconds",
    "Time from a request's arrival to its answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

SOCKETS = Gauge("baton_sockets", "Open sockets, by who is signed in.", ["kind"], multiprocess_mode="livesum")
SUBSCRIPTIONS = Gauge("baton_subscriptions", "Subscriptions to chats.", multiprocess_mode="livesum")
EVENTS_DELIVERED = Counter("baton_events_delivered", "Events sent to sockets as they happened.")
OUTBOX_OVERFLOWS = Counter("baton_outbox_overflows", "Sockets closed because their peer read too slowly.")
RELAY_POLLS = Counter("baton_relay_polls", "How often relays have asked for new events.")
RELAY_SLEEPS = Counter("baton_relay_sleeps", "How often relays have asked to be rung for.")


def init_app(app: Flask, config: Config) -> None:
    """Count every request under its route, not its address: ids would make a series each."""
    app.after_request(_count)


def render() -> Response:
    """Return the numbers in Prometheus' text format."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _count(response: Response) -> Response:
    route, method = (request.url_rule.rule, request.method) if request.url_rule else ("unknown", "any")
    REQUESTS.labels(method, route, str(response.status_code)).inc()
    SECONDS.labels(method, route).observe(time.perf_counter() - g.started_at)
    return response
