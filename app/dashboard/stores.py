"""Stores: the list, one store with its codes, posters and pictures, editing by hand."""

from datetime import timedelta
from io import BytesIO
from typing import Any, NamedTuple

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, send_file, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as AnyResponse

from app.auth.guard import HQ_ADMIN, MANAGERS, access, actor, author, require_staff
from app.dashboard import store_import
from app.dashboard.store_words import address_words, field_labels
from app.flashing import flash_with_undo
from app.languages import language
from app.reports.cells import cell
from app.reports.small import csv_response
from app.security import row_number
from cards import counting
from cards.contacts import spoken
from core.clock import business_day, day_start, utc_now
from core.db import transaction
from core.errors import DomainError, Invalid, NotFound
from core.text import Text
from stores import codes, editing, queries
from stores.models import Chain, Role, Store, StoreCode
from stores.pictures import png, svg
from stores.posters import Poster, PosterSize, poster_pdf, posters_pdf
from stores.store_files import FIELDS

bp = Blueprint("stores", __name__, url_prefix="/dashboard/stores", template_folder="templates")
bp.before_request(require_staff)
store_import.add_routes(bp)

CODE_KEEPERS = (Role.HQ_ADMIN, Role.STORE_MANAGER)
PAGE = 50
MOST_POSTERS = 300  # a file of more is made by the command ``codes export``
RECENT_DAYS = 30
CSV_FIELDS = (*FIELDS, "closed_at")


class TooManyPosters(Invalid):
    """More pages than a browser should wait for."""

    code = "too_many_posters"
    sentence = Text(
        "一次最多 {most} 张海报，请先筛选门店，或用 codes export --format pdf。",
        "At most {most} posters at a time. Filter the stores first, or use codes export --format pdf.",
    )


class CodeFigures(NamedTuple):
    """A code of a store, and what it did lately."""

    code: StoreCode
    url: str
    scans: int
    cards: int


class Filters(NamedTuple):
    """What the list is asked for."""

    search: str
    city: str

    @classmethod
    def of_request(cls) -> "Filters":
        return cls(*(request.args.get(name, "")[:120].replace("\0", "") for name in ("search", "city")))

    @property
    def query(self) -> dict[str, str]:
        """The same as part of an address."""
        return {name: value for name, value in self._asdict().items() if value}


@bp.get("")
@access(*MANAGERS)
def index() -> str:
    """The stores that the reader may see, searched and filtered."""
    filters, after = Filters.of_request(), request.args.get("after", 0, type=row_number)
    stores = queries.list_stores(**_asked(filters), after=after, limit=PAGE)
    ids = [store.id for store in stores]
    since = utc_now().date() - timedelta(days=RECENT_DAYS - 1)
    return render_template(
        "dashboard/stores/index.html",
        nav="stores",
        stores=stores,
        total=queries.count_stores(**_asked(filters)),
        filters=filters,
        after=after,
        next_after=ids[-1] if len(ids) == PAGE else None,
        cities=queries.list_cities(actor().chain_id, store_ids=actor().store_ids),
        code_counts=queries.count_codes_by_store(actor().chain_id, ids),
        card_counts=counting.count_cards_by_store(actor().chain_id, ids, since=since),
        recent_days=RECENT_DAYS,
        most_posters=MOST_POSTERS,
        may_edit=actor().role in HQ_ADMIN,
    )


@bp.get("/list.csv")
@access(*MANAGERS)
def index_csv() -> Response:
    """The same rows, all of them, as CSV."""
    rows = ([cell(_shown(getattr(store, name))) for name in CSV_FIELDS] for store in _each(Filters.of_request()))
    return csv_response("stores.csv", CSV_FIELDS, rows)


@bp.get("/posters.pdf")
@access(*MANAGERS)
def posters() -> Response:
    """One PDF with a poster for each code in force of the stores in the list."""
    filters = Filters.of_request()
    if queries.count_stores(**_asked(filters)) > MOST_POSTERS:
        raise TooManyPosters(most=MOST_POSTERS)
    chain = queries.get_chain(actor().chain_id)
    pages = [
        _poster(chain, store, code)
        for store in _each(filters)
        if store.closed_at is None
        for code in queries.codes_of_store(chain.id, store.id)
        if code.revoked_at is None
    ]
    if not pages:
        raise NotFound()
    file = BytesIO()
    posters_pdf(pages, file, size=_size(), font_path=_font())
    file.seek(0)
    return send_file(file, mimetype="application/pdf", as_attachment=True, download_name="posters.pdf")


@bp.route("/new", methods=["GET", "POST"])
@access(*HQ_ADMIN)
def new() -> str | AnyResponse | tuple[str, int]:
    """Open a store by hand."""
    if request.method == "GET":
        return _form(None, {"timezone": queries.get_chain(actor().chain_id).timezone})
    try:
        with transaction():
            store = editing.create_store(actor().chain_id, _cells(), labels=field_labels(), by=author(), now=utc_now())
    except DomainError as refusal:
        return _form(None, _cells(), refusal), 422
    flash(gettext("%(name)s is open. Its first code is below.", name=store.name), "good")
    return redirect(url_for("stores.show", store_id=store.id))


@bp.get("/<int:store_id>")
@access(*MANAGERS)
def show(store_id: int) -> str:
    """One store: what it did lately, its codes, what we know of it."""
    store = _own_store(store_id)
    chain = queries.get_chain(store.chain_id)
    today = business_day(utc_now(), store.timezone, chain.cutoff_hour)
    since = today - timedelta(days=RECENT_DAYS - 1)
    start = day_start(since, store.timezone, chain.cutoff_hour)
    morning = day_start(today, store.timezone, chain.cutoff_hour)
    scans = queries.count_scans_by_code(chain.id, store.id, since=start)
    cards = counting.count_cards_by_code(chain.id, store.id, since=since)
    return render_template(
        "dashboard/stores/store.html",
        nav="stores",
        store=store,
        codes=[
            CodeFigures(code, _url(code), scans.get(code.id, 0), cards.get(code.id, 0))
            for code in queries.codes_of_store(chain.id, store.id)
        ],
        scans=sum(scans.values()),
        cards=sum(cards.values()),
        cards_by_scan=sum(count for code_id, count in cards.items() if code_id is not None),
        scans_today=sum(queries.count_scans_by_code(chain.id, store.id, since=morning).values()),
        cards_today=sum(counting.count_cards_by_code(chain.id, store.id, since=today).values()),
        address=address_words(store),
        phone=spoken(store.phone, currency=chain.currency),
        recent_days=RECENT_DAYS,
        sizes=list(PosterSize),
        longest_label=codes.LONGEST_LABEL,
        may_edit=actor().role in HQ_ADMIN,
        may_keep_codes=actor().role in CODE_KEEPERS,
    )


@bp.route("/<int:store_id>/edit", methods=["GET", "POST"])
@access(*HQ_ADMIN)
def edit(store_id: int) -> str | AnyResponse | tuple[str, int]:
    """Correct what we know of a store."""
    store = _own_store(store_id)
    if request.method == "GET":
        return _form(store, {name: _shown(getattr(store, name)) for name in FIELDS})
    try:
        with transaction():
            editing.edit_store(store.chain_id, store.id, _cells(), labels=field_labels(), by=author(), now=utc_now())
    except DomainError as refusal:
        return _form(store, _cells(), refusal), 422
    flash(gettext("Saved."), "good")
    return redirect(url_for("stores.show", store_id=store_id))


@bp.post("/<int:store_id>/close")
@access(*HQ_ADMIN)
def close(store_id: int) -> AnyResponse:
    """Close a store; it can be undone."""
    store = _own_store(store_id)
    with transaction():
        editing.close_store(store.chain_id, store.id, by=author(), now=utc_now())
    undo = url_for("stores.reopen", store_id=store_id)
    flash_with_undo(gettext("%(name)s is closed. Its codes give no more cards.", name=store.name), undo)
    return redirect(url_for("stores.show", store_id=store_id))


@bp.post("/<int:store_id>/reopen")
@access(*HQ_ADMIN)
def reopen(store_id: int) -> AnyResponse:
    """Open a closed store again."""
    store = _own_store(store_id)
    with transaction():
        editing.reopen_store(store.chain_id, store.id, by=author(), now=utc_now())
    flash(gettext("%(name)s is open again. Its codes work as before.", name=store.name), "good")
    return redirect(url_for("stores.show", store_id=store_id))


@bp.post("/<int:store_id>/codes")
@access(*CODE_KEEPERS)
def add_code(store_id: int) -> AnyResponse:
    """Give the store one more code."""
    store = _own_store(store_id)
    try:
        with transaction():
            code = codes.add_code(
                store.chain_id, store.id, label=request.form.get("label", ""), by=author(), now=utc_now()
            )
    except Invalid as refusal:
        flash(refusal.say(language()), "bad")
        return redirect(url_for("stores.show", store_id=store_id))
    flash(gettext("“%(label)s” is ready to be printed.", label=code.label), "good")
    return redirect(url_for("stores.show", store_id=store_id, _anchor=f"code-{code.id}"))


@bp.post("/<int:store_id>/codes/<int:code_id>/rename")
@access(*CODE_KEEPERS)
def rename_code(store_id: int, code_id: int) -> AnyResponse:
    """Change a label; the QR stays."""
    code = _own_code(store_id, code_id)
    try:
        with transaction():
            codes.rename_code(code.chain_id, code_id, label=request.form.get("label", ""), by=author(), now=utc_now())
    except Invalid as refusal:
        flash(refusal.say(language()), "bad")
    return redirect(url_for("stores.show", store_id=store_id, _anchor=f"code-{code_id}"))


@bp.post("/<int:store_id>/codes/<int:code_id>/revoke")
@access(*CODE_KEEPERS)
def revoke_code(store_id: int, code_id: int) -> AnyResponse:
    """End a code; it can be undone."""
    code = _own_code(store_id, code_id)
    with transaction():
        codes.revoke_code(code.chain_id, code_id, by=author(), now=utc_now())
    undo = url_for("stores.restore_code", store_id=store_id, code_id=code_id)
    flash_with_undo(gettext("“%(label)s” gives no more cards.", label=code.label), undo)
    return redirect(url_for("stores.show", store_id=store_id))


@bp.post("/<int:store_id>/codes/<int:code_id>/restore")
@access(*CODE_KEEPERS)
def restore_code(store_id: int, code_id: int) -> AnyResponse:
    """Let a revoked code work again."""
    code = _own_code(store_id, code_id)
    with transaction():
        codes.restore_code(code.chain_id, code_id, by=author(), now=utc_now())
    flash(gettext("“%(label)s” works again.", label=code.label), "good")
    return redirect(url_for("stores.show", store_id=store_id, _anchor=f"code-{code_id}"))


@bp.get("/<int:store_id>/codes/<int:code_id>.<any(png, svg, pdf):kind>")
@access(*MANAGERS)
def picture(store_id: int, code_id: int, kind: str) -> Response:
    """The code as a picture, or as a poster to print; ``?inline`` shows it in the page."""
    store, code = _own_store(store_id), _own_code(store_id, code_id)
    if kind == "pdf":
        poster = _poster(queries.get_chain(store.chain_id), store, code)
        data, mimetype = poster_pdf(poster, size=_size(), font_path=_font()), "application/pdf"
    elif kind == "svg":
        data, mimetype = svg(_url(code)).encode(), "image/svg+xml"
    else:
        data, mimetype = png(_url(code)), "image/png"
    inline = "inline" in request.args
    name = f"{codes.file_stem(store.code, code.label)}.{kind}"
    return send_file(BytesIO(data), mimetype=mimetype, as_attachment=not inline, download_name=name)


@bp.get("/<int:store_id>/codes/<int:code_id>/screen")
@access(*MANAGERS)
def screen(store_id: int, code_id: int) -> str:
    """The code alone, as large as a tablet at the counter can show it."""
    store, code = _own_store(store_id), _own_code(store_id, code_id)
    return render_template(
        "dashboard/stores/screen.html",
        store=store,
        code=code,
        chain=queries.get_chain(store.chain_id),
        address=_url(code).partition("://")[2],
    )


def _asked(filters: Filters) -> dict[str, Any]:
    who = actor()
    return {
        "chain_id": who.chain_id,
        "store_ids": who.store_ids,
        "search": filters.search,
        "city": filters.city,
    }


def _each(filters: Filters) -> Any:
    return queries.each_store(**_asked(filters))


def _own_store(store_id: int) -> Store:
    return queries.get_store(actor().chain_id, store_id, store_ids=actor().store_ids)


def _own_code(store_id: int, code_id: int) -> StoreCode:
    code, store = queries.get_store_code(actor().chain_id, code_id, store_ids=actor().store_ids)
    if store.id != store_id:
        raise NotFound()
    return code


def _url(code: StoreCode) -> str:
    return codes.code_url(current_app.extensions["settings"].public_url, code.token)


def _poster(chain: Chain, store: Store, code: StoreCode) -> Poster:
    return Poster(chain.name, store.name, code.label, _url(code), chain.accent)


def _size() -> PosterSize:
    given = request.args.get("size", PosterSize.A4)
    return PosterSize(given) if given in list(PosterSize) else PosterSize.A4


def _font() -> str | None:
    return current_app.extensions["settings"].poster_font or None


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _cells() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in FIELDS}


def _form(store: Store | None, cells: dict[str, str], refusal: DomainError | None = None) -> str:
    return render_template(
        "dashboard/stores/form.html",
        nav="stores",
        store=store,
        cells=cells,
        labels=field_labels(),
        problem=refusal.say(language()) if refusal else "",
    )
