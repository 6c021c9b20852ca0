"""Text on pictures that Pillow draws: Chinese and Latin letters, fitted into the room there is."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from stores.fonts import FontMissing, poster_font, printable

Colour = tuple[int, int, int]
INK: Colour = (31, 27, 22)
MUTED: Colour = (111, 103, 92)
LINE: Colour = (231, 226, 218)
PAPER: Colour = (250, 248, 245)
WHITE: Colour = (255, 255, 255)
PALE = 0.62  # luminance from which ink reads better than white
READABLE = 4.5  # contrast of text
SMALLEST = 0.6  # of the size that was asked for
LEADING = 1.32
SHORTEST_LAST = 3  # letters of a last line
NOT_FIRST = "，。！？；：、）》”’…,.!?;:)"  # never at the beginning of a line
FINEST_COLOURS = 192


@dataclass(frozen=True)
class Sheet:
    """A picture to be written on. Without a font nothing is written: the shapes and codes stand alone."""

    image: Image.Image
    font: str  # as stores/fonts.py calls it; empty where there is none

    @property
    def draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)

    def write(
        self,
        text: str,
        at: tuple[float, float],
        *,
        size: int,
        colour: Colour,
        room: float,
        most_lines: int = 1,
        bold: bool = False,
        centred: bool = False,
    ) -> float:
        """Write below the point ``at``, smaller or cut short where the room is little; the height of what stands."""
        if not self.font or not text:
            return 0
        size, lines = fitted(self.font, text, size, room, most_lines)
        font, stroke = _font(self.font, size), (max(1, size // 36) if bold else 0)
        for number, line in enumerate(lines):
            x = at[0] - font.getlength(line) / 2 if centred else at[0]
            y = at[1] + number * size * LEADING
            self.draw.text((x, y), line, colour, font, stroke_width=stroke, stroke_fill=colour)
        return len(lines) * size * LEADING

    def height_of(self, text: str, *, size: int, room: float, most_lines: int = 1) -> float:
        """What ``write`` would take."""
        if not self.font or not text:
            return 0
        size, lines = fitted(self.font, text, size, room, most_lines)
        return len(lines) * size * LEADING

    def png(self) -> bytes:
        """As a file with few colours, which messengers load at once."""
        file = io.BytesIO()
        self.image.quantize(FINEST_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        return file.getvalue()


def sheet_of(image: Image.Image, font_path: str) -> Sheet:
    """``font_path`` is what the operator chose; else a well-known font is taken."""
    try:
        return Sheet(image, poster_font(font_path or None))
    except FontMissing:
        return Sheet(image, "")


def fitted(font: str, text: str, size: int, room: float, most_lines: int = 1) -> tuple[int, list[str]]:
    """The largest size, down to 60 %, at which the text fits and leaves no letter alone; then it is cut short."""
    text = printable(font, " ".join(text.split()))
    smallest = int(size * SMALLEST)
    while True:
        lines = list(_wrapped(font, text, size, room))
        is_orphaned = len(lines) > 1 and len(lines[-1]) < SHORTEST_LAST
        if len(lines) <= most_lines and (not is_orphaned or size <= smallest):
            return size, lines
        if size <= smallest:
            return size, [*lines[: most_lines - 1], _cut(font, "".join(lines[most_lines - 1 :]), size, room)]
        size = max(int(size * 0.94), smallest)


def _wrapped(font: str, text: str, size: int, room: float) -> Iterable[str]:
    """Lines no wider than ``room``. Chinese breaks anywhere, Latin between words."""
    width = _font(font, size).getlength
    line = ""
    for piece in re.findall(r"[!-~]+|\s+|.", text):
        for part in [piece] if width(piece) <= room else piece:
            if line and part not in NOT_FIRST and width((line + part).rstrip()) > room:
                yield line.strip()
                line = ""
            line += part
    if line.strip():
        yield line.strip()


def _cut(font: str, text: str, size: int, room: float) -> str:
    width = _font(font, size).getlength
    while text and width(f"{text}…") > room:
        text = text[:-1]
    return f"{text.rstrip()}…"


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(name.removeprefix("poster:"), size)


def rgb(colour: str) -> Colour:
    """``#RRGGBB`` as three numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mixed(colour: Colour, other: int, share: float) -> Colour:
    """The colour with a share of white (255) or black (0) in it."""
    red, green, blue = (round(part + (other - part) * share) for part in colour)
    return red, green, blue


def luminance(colour: Colour) -> float:
    """How light a colour looks on a screen, 0 to 1."""
    red, green, blue = (part / 255 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ink_on(colour: Colour) -> Colour:
    """Ink or white, whichever reads better on it."""
    return INK if luminance(colour) > PALE else WHITE


def readable(colour: Colour) -> Colour:
    """The colour, darker until text in it can be read on paper."""
    while _contrast_on_paper(colour) < READABLE:
        colour = mixed(colour, 0, 0.08)
    return colour


def _contrast_on_paper(colour: Colour) -> float:
    def linear(part: int) -> float:
        return part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4

    def light(of: Colour) -> float:
        return 0.2126 * linear(of[0]) + 0.7152 * linear(of[1]) + 0.0722 * linear(of[2]) + 0.05

    return light(PAPER) / light(colour)
