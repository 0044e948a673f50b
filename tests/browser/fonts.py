"""The fonts of the browser in which we test: out of packages that are pinned, whatever the machine has besides.

Baton's pages bring Hanken Grotesk along. All else is DejaVu: `sans-serif`, `system-ui`, Arabic.
"""

from pathlib import Path

from tests.servers import ROOT

DEJAVU = ROOT / "node_modules/dejavu-fonts-ttf/ttf"
FONTS = ("Sans", "Sans-Bold", "SansMono", "Serif", "Serif-Italic")
FAMILIES = {
    "sans": "DejaVu Sans",
    "sans-serif": "DejaVu Sans",
    "Noto Sans Arabic": "DejaVu Sans",  # else Arabic that is bold is the regular one, smeared
    "serif": "DejaVu Serif",
    "Times New Roman": "DejaVu Serif",
    "monospace": "DejaVu Sans Mono",
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
        (fonts / f"DejaVu{font}.ttf").symlink_to(DEJAVU / f"DejaVu{font}.ttf")
    families = "\n".join(
        f'<alias binding="same"><family>{name}</family><prefer><family>{given}</family></prefer></alias>'
        for name, given in FAMILIES.items()
    )
    path = folder / "fonts.conf"
    path.write_text(
        '<?xml version="1.0"?>\n<!DOCTYPE fontconfig SYSTEM "fonts.dtd">\n<fontconfig>\n'
        f"<dir>{fonts}</dir>\n<cachedir>{folder / 'cache'}</cachedir>\n{families}\n{DRAWING}\n</fontconfig>\n"
    )
    return path
