"""The emoji of the picker and of `:` completion, with their names in the languages of the screens."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

import emoji
import orjson

_SKIN_TONES = range(0x1F3FB, 0x1F400)
_NEWEST = 15  # Unicode's Emoji version: newer ones are empty boxes on too many machines

# What people look for first, in this order: faces, gestures, hearts; flags last. Ranges of code points.
_FIRST = (
    (0x1F600, 0x1F64F),
    (0x1F910, 0x1F93E),
    (0x1F970, 0x1F97A),
    (0x1F440, 0x1F4FF),
    (0x2600, 0x27BF),
    (0x1F300, 0x1F5FF),
    (0x1F680, 0x1F6FF),
)
_FLAGS = (0x1F1E6, 0x1F1FF)

SOURCES = tuple(Path(str(files("emoji"))) / "unicode_codes" / name for name in ("emoji.json", "emoji_ar.json"))


def write_lists(folder: Path, languages: Iterable[str]) -> None:
    """Write `emoji.<language>.json` for each of them: `[[emoji, its name], …]`, what is used most first."""
    shown = [
        each
        for each, about in emoji.EMOJI_DATA.items()
        if about["status"] == emoji.STATUS["fully_qualified"]
        and about["E"] <= _NEWEST
        and not any(ord(character) in _SKIN_TONES for character in each)
    ]
    shown.sort(key=_rank)
    for language in languages:
        emoji.config.load_language(language)
        rows = [[each, _name(emoji.EMOJI_DATA[each].get(language) or emoji.EMOJI_DATA[each]["en"])] for each in shown]
        (folder / f"emoji.{language}.json").write_bytes(orjson.dumps(rows))


def _name(code: str) -> str:
    return code.strip(":").replace("_", " ").lower()


def _rank(character: str) -> tuple[int, str]:
    first = ord(character[0])
    if _FLAGS[0] <= first <= _FLAGS[1]:
        return len(_FIRST) + 1, character
    place = next((place for place, (low, high) in enumerate(_FIRST) if low <= first <= high), len(_FIRST))
    return place, character
