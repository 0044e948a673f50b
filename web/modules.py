"""Scripts as pages load them: a module and all that it imports in one file.

The modules of web/static/js are small, and a page needs up to fifty of them: as many requests, each with its headers,
and each compressed for itself. So beside every module that no other one imports, main.js, lies main.all.js: that module
with those that it needs, each of them in a function of its own that returns what it exports, once a page. A module that
is imported later, by `import("…")`, has such a file too, without what is there already where it is asked for.

This understands how modules are written here, and nothing else: imports and exports begin a line, imports name what
they take, exports are functions, classes and constants; the files import each other without circles; and only a module
that exports nothing awaits anything by itself.
"""

import posixpath
import re
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import rjsmin

_IMPORT = re.compile(r'^import\s+(?:\{([^}]*)\}\s+from\s+)?"(\.[^"]+)";$', re.M)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b[ *]+(\w+))", re.M)
_LEFT = re.compile(r"^(?:import|export)\b.*$", re.M)
_LATER = re.compile(r'\bimport\("(\.[^"]+)"\)')  # where there are no comments any more
_ALL = '(globalThis[Symbol.for("baton")]??={})'


class ModuleError(Exception):
    """A module is written in a way that is not understood here."""


class Module:
    """One module: `path` is its path in `folder`."""

    def __init__(self, folder: Path, path: str) -> None:
        self.path = path
        self._text = (folder / path).read_text()
        self.imports = [self._target(match[2]) for match in _IMPORT.finditer(self._text)]
        self.exports = [match[1] for match in _EXPORT.finditer(self._text)]
        self.later = [self._target(address) for address in _LATER.findall(rjsmin.jsmin(self._text))]

    def code(self, at: str) -> str:
        """Return its script without exports, for a file at the path `at`; what it imports is in `$all`."""
        text = _EXPORT.sub("", _IMPORT.sub(self._taken, self._text))
        if left := _LEFT.search(text):
            raise ModuleError(f"{self.path}: {left[0]}")
        return _LATER.sub(lambda match: self._later(match, at), rjsmin.jsmin(text))

    def _taken(self, match: re.Match[str]) -> str:
        names = (match[1] or "").replace(" as ", ": ")
        return f'const {{{names}}} = $all["{self._target(match[2])}"];' if names else ""

    def _later(self, match: re.Match[str], at: str) -> str:
        address = posixpath.relpath(joined(self._target(match[1])), posixpath.dirname(at))
        return f'import("{address if address.startswith(".") else f"./{address}"}")'

    def _target(self, address: str) -> str:
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.path), address))


class Modules:
    """All modules in a folder."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(path.relative_to(folder).as_posix() for path in folder.glob("js/**/*.js"))
        self._modules = {path: Module(folder, path) for path in paths}

    @cached_property
    def entries(self) -> list[str]:
        """The modules that no other one imports, but for those that import them later."""
        imported = {path for module in self._modules.values() for path in module.imports}
        return [path for path in self._modules if path not in imported]

    def needed(self, path: str, above: tuple[str, ...] = ()) -> list[str]:
        """Return the modules that one needs, and itself, each after those that it imports."""
        if path in above:
            raise ModuleError(f"a circle: {' '.join((*above, path))}")
        found: dict[str, None] = {}
        for each in self._modules[path].imports:
            found |= dict.fromkeys(self.needed(each, (*above, path)))
        return [*found, path]

    def join(self, path: str) -> str:
        """Return the script that is a module and all that it needs, but what is there already where it is imported."""
        there = [set(self.needed(each.path)) for each in self._modules.values() if path in each.later]
        known: Iterable[str] = set.intersection(*there) if there else ()
        entry, at = self._modules[path], joined(path)
        parts = [f"const $all={_ALL};"]
        for each in self.needed(path):
            if each not in known and (each != path or entry.exports):
                module = self._modules[each]
                parts.append(f'$all["{each}"]??=(()=>{{{module.code(at)}\nreturn{{{",".join(module.exports)}}}}})();')
        if entry.exports:
            parts.append(f'export const {{{",".join(entry.exports)}}}=$all["{path}"];')
        else:
            parts.append(entry.code(at))
        return "\n".join(parts)


def joined(path: str) -> str:
    """Return where the script is that has a module and all that it needs."""
    return f"{path.removesuffix('.js')}.all.js"
