"""The pages: HTML around the scripts in static/js, which ask the same routes as everybody. A blueprint an audience."""

from web.pages import demo, session, shop, staff, transcript, widget

BLUEPRINTS = (
    shop.blueprint,
    demo.blueprint,
    session.blueprint,
    staff.blueprint,
    transcript.blueprint,
    widget.blueprint,
)
