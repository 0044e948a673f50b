"""Requests made up from our own description of them: whatever comes, the answer is one that it names."""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.http.conftest import Person
from tests.servers import Baton
from web import create_app
from web.config import Config

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

app = create_app(Config(jwt_secret="only to read the description"))
schema = schemathesis.openapi.from_dict(app.test_client().get("/docs/openapi.json").get_json())
# Nearly four thousand cases, the same each time: too long for every run.
schema.config.phases.coverage.enabled = False


@pytest.fixture
def callers(baton: Baton, customer: Person, operator: Person, admin: Person) -> Callable[[int], dict[str, str]]:
    """Return the headers of one of all kinds of callers."""
    tokens = [customer.token, operator.token, admin.token, baton.service_key, baton.anon_key]
    return lambda number: {"Authorization": f"Bearer {tokens[number % len(tokens)]}"}


@schema.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
def test_no_request_is_answered_by_anything_else(
    case: Any, baton: Baton, callers: Callable[[int], dict[str, str]]
) -> None:
    response = case.call(base_url=baton.base_url, headers=callers(hash(repr(case.body))))
    case.validate_response(response, checks=CHECKS)
