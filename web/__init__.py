"""Baton over HTTP: a thin Flask layer over the SQL functions, in which all rules live."""

from flask import Flask
from flask_compress import Compress
from werkzeug.middleware.proxy_fix import ProxyFix

from web import (
    assets,
    auth,
    cli,
    db,
    errors,
    files,
    languages,
    limits,
    logs,
    metrics,
    openapi,
    payload,
    rendering,
    security,
    tokens,
)
from web.config import Config
from web.converters import UuidConverter
from web.live import process as live
from web.pages import BLUEPRINTS as PAGES
from web.routes import BLUEPRINTS


def create_app(config: Config | None = None) -> Flask:
    """Make the WSGI application; nothing is connected to before the first request."""
    config = config or Config.from_env()
    app = Flask(__name__)
    app.extensions["baton_config"] = config
    app.config["MAX_CONTENT_LENGTH"] = config.body_limit
    app.json = payload.OrjsonProvider(app)
    app.url_map.strict_slashes = False
    app.url_map.converters["uuid"] = UuidConverter
    if config.trusted_proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=config.trusted_proxies, x_proto=config.trusted_proxies
        )

    for part in (logs, metrics, security, errors, limits, db, tokens, auth, files, live, languages, rendering, assets):
        part.init_app(app, config)
    for blueprint in (*BLUEPRINTS, *PAGES):
        app.register_blueprint(blueprint)
    app.config["COMPRESS_MIMETYPES"] = ["text/html"]  # answers of the API are left as they are: tokens are in them
    Compress(app)
    openapi.init_app(app, config)
    cli.register(app)
    return app
