"""The description of the API: what `/docs` shows, and what each view's input is checked against."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, TypeVar, cast

from flask import Flask
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from spectree import Response, SecurityScheme, SpecTree
from spectree.models import InType, SecureType, SecuritySchemeData
from spectree.plugins.flask_plugin import FlaskPlugin

from web.config import Config
from web.payload import read_body, read_query
from web.schemas import Problem
from web.tokens import current_caller

Mode = Literal["validation", "serialization"]
View = TypeVar("View", bound=Callable[..., ResponseReturnValue])

# Every route may answer each of these; listing them all keeps the document honest and the views short.
_ERRORS = (400, 401, 403, 404, 409, 413, 415, 429, 503)


class _Plugin(FlaskPlugin):
    """spectree with our own reading of the request: its own takes what is not JSON for an empty body."""

    def get_func_operation_id(self, func: Callable[..., Any], path: str, method: str) -> str:
        """Name an operation after its view."""
        return func.__name__

    def validate(self, func: Callable[..., Any], query: Any, json: Any, *args: Any, **path: Any) -> Any:
        """Call the view with its checked input. Answers are checked by the tests, not at run time."""
        given = {} if query is None else {"query": read_query(query)}
        if json is not None:
            given["json"] = read_body(json)
        return func(**path, **given)


class _Tree(SpecTree):
    """spectree, which makes a model's schema for each view that has it, before there is anybody to read it.

    This one makes each once, when the document is asked for: else it is a sixth of what a process takes to start.
    """

    def __init__(self, **options: Any) -> None:
        self._noted: dict[str, tuple[type[BaseModel], Mode]] = {}
        super().__init__(**options)

    def _add_model(self, model: type[BaseModel], mode: Mode = "validation") -> str:
        name = self.naming_strategy(model)
        self._noted[name] = (model, mode)
        return name

    def _generate_spec(self) -> dict[str, Any]:
        for model, mode in self._noted.values():
            super()._add_model(model, mode)
        return super()._generate_spec()


spec = _Tree(
    backend=_Plugin,
    title="Baton",
    description="Live chat whose rules live in Postgres. sql/README.md has every error code.",
    version="1",
    path="docs",
    filename="openapi.json",
    page_templates={},
    mode="strict",
    naming_strategy=lambda model: model.__name__,
    nested_naming_strategy=lambda parent, child: child,
    security_schemes=[
        SecurityScheme(
            name="token",
            data=SecuritySchemeData(type=SecureType.HTTP, scheme="bearer", bearer_format="JWT"),
        ),
        SecurityScheme(
            name="apikey",
            data=SecuritySchemeData(type=SecureType.API_KEY, name="apikey", field_in=InType.HEADER),
        ),
    ],
    security=[{"token": []}, {"apikey": []}],
)


def operation(
    tag: str,
    *answers: type[BaseModel] | None,
    status: int | tuple[int, ...] = 200,
    problem: type[BaseModel] = Problem,
    errors: tuple[int, ...] = (),
    is_public: bool = False,
) -> Callable[[View], View]:
    """Describe a view, and check its `json` and `query` arguments against their annotations.

    Args:
        tag: The heading under which `/docs` lists it.
        answers: The model of its answer; none, or None, for an answer without a body.
        status: Its good statuses.
        problem: The model of its errors.
        errors: Statuses of errors that not every route has.
        is_public: Whether it needs no token.
    """
    answer = answers[0] if answers else None
    statuses = (status,) if isinstance(status, int) else status
    models: dict[str, Any] = {f"HTTP_{code}": problem for code in (*_ERRORS, *errors)}
    models |= {f"HTTP_{code}": None if code == 204 else answer for code in statuses}
    decorate = spec.validate(
        resp=Response(**models),
        tags=[tag],
        validation_error_status=400,
        security=[] if is_public else None,
    )

    def describe(view: View) -> View:
        checked = decorate(view)
        if is_public:
            return cast(View, checked)

        @wraps(checked)
        def signed_in(**path: Any) -> ResponseReturnValue:
            current_caller()  # before the input is looked at: strangers learn nothing from it
            answer: ResponseReturnValue = checked(**path)
            return answer

        return cast(View, signed_in)

    return describe


def init_app(app: Flask, config: Config) -> None:
    """Serve the document at /docs/openapi.json; routes/docs.py makes a page of it."""
    spec.register(app)
