"""Static files that may be cached for long, and the chain's colour as a stylesheet: the CSP allows no inline style."""

import colorsys
import re
from pathlib import Path

from flask import Blueprint, Response, abort, current_app

from app.auth.guard import PUBLIC, access

bp = Blueprint("assets", __name__)
HEX = re.compile(r"[0-9a-fA-F]{6}")
LIGHT_PAPER, DARK_PAPER = (1.0, 1.0, 1.0), (0.118, 0.11, 0.102)
READABLE = 4.5  # contrast of text in the accent colour


@bp.app_url_defaults
def _version_static_files(endpoint: str, values: dict[str, object]) -> None:
    """A changed file gets a new address, so browsers may keep the old one."""
    if endpoint == "static" and "v" not in values:
        path = Path(str(current_app.static_folder)) / str(values.get("filename"))
        if path.exists():
            values["v"] = f"{int(path.stat().st_mtime):x}"


@bp.get("/accent/<colour>.css")
@access(PUBLIC)
def accent(colour: str) -> Response:
    """Custom properties of one accent: --accent for light, lifted for dark, and ink that reads on it."""
    if not HEX.fullmatch(colour):
        abort(404)
    rgb = tuple(int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4))
    light = _readable_on(rgb, LIGHT_PAPER, step=-0.02)
    dark = _readable_on(rgb, DARK_PAPER, step=0.02)
    css = (
        f":root{{--accent:{_hex(light)};--accent-ink:{_ink(light)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{--accent:{_hex(dark)};--accent-ink:{_ink(dark)}}}}}"
    )
    return Response(css, content_type="text/css", headers={"Cache-Control": "public, max-age=86400"})


def _readable_on(rgb: tuple[float, ...], paper: tuple[float, ...], *, step: float) -> tuple[float, ...]:
    """The same hue, darker or lighter until it can be read on the paper."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb)
    while _contrast(rgb, paper) < READABLE and 0 < lightness + step < 1:
        lightness += step
        rgb = colorsys.hls_to_rgb(hue, lightness, saturation)
    return rgb


def _ink(rgb: tuple[float, ...]) -> str:
    white, black = (1.0, 1.0, 1.0), (0.12, 0.106, 0.086)
    return _hex(white if _contrast(rgb, white) >= _contrast(rgb, black) else black)


def _contrast(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    """WCAG contrast ratio of two sRGB colours."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(rgb: tuple[float, ...]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _hex(rgb: tuple[float, ...]) -> str:
    return "#" + "".join(f"{round(c * 255):02x}" for c in rgb)
