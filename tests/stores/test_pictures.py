"""Codes as pictures: what we write, a real decoder reads back."""

import io
import re

import pytest
import qrcode
import zxingcpp
from PIL import Image, ImageDraw

from stores import pictures

URL = "https://kaquan.example.com/q/AbCdEfGhIjKlMnOpQrStUv"
TEXTS = [
    pytest.param(URL, id="an address"),
    pytest.param("http://localhost:8000/q/x", id="a short address"),
    pytest.param("https://example.com/s/" + "z" * 400, id="a long address"),
    pytest.param("扫码领会员卡", id="Chinese"),
    pytest.param("621012345678901234", id="digits"),
]


def reference(text, mask):
    """The same code by the ``qrcode`` package, with one of its eight masks."""
    code = qrcode.QRCode(error_correction=qrcode.constants.ERROR_CORRECT_M, border=0, mask_pattern=mask)
    code.add_data(text)
    code.make(fit=True)
    return tuple(bytes(map(int, row)) for row in code.get_matrix())


def picture_of_svg(document):
    """Draw the bars of our SVG; reads no more SVG than we write."""
    modules = int(re.search(r'viewBox="0 0 (\d+) \1"', document).group(1))
    picture = Image.new("L", (modules, modules), 255)
    draw = ImageDraw.Draw(picture)
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", document):
        left, top = int(x), int(y)
        draw.line((left, top, left + int(length) - 1, top), fill=0)
    return picture.resize((modules * 8, modules * 8), Image.Resampling.NEAREST)


def read(picture):
    found = zxingcpp.read_barcode(picture)
    return found.text, found.ec_level


@pytest.mark.parametrize("text", TEXTS)
def test_a_png_is_read_back(text):
    picture = Image.open(io.BytesIO(pictures.png(text)))

    assert read(picture) == (text, "M")


@pytest.mark.parametrize("text", TEXTS)
def test_an_svg_is_read_back(text):
    assert read(picture_of_svg(pictures.svg(text))) == (text, "M")


@pytest.mark.parametrize("text", [URL, "http://localhost:8000/q/AbC", "A" * 60, "1234567890"])
def test_the_matrix_is_one_that_the_reference_makes(text):
    assert pictures.matrix(text) in [reference(text, mask) for mask in range(8)]


@pytest.mark.parametrize("module_pixels", [1, 3, 8, 20])
@pytest.mark.parametrize("quiet_modules", [0, 4, 7])
def test_a_png_has_exactly_the_modules_and_the_border_asked_for(module_pixels, quiet_modules):
    made = pictures.png(URL, module_pixels=module_pixels, quiet_modules=quiet_modules)

    picture = Image.open(io.BytesIO(made))
    modules = len(pictures.matrix(URL))
    side = (modules + 2 * quiet_modules) * module_pixels
    assert (picture.size, picture.mode) == ((side, side), "1")
    for row, expected in enumerate(pictures.matrix(URL)):
        at = (row + quiet_modules) * module_pixels
        got = [picture.getpixel(((column + quiet_modules) * module_pixels, at)) == 0 for column in range(modules)]
        assert bytes(got) == expected


def test_the_quiet_zone_is_white():
    picture = Image.open(io.BytesIO(pictures.png(URL, module_pixels=5)))

    border = 5 * pictures.QUIET_MODULES
    side = picture.size[0]
    edges = [(0, 0, side, border), (0, 0, border, side), (side - border, 0, side, side)]
    assert all(picture.crop(edge).getextrema() == (255, 255) for edge in edges)


def test_an_svg_says_its_size_in_pixels():
    modules = len(pictures.matrix(URL)) + 8

    assert f'width="{modules * 6}" height="{modules * 6}"' in pictures.svg(URL, module_pixels=6)


@pytest.mark.parametrize("text", ["", "x" * 4000], ids=["nothing", "more than a code can hold"])
def test_text_that_makes_no_code_is_refused(text):
    with pytest.raises(ValueError, match=r"barcode|too long"):
        pictures.png(text)
