"""Printable posters: one page, one store code, one thing to do.

The layout is drawn once in millimetres of an A4 sheet and scaled to the other
sizes. What is the same on every page is stored once in the file.
"""

import io
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

from reportlab.lib.colors import Color, HexColor
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import FILL_NON_ZERO, Canvas

from stores.fonts import poster_font, printable
from stores.models import DEFAULT_ACCENT
from stores.pictures import matrix, runs

INK, MUTED, LINE, PAPER = (HexColor(c) for c in ("#1F1B16", "#6F675C", "#E7E2DA", "#FFFFFF"))

CALL_ZH, CALL_EN = "扫码领会员卡", "Scan for your member card"
HOW_ZH, HOW_EN = "微信或手机相机扫一扫，不用下载", "WeChat or your phone camera, nothing to install"

WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 18.0  # A4, in mm
BAND = 132.0  # height of the coloured top
CODE_SIDE, CODE_BOTTOM = 124.0, 80.0  # the white square that holds the code
POINT = 25.4 / 72


class PosterSize(StrEnum):
    """What it is printed on. A tent is A4 landscape, folded down the middle, two faces."""

    A4 = "a4"
    A5 = "a5"
    A6 = "a6"
    TENT = "tent"


@dataclass(frozen=True)
class Poster:
    """What one poster says. ``accent`` is the chain's colour as ``#RRGGBB``."""

    chain_name: str
    store_name: str
    label: str
    url: str
    accent: str = DEFAULT_ACCENT


@dataclass(frozen=True)
class _Face:
    """A4 millimetres on a canvas, with the font that everything is set in."""

    canvas: Canvas
    font: str


def poster_pdf(poster: Poster, *, size: PosterSize = PosterSize.A4, font_path: str | None = None) -> bytes:
    """One poster as a PDF file. The same poster gives the same bytes."""
    file = io.BytesIO()
    posters_pdf([poster], file, size=size, font_path=font_path)
    return file.getvalue()


def posters_pdf(
    posters: Iterable[Poster],
    file: BinaryIO,
    *,
    size: PosterSize = PosterSize.A4,
    font_path: str | None = None,
    on_page: Callable[[], object] = lambda: None,
) -> int:
    """Write one PDF with a page for each poster; return how many there were.

    The posters are taken one at a time; ``on_page`` is called after each.
    """
    face = _Face(Canvas(file, pageCompression=1, invariant=1), poster_font(font_path))
    count = 0
    for poster in posters:
        _page(face, poster, size)
        count += 1
        on_page()
    face.canvas.setTitle(f"{CALL_ZH} · {CALL_EN}")
    face.canvas.save()
    return count


def _page(face: _Face, poster: Poster, size: PosterSize) -> None:
    canvas = face.canvas
    background = _background(face, poster)
    scales = {PosterSize.A4: 1.0, PosterSize.A6: 0.5}
    scale = scales.get(size, 0.5**0.5)
    faces = 2 if size is PosterSize.TENT else 1
    width, height = WIDTH * scale * mm, HEIGHT * scale * mm
    canvas.setPageSize((width * faces, height))
    for number in range(faces):
        canvas.saveState()
        canvas.translate(width * number, 0)
        canvas.scale(scale * mm, scale * mm)
        canvas.doForm(background)
        _draw_code(face, poster.url)
        _draw_store(face, poster)
        canvas.restoreState()
    if size is PosterSize.TENT:
        _draw_fold(canvas, width, height)
    canvas.showPage()


def _background(face: _Face, poster: Poster) -> str:
    """The part that all posters of a chain share, stored once in the document."""
    canvas = face.canvas
    name = f"background-{poster.chain_name}-{poster.accent}".encode().hex()
    if canvas.hasForm(name):
        return name
    accent = HexColor(poster.accent)
    on_accent = _readable_on(accent)
    canvas.beginForm(name, 0, 0, WIDTH, HEIGHT)
    canvas.setFillColor(accent)
    canvas.rect(0, HEIGHT - BAND, WIDTH, BAND, stroke=0, fill=1)
    _centred(face, poster.chain_name, HEIGHT - 26, 22, on_accent)
    _centred(face, CALL_ZH, HEIGHT - 57, 68, on_accent, bold=True)
    _centred(face, CALL_EN, HEIGHT - 73, 24, on_accent)
    _square(canvas)
    _centred(face, HOW_ZH, 64, 20, INK, bold=True)
    _centred(face, HOW_EN, 56, 13, MUTED)
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.3)
    canvas.line(MARGIN, 46, WIDTH - MARGIN, 46)
    canvas.endForm()
    return name


def _square(canvas: Canvas) -> None:
    canvas.setFillColor(PAPER)
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.4)
    left = (WIDTH - CODE_SIDE) / 2
    canvas.roundRect(left, CODE_BOTTOM, CODE_SIDE, CODE_SIDE, 6, stroke=1, fill=1)


def _draw_code(face: _Face, url: str) -> None:
    """The code as shapes; its quiet zone is the white of the square."""
    modules = len(matrix(url))
    side = CODE_SIDE / (modules + 8)
    left, top = (WIDTH - CODE_SIDE) / 2 + 4 * side, CODE_BOTTOM + CODE_SIDE - 4 * side
    path = face.canvas.beginPath()
    for column, row, length in runs(url):
        path.rect(left + column * side, top - (row + 1) * side, length * side, side)
    face.canvas.setFillColor(INK)
    face.canvas.drawPath(path, stroke=0, fill=1, fillMode=FILL_NON_ZERO)  # one shape without seams


def _draw_store(face: _Face, poster: Poster) -> None:
    """Which store and which code of it; for the customer, and for whoever hangs it up."""
    label_width = min(_width(face, poster.label, 13), 50.0) if poster.label else 0.0
    label_room = label_width + 12 if poster.label else 0.0
    room = WIDTH - 2 * MARGIN - label_room
    size, lines = _fitted(face, poster.store_name, 22, room, most_lines=2)
    leading = size * POINT * 1.3
    top = 32.5 + (len(lines) - 1) * leading / 2
    for number, line in enumerate(lines):
        _text(face, line, MARGIN, top - number * leading, size, INK, bold=True)
    if poster.label:
        _draw_label(face, poster.label, label_width)
    small, address = _fitted(face, _without_scheme(poster.url), 8.5, WIDTH - 2 * MARGIN)
    _text(face, address[0], MARGIN, 18, small, MUTED)


def _draw_label(face: _Face, label: str, width: float) -> None:
    canvas, left = face.canvas, WIDTH - MARGIN - width - 8
    canvas.setStrokeColor(MUTED)
    canvas.setLineWidth(0.3)
    canvas.roundRect(left, 29.7, width + 8, 10, 5, stroke=1, fill=0)
    size, lines = _fitted(face, label, 13, width + 0.1)
    _text(face, lines[0], left + 4, 33.0, size, MUTED)


def _draw_fold(canvas: Canvas, at: float, height: float) -> None:
    canvas.setStrokeColor(MUTED)
    canvas.setLineWidth(0.4)
    canvas.setDash(2, 4)
    canvas.line(at, 0, at, 8 * mm)
    canvas.line(at, height - 8 * mm, at, height)


def _centred(face: _Face, text: str, y: float, size: float, colour: Color, *, bold: bool = False) -> None:
    size, lines = _fitted(face, text, size, WIDTH - 2 * MARGIN)
    left = (WIDTH - _width(face, lines[0], size)) / 2
    _text(face, lines[0], left, y, size, colour, bold=bold)


def _text(face: _Face, text: str, x: float, y: float, size: float, colour: Color, *, bold: bool = False) -> None:
    """One line. Bold is drawn by an outline: the font comes in one weight only."""
    line = face.canvas.beginText(x, y)
    line.setFont(face.font, size * POINT)
    line.setFillColor(colour)
    if bold:
        face.canvas.setLineWidth(size * POINT / 40)
        line.setStrokeColor(colour)
        line.setTextRenderMode(2)
    line.textOut(printable(face.font, text))
    line.setTextRenderMode(0)
    face.canvas.drawText(line)


def _width(face: _Face, text: str, size: float) -> float:
    return float(stringWidth(printable(face.font, text), face.font, size * POINT))


def _fitted(face: _Face, text: str, size: float, room: float, most_lines: int = 1) -> tuple[float, list[str]]:
    """The largest size, down to 60 %, at which the text fits; then it is cut short."""
    smallest = size * 0.6
    while True:
        lines = _wrapped(face, text, size, room)
        if len(lines) <= most_lines:
            return size, lines
        if size <= smallest:
            return size, [*lines[: most_lines - 1], _cut(face, lines[most_lines - 1], size, room)]
        size = max(size * 0.94, smallest)


def _wrapped(face: _Face, text: str, size: float, room: float) -> list[str]:
    """Lines no wider than ``room``. Chinese breaks anywhere, Latin between words."""
    lines = [""]
    for piece in re.findall(r"[!-~]+|\s+|.", " ".join(text.split())):
        if _width(face, (lines[-1] + piece).rstrip(), size) <= room:
            lines[-1] += piece
            continue
        for letter in piece if _width(face, piece, size) > room else [piece.lstrip()]:
            if _width(face, lines[-1] + letter, size) > room or letter == piece.lstrip():
                lines.append("")
            lines[-1] += letter
    return [line.strip() for line in lines if line.strip()] or [""]


def _cut(face: _Face, line: str, size: float, room: float) -> str:
    while line and _width(face, line + "…", size) > room:
        line = line[:-1]
    return line + "…"


def _readable_on(colour: Color) -> Color:
    """White or ink, whichever stands out more."""
    luminance = 0.2126 * colour.red**2.2 + 0.7152 * colour.green**2.2 + 0.0722 * colour.blue**2.2
    return PAPER if luminance < 0.4 else INK


def _without_scheme(url: str) -> str:
    return url.partition("://")[2] or url
