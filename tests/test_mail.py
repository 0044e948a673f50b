"""Outgoing mail: how SMTP_URL is read, and that a password goes to nobody but the server it is for."""

import smtplib
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword
from aiosmtpd.smtp import Session as SmtpSession
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers import free_port
from web.config import Config
from web.mail import Smtp


class Mailbox:
    """Takes mail of whoever signs in, and remembers what it was told."""

    def __init__(self) -> None:
        self.logins: list[LoginPassword] = []
        self.senders: list[str | None] = []

    def __call__(
        self, server: SMTP, session: SmtpSession, envelope: Envelope, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        self.logins.append(login)
        return AuthResult(success=login == LoginPassword(b"baton@shop.example", b"p:w/d"))

    async def handle_DATA(self, server: SMTP, session: SmtpSession, envelope: Envelope) -> str:  # noqa: N802
        self.senders.append(envelope.mail_from)
        return "250 OK"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


def serve(mailbox: Mailbox, host: str, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    controller = Controller(
        mailbox,
        hostname=host,
        port=free_port(),
        authenticator=mailbox,
        auth_required=True,
        auth_require_tls=False,
        tls_context=tls,
    )
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture
def local(mailbox: Mailbox) -> Iterator[int]:
    """The port of a server on this machine."""
    yield from serve(mailbox, "127.0.0.1")


@pytest.fixture
def foreign(mailbox: Mailbox) -> Iterator[int]:
    """The port of one that goes for another machine."""
    yield from serve(mailbox, "127.0.0.2")


@pytest.fixture
def untrusted(mailbox: Mailbox, tmp_path: Path) -> Iterator[int]:
    """The port of one whose certificate nobody vouches for."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    encoding = serialization.Encoding.PEM
    file.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(encoding)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    yield from serve(mailbox, "127.0.0.1", context)


def send(address: str) -> None:
    message = EmailMessage()
    message["To"] = "eve@shop.example"
    message.set_content("hello")
    Smtp.from_url(f"smtp://baton%40shop.example:p%3Aw%2Fd@{address}").send(message, "eve@shop.example")


def test_a_mail_is_sent_by_whoever_signs_in(mailbox: Mailbox, local: int) -> None:
    send(f"127.0.0.1:{local}")
    send(f"127.0.0.1:{local}?from=support@shop.example")
    assert mailbox.senders == ["baton@shop.example", "support@shop.example"]


def test_no_password_goes_over_the_net_in_the_clear(mailbox: Mailbox, foreign: int) -> None:
    with pytest.raises(smtplib.SMTPNotSupportedError):
        send(f"127.0.0.2:{foreign}")
    assert mailbox.logins == []


def test_no_password_goes_to_a_server_that_nobody_vouches_for(mailbox: Mailbox, untrusted: int) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        send(f"127.0.0.1:{untrusted}")
    assert mailbox.logins == []


@pytest.mark.parametrize(
    "url",
    [
        "mail.shop.example",
        "http://mail.shop.example",
        "smtp://",
        "smtp://mail.shop.example:0x",
        "smtp://mail.shop.example:99999",
        "smtp://mail.shop.example?sender=a@b",
        "smtp://mail.shop.example?from=a@b,c@d",
        "smtp://mail.shop.example?from=a@b%0ABcc:x",
        "smtp://mail.shop.example?from=",
    ],
)
def test_what_is_no_such_address_is_said_at_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="SMTP_URL must"):
        Config.from_env({"SMTP_URL": url})
