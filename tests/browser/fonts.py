"""The fonts of the browser in which we test: out of packages that are pinned, whatever the machine has besides.

A page may ask for `sans-serif`, or for `system-ui`, which is whatever fontconfig likes best: here it knows these alone.
"""

from importlib.resources import files
from pathlib import Path

from tests.servers import ROOT

HANKEN = Path(str(files("font_hanken_grotesk"))) / "files"
DEJAVU = ROOT / "node_modules/dejavu-fonts-ttf/ttf"
FONTS = (
    *(HANKEN / f"HankenGrotesk-{style}.otf" for style in ("Regular", "Italic", "Medium", "SemiBold", "Bold")),
    *(DEJAVU / f"DejaVu{style}.ttf" for style in ("Sans", "Sans-Bold", "SansMono", "Serif", "Serif-Italic")),
)
# Arabic and signs that the first has not come from the second.
FAMILIES = {
    "sans": ("Hanken Grotesk", "DejaVu Sans"),
    "sans-serif": ("Hanken Grotesk", "DejaVu Sans"),
    "serif": ("DejaVu Serif",),
    "Times New Roman": ("DejaVu Serif",),
    "monospace": ("DejaVu Sans Mono",),
}
# Letters are drawn as they were designed, in greys: hints and subpixels depend on the screen.
DRAWING = """<match target="font">
<edit name="antialias" mode="assign"><bool>true</bool></edit>
<edit name="hinting" mode="assign"><bool>false</bool></edit>
<edit name="rgba" mode="assign"><const>none</const></edit>
</match>"""


def write_configuration(folder: Path) -> Path:
    """Write what fontconfig is to know (FONTCONFIG_FILE in a process's environment); return where it is."""
    fonts = folder / "fonts"
    fonts.mkdir(parents=True)
    for font in FONTS:
        (fonts / font.name).symlink_to(font)
    families = "\n".join(
        f'<alias binding="same"><family>{name}</family><prefer>'
        + "".join(f"<family>{each}</family>" for each in given)
        + "</prefer></alias>"
        for name, given in FAMILIES.items()
    )
    path = folder / "fonts.conf"
    path.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig>\n'
        f"<dir>{fonts}</dir>\n<cachedir>{folder / 'cache'}</cachedir>\n{families}\n{DRAWING}\n</fontconfig>\n"
    )
    return path
