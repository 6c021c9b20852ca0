"""``codes``: every store code of a chain, listed or drawn into a folder."""

import csv
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from flask import current_app

from app.api.stores import described
from app.cli.speaking import chain_option, chosen_chain, command, json_option, say, show_list
from app.reports.cells import cell
from core.text import Text
from stores.codes import code_url, file_stem
from stores.models import Chain
from stores.pictures import png, svg
from stores.posters import Poster, poster_pdf
from stores.queries import count_codes_in_force, each_code
from stores.staffing import stores_with_codes

COLUMNS = ["store_code", "label", "token", "url", "state"]
MANIFEST = ["store_code", "store_name", "label", "url", "file"]
PROGRESS = Text("门店码", "Store codes")
WRITTEN = Text("{count} 个文件，清单在 {manifest}", "Files: {count}, listed in {manifest}")
ONLY_HERE = Text(
    "注意：码里写的是 {url}，顾客的手机打不开。印刷前请设置 PUBLIC_URL，再导出一次。",
    "Mind: the codes hold {url}, which no customer's phone reaches. Set PUBLIC_URL and export again before printing.",
)
HERE = {"localhost", "127.0.0.1", "::1"}
store_option = click.option("--store", "store_code", default="", metavar="CODE", help="Of one store only.")


@click.group("codes")
def group() -> None:
    """Store codes: the QR that stores show."""


@group.command("list")
@store_option
@json_option
@chain_option
@command
def list_(store_code: str, as_json: bool, chain_slug: str | None) -> None:
    """List the store codes of a chain, revoked ones too."""
    chain = chosen_chain(chain_slug)
    _known(chain, store_code)
    codes = (described(code) for code in each_code(chain.id, store_code=store_code))
    rows = ({column: code[column] for column in COLUMNS} for code in codes)
    show_list(rows, columns=COLUMNS, as_json=as_json)


@group.command("export")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="A folder.")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["png", "svg", "pdf"]),
    default="png",
    show_default=True,
    help="pdf is a poster to print.",
)
@store_option
@chain_option
@command
def export(out: Path, kind: str, store_code: str, chain_slug: str | None) -> None:
    """Draw every code in force into a folder, and list the files in its manifest.csv."""
    chain = chosen_chain(chain_slug)
    _known(chain, store_code)
    total = count_codes_in_force(chain.id, store_code=store_code)
    codes = each_code(chain.id, store_code=store_code, only_in_force=True)
    out.mkdir(parents=True, exist_ok=True)
    with click.progressbar(codes, label=say(PROGRESS), length=total, file=sys.stderr) as shown:
        written = _export(shown, out, kind, _artist(kind, chain))
    click.echo(say(WRITTEN, count=written, manifest=out / "manifest.csv"), err=True)
    public_url = current_app.extensions["settings"].public_url
    if urlsplit(public_url).hostname in HERE:
        click.echo(say(ONLY_HERE, url=public_url), err=True)


def _known(chain: Chain, store_code: str) -> None:
    """Refuse a store that the chain does not have."""
    stores_with_codes(chain.id, [store_code] if store_code else [])


def _export(codes: Iterable[Any], out: Path, kind: str, draw: Callable[[Any, str], bytes]) -> int:
    """Write the pictures, then put the manifest in its place: it never names a file that is not there."""
    taken: set[str] = set()
    unfinished = out / "manifest.csv.part"
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        manifest = csv.writer(file)
        manifest.writerow(MANIFEST)
        for code in codes:
            name = f"{_file_name(code.store_code, code.label, taken)}.{kind}"
            url = _url(code.token)
            (out / name).write_bytes(draw(code, url))
            manifest.writerow([cell(code.store_code), cell(code.store_name), cell(code.label), url, name])
    unfinished.replace(out / "manifest.csv")
    return len(taken)


def _artist(kind: str, chain: Chain) -> Callable[[Any, str], bytes]:
    """What draws one code in the format asked for."""
    if kind == "png":
        return lambda code, url: png(url)
    if kind == "svg":
        return lambda code, url: svg(url).encode()
    font = current_app.extensions["settings"].poster_font or None
    return lambda code, url: poster_pdf(
        Poster(chain.name, code.store_name, code.label, url, chain.accent), font_path=font
    )


def _file_name(store_code: str, label: str, taken: set[str]) -> str:
    """One of its kind, also where capitals do not count."""
    stem = file_stem(store_code, label)
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name.casefold())
    return name


def _url(token: str) -> str:
    return code_url(current_app.extensions["settings"].public_url, token)
