"""Which keys count, and for what: each is used with its one algorithm, whatever a token says."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask.testing import FlaskClient

from tests.keys import KeyFile, ec_file, header_of, rsa_file, token
from tests.servers import Baton
from web import create_app
from web.config import Config
from web.keys import published, read_key_files, read_key_set

JWKS = "/auth/v1/.well-known/jwks.json"
PREVIOUS = "the secret of yesterday, which nobody signs with any more"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder for keys."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def rsa_key(folder: Path) -> KeyFile:
    """Return the server's first key, which signs."""
    return rsa_file(folder)


@pytest.fixture(scope="module")
def ec_key(folder: Path) -> KeyFile:
    """Return its second key."""
    return ec_file(folder)


@pytest.fixture(scope="module")
def strange_key(folder: Path) -> KeyFile:
    """Return somebody else's key."""
    return rsa_file(folder, "strange")


def client_of(baton: Baton, *paths: Path, secret: str = "", previous: str = "") -> FlaskClient:
    """Return a client of a new app with these keys."""
    config = Config(
        database_url=baton.database.url,
        jwt_secret=secret or baton.jwt_secret,
        jwt_secret_previous=previous,
        jwt_key_files=paths,
    )
    return create_app(config).test_client()


@pytest.fixture(scope="module")
def client(baton: Baton, rsa_key: KeyFile, ec_key: KeyFile) -> FlaskClient:
    """Return a client of a server with all kinds of keys."""
    return client_of(baton, rsa_key.path, ec_key.path, previous=PREVIOUS)


def claims(**given: Any) -> dict[str, Any]:
    """Return the claims of a person; None takes one away."""
    return {
        "sub": str(uuid4()),
        "role": "authenticated",
        "aud": "authenticated",
        "exp": int(time.time()) + 600,
        **given,
    }


def outcome(client: FlaskClient, text: str) -> str:
    """Return `ok`, or the code of the refusal."""
    answer = client.get("/api/me", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code in (200, 401), answer.text
    return "ok" if answer.status_code == 200 else answer.get_json()["details"]


Signer = Callable[..., str]


@pytest.fixture(params=["secret", "previous secret", "rsa", "ec"])
def sign(request: pytest.FixtureRequest, baton: Baton, rsa_key: KeyFile, ec_key: KeyFile) -> Signer:
    """Sign with each key that the server knows."""
    secrets = {"secret": baton.jwt_secret, "previous secret": PREVIOUS}
    if request.param in secrets:
        secret = secrets[request.param].encode()
        return lambda claims, **header: token({"alg": "HS256", **header}, claims, secret)
    return (rsa_key if request.param == "rsa" else ec_key).sign


# What a good signature does not help


def test_every_key_that_the_server_knows_counts(client: FlaskClient, sign: Signer) -> None:
    assert outcome(client, sign(claims())) == "ok"
    assert outcome(client, sign(claims(role="service_role", sub=None, aud=None))) == "ok"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"exp": -1}, "token_expired"),
        ({"exp": None}, "token_invalid"),
        ({"nbf": 60}, "token_invalid"),
        ({"role": "postgres"}, "token_invalid"),
        ({"role": "nobody knows it"}, "token_invalid"),
        ({"aud": "baton"}, "token_invalid"),
        ({"aud": None}, "token_invalid"),
        ({"sub": None}, "token_invalid"),
    ],
    ids=str,
)
def test_what_a_token_says_is_judged_whoever_signed_it(
    client: FlaskClient, sign: Signer, given: dict[str, Any], code: str
) -> None:
    now = int(time.time())
    given = {name: now + value if isinstance(value, int) else value for name, value in given.items()}
    assert outcome(client, sign(claims(**given))) == code


def test_a_changed_token_is_refused(client: FlaskClient, sign: Signer) -> None:
    head, body, signature = sign(claims()).split(".")
    _, other_body, other_signature = sign(claims(role="service_role")).split(".")
    assert outcome(client, f"{head}.{other_body}.{signature}") == "token_invalid"
    assert outcome(client, f"{head}.{body}.{other_signature}") == "token_invalid"
    assert outcome(client, f"{head}.{body}.") == "token_invalid"
    assert outcome(client, f"{head}.{body}.{signature}") == "ok"


@pytest.mark.parametrize("algorithm", ["none", "None", "HS384", "HS512", "RS384", "PS256", "ES384", "EdDSA", None, ""])
def test_an_algorithm_that_no_key_is_pinned_to_is_refused(client: FlaskClient, sign: Signer, algorithm: str) -> None:
    text = sign(claims(), alg=algorithm)
    assert outcome(client, text) == "token_invalid"
    assert outcome(client, text[: text.rindex(".") + 1]) == "token_invalid"


def test_a_key_is_not_used_with_anothers_algorithm(client: FlaskClient, sign: Signer) -> None:
    text = sign(claims())
    own = header_of(text)["alg"]
    for other in {"HS256", "RS256", "ES256"} - {own}:
        assert outcome(client, sign(claims(), alg=other)) == "token_invalid"
        assert outcome(client, sign(claims(), alg=other, kid=None)) == "token_invalid"


def test_a_public_key_is_no_secret(client: FlaskClient, rsa_key: KeyFile, ec_key: KeyFile) -> None:
    for key in (rsa_key, ec_key):
        public = key.key.public_key()
        texts = [
            key.public_pem,
            key.public_pem.strip(),
            key.public_pem.replace(b"\n", b"\r\n"),
            public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            key.kid.encode(),
        ]
        for text in texts:
            for kid in (key.kid, None):
                assert outcome(client, token({"alg": "HS256", "kid": kid}, claims(), text)) == "token_invalid"


def test_a_key_id_chooses_the_key(client: FlaskClient, rsa_key: KeyFile, ec_key: KeyFile, strange_key: KeyFile) -> None:
    for key, other in ((rsa_key, ec_key), (ec_key, rsa_key)):
        assert outcome(client, key.sign(claims(), kid=None)) == "ok"
        for kid in (other.kid, strange_key.kid, "", "../" + key.kid, 5, [key.kid]):
            assert outcome(client, key.sign(claims(), kid=kid)) == "token_invalid"


def test_a_key_of_another_project_is_refused(client: FlaskClient, rsa_key: KeyFile, strange_key: KeyFile) -> None:
    for kid in (strange_key.kid, rsa_key.kid, None):
        assert outcome(client, strange_key.sign(claims(role="service_role"), kid=kid)) == "token_invalid"
    other = b"the secret of another project, long enough"
    assert outcome(client, token({"alg": "HS256"}, claims(), other)) == "token_invalid"


def test_a_token_cannot_bring_its_key(client: FlaskClient, sign: Signer, strange_key: KeyFile, baton: Baton) -> None:
    (public,) = published(read_key_files([strange_key.path]))["keys"]
    brought: dict[str, Any] = {
        "jwk": public,
        "jku": f"{baton.base_url}{JWKS}",
        "x5u": f"{baton.base_url}/key.pem",
        "x5c": ["AAAA"],
    }
    for name, value in brought.items():
        assert outcome(client, strange_key.sign(claims(), **{name: value})) == "token_invalid"
        assert outcome(client, strange_key.sign(claims(), kid=None, **{name: value})) == "token_invalid"
        assert outcome(client, sign(claims(), **{name: value})) == "token_invalid"
    assert outcome(client, sign(claims(), crit=["exp"])) == "token_invalid"


# Who signs, and what is published


def test_the_first_private_key_signs(baton: Baton, rsa_key: KeyFile, ec_key: KeyFile) -> None:
    for paths, key in (
        ((rsa_key.path, ec_key.path), rsa_key),
        ((ec_key.path, rsa_key.path), ec_key),
        ((rsa_key.public_file(), ec_key.path), ec_key),
        ((rsa_key.public_file(),), None),
        ((), None),
    ):
        client = client_of(baton, *paths, previous=PREVIOUS)
        text = client.post("/auth/v1/signup").get_json()["access_token"]
        signed_by = {"alg": key.algorithm, "kid": key.kid} if key else {"alg": "HS256"}
        assert header_of(text) == {**signed_by, "typ": "JWT"}
        assert outcome(client, text) == "ok"
        assert outcome(client, baton.service_key) == "ok"


def test_a_key_is_changed_without_signing_anybody_out(baton: Baton, rsa_key: KeyFile, ec_key: KeyFile) -> None:
    before = client_of(baton, rsa_key.path).post("/auth/v1/signup").get_json()["access_token"]
    assert outcome(client_of(baton, ec_key.path, rsa_key.path), before) == "ok"
    assert outcome(client_of(baton, ec_key.path, rsa_key.public_file()), before) == "ok"
    assert outcome(client_of(baton, ec_key.path), before) == "token_invalid"


def test_a_secret_is_changed_without_signing_anybody_out(baton: Baton) -> None:
    new = "the secret of tomorrow, long enough for HS256"
    before = client_of(baton).post("/auth/v1/signup").get_json()["access_token"]
    during = client_of(baton, secret=new, previous=baton.jwt_secret)
    assert outcome(during, before) == "ok"
    assert outcome(during, baton.anon_key) == "not_signed_in"  # as nobody, not as a forger
    renewed = during.post("/auth/v1/signup").get_json()["access_token"]
    after = client_of(baton, secret=new)
    assert outcome(after, renewed) == "ok"
    assert outcome(after, before) == "token_invalid"
    assert outcome(after, baton.service_key) == "token_invalid"


def test_public_keys_are_published_and_nothing_else(
    client: FlaskClient, baton: Baton, rsa_key: KeyFile, ec_key: KeyFile
) -> None:
    answer = client.get(JWKS)
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    keys = answer.get_json()["keys"]
    assert [set(key) - {"kid", "alg", "use", "key_ops"} for key in keys] == [
        {"kty", "n", "e"},
        {"kty", "crv", "x", "y"},
    ]
    assert [(key["kid"], key["alg"]) for key in keys] == [(rsa_key.kid, "RS256"), (ec_key.kid, "ES256")]
    assert all((key["use"], key["key_ops"]) == ("sig", ["verify"]) for key in keys)
    assert [key.verifier for key in read_key_set(answer.get_json())] == [
        rsa_key.key.public_key(),
        ec_key.key.public_key(),
    ]
    assert client_of(baton).get(JWKS).get_json() == {"keys": []}


def test_a_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    # The example of its section 3.1.
    key = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV"
        "4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHz"
        "u6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8aw"
        "apJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
    }
    (read,) = read_key_set({"keys": [key]})
    assert read.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


# Files and sets that are not what they should be


def pem(key: Any, password: bytes | None = None) -> bytes:
    """Return a private key as a file has it."""
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return text


ODD_FILES: dict[str, Callable[[], bytes]] = {
    "short RSA": lambda: pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
    "another curve": lambda: pem(ec.generate_private_key(ec.SECP384R1())),
    "Ed25519": lambda: pem(ed25519.Ed25519PrivateKey.generate()),
    "with a passphrase": lambda: pem(ec.generate_private_key(ec.SECP256R1()), b"secret"),
    "nothing": lambda: b"",
    "no PEM": lambda: b"\xff" * 100,
    "broken": lambda: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
}


@pytest.mark.parametrize("kind", ODD_FILES)
def test_an_odd_key_file_is_refused_by_its_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd.pem"
    path.write_bytes(ODD_FILES[kind]())
    with pytest.raises(ValueError, match=r"BATON_JWT_KEY_FILE: .*odd\.pem") as refusal:
        read_key_files([path])
    assert "\n" not in str(refusal.value)


def test_a_key_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"BATON_JWT_KEY_FILE: .* cannot be read"):
        create_app(Config(jwt_secret="x" * 32, jwt_key_files=(tmp_path / "none.pem",)))


def test_of_a_key_set_only_what_may_verify_is_read(rsa_key: KeyFile, ec_key: KeyFile, folder: Path) -> None:
    good = published(read_key_files([rsa_key.path, ec_key.path]))["keys"]
    keys: list[Any] = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a", "alg": "HS256"},
        {**good[0], "alg": "PS256"},
        {**good[0], "alg": "HS256"},
        {**good[0], "use": "enc"},
        {**good[1], "alg": "RS256"},
        {**good[1], "crv": "P-384"},
        {"kty": "RSA"},
        {"kty": ["RSA"]},
        {},
        "key",
        None,
        *good,
    ]
    assert [(key.algorithm, key.kid) for key in read_key_set({"keys": keys})] == [
        ("RS256", rsa_key.kid),
        ("ES256", ec_key.kid),
    ]
    nothing: list[Any] = [[], {}, {"keys": None}, {"keys": {}}, "keys", None]
    for nonsense in nothing:
        with pytest.raises(ValueError, match="no JWK set"):
            read_key_set(nonsense)


PROJECT = {
    "SUPABASE_URL": "https://x.supabase.co/",
    "SUPABASE_ANON_KEY": "anon",
    "SUPABASE_SERVICE_ROLE_KEY": "service",
    "DATABASE_URL": "postgresql://x",
}


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"BATON_IDENTITY_SECRET": "x" * 31}, "BATON_IDENTITY_SECRET"),
        ({"BATON_IDENTITY_SECRET": "x" * 32, "SUPABASE_JWT_SECRET": "x" * 32}, "BATON_IDENTITY_SECRET"),
        ({"SUPABASE_URL": "project.supabase.co"}, "SUPABASE_URL"),
        ({"SUPABASE_URL": "file:///etc"}, "SUPABASE_URL"),
        ({**PROJECT, "SUPABASE_ANON_KEY": ""}, "SUPABASE_ANON_KEY"),
        ({**PROJECT, "SUPABASE_SERVICE_ROLE_KEY": " "}, "SUPABASE_SERVICE_ROLE_KEY"),
        ({**PROJECT, "DATABASE_URL": ""}, "DATABASE_URL"),
    ],
    ids=str,
)
def test_an_odd_setting_is_refused_by_its_name(environment: dict[str, str], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Config.from_env(environment)


def test_the_settings_of_keys_are_read() -> None:
    config = Config.from_env(
        {
            **PROJECT,
            "BATON_JWT_KEY_FILE": "a.pem, b.pem",
            "BATON_IDENTITY_SECRET": "é" * 16,
        }
    )
    assert config.jwt_key_files == (Path("a.pem"), Path("b.pem"))
    assert config.supabase_url == "https://x.supabase.co"
    assert "é" not in repr(config)
