"""Modules in one file do what they do each in a file of its own; what is not understood is refused."""

import subprocess
from pathlib import Path

import pytest

from tests.node import node
from web.modules import ModuleError, Modules

MODULES = {
    "js/page/main.js": """
import { count, name as title } from "../parts/counter.js";
import "../parts/second.js";

const ready = await Promise.resolve("ready");
const { last } = await import("../parts/last.js");
const { more } = await import("../parts/more.js");
console.log(ready, title, count(), last(), more());
""",
    "js/parts/counter.js": """
/** Not `import("./nothing.js")`: this is a comment. */
let counted = 0;
const secret = "of the counter";
export const name = `a "name"; export const x`;
export function count() {
  return (counted += secret.length);
}
""",
    "js/parts/second.js": """
import { count } from "./counter.js";

const secret = count();
export async function second() {
  return secret;
}
console.log("second", secret);
""",
    "js/parts/last.js": """
import {
  count,
} from "./counter.js";
import { Other } from "./other.js";

export function last() {
  return [count(), new Other().name].join(" ");
}
""",
    "js/parts/more.js": """
import { Other } from "./other.js";

export const more = () => new Other().name;
""",
    "js/parts/other.js": """
let made = 0;
export class Other {
  name = `other ${(made += 1)}`;
}
""",
}


def write(folder: Path, modules: dict[str, str]) -> Modules:
    for path, text in modules.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.lstrip())
    (folder / "package.json").write_text('{"type": "module"}')
    return Modules(folder)


def said(script: Path) -> str:
    return subprocess.run([node(), script], check=True, capture_output=True, text=True).stdout


def test_joined_modules_do_the_same(tmp_path: Path) -> None:
    modules = write(tmp_path, MODULES)
    assert modules.entries == ["js/page/main.js", "js/parts/last.js", "js/parts/more.js"]
    for entry in modules.entries:
        (tmp_path / entry.replace(".js", ".all.js")).write_text(modules.join(entry))
    alone = said(tmp_path / "js/page/main.js")
    assert said(tmp_path / "js/page/main.all.js") == alone
    assert alone.endswith(" 42 other 1 other 2\n")  # one counter of each, also for what is imported later
    assert 'counter.js"]??=' not in modules.join("js/parts/last.js")


@pytest.mark.parametrize(
    "text",
    [
        'import all from "./other.js";',
        'import * as all from "./other.js";',
        "export default 1;",
        "const one = 1;\nexport { one };",
        'export { Other } from "./other.js";',
    ],
)
def test_what_is_not_understood_is_refused(tmp_path: Path, text: str) -> None:
    modules = write(tmp_path, {"js/parts/other.js": MODULES["js/parts/other.js"], "js/parts/odd.js": text})
    with pytest.raises(ModuleError, match=r"js/parts/odd\.js"):
        modules.join("js/parts/odd.js")


def test_a_circle_is_refused(tmp_path: Path) -> None:
    circle = {
        "js/main.js": 'import { one } from "./one.js";',
        "js/one.js": 'import { other } from "./other.js";\nexport const one = 1;',
        "js/other.js": 'import { one } from "./one.js";\nexport const other = 2;',
    }
    with pytest.raises(ModuleError, match=r"js/one\.js js/other\.js js/one\.js"):
        write(tmp_path, circle).join("js/main.js")
