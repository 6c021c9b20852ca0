"""The chain's card as a PNG: messengers show it beside a link, and take no SVG."""

import io
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from stores.fonts import FontMissing, poster_font

WIDTH, HEIGHT = 800, 503
FINER = 2  # drawn larger and scaled down, for smooth edges
PALE = 0.62  # luminance from which ink reads better than white
DISC = (246, 198, 91)

Colour = tuple[int, int, int]


@lru_cache(maxsize=256)
def card_picture(chain_name: str, program_name: str, colour: str, pattern: str, font_path: str = "") -> bytes:
    """Face and name as on the customer's page, without a number; without the name where no font can write it."""
    base: Colour = (int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16))
    image = Image.new("RGB", (WIDTH * FINER, HEIGHT * FINER), base)
    draw = ImageDraw.Draw(image)
    {"peaks": _peaks, "rings": _rings}.get(pattern, _waves)(draw, base)
    image = image.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(image)
    ink = (31, 27, 22) if _luminance(base) > PALE else (255, 255, 255)
    if font := _font_file(font_path):
        draw.text((50, 46), chain_name, ink, ImageFont.truetype(font, 56), stroke_width=1, stroke_fill=ink)
        draw.text((52, 122), program_name, ink, ImageFont.truetype(font, 30))
    file = io.BytesIO()
    image.quantize(128).save(file, "PNG", optimize=True)
    return file.getvalue()


def _font_file(configured: str) -> str | None:
    """The file of the font that posters are set in."""
    try:
        return poster_font(configured or None).removeprefix("poster:")
    except FontMissing:
        return None


def _luminance(colour: Colour) -> float:
    red, green, blue = (part / 255 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _mixed(colour: Colour, other: int, share: float) -> Colour:
    """The colour with a share of white (255) or black (0) in it."""
    red, green, blue = (round(part + (other - part) * share) for part in colour)
    return red, green, blue


def _scaled(*points: tuple[float, float]) -> list[tuple[float, float]]:
    """Points of the 340 x 214 face, on this canvas."""
    step = WIDTH * FINER / 340
    return [(x * step, y * step) for x, y in points]


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: Colour) -> None:
    draw.ellipse(_scaled((x - radius, y - radius), (x + radius, y + radius)), fill=fill)


def _peaks(draw: ImageDraw.ImageDraw, base: Colour) -> None:
    _disc(draw, 272, 94, 27, DISC)
    ridge = [(-10, 150), (42, 112), (72, 132), (116, 92), (156, 126), (182, 110), (234, 152), (274, 122), (350, 156)]
    draw.polygon(_scaled(*ridge, (350, 230), (-10, 230)), fill=_mixed(base, 255, 0.1))
    draw.polygon(_scaled((96, 214), (206, 92), (330, 214)), fill=_mixed(base, 0, 0.16))
    snow = [(158, 144), (206, 92), (258, 144), (245, 138), (233, 148), (219, 135), (206, 147), (193, 134), (179, 148)]
    draw.polygon(_scaled(*snow), fill=(250, 246, 242))
    draw.polygon(
        _scaled((-10, 190), (70, 172), (170, 186), (350, 168), (350, 230), (-10, 230)), fill=_mixed(base, 0, 0.24)
    )


def _rings(draw: ImageDraw.ImageDraw, base: Colour) -> None:
    other = 0 if _luminance(base) > PALE else 255
    step = WIDTH * FINER / 340
    for number, radius in enumerate((210, 176, 142, 108, 74, 40)):
        box = _scaled((292 - radius, 176 - radius), (292 + radius, 176 + radius))
        draw.ellipse(box, outline=_mixed(base, other, 0.08 + number * 0.05), width=round(14 * step))


def _waves(draw: ImageDraw.ImageDraw, base: Colour) -> None:
    other = 0 if _luminance(base) > PALE else 255
    line = _mixed(base, other, 0.22)
    for row in range(8):
        for column in range(-1, 9):
            x, y = column * 48 + (row % 2) * 24, 140 + row * 12
            for radius in (23, 16, 9):
                box = _scaled((x - radius, y - radius), (x + radius, y + radius))
                draw.ellipse(box, fill=_mixed(base, 0, 0.06), outline=line, width=3)
