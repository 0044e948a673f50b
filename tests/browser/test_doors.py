"""Coming in for the first time, also where something fails once the account is made."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.house import House
from tests.live.world import World
from web.demo_data import PASSWORD


@pytest.fixture(scope="module")
def house(world: World, browser: Browser) -> Iterator[House]:
    house = House(world, browser)
    yield house
    house.leave()


def invited(house: House, email: str) -> Page:
    """Show the page behind an invitation's link, filled in."""
    house.world.rows("insert into operators (name, role) select 'Ada', 'admin' where is_new()")
    token = house.world.value("select invite_operator(%s, 'Dan') ->> 'token'", email)
    page = house.context().new_page()
    page.goto(f"/join#{token}")
    page.fill("#join-password", PASSWORD)
    return page


def joins(page: Page) -> None:
    page.get_by_role("button", name="Join").click()


def test_who_has_joined_but_cannot_be_signed_in_now_is_led_to_the_sign_in(house: House) -> None:
    email = "dan@baton.example"
    page = invited(house, email)
    body = {"email": email, "password": ""}
    while page.request.post("/session", data=body, headers={"Origin": house.base_url}).status != 429:
        pass  # until it lets nobody try
    joins(page)
    expect(page.get_by_role("heading", name="You have joined")).to_be_focused()
    expect(page.get_by_role("link", name="Sign in")).to_have_attribute("href", "/operator")
    assert house.world.value("select count(*) from operators where email = %s", email) == 1


def test_who_never_got_the_answer_tries_again_and_is_in(house: House) -> None:
    page = invited(house, "eve@baton.example")

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/api/invitations/accept", lose, times=1)
    joins(page)
    expect(page.locator("[data-part=problem]")).not_to_be_empty()
    joins(page)
    page.wait_for_url("**/operator")
    assert house.problems == []


def test_an_invitation_that_was_taken_back_meanwhile_is_refused_though_an_answer_was_lost(house: House) -> None:
    page = invited(house, "kim@baton.example")
    page.route("**/api/invitations/accept", lambda route: route.abort(), times=1)
    joins(page)
    expect(page.locator("[data-part=problem]")).not_to_be_empty()
    house.world.rows("update private.operator_invitations set revoked_at = now() where email = 'kim@baton.example'")
    joins(page)
    expect(page.locator("[data-part=problem]")).to_contain_text("invitation")
    expect(page.get_by_role("button", name="Join")).not_to_have_attribute("aria-disabled", "true")
