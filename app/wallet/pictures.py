"""The chain's card as a picture: messengers show it beside a link, and take no SVG."""

import math
from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageDraw

from app.wallet.drawing import PALE, Colour, Sheet, ink_on, luminance, mixed, rgb, sheet_of

WIDTH, HEIGHT = 800, 503
FINER = 2  # drawn larger and scaled down, for smooth edges
DISC = (246, 198, 91)
FACE = (340, 214)  # the units in which the patterns are drawn


@lru_cache(maxsize=256)
def card_picture(chain_name: str, program_name: str, colour: str, pattern: str, font_path: str = "") -> bytes:
    """Face and name as on the customer's page, without a number; without the name where no font can write it."""
    return named_face(WIDTH, chain_name, program_name, colour, pattern, font_path).png()


def named_face(width: int, chain_name: str, program_name: str, colour: str, pattern: str, font_path: str) -> Sheet:
    """The face in the proportions of a card, with the names of chain and card on it; a sheet to go on with."""
    sheet, unit = sheet_of(face(colour, pattern, width), font_path), width / WIDTH
    ink, room = ink_on(rgb(colour)), width - 100 * unit
    sheet.write(chain_name, (50 * unit, 44 * unit), size=round(56 * unit), colour=ink, room=room, bold=True)
    sheet.write(program_name, (52 * unit, 122 * unit), size=round(30 * unit), colour=ink, room=room)
    return sheet


def face(colour: str, pattern: str, width: int) -> Image.Image:
    """The face alone: the chain's colour and its pattern."""
    base, height = rgb(colour), round(width * FACE[1] / FACE[0])
    image = Image.new("RGB", (width * FINER, height * FINER), base)
    brush = Brush(ImageDraw.Draw(image), base, width * FINER / FACE[0])
    PATTERNS.get(pattern, _plain)(brush)
    return image.resize((width, height), Image.Resampling.LANCZOS)


class Brush:
    """Draws in the units of the face, in shades of its colour."""

    def __init__(self, draw: ImageDraw.ImageDraw, base: Colour, unit: float) -> None:
        self.draw, self.base, self.unit = draw, base, unit
        self.light = 0 if luminance(base) > PALE else 255  # what lines are mixed with

    def shade(self, other: int, share: float) -> Colour:
        return mixed(self.base, other, share)

    def shape(self, *points: tuple[float, float], fill: Colour) -> None:
        self.draw.polygon(self._scaled(*points), fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        self.draw.ellipse(self._scaled((x - radius, y - radius), (x + radius, y + radius)), fill=fill)

    def ring(self, x: float, y: float, radius: float, colour: Colour, width: float, fill: Colour | None = None) -> None:
        box = self._scaled((x - radius, y - radius), (x + radius, y + radius))
        self.draw.ellipse(box, fill=fill, outline=colour, width=max(1, round(width * self.unit)))

    def line(self, start: tuple[float, float], end: tuple[float, float], colour: Colour, width: float) -> None:
        self.draw.line(self._scaled(start, end), fill=colour, width=max(1, round(width * self.unit)))

    def _scaled(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x * self.unit, y * self.unit) for x, y in points]


def _plain(_: Brush) -> None:
    """The colour says it all."""


def _peaks(brush: Brush) -> None:
    brush.disc(272, 94, 27, DISC)
    ridge = [(-10, 150), (42, 112), (72, 132), (116, 92), (156, 126), (182, 110), (234, 152), (274, 122), (350, 156)]
    brush.shape(*ridge, (350, 230), (-10, 230), fill=brush.shade(255, 0.1))
    brush.shape((96, 214), (206, 92), (330, 214), fill=brush.shade(0, 0.16))
    snow = [(158, 144), (206, 92), (258, 144), (245, 138), (233, 148), (219, 135), (206, 147), (193, 134), (179, 148)]
    brush.shape(*snow, fill=(250, 246, 242))
    hill = [(-10, 190), (70, 172), (170, 186), (350, 168), (350, 230), (-10, 230)]
    brush.shape(*hill, fill=brush.shade(0, 0.24))


def _rings(brush: Brush) -> None:
    for number, radius in enumerate((210, 176, 142, 108, 74, 40)):
        brush.ring(292, 176, radius, brush.shade(brush.light, 0.08 + number * 0.05), 14)


def _waves(brush: Brush) -> None:
    line = brush.shade(brush.light, 0.22)
    for row in range(8):
        for column in range(-1, 9):
            x, y = column * 48 + (row % 2) * 24, 140 + row * 12
            for radius in (23, 16, 9):
                brush.ring(x, y, radius, line, 1, fill=brush.shade(0, 0.06))


def _sprinkles(brush: Brush) -> None:
    colours = (brush.shade(255, 0.8), DISC, brush.shade(0, 0.22))
    for number in range(34):
        x, y = 120 + (number * 97) % 230, 14 + (number * 61) % 196
        turn = number * 2.4
        end = (x + 11 * math.cos(turn), y + 11 * math.sin(turn))
        brush.line((x, y), end, colours[number % 3], 6)
        brush.disc(x, y, 3, colours[number % 3])
        brush.disc(*end, 3, colours[number % 3])


def _weave(brush: Brush) -> None:
    for step in range(16):
        brush.line((step * 30 - 120, 224), (step * 30 + 20, -16), brush.shade(brush.light, 0.14), 10)
    brush.shape((-10, 150), (350, 150), (350, 224), (-10, 224), fill=brush.shade(0, 0.2))


PATTERNS: dict[str, Callable[[Brush], None]] = {
    "plain": _plain,
    "peaks": _peaks,
    "rings": _rings,
    "waves": _waves,
    "sprinkles": _sprinkles,
    "weave": _weave,
}
