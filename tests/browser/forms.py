"""Every form, and what is wrong in it: the message has to stand beside the field, and what was typed to stay."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from playwright.sync_api import Page

from tests.browser.screens import SCREENS, Screen, clicks

BY_NAME = {screen.name: screen for screen in SCREENS}


@dataclass(frozen=True)
class Form:
    """A form: the screen that it is on, what is typed into it, and the first field in which that is wrong."""

    name: str
    screen: Screen
    typed: Mapping[str, str]
    wrong: str
    submit: str = '[type="submit"]'
    prepare: Callable[[Page], object] = field(default=lambda page: None)
    said: str = ""  # what is said, where that is to be known
    also: tuple[str, ...] = ()  # further fields in which something is wrong


def on(screen: str, wrong: str, name: str = "", submit: str = "", **typed: str) -> Form:
    """Return the form on a screen; the ids of its fields have _ for -."""
    fields = {f"#{field_id.replace('_', '-')}": text for field_id, text in typed.items()}
    return Form(name or screen, BY_NAME[screen], fields, wrong, submit or "dialog[open] [type=submit]")


def shows_the_open_door(page: Page) -> None:
    """Show the form for the first admin, which nobody gets to see who comes later."""
    page.evaluate("document.querySelector('.door > [data-part=open]').hidden = false")


EDIT = Screen(
    "edit",
    "ana",
    "/operator/{mine}",
    "#edit[open]",
    (
        lambda page: page.locator('.message[data-side="mine"] .message-more').first.press("Enter"),
        clicks('#menu [data-value="edit"]'),
    ),
)

FORMS = (
    on("sign-in", "#sign-in-email", sign_in_email="ana@", sign_in_password="x"),
    on("sign-in", "#sign-in-password", "sign-in-without", sign_in_email="ana@baton.example", sign_in_password=""),
    Form(
        "setup",
        BY_NAME["setup"],
        {"#setup-name": "Ada", "#setup-email": "ada@baton.example", "#setup-password": "short"},
        "#setup-password",
        "#setup-form [type=submit]",
        shows_the_open_door,
    ),
    on("join", "#join-password", submit="#join-form [type=submit]", join_name="Eve", join_password="short"),
    on("transfer", 'input[name="operator_id"]', transfer_reason="She knows the courier."),
    on("snooze", "#snooze-until", snooze_until="2020-02-03T09:00"),
    Form("edit", EDIT, {"#edit-content": ""}, "#edit-content", "dialog[open] [type=submit]"),
    on("invite", "#invite-email", invite_email="dan@", invite_name="Dan", invite_capacity="2"),
    Form(
        "invite-twice",
        BY_NAME["invite"],
        {"#invite-email": "ben@baton.example", "#invite-name": "Ben"},
        "#invite-email",
        "dialog[open] [type=submit]",
        said="There is an operator with this address already. Change his row, or activate him again.",
    ),
    on("invite", "#invite-capacity", "invite-many", invite_email="dan2@baton.example", invite_capacity="-1"),
    on("operator", "#operator-name", operator_name="", operator_capacity="2"),
    on("operator", "#operator-capacity", "operator-none", operator_name="Benedict", operator_capacity="1.5"),
    on("persona", "#persona-name", persona_name=""),
    on("quick-response", "#response-shortcut", response_shortcut="Two Words", response_title="Hello"),
    on(
        "quick-response",
        "#response-content",
        "quick-response-unknown",
        response_shortcut="hello",
        response_content="Hello {{customer.shoe_size}}",
    ),
    on("widget-settings", "#widget-colour", submit="[form=widget-form]", widget_colour="red", widget_title="Ask us"),
    Form(
        "widget-settings-ar",
        BY_NAME["widget-settings-ar"],
        {"#widget-colour": "red"},
        "#widget-colour",
        "[form=widget-form]",
        said="لون مثل \u200e#b3361b.",
    ),
    on("widget-settings", "#widget-privacy", "widget-privacy", submit="[form=widget-form]", widget_privacy="none"),
    Form(
        "settings",
        BY_NAME["settings"],
        {"#setting-time_zone": "Middle/Earth", "#setting-idle_limit": "soon", "#setting-rate_limit_burst": "12"},
        "#setting-time_zone",
        "[form=settings-form]",
        said="is a time zone such as Europe/Berlin.",
        also=("#setting-idle_limit",),
    ),
    on("export", "#export-to", submit="#export-form [type=submit]", export_from="2026-03-02", export_to="2026-03-01"),
)
