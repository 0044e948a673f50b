"""What browsers are told: what they may do with our answers, and which other pages may ask."""

from urllib.parse import urlsplit

from flask import Flask, Response, request

from web.config import Config
from web.errors import ApiError

_CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CORS_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
# All that Supabase's clients send, for any of their parts.
_CORS_HEADERS = (
    "accept, accept-profile, apikey, authorization, baggage, cache-control, content-profile, content-type, prefer,"
    " range, traceparent, tracestate, x-client-info, x-metadata, x-region, x-request-id, x-retry-count,"
    " x-supabase-api-version, x-upsert"
)
_EXPOSED_HEADERS = "Content-Range, Proxy-Status, Retry-After, X-Request-Id"
_PORTS = {"http": 80, "https": 443}


def init_app(app: Flask, config: Config) -> None:
    """Set the headers of every answer. Other origins are allowed by BATON_ALLOWED_ORIGINS only.

    Credentials are never allowed across origins: callers send their token in a header.
    """

    def protect(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", _CONTENT_SECURITY_POLICY)
        headers["X-Content-Type-Options"] = "nosniff"
        if "frame-ancestors 'none'" in headers["Content-Security-Policy"]:
            headers["X-Frame-Options"] = "DENY"  # for browsers that know only this
        headers["Referrer-Policy"] = "no-referrer"
        headers.setdefault("Cache-Control", "no-store")
        if request.is_secure:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        return response

    def share(response: Response) -> Response:
        response.vary.add("Origin")
        origin = request.headers.get("Origin", "")
        if origin in config.allowed_origins or (origin and "*" in config.allowed_origins):
            headers = response.headers
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
            if request.method == "OPTIONS":
                headers["Access-Control-Allow-Methods"] = _CORS_METHODS
                headers["Access-Control-Allow-Headers"] = _CORS_HEADERS
                headers["Access-Control-Max-Age"] = "600"
        return response

    app.after_request(protect)
    if config.allowed_origins:
        app.after_request(share)


def is_own_origin(origin: str) -> bool:
    """Return whether the request's `Origin` is a page of ours: the same host and port as was asked."""
    try:
        parts = urlsplit(origin)
        if request.is_secure and parts.scheme != "https":
            return False
        port = parts.port or _PORTS.get(parts.scheme)
        own = urlsplit(f"{parts.scheme}://{request.host}")
        return bool(parts.hostname) and (parts.hostname, port) == (own.hostname, own.port or _PORTS.get(own.scheme))
    except ValueError:
        return False


def refuse_other_sites() -> None:
    """Refuse a request that a page of another site makes, for routes in which cookies say who asks.

    Raises:
        ApiError: 403 origin_not_allowed.
    """
    origin = request.headers.get("Origin")
    if origin is not None and not is_own_origin(origin):
        raise ApiError(403, "origin_not_allowed", "Pages of other sites may not ask this.")
