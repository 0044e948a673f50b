"""What axe finds wrong with a page for those who do not see it, or see it otherwise."""

from collections.abc import Mapping
from functools import cache

from playwright.sync_api import Frame, Page

from tests.servers import ROOT

# Colours are another matter in the dark; all else was looked at in the light.
LIGHT = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}
DARK = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
NAMES = {"runOnly": {"type": "tag", "values": ["cat.name-role-value", "cat.forms", "cat.text-alternatives"]}}
ALWAYS = {"iframes": False, "resultTypes": ["violations"]}


@cache
def script() -> str:
    """The script that looks a page over."""
    return (ROOT / "node_modules/axe-core/axe.min.js").read_text()


def violations(page: Page | Frame, options: Mapping[str, object], within: str | None = None) -> list[str]:
    """Return what axe finds wrong with a page, but for what is in its frames: the rules, each with the elements.

    `within` is the selector of the only element to look at.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(script())
    found: list[str] = page.evaluate(
        """async ([options, within]) => (await axe.run(within ?? document, options))
          .violations.map(({ id, nodes }) => `${id}: ` + nodes.map(({ target, any, all, none }) =>
            `${target.join(" ")} (${[...any, ...all, ...none].map(({ message }) => message).join("; ")})`
          ).join(", "))""",
        [{**options, **ALWAYS}, within],
    )
    return found
