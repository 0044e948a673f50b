"""Pictures of the screens, compared with those that are kept beside the tests; `make pictures` makes these anew.

Fonts, clock, ids and the browser's settings are the same on every machine, so a screen that nobody has changed looks
the same but for a few points: other releases of Chromium smooth edges otherwise.
"""

import os
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops, ImageFilter
from playwright.sync_api import Page

from tests.browser.rooms import settle
from tests.servers import ROOT

KEPT = Path(__file__).parent / "kept"
SEEN = ROOT / ".cache/pictures"  # what differs, for whoever wants to see it
MAKES_ANEW = os.environ.get("BATON_PICTURES") == "anew"
POINT = 48  # by how much of 255 a colour may be another one
FAINT = 16  # by how much where it is an area and no edge, as a wash is; keeping 256 colours of a picture costs 11
SHARE = 0.0015  # of all points may be of other colours

# What is never the same is hidden: real times, hashes, and what depends on whether the page was clicked in before.
UNCHANGING = """
  .audit-table { table-layout: fixed !important }
  .audit-table td { overflow: hidden !important; white-space: nowrap !important }
  .audit-table td:not(:nth-child(3), :nth-child(4)), .sheet-foot { visibility: hidden !important }
  [data-part="sound"] { display: none !important }
"""


# A style sheet of the browser's own, for the page's policy forbids others.
ADD = """(rules) => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(rules);
  document.adoptedStyleSheets.push(sheet);
}"""
REMOVE = "() => { document.adoptedStyleSheets.pop(); }"


def looks_otherwise(page: Page, name: str) -> list[str]:
    """Compare what a page shows with the kept picture of that name; return what is wrong."""
    frames = page.frames
    for frame in frames:
        frame.evaluate(ADD, UNCHANGING)
    settle(page)
    found = difference(name, page.screenshot(animations="disabled"))
    for frame in frames:
        frame.evaluate(REMOVE)
    return [found] if found else []


def difference(name: str, png: bytes) -> str | None:
    """Compare a picture with the kept one of that name; return what is wrong, None: it is the same."""
    kept, seen = KEPT / f"{name}.png", Image.open(BytesIO(png)).convert("RGB")
    if MAKES_ANEW:
        if not kept.exists() or _differs(Image.open(kept).convert("RGB"), seen):
            KEPT.mkdir(exist_ok=True)
            seen.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(kept, optimize=True)
        return None
    if not kept.exists():
        return f"there is no picture {name}: make pictures, and look at it"
    what = _differs(Image.open(kept).convert("RGB"), seen)
    if what is None:
        return None
    SEEN.mkdir(parents=True, exist_ok=True)
    seen.save(SEEN / kept.name)
    return f"it looks otherwise than {kept.relative_to(ROOT)} ({what}): see {SEEN.relative_to(ROOT)}/{kept.name}"


def _differs(kept: Image.Image, seen: Image.Image) -> str | None:
    if kept.size != seen.size:
        return f"{seen.size[0]} x {seen.size[1]} points, not {kept.size[0]} x {kept.size[1]}"
    # The band that differs most, and of it the points above the threshold.
    red, green, blue = ImageChops.difference(kept, seen).split()
    worst = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    for least, is_area in ((POINT, False), (FAINT, True)):
        others = worst.point([255 * (value >= least) for value in range(256)])
        if is_area and _is_much(others):
            others = others.filter(ImageFilter.MinFilter(5))
        if _is_much(others):
            return f"{others.histogram()[255]} points, around {others.getbbox()}"
    return None


def _is_much(others: Image.Image) -> bool:
    return others.histogram()[255] > SHARE * others.size[0] * others.size[1]
