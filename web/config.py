"""What the environment decides, read once at the start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from web.mail import Smtp

_SHORTEST_IDENTITY_SECRET = 32  # bytes: as long as what HS256 makes of it


@dataclass(frozen=True)
class Config:
    """The settings of one process; `.env.example` explains each of them."""

    database_url: str = ""
    listen_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = Path(".data")
    jwt_secret: str = field(default="", repr=False)
    jwt_secret_previous: str = field(default="", repr=False)
    jwt_key_files: tuple[Path, ...] = ()
    identity_secret: str = field(default="", repr=False)
    supabase_url: str = ""
    supabase_anon_key: str = field(default="", repr=False)
    supabase_service_role_key: str = field(default="", repr=False)
    demo: bool = False
    allowed_origins: tuple[str, ...] = ()
    address_limit: str = "6000/minute"
    trusted_proxies: int = 0
    pool_size: int = 16
    statement_timeout_ms: int = 10_000
    body_limit: int = 1024 * 1024
    socket_limit: int = 4500
    sockets_per_user: int = 50
    socket_auth_seconds: int = 5
    scan_command: str = ""
    smtp_url: str = field(default="", repr=False)
    log_level: str = "INFO"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Config":
        """Read the environment; an empty variable counts as an unset one.

        Raises:
            ValueError: A variable has a value that it cannot have; the message names it.
        """

        def text(name: str, default: str = "") -> str:
            return environ.get(name, "").strip() or default

        def number(name: str, default: int, lowest: int = 0) -> int:
            value = text(name, str(default))
            if not value.isascii() or not value.isdigit() or int(value) < lowest:
                raise ValueError(f"{name} must be a whole number of at least {lowest}, not {value!r}")
            return int(value)

        database_url = text("DATABASE_URL")
        jwt_secret, jwt_secret_previous = text("SUPABASE_JWT_SECRET"), text("SUPABASE_JWT_SECRET_PREVIOUS")
        identity_secret = text("BATON_IDENTITY_SECRET")
        if identity_secret and len(identity_secret.encode()) < _SHORTEST_IDENTITY_SECRET:
            raise ValueError(f"BATON_IDENTITY_SECRET must have at least {_SHORTEST_IDENTITY_SECRET} bytes")
        if identity_secret and identity_secret in (jwt_secret, jwt_secret_previous):
            raise ValueError("BATON_IDENTITY_SECRET must be another one than SUPABASE_JWT_SECRET")
        smtp_url = text("SMTP_URL")
        if smtp_url:
            Smtp.from_url(smtp_url)
        supabase_url = text("SUPABASE_URL").rstrip("/")
        if supabase_url and not (urlsplit(supabase_url).scheme in ("http", "https") and urlsplit(supabase_url).netloc):
            raise ValueError(f"SUPABASE_URL must be of the form https://project.supabase.co, not {supabase_url!r}")
        if supabase_url:  # its login and files are of use together with its database only, where the policies are
            for name in ("SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "DATABASE_URL"):
                if not text(name):
                    raise ValueError(f"SUPABASE_URL needs {name} of the same project (docs/backends.md)")
        return cls(
            database_url=database_url,
            listen_url=text("DATABASE_LISTEN_URL", database_url),
            host=text("HOST", "127.0.0.1"),
            port=number("PORT", 8000),
            data_dir=Path(text("BATON_DATA", ".data")),
            jwt_secret=jwt_secret,
            jwt_secret_previous=jwt_secret_previous,
            jwt_key_files=tuple(Path(path.strip()) for path in text("BATON_JWT_KEY_FILE").split(",") if path.strip()),
            identity_secret=identity_secret,
            supabase_url=supabase_url,
            supabase_anon_key=text("SUPABASE_ANON_KEY"),
            supabase_service_role_key=text("SUPABASE_SERVICE_ROLE_KEY"),
            demo=text("BATON_DEMO") in ("1", "true", "yes"),
            allowed_origins=tuple(
                origin.strip().rstrip("/") for origin in text("BATON_ALLOWED_ORIGINS").split(",") if origin.strip()
            ),
            address_limit=text("BATON_ADDRESS_LIMIT", "6000/minute"),
            trusted_proxies=number("BATON_TRUSTED_PROXIES", 0),
            pool_size=number("BATON_POOL_SIZE", 16, lowest=1),
            statement_timeout_ms=number("BATON_STATEMENT_TIMEOUT_MS", 10_000, lowest=1),
            socket_limit=number("BATON_SOCKET_LIMIT", 4500),
            sockets_per_user=number("BATON_SOCKETS_PER_USER", 50, lowest=1),
            socket_auth_seconds=number("BATON_SOCKET_AUTH_SECONDS", 5, lowest=1),
            scan_command=text("BATON_SCAN_COMMAND"),
            smtp_url=smtp_url,
            log_level=text("BATON_LOG_LEVEL", "INFO").upper(),
        )

    @property
    def is_pooled(self) -> bool:
        """Whether `database_url` may be a transaction pooler: a direct address was given beside it."""
        return self.listen_url != self.database_url
