"""Codes and posters: ours against the plain way to make them. One process, codes that no cache has seen."""

import io
import time
from collections.abc import Callable
from itertools import count

import qrcode
from PIL import Image, ImageDraw, ImageFont

from benchmarks.figures import Figure, ratio
from stores.fonts import WELL_KNOWN
from stores.pictures import png
from stores.posters import Poster, poster_pdf

A4_AT_300_DPI = (2480, 3508)
MODULE_PIXELS = 20
_fresh = count()


def fresh_url() -> str:
    return f"https://card.example.com/q/{next(_fresh):013d}?lang=zh"


def code_by_qrcode() -> None:
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, box_size=MODULE_PIXELS, border=4)
    code.add_data(fresh_url())
    code.make_image().save(io.BytesIO(), format="PNG")


def code_by_us() -> None:
    png(fresh_url(), module_pixels=MODULE_PIXELS)


def poster_by_pillow(font_path: str) -> None:
    """A4 at 300 dpi, drawn anew and saved as the RGB picture that Pillow makes unless told otherwise."""
    page = Image.new("RGB", A4_AT_300_DPI, "#FFFFFF")
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 2480, 1560), fill="#C8402F")
    for text, size, top, colour in (
        ("雪山冰品", 90, 240, "#FFFFFF"),
        ("扫码领会员卡", 280, 480, "#FFFFFF"),
        ("Scan for your member card", 100, 800, "#FFFFFF"),
        ("南京西路店", 90, 3080, "#1F1B16"),
    ):
        draw.text((1240, top), text, font=ImageFont.truetype(font_path, size), fill=colour, anchor="ma")
    code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M, box_size=36, border=4)
    code.add_data(fresh_url())
    page.paste(code.make_image().get_image().convert("RGB"), (510, 1100))
    page.save(io.BytesIO(), format="PNG")


def poster_by_us() -> None:
    poster_pdf(Poster("雪山冰品", "南京西路店", "收银台", fresh_url()))


def rate(make: Callable[[], None], seconds: float) -> float:
    begin, done = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        make()
        done += 1
    return done / (time.perf_counter() - begin)


def figures(rounds: int, seconds: float) -> list[Figure]:
    font = next(path for path in WELL_KNOWN if _exists(path))
    poster_by_us()  # loads the font, once per process
    ours, theirs, our_posters, their_posters = [], [], [], []
    for _ in range(rounds):
        theirs.append(rate(code_by_qrcode, seconds / 2))
        ours.append(rate(code_by_us, seconds / 2))
        their_posters.append(rate(lambda: poster_by_pillow(font), seconds / 2))
        our_posters.append(rate(poster_by_us, seconds / 2))
    return [
        Figure("QR picture", ratio(ours, theirs), "qrcode with PIL", 8, 12),
        Figure("poster", ratio(our_posters, their_posters), "default RGB PNG by Pillow", 5, 30),
    ]


def _exists(path: str) -> bool:
    from pathlib import Path

    return Path(path).exists()
