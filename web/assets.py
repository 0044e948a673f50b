"""What browsers load: scripts, styles, fonts, under addresses that change when anything in them does.

Everything in web/static, and the fonts out of their package, is served by WhiteNoise, compressed, from
/static/<hash>/…, where <hash> stands for the state of all of it: such an address may be kept for ever, and modules,
which import each other by relative addresses, are always of one state. Under /static/ without a hash the same files
are to be had as they are now, for pages of others. The launcher, /widget.js, is in their hands too.
"""

import shutil
from importlib.resources import files
from pathlib import Path
from wsgiref.headers import Headers

import rjsmin
from flask import Flask
from markupsafe import Markup
from whitenoise import WhiteNoise
from whitenoise.compress import Compressor

from web import emoji_lists, modules
from web.build import build
from web.config import Config
from web.languages import LANGUAGES
from web.modules import Modules, joined

STATIC = Path(__file__).parent / "static"
_COMMON_SHEETS = ("tokens", "base", "parts")  # every page has them, before its own
LAUNCHER = "widget.js"
_FONTS = ("HankenGrotesk-Regular", "HankenGrotesk-Medium", "HankenGrotesk-SemiBold")
_LAUNCHER_SECONDS = 300  # how long a host page's visitors may keep an older launcher


def init_app(app: Flask, config: Config) -> None:
    """Prepare the files, serve them, and tell templates their addresses.

    `asset(path)`; `style_sheet(name)`, of css/<name>.css and what all pages have in common; `module_script(path)` for a
    module that no other one imports, with all that it imports (`is_blocking`: nothing is drawn before it has run; it
    stands in the head), and `module_preload(path)` for one imported later.
    """
    tools = [Path(__file__), Path(modules.__file__)]
    fonts = [Path(str(files("font_hanken_grotesk"))) / "files" / f"{name}.otf" for name in _FONTS]
    sources = [path for path in STATIC.rglob("*") if path.is_file()]

    def make(folder: Path) -> None:
        shutil.copytree(STATIC, folder, dirs_exist_ok=True)
        for path in folder.rglob("*.js"):
            path.write_text(rjsmin.jsmin(path.read_text()))
        ours = Modules(STATIC)
        for entry in ours.entries:
            (folder / joined(entry)).write_text(ours.join(entry))
        common = "".join((STATIC / "css" / f"{name}.css").read_text() for name in _COMMON_SHEETS)
        for sheet in list((folder / "css").glob("*.css")):
            if sheet.stem not in _COMMON_SHEETS:
                sheet.with_suffix(".all.css").write_text(common + sheet.read_text())
        emoji_lists.write_lists(folder, LANGUAGES)
        (folder / "fonts").mkdir()
        for font in fonts:
            shutil.copy(font, folder / "fonts")
        compressor = Compressor(quiet=True)
        for path in list(folder.rglob("*")):
            if path.is_file() and compressor.should_compress(path.name):
                compressor.compress(str(path))

    folder = build(config, "static", [*sources, *fonts, *emoji_lists.SOURCES, *tools], make)
    served = WhiteNoise(
        app.wsgi_app,
        folder.parent,
        "static",
        allow_all_origins=False,
        max_age=_LAUNCHER_SECONDS,
        immutable_file_test=lambda path, url: url.startswith("/static/"),
        add_headers_function=_add_headers,
    )
    if (folder / LAUNCHER).exists():
        served.add_file_to_dictionary(f"/{LAUNCHER}", str(folder / LAUNCHER))
    app.wsgi_app = served  # type: ignore[method-assign]

    def asset(path: str) -> str:
        if not (folder / path).is_file():
            raise FileNotFoundError(f"there is no static file {path}")
        return f"/static/{folder.name}/{path}"

    def style_sheet(name: str) -> Markup:
        return Markup('<link rel="stylesheet" href="{}">').format(asset(f"css/{name}.all.css"))

    def module_script(path: str, is_blocking: bool = False) -> Markup:
        blocking = Markup(' blocking="render"') if is_blocking else ""
        return Markup('<script type="module" src="{}"{}></script>').format(asset(joined(path)), blocking)

    def module_preload(path: str) -> Markup:
        return Markup('<link rel="modulepreload" href="{}">').format(asset(joined(path)))

    made = {each.__name__: each for each in (asset, style_sheet, module_script, module_preload)}
    app.jinja_env.globals.update(made)


def _add_headers(headers: Headers, path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    is_launcher = url == f"/{LAUNCHER}"
    headers["Cross-Origin-Resource-Policy"] = "cross-origin" if is_launcher else "same-origin"
