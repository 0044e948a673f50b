"""The API's description as a page: rendered here, without a script, from the same document that programs read."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from web.openapi import spec

blueprint = Blueprint("docs", __name__)


@blueprint.get("/docs")
def show_docs() -> ResponseReturnValue:
    """Show every route with its input, its answers and its errors."""
    document = spec.spec
    operations = [
        {"method": method.upper(), "path": path, **details}
        for path, methods in document["paths"].items()
        for method, details in methods.items()
    ]
    return render_template(
        "docs.html",
        document=document,
        groups={tag["name"]: [item for item in operations if tag["name"] in item["tags"]] for tag in document["tags"]},
        schemas=document["components"]["schemas"],
    )
