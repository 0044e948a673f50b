"""The two keys that Supabase's clients are made with: anon, for everyone to see, and service_role."""

import time

import jwt

_LIFETIME = 10 * 365 * 24 * 3600  # seconds; a new secret ends them


def api_key(role: str, secret: str) -> str:
    """Return the key of `role` ("anon" or "service_role"): a long-lived token without a user."""
    now = int(time.time())
    return jwt.encode({"role": role, "iss": "supabase", "iat": now, "exp": now + _LIFETIME}, secret, "HS256")
