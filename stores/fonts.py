"""The font that posters are set in: it must have Chinese and Latin letters.

PDF posters embed it, so it must have TrueType outlines; a font with PostScript
outlines (most Noto CJK packages) is passed over.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from core.errors import Invalid
from core.text import Text

WELL_KNOWN = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/wqy-microhei/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/wqy-zenhei/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/noto/NotoSansSC-Regular.ttf",
    "/usr/share/fonts/truetype/arphic/uming.ttc",
    "/System/Library/Fonts/STHeiti Medium.ttc",
    "/Library/Fonts/Arial Unicode.ttf",
    "C:/Windows/Fonts/msyh.ttc",
    "C:/Windows/Fonts/simhei.ttf",
)
SAMPLE = "扫码领会员卡 Aa0"


class FontMissing(Invalid):
    """No font with Chinese letters and TrueType outlines was found."""

    code = "font_missing"
    sentence = Text(
        "没有找到可用的中文字体。请安装 fonts-wqy-microhei，或用 POSTER_FONT 指定一个 TrueType 字体文件。",
        "No Chinese font was found. Install fonts-wqy-microhei, or name a TrueType font file in POSTER_FONT.",
    )


def poster_font(configured: str | None = None) -> str:
    """The name under which reportlab knows the font; found and loaded once per process.

    ``configured`` is the path the operator chose; without it well-known places are tried.
    """
    return _first_usable((configured,) if configured else WELL_KNOWN)


def printable(font: str, text: str) -> str:
    """Without pictographs and invisible signs that the font would print as empty boxes."""
    known = pdfmetrics.getFont(font).face.charToGlyph
    return "".join(
        letter
        for letter in text
        if ord(letter) in known or unicodedata.category(letter) not in ("So", "Sk", "Mn", "Cf")
    )


@lru_cache(maxsize=8)
def _first_usable(paths: Iterable[str]) -> str:
    for path in paths:
        if Path(path).is_file() and (font := _loaded(path)):
            pdfmetrics.registerFont(font)
            return str(font.fontName)
    raise FontMissing


def _loaded(path: str) -> TTFont | None:
    """The font, or None where reportlab cannot embed it or it lacks Chinese letters."""
    try:
        font = TTFont(f"poster:{path}", path, subfontIndex=0)
    except TTFError:
        return None
    known = font.face.charToGlyph
    return font if all(ord(letter) in known for letter in SAMPLE) else None
