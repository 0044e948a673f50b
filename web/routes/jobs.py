"""Background functions on demand. The scheduler runs them anyway; this is for cron and for tests."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

import functions
from web.db import database
from web.errors import ApiError
from web.openapi import operation
from web.schemas import FunctionProblem, JobRun
from web.tokens import current_caller

blueprint = Blueprint("jobs", __name__)

JOB_TIMEOUT_MS = 60_000


@blueprint.post("/functions/v1/<name>")
@operation("Jobs", JobRun, problem=FunctionProblem)
def run_function(name: str) -> ResponseReturnValue:
    """Run a background function now and tell how many things it did; a body is not looked at. For the service role."""
    if name not in functions.JOBS:
        hint = f"There are {', '.join(functions.JOBS)}."
        raise ApiError(404, "function_not_found", "There is no such function.", hint)
    return _run(name)


@blueprint.post("/api/cron/idle-detection")
@operation("Jobs", JobRun)
def run_idle_detection() -> ResponseReturnValue:
    """Run idle detection now, under the address that schedulers elsewhere know. For the service role."""
    return _run("idle-detection")


def _run(name: str) -> ResponseReturnValue:
    count = database().run(current_caller(), lambda connection: functions.run(name, connection), JOB_TIMEOUT_MS)
    return {"name": name, "count": count}
