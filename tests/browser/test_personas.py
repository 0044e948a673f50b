"""Personas' pictures in the console: chosen from a disk, seen at once, removed when nobody shows them any more."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, expect

from tests.browser.house import House
from tests.files.corpus import png
from tests.live.world import World, wait_until

PICTURE: FilePayload = {"name": "mara.png", "mimeType": "image/png", "buffer": png()}
TEXT: FilePayload = {"name": "mara.png", "mimeType": "image/png", "buffer": b"this is no picture"}


@pytest.fixture(scope="module")
def house(world: World, browser: Browser) -> Iterator[House]:
    house = House(world, browser)
    yield house
    house.leave()


@pytest.fixture
def console(house: House) -> Page:
    return house.enters(house.hires("Ada", "admin"), "/admin/personas")


def pictures(house: House) -> list[str]:
    """The addresses of the pictures that there are."""
    rows = house.world.rows("select name from storage.objects where bucket_id = 'avatars' order by created_at")
    return [f"/storage/v1/object/public/avatars/{row['name']}" for row in rows]


def shown(place: Page | Locator) -> str:
    """Wait until a picture is there and seen; return its address."""
    image = place.locator("img:visible")
    expect(image).to_have_js_property("naturalWidth", 1)
    return str(image.get_attribute("src"))


def chooses(page: Page, file: FilePayload) -> None:
    """Choose a file, by the keyboard alone."""
    button = page.locator("#persona-dialog [data-part=choose]")
    with page.expect_file_chooser() as choosing:
        button.press("Enter")
    choosing.value.set_files(file)


def test_a_persona_gets_a_picture_another_one_and_none(house: House, console: Page) -> None:
    dialog, save = console.locator("#persona-dialog"), console.locator("#persona-dialog [data-part=submit]")
    persona = "select avatar_url from fictional_users where name = 'Mara Lind'"
    console.get_by_role("button", name="New persona").click()
    dialog.get_by_label("Name").fill("Mara Lind")
    expect(dialog.locator(".initials")).to_have_text("ML")
    chooses(console, PICTURE)
    first = shown(dialog)
    save.click()
    assert shown(console.locator("baton-personas li", has_text="Mara Lind")) == first
    assert house.world.value(persona) == first
    assert pictures(house) == [first]

    # What is no picture is refused beside the field; what was there stays.
    console.get_by_role("button", name="Change Mara Lind").click()
    chooses(console, TEXT)
    expect(dialog.locator("#persona-avatar-problem")).to_have_text("Files of this kind are not taken.")
    assert shown(dialog) == first
    # What was chosen and not saved is not kept.
    chooses(console, PICTURE)
    expect(dialog.locator("#persona-avatar-problem")).to_be_empty()
    expect(dialog.locator("img")).not_to_have_attribute("src", first)
    console.keyboard.press("Escape")
    wait_until(lambda: pictures(house) == [first], what="the picture that nobody kept is gone")
    assert house.world.value(persona) == first

    console.get_by_role("button", name="Change Mara Lind").click()
    dialog.get_by_role("button", name="Remove the picture").click()
    expect(dialog.locator("[data-part=choose]")).to_be_focused()
    save.click()
    expect(console.locator("baton-personas li", has_text="Mara Lind").locator(".initials")).to_be_visible()
    assert house.world.value(persona) is None
    wait_until(lambda: pictures(house) == [], what="the picture that nobody shows is gone")
    assert house.problems == []


def test_a_picture_that_does_not_come_is_not_saved_over_the_one_that_is_there(house: House, console: Page) -> None:
    dialog = console.locator("#persona-dialog")
    console.get_by_role("button", name="New persona").click()
    dialog.get_by_label("Name").fill("Nilo")
    held: list[Route] = []
    console.route("**/storage/v1/object/avatars/**", lambda route: held.append(route), times=1)
    chooses(console, PICTURE)
    wait_until(lambda: bool(held) or console.evaluate("undefined"), what="it is on its way")
    dialog.locator("[data-part=submit]").click()
    held[0].abort()
    expect(dialog.locator("#persona-avatar-problem")).to_have_text("The server cannot be reached.")
    expect(dialog).to_be_visible()
    assert house.world.value("select count(*) from fictional_users where name = 'Nilo'") == 0
