"""Whatever a screen says, it says in each of its languages."""

import re
from io import BytesIO

import pytest
from babel.messages import Catalog
from babel.messages.frontend import CommandLineInterface
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from tests.node import run_module
from tests.servers import ROOT
from web.languages import LANGUAGES, TRANSLATIONS

KEYWORDS = ("-k", "gettext", "-k", "ngettext:1,2")
OTHERS = sorted(set(LANGUAGES) - {"en"})


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Every sentence of the screens, in English."""
    path = tmp_path_factory.mktemp("translations") / "messages.pot"
    command = ["pybabel", "--quiet", "extract", "-F", str(ROOT / "babel.cfg"), *KEYWORDS, "-o", str(path), str(ROOT)]
    CommandLineInterface().run(command)  # type: ignore[no-untyped-call]
    with path.open("rb") as file:
        return read_po(file)


def catalogue(code: str) -> Catalog:
    with (TRANSLATIONS / code / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, code)


@pytest.mark.parametrize("code", OTHERS)
def test_every_sentence_is_translated_and_nothing_else(said: Catalog, code: str) -> None:
    translated = catalogue(code)
    assert {message.id for message in translated} == {message.id for message in said}, "make translations"
    for message in translated:
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(forms) or not message.id, f"{message.id} has no translation"
        assert not message.fuzzy, message.id


def test_what_the_server_says_is_collected_where_it_stands(said: Catalog) -> None:
    collected = {message.id for message in said}
    functions = ROOT / "sql/functions"
    for line in (functions / "errors.sql").read_text().splitlines():
        if line.startswith("    ('"):
            message, hint = (each.replace("''", "'") for each in re.findall(r", '((?:[^']|'')*)'", line))
            assert {message, hint} <= collected, line
    for path in functions.glob("*.sql"):
        for call in re.findall(r"perform private\.audit\([^;]*;", path.read_text()):
            actions = set(re.findall(r"'(\w+\.\w+)'", call))
            assert actions, call
            assert actions <= collected, call
    assert "The database is not available." in collected
    # What is wrong with a field: said by a function of fields, and in the hint of a refusal.
    assert {"is a colour such as #b3361b.", "is 1 to 5."} <= collected


def test_a_refusal_is_said_in_the_language_of_the_page_as_far_as_that_has_it() -> None:
    known = {message.id: message.string for message in catalogue("ar") if isinstance(message.id, str)}
    given = {"message": "You may not do that.", "hint": "Ask an admin."}
    special = {"message": "An argument is missing or out of range.", "hint": "name: at most 200 characters."}
    shown = run_module(
        "const sentences = { textContent: JSON.stringify(given.known) };"
        "globalThis.document = { documentElement: { lang: 'ar' }, getElementById: () => sentences };"
        "const { problemText } = await import(given.module);"
        "console.log(JSON.stringify(given.problems.map(problemText)));",
        known=known,
        module=(ROOT / "web/static/js/core/problem.js").as_uri(),
        problems=[given, special, {**given, "hint": None}],
    )
    assert shown == [
        f"{known[given['message']]} {known[given['hint']]}",
        f"{known[special['message']]} {special['hint']}",
        known[given["message"]],
    ]


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_names_the_values_of_its_sentence(code: str) -> None:
    for message in catalogue(code):
        known = names(message.id if isinstance(message.id, str) else message.id[-1])
        forms = message.string if isinstance(message.string, tuple) else (message.string,)
        for form in forms:
            # "one message" may do without its number.
            assert names(str(form)) in ({*known}, known - {"num"}), message.id


@pytest.mark.parametrize("code", OTHERS)
def test_scripts_and_templates_choose_the_same_form_for_a_number(code: str) -> None:
    numbers = [*range(130), 200, 1000, 1_000_003]
    in_scripts = run_module(
        "const rules = new Intl.PluralRules(given.code);"
        "const all = ['zero', 'one', 'two', 'few', 'many', 'other'];"
        "const known = all.filter((each) => rules.resolvedOptions().pluralCategories.includes(each));"
        "console.log(JSON.stringify(given.numbers.map((number) => known.indexOf(rules.select(number)))));",
        code=code,
        numbers=numbers,
    )
    known = catalogue(code)
    counting = Catalog(known.locale)
    counting.mime_headers = known.mime_headers  # which have the rule
    counting.add(("form", "forms"), tuple(str(place) for place in range(known.num_plurals)))
    compiled = BytesIO()
    write_mo(compiled, counting)
    compiled.seek(0)
    translations = Translations(compiled)
    in_templates = [int(translations.ungettext("form", "forms", number)) for number in numbers]
    assert in_templates == in_scripts
    assert set(in_scripts) == set(range(known.num_plurals))


def names(sentence: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)", sentence))
