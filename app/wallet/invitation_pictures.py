"""An invitation as a picture: a poster for the phone's album with a code to scan, and a preview for chat apps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from PIL import Image, ImageDraw

from app.wallet.drawing import INK, LINE, MUTED, PAPER, WHITE, Colour, Sheet, readable, rgb, sheet_of
from app.wallet.pictures import face, named_face
from stores.pictures import QUIET_MODULES, matrix

POSTER = (1080, 1760)
MARGIN = 72
CODE = 440  # the least side of the white square with the code
PREVIEW = (1200, 630)
SQUARE = 590  # of the preview: what a square crop keeps, with a little air


@dataclass(frozen=True)
class Words:
    """What an invitation says, in one language."""

    chain_name: str
    program_name: str
    colour: str  # of the card, #RRGGBB
    pattern: str
    title: str  # who invites to what
    gifts: tuple[str, ...]  # what the friend gets, the best first
    call: str  # what to do with the code
    how: str  # that it is easy
    url: str = ""  # in the code; a preview needs none


@lru_cache(maxsize=64)
def poster_picture(words: Words, font_path: str = "", before: Callable[[], None] | None = None) -> bytes:
    """A PNG of 1080 x 1760 with the code of the link. ``before`` is called where it has to be drawn, and may refuse."""
    if before is not None:
        before()
    sheet = sheet_of(Image.new("RGB", POSTER, PAPER), font_path)
    _paste_card(sheet, words, font_path)
    room, accent = POSTER[0] - 2 * MARGIN, readable(rgb(words.colour))
    y = 706 + sheet.write(words.title, (MARGIN, 706), size=60, colour=INK, room=room, most_lines=2, bold=True)
    y += 26
    end = _paste_code(sheet, words, accent)
    for gift in words.gifts:
        height = sheet.height_of(gift, size=38, room=room - 34, most_lines=3)
        if y + height > end:
            break
        sheet.write(gift, (MARGIN + 34, y), size=38, colour=INK, room=room - 34, most_lines=3)
        sheet.draw.rounded_rectangle((MARGIN, y + 6, MARGIN + 8, y + height - 4), 4, fill=accent)
        y += height + 16
    return sheet.png()


@lru_cache(maxsize=256)
def preview_picture(words: Words, font_path: str = "", before: Callable[[], None] | None = None) -> bytes:
    """A PNG of 1200 x 630. Chat apps that crop to a square keep all that is said. ``before`` as of the poster."""
    if before is not None:
        before()
    art = face(words.colour, words.pattern, PREVIEW[0])
    sheet = sheet_of(art.crop((0, art.height - PREVIEW[1], *art.size)), font_path)
    left, top = (PREVIEW[0] - SQUARE) / 2, 55
    panel = (left, top, PREVIEW[0] - left, PREVIEW[1] - top)
    _round(sheet.image, panel, 28, PAPER)
    lines = [
        _Line(words.chain_name, 36, MUTED),
        _Line(words.title, 62, INK, most_lines=3, bold=True),
        *(_Line(gift, 48, readable(rgb(words.colour)), most_lines=2, bold=True) for gift in words.gifts[:1]),
        _Line(words.how, 30, MUTED),
    ]
    _write_in_the_middle(sheet, lines, room=SQUARE - 80)
    return sheet.png()


class _Line(NamedTuple):
    text: str
    size: int
    colour: Colour
    most_lines: int = 1
    bold: bool = False


def _write_in_the_middle(sheet: Sheet, lines: Sequence[_Line], *, room: float) -> None:
    """Lines one below the other, each in the middle and all of them together."""
    gap = 20
    heights = [sheet.height_of(line.text, size=line.size, room=room, most_lines=line.most_lines) for line in lines]
    middle, y = sheet.image.width / 2, (sheet.image.height - sum(heights) - gap * (len(lines) - 1)) / 2
    for line, height in zip(lines, heights, strict=True):
        text, size, colour, most_lines, bold = line
        at = (middle, y)
        sheet.write(text, at, size=size, colour=colour, room=room, most_lines=most_lines, bold=bold, centred=True)
        y += height + gap


def _paste_card(sheet: Sheet, words: Words, font_path: str) -> None:
    width = POSTER[0] - 2 * MARGIN
    card = named_face(width, words.chain_name, words.program_name, words.colour, words.pattern, font_path).image
    sheet.image.paste(card, (MARGIN, MARGIN), _rounded(card.size, 52))


def _paste_code(sheet: Sheet, words: Words, accent: Colour) -> float:
    """The code on white at the foot, and beside it what to do with it; where it begins."""
    code = _code(words.url)
    top = POSTER[1] - MARGIN - code.height
    sheet.draw.line((MARGIN, top - 36, POSTER[0] - MARGIN, top - 36), fill=LINE, width=2)
    _round(sheet.image, (MARGIN, top, MARGIN + code.width, top + code.height), 24, WHITE)
    sheet.image.paste(code, (MARGIN, top))
    x = MARGIN + code.width + 48
    room, y = POSTER[0] - MARGIN - x, top + code.height / 2 - 110
    y += sheet.write(words.call, (x, y), size=46, colour=accent, room=room, most_lines=2, bold=True) + 18
    y += sheet.write(words.how, (x, y), size=30, colour=INK, room=room, most_lines=2) + 18
    sheet.write(words.chain_name, (x, y), size=28, colour=MUTED, room=room)
    return top - 60


def _code(url: str) -> Image.Image:
    """Black and white, every module of whole pixels, with the quiet zone that the standard asks for."""
    rows = matrix(url)
    side = len(rows) + 2 * QUIET_MODULES
    scale = -(-CODE // side)
    image = Image.new("RGB", (side * scale, side * scale), WHITE)
    draw = ImageDraw.Draw(image)
    for row, modules in enumerate(rows):
        for column, is_dark in enumerate(modules):
            if is_dark:
                x, y = (column + QUIET_MODULES) * scale, (row + QUIET_MODULES) * scale
                draw.rectangle((x, y, x + scale - 1, y + scale - 1), fill=(0, 0, 0))
    return image


def _round(image: Image.Image, box: tuple[float, float, float, float], radius: int, colour: Colour) -> None:
    """A filled shape with round corners, smooth at its edge."""
    left, top, right, bottom = map(round, box)
    size = (right - left, bottom - top)
    image.paste(Image.new("RGB", size, colour), (left, top), _rounded(size, radius))


def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    finer = 3
    mask = Image.new("L", (size[0] * finer, size[1] * finer), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] * finer - 1, size[1] * finer - 1), radius * finer, fill=255)
    return mask.resize(size, Image.Resampling.LANCZOS)
