"""Posters: what is printed is read back, by eye (text) and by camera (code)."""

import io

import pypdfium2
import pytest
import zxingcpp

from stores import fonts, posters
from stores.posters import Poster, PosterSize, poster_pdf, posters_pdf

URL = "https://kaquan.example.com/q/AbCdEfGhIjKlMnOpQrStUv"
POINTS_PER_MM = 72 / 25.4


def make_poster(**changes):
    return Poster(**{"chain_name": "雪山冰品", "store_name": "南京东路店", "label": "店门", "url": URL} | changes)


def page_of(pdf, number=0):
    return pypdfium2.PdfDocument(pdf)[number]


def text_of(pdf):
    return page_of(pdf).get_textpage().get_text_range().replace("\r\n", "\n")


def codes_on(page):
    return [code.text for code in zxingcpp.read_barcodes(page.render(scale=2).to_pil())]


@pytest.mark.parametrize(
    ("size", "millimetres", "faces"),
    [
        (PosterSize.A4, (210, 297), 1),
        (PosterSize.A5, (148, 210), 1),
        (PosterSize.A6, (105, 148), 1),
        (PosterSize.TENT, (297, 210), 2),
    ],
)
def test_each_size_is_printed_with_a_code_that_reads(size, millimetres, faces):
    page = page_of(poster_pdf(make_poster(), size=size))

    assert page.get_size() == pytest.approx([side * POINTS_PER_MM for side in millimetres], abs=2)
    assert codes_on(page) == [URL] * faces


def test_a_poster_says_whose_it_is_where_it_hangs_and_what_to_do():
    lines = text_of(poster_pdf(make_poster()))

    for words in (
        "雪山冰品",
        "南京东路店",
        "店门",
        "扫码领会员卡",
        "Scan for your member card",
        "kaquan.example.com/q/AbCdEfGhIjKlMnOpQrStUv",
    ):
        assert words in lines


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"store_name": "上海浦东国际机场二号航站楼卫星厅国际出发层" * 4}, id="a long Chinese name"),
        pytest.param({"store_name": "Hangzhou Kerry Central NO.1 Store " * 6}, id="a long English name"),
        pytest.param({"store_name": "W" * 300}, id="a name without a place to break"),
        pytest.param({"chain_name": "Snowpeak Ice Cream and Confectionery " * 4}, id="a long chain name"),
        pytest.param({"label": "Table 12 by the window at the far end " * 3}, id="a long label"),
        pytest.param({"url": "https://" + "x" * 200 + ".example.com/q/AbCd"}, id="a long address"),
        pytest.param({"store_name": "", "label": ""}, id="no name and no label"),
    ],
)
def test_no_text_leaves_the_page(changes):
    page = page_of(poster_pdf(make_poster(**changes)))

    text = page.get_textpage()
    width, height = page.get_size()
    margin = posters.MARGIN * POINTS_PER_MM - 2
    boxes = [text.get_charbox(at) for at in range(text.count_chars())]
    assert all(left >= margin and right <= width - margin for left, _, right, _ in boxes)
    assert all(bottom >= 0 and top <= height for _, bottom, _, top in boxes)
    assert codes_on(page) == [make_poster(**changes).url]


def test_a_pictograph_that_the_font_lacks_is_left_out():
    assert "南京东路店\n" in text_of(poster_pdf(make_poster(store_name="南京东路店🍦", label=""))) + "\n"


@pytest.mark.parametrize(
    ("accent", "top"),
    [("#C8402F", (200, 64, 47)), ("#F5C542", (245, 197, 66)), ("#1D4E89", (29, 78, 137))],
)
def test_the_top_has_the_colour_of_the_chain(accent, top):
    picture = page_of(poster_pdf(make_poster(accent=accent))).render(scale=1).to_pil().convert("RGB")

    assert picture.getpixel((20, 20)) == top


@pytest.mark.parametrize(("accent", "words"), [("#C8402F", posters.PAPER), ("#F5C542", posters.INK)])
def test_words_on_the_accent_stay_readable(accent, words):
    assert posters._readable_on(posters.HexColor(accent)) == words


def test_the_same_poster_gives_the_same_bytes():
    assert poster_pdf(make_poster()) == poster_pdf(make_poster())


def test_many_posters_make_one_file_with_a_page_each():
    urls = [f"https://kaquan.example.com/q/{number:022}" for number in range(5)]
    file, pages_done = io.BytesIO(), []

    count = posters_pdf((make_poster(url=url) for url in urls), file, on_page=lambda: pages_done.append(1))

    document = pypdfium2.PdfDocument(file.getvalue())
    assert count == len(document) == len(pages_done) == 5
    assert [codes_on(page) for page in document] == [[url] for url in urls]


def test_the_posters_of_one_chain_share_their_background():
    one, ten = io.BytesIO(), io.BytesIO()

    posters_pdf([make_poster()], one)
    posters_pdf([make_poster(url=f"{URL[:-1]}{number}") for number in range(10)], ten)

    assert len(ten.getvalue()) < 2 * len(one.getvalue())


@pytest.mark.parametrize("path", ["no-such-font.ttc", __file__], ids=["no file", "no font"])
def test_a_font_that_cannot_be_used_is_refused_with_what_to_install(path):
    with pytest.raises(fonts.FontMissing) as refusal:
        poster_pdf(make_poster(), font_path=path)

    assert refusal.value.code == "font_missing"
    assert "fonts-wqy-microhei" in refusal.value.say("zh")
    assert "fonts-wqy-microhei" in refusal.value.say("en")
