"""Limits per address, against floods and guessing. Limits per user are a token bucket in Postgres.

The counters live in each process: with N processes an address may do up to N times as much. They
guard the process; what must hold exactly is in the database.
"""

from flask import Flask, current_app, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from web.config import Config


def _of_all_requests() -> str:
    config: Config = current_app.extensions["baton_config"]
    return config.address_limit


limiter = Limiter(
    get_remote_address,
    application_limits=[_of_all_requests],
    strategy="moving-window",
    storage_uri="memory://",
)


def init_app(app: Flask, config: Config) -> None:
    """Limit all requests of an address together; views add their own limits by decorator."""
    limiter.init_app(app)


def address_and_email() -> str:
    """Return the key of password guessing: one address trying one account."""
    body = request.get_json(silent=True) if request.is_json else None
    email = body.get("email") if isinstance(body, dict) else None
    return f"{get_remote_address()} {str(email).strip().lower()[:320]}"


def is_no_password_sign_in() -> bool:
    """Return whether the request to the token route is something else, such as a refresh."""
    return request.args.get("grant_type") != "password"
