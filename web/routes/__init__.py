"""The routes, a blueprint per subject. A view checks shapes, calls one function, returns its rows."""

from web.routes import admin, auth, chats, docs, health, jobs, live, messages, operator, privacy, rest, storage

BLUEPRINTS = (
    chats.blueprint,
    messages.blueprint,
    live.blueprint,
    operator.blueprint,
    admin.blueprint,
    privacy.blueprint,
    auth.blueprint,
    rest.blueprint,
    storage.blueprint,
    jobs.blueprint,
    health.blueprint,
    docs.blueprint,
)
