"""Outgoing mail, where SMTP_URL says by which server it leaves; without it there is none."""

import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from functools import cache
from urllib.parse import parse_qs, unquote, urlsplit

import structlog
from flask import current_app

log = structlog.get_logger("baton.mail")

PATIENCE = 10  # seconds for each answer of the server
_PORTS = {"smtp": 587, "smtps": 465}
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Smtp:
    """A server that takes mail, and who sends by it."""

    host: str
    port: int
    is_encrypted: bool  # from the first byte on; else it has to offer STARTTLS
    sender: str
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def from_url(cls, url: str) -> "Smtp":
        """Read smtp://user:password@host:587?from=support@shop.example, or smtps://.

        Raises:
            ValueError: It is no such address.
        """
        parts = urlsplit(url)
        query = parse_qs(parts.query, keep_blank_values=True)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in _PORTS or not parts.hostname or port == -1 or set(query) - {"from"}:
            raise ValueError("SMTP_URL must be of the form smtp://user:password@host:587?from=support@shop.example")
        user = unquote(parts.username or "")
        sender = query.get("from", [user if "@" in user else f"baton@{parts.hostname}"])[0]
        if not sender.isascii() or not sender.isprintable() or sender.count("@") != 1:
            raise ValueError("SMTP_URL must have one address after from=")
        is_encrypted = parts.scheme == "smtps"
        password = unquote(parts.password or "")
        return cls(parts.hostname, port or _PORTS[parts.scheme], is_encrypted, sender, user, password)

    def send(self, message: EmailMessage, to: str) -> None:
        """Hand a message over.

        Raises:
            OSError, ValueError: It was not taken.
        """
        del message["From"]
        message["From"] = self.sender
        with self._connected() as server:
            if not self.is_encrypted and server.has_extn("starttls"):
                server.starttls(context=_authorities())
                server.ehlo()
            elif not self.is_encrypted and self.host not in _LOCAL:
                raise smtplib.SMTPNotSupportedError("the server offers no STARTTLS")
            if self.user:
                server.login(self.user, self.password)
            server.send_message(message, self.sender, [to])

    def _connected(self) -> smtplib.SMTP:
        if self.is_encrypted:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=PATIENCE, context=_authorities())
        else:
            server = smtplib.SMTP(self.host, self.port, timeout=PATIENCE)
        server.ehlo_or_helo_if_needed()
        return server


def send_mail(to: str, subject: str, text: str) -> bool:
    """Send a mail; return whether the server took it. False, too, where there is none."""
    url: str = current_app.extensions["baton_config"].smtp_url
    if not url:
        return False
    try:
        message = EmailMessage()
        message["Subject"] = " ".join(subject.split())
        message["To"] = to
        message.set_content(text)
        Smtp.from_url(url).send(message, to)
    except (OSError, ValueError) as error:  # what smtplib raises is an OSError; ValueError: no address
        log.warning("mail_failed", error=type(error).__name__)
        return False
    return True


@cache
def _authorities() -> ssl.SSLContext:
    return ssl.create_default_context()
