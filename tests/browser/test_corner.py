"""The widget in all its states, in light and in dark: everybody can use it, and it looks as it did."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.axe import DARK, LIGHT, violations
from tests.browser.corner import WALKS, Corner, Walk
from tests.browser.furniture import Furniture, plainly
from tests.browser.house import House
from tests.browser.pictures import looks_otherwise
from tests.browser.rooms import Rooms, furnished_rooms, settle, turn
from tests.conftest import Servers


def empty(house: House, people: dict[str, str]) -> Furniture:
    """Bring nobody but the staff."""
    there = Furniture(house, plainly, people["ana"], people["ben"], people["ada"])
    there.at("10:30")
    return there


@pytest.fixture(scope="module")
def rooms(servers: Servers, browser: Browser) -> Iterator[Rooms]:
    with furnished_rooms(servers, browser, empty) as rooms:
        yield rooms


@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.name)
def test_everybody_can_use_it_and_it_looks_as_it_did(rooms: Rooms, walk: Walk) -> None:
    corner = Corner(rooms.house, rooms.furniture, walk, rooms.page("nobody", walk.language))
    found: list[str] = []
    for station in walk.stations:
        corner.go_to(station)
        settle(corner.page)
        place = corner.page if station.is_outside else corner.frame
        found += [f"{station.name}: {each}" for each in violations(place, LIGHT)]
        turn(corner.page, "dark")
        found += [f"{station.name}, dark: {each}" for each in violations(place, DARK)]
        if walk.name == "widget":
            found += looks_otherwise(corner.page, f"{walk.name}-{station.name}-dark")
        turn(corner.page, "light")
        found += looks_otherwise(corner.page, f"{walk.name}-{station.name}")
    assert found == []
    assert rooms.house.problems == []
