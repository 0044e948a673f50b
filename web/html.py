"""How a page is answered: what it may load, who may frame it, and in which language it is."""

from typing import Any
from urllib.parse import urlsplit

from flask import Response, current_app, make_response, render_template, request

from web.config import Config
from web.languages import current_language


def page(template: str, *, framed_by: str = "'none'", frames: str = "'none'", **values: Any) -> Response:
    """Return a page made of `template`, which scripts and styles of our own may run in, and nothing else.

    Nowhere in it can text become HTML: Trusted Types leave no way. `framed_by` are the sources of pages that may
    embed it, `frames` those that it may embed, as a Content-Security-Policy lists them.
    """
    config: Config = current_app.extensions["baton_config"]
    response = make_response(render_template(template, **values))
    response.headers["Content-Security-Policy"] = _policy(config, framed_by, frames)
    response.headers["Content-Language"] = current_language().code
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
    response.vary.update(("Accept-Language", "Cookie"))
    return response


def _policy(config: Config, framed_by: str, frames: str) -> str:
    files = "'self' blob:"
    if config.supabase_url:  # signed links to files lead there
        parts = urlsplit(config.supabase_url)
        files += f" {parts.scheme}://{parts.netloc}"
    socket = f"{'wss' if request.is_secure else 'ws'}://{request.host}"  # Safari does not count it as 'self'
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "font-src 'self'",
            f"img-src {files}",
            f"media-src {files}",
            f"connect-src 'self' {socket}",
            f"frame-src {frames}",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {framed_by}",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )
