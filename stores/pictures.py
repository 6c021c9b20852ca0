"""QR codes as pictures: PNG for screens, SVG for printers and pages.

The matrix comes from zxing-cpp, which is an order of magnitude faster than a
mask search in Python; the tests compare it with the ``qrcode`` package.
"""

import struct
import zlib
from functools import lru_cache
from typing import Any

import zxingcpp

QUIET_MODULES = 4  # the white border that the standard asks for
FAST = 3  # zlib: three times as fast as 6, half a kilobyte more
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Matrix = tuple[bytes, ...]
Run = tuple[int, int, int]  # column, row, length


@lru_cache(maxsize=4096)
def matrix(text: str) -> Matrix:
    """The modules of the code without its quiet zone: rows of 0 (white) and 1 (dark).

    Error correction level M. Raises ``ValueError`` for text that does not fit a QR code.
    """
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    picture: Any = code.to_image(scale=1, add_quiet_zones=False)  # its types hide that it is a buffer
    width = picture.shape[1]
    dark = bytes(memoryview(picture)).translate(bytes([1]) + bytes(255))
    return tuple(dark[start : start + width] for start in range(0, len(dark), width))


def runs(text: str) -> list[Run]:
    """The dark modules as horizontal bars, for whoever draws the code as shapes."""
    found = []
    for row, modules in enumerate(matrix(text)):
        column = 0
        for length, dark in _lengths(modules):
            if dark:
                found.append((column, row, length))
            column += length
    return found


def png(text: str, *, module_pixels: int = 20, quiet_modules: int = QUIET_MODULES) -> bytes:
    """The code as a black and white PNG, ``module_pixels`` to a module."""
    rows = matrix(text)
    side = (len(rows) + 2 * quiet_modules) * module_pixels
    white, quiet = b"1" * module_pixels, b"1" * module_pixels * quiet_modules
    margin = _scanlines(b"1" * side, module_pixels * quiet_modules)
    lines = [margin]
    for modules in rows:
        middle = modules.replace(b"\0", white).replace(b"\1", b"0" * module_pixels)
        lines.append(_scanlines(quiet + middle + quiet, module_pixels))
    lines.append(margin)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)  # 1 bit of grey
    return b"".join(
        (
            PNG_SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"IDAT", zlib.compress(b"".join(lines), FAST)),
            _chunk(b"IEND", b""),
        )
    )


def svg(text: str, *, module_pixels: int = 10, quiet_modules: int = QUIET_MODULES) -> str:
    """The code as an SVG document: black bars on white, sharp at every size."""
    modules = len(matrix(text)) + 2 * quiet_modules
    side = modules * module_pixels
    bars = "".join(
        f"M{column + quiet_modules} {row + quiet_modules}h{length}v1h-{length}z" for column, row, length in runs(text)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}"'
        f' viewBox="0 0 {modules} {modules}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{modules}v{modules}h-{modules}z"/>'
        f'<path fill="#000" d="{bars}"/></svg>'
    )


def _lengths(modules: bytes) -> list[tuple[int, int]]:
    """Lengths of equal neighbours and their value, from left to right."""
    lengths: list[tuple[int, int]] = []
    for module in modules:
        if lengths and lengths[-1][1] == module:
            lengths[-1] = (lengths[-1][0] + 1, module)
        else:
            lengths.append((1, module))
    return lengths


def _scanlines(bits: bytes, count: int) -> bytes:
    """One row of pixels, and ``count - 1`` repetitions of it, as PNG filters them."""
    if not count:
        return b""
    size = (len(bits) + 7) // 8
    packed = int(bits.ljust(size * 8, b"0"), 2).to_bytes(size, "big")
    same_as_above = b"\2" + bytes(size)
    return b"\0" + packed + same_as_above * (count - 1)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
