"""What of the widget needs no browser: its weight, its colours, and that scripts are sent as they were written."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import rjsmin

from tests.node import node, run_module
from tests.servers import ROOT, Baton
from web.assets import STATIC

COLOURS = [
    f"#{red}{green}{blue}" for red in ("00", "77", "ff") for green in ("00", "88", "ff") for blue in ("00", "ff")
]


def loaded(baton: Baton, path: str) -> tuple[int, str]:
    """Return how many bytes come over the wire for something, with its headers, and what it is."""
    with baton.client.stream("GET", path, headers={"Accept-Encoding": "br"}) as answer:
        answer.read()
        assert answer.status_code == 200, path
        headers = sum(len(name) + len(value) + len(": \r\n") for name, value in answer.headers.raw)
        return len("HTTP/1.1 200 OK\r\n\r\n") + headers + answer.num_bytes_downloaded, answer.text


@pytest.mark.one_postgres
def test_the_widget_is_light(baton: Baton) -> None:
    launcher, _ = loaded(baton, "/widget.js")
    assert launcher < 10_000
    frame, page = loaded(baton, "/widget")
    files = re.findall(r'(?:href|src)="(/static/[^"]+\.(?:js|css|svg))"', page)
    begun = {path: loaded(baton, path) for path in files}
    (main,) = (path for path in files if path.endswith("/main.all.js"))
    later = re.findall(r'import\("\./([^"]+)"\)', begun[main][1])
    more = {path: loaded(baton, f"{main.rpartition('/')[0]}/{path}") for path in later}
    assert list(more) == ["chat.all.js"]
    weights = {path: weight for path, (weight, _) in (begun | more).items()}
    assert len(weights) < 10
    assert frame + sum(weight for weight, _ in begun.values()) < 30_000, weights
    assert launcher + frame + sum(weights.values()) < 60_000, weights


def test_any_colour_of_an_admins_is_made_one_that_can_be_read() -> None:
    made: dict[str, dict[str, Any]] = run_module(
        """
        const { brandColours, contrast } = await import(given.module);
        const made = given.colours.map((colour) => {
          const { brand, onBrand, strong, onLight, onDark } = brandColours(colour);
          const pairs = [[brand, onBrand], [strong, onBrand], [onLight, "#fffdf8"], [onDark, "#1b1f23"]];
          return [colour, { brand, contrasts: pairs.map(([one, other]) => contrast(one, other)) }];
        });
        console.log(JSON.stringify(Object.fromEntries(made)));
        """,
        module=(STATIC / "js/widget/colour.js").as_uri(),
        colours=[*COLOURS, "#b3361b", "#f2c14e", "not a colour"],
    )
    for colour, each in made.items():
        assert min(each["contrasts"]) >= 4.5, colour
    assert {made[colour]["brand"] for colour in ("#b3361b", "#f2c14e")} == {"#b3361b", "#f2c14e"}  # they can already


def test_minified_scripts_do_what_ours_do(tmp_path: Path) -> None:
    scripts = sorted(path.relative_to(STATIC) for path in STATIC.rglob("*.js"))
    for path in scripts:
        ours = (STATIC / path).read_text()
        for name, text in (("ours", ours), ("sent", rjsmin.jsmin(ours))):
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
    compiler = ROOT / "node_modules/typescript/bin/tsc"
    options = [
        "--ignoreConfig",
        "--allowJs",
        "--noCheck",
        "--removeComments",
        "--target",
        "ES2023",
        "--module",
        "ES2022",
    ]
    for name in ("ours", "sent"):
        inputs = [str(tmp_path / name / path) for path in scripts]
        out = tmp_path / f"{name}-made"
        subprocess.run([node(), compiler, *options, "--outDir", out, *inputs], check=False, capture_output=True)
    for path in scripts:
        ours, sent = ((tmp_path / name / path).read_text() for name in ("ours-made", "sent-made"))
        assert re.sub(r"\s", "", ours) == re.sub(r"\s", "", sent), path
        texts = re.compile(r"`(?:[^`\\]|\\.)*`|\"(?:[^\"\\\n]|\\.)*\"")
        assert texts.findall(ours) == texts.findall(sent), path
