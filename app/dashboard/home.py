"""Today: the sentence of the day, four numbers, the live board, what needs a decision; and the search."""

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import format_date, gettext, ngettext
from werkzeug.wrappers import Response

from app.auth.guard import HQ_ADMIN, MANAGERS, access, actor, require_staff
from app.dashboard import store_choice
from app.dashboard.frame import chain_of
from app.languages import language
from app.reports.board import Board, has_any_card, read_board
from app.reports.decisions import Decision, Matter, list_decisions
from app.reports.question import Reader
from app.reports.search import search_everything
from app.reports.views import reader_of
from app.wallet.showing import moment_shown
from core.clock import utc_now
from core.db import db
from core.money import money
from coupons.models import Offer
from stores.models import Role, Store

MANIFOLD = 4  # from here on people say so many times, no percentage

bp = Blueprint("home", __name__, url_prefix="/dashboard", template_folder="templates")
bp.before_request(require_staff)

REFRESH_SECONDS = 12
LONGEST_SEARCH = 80


@bp.get("/")
@access(*MANAGERS)
def index() -> str:
    """The day at a glance; for a chain that has issued no card yet, its first three steps."""
    who = actor()
    if who.store_ids is None and not has_any_card(who.chain_id):
        return render_template("dashboard/home/begin.html", nav="today", steps=_steps(who.chain_id))
    now = utc_now()
    approver = who.author_name if who.role in HQ_ADMIN else None
    decisions = list_decisions(who.chain_id, now=now, approver=approver) if who.store_ids is None else []
    return render_template(
        "dashboard/home/index.html",
        nav="today",
        decisions=[_decided(each) for each in decisions],
        may_decide=who.store_ids is None,
        **_live(reader_of(who), now),
    )


@bp.get("/live")
@access(*MANAGERS)
def live() -> str:
    """The part of the page that keeps itself up to date."""
    return render_template("dashboard/home/_live.html", **_live(reader_of(actor()), utc_now()))


@bp.get("/search")
@access(*MANAGERS)
def search() -> str | Response:
    """Members, stores, offers and campaigns by what somebody typed; a single hit opens at once."""
    text = request.args.get("q", "").replace("\0", "").strip()[:LONGEST_SEARCH]
    who = actor()
    found = search_everything(reader_of(who), text, chain=chain_of(who))
    if len(found.members) == 1 and not (found.stores or found.offers or found.campaigns):
        return redirect(url_for("members.show", member_id=found.members[0].id))
    return render_template("dashboard/home/search.html", text=text, found=found, reader=reader_of(who))


@bp.get("/store-options")
@access(*MANAGERS)
def store_options() -> str:
    """The stores that fit what somebody types into a filter."""
    stores = store_choice.options(request.args.get("store", ""))
    return render_template("dashboard/home/_store_options.html", stores=stores)


def _live(reader: Reader, now: datetime) -> dict[str, object]:
    board = read_board(reader, now=now)
    return {
        "board": board,
        "sentence": sentence_of(board),
        "tiles": _tiles(board),
        "clock": lambda moment: moment.astimezone(ZoneInfo(board.chain.timezone)).strftime("%H:%M"),
        "pace": pace_words,
        "cash": lambda cents: money(cents, board.chain.currency, language()),
        "refresh_seconds": REFRESH_SECONDS,
    }


def sentence_of(board: Board) -> str:
    """The day in one sentence: how many cards, how fast, against the same time a week ago."""
    cards = board.this_day.cards
    if cards == 0:
        yesterday = board.yesterday.cards
        return ngettext(
            "No new card yet today; yesterday there was %(num)d.",
            "No new card yet today; yesterday there were %(num)d.",
            yesterday,
        )
    parts = [ngettext("%(count)s new card today", "%(count)s new cards today", cards, count=f"{cards:,}")]
    if board.pace_seconds is not None:
        parts.append(gettext("one every %(pace)s", pace=pace_words(board.pace_seconds)))
    if comparison := _against_last_week(board):
        parts.append(comparison)
    comma, stop = ("，", "。") if language() == "zh" else (", ", ".")
    return comma.join(parts) + stop


def _against_last_week(board: Board) -> str:
    then, now = board.week_ago.cards_so_far, board.this_day.cards
    day = _last_weekday(board)
    if then == 0:
        return ""
    if now == then:
        return gettext("as many as %(day)s by this time", day=day)
    per_cent = round(100 * abs(now - then) / then)
    if now >= MANIFOLD * then:
        return gettext("%(times)s times as many as %(day)s by this time", times=round(now / then), day=day)
    if now > then:
        return gettext("%(count)s%% more than %(day)s by this time", count=per_cent, day=day)
    return gettext("%(count)s%% fewer than %(day)s by this time", count=per_cent, day=day)


def _last_weekday(board: Board) -> str:
    """ "last Saturday", 上周六"""
    return gettext("last %(weekday)s", weekday=format_date(board.today, "EEE" if language() == "zh" else "EEEE"))


def pace_words(seconds: int) -> str:
    """84 seconds, 12 minutes, 3 hours."""
    if seconds < 120:
        return ngettext("%(num)d second", "%(num)d seconds", seconds)
    if seconds < 7200:
        return ngettext("%(num)d minute", "%(num)d minutes", round(seconds / 60))
    return ngettext("%(num)d hour", "%(num)d hours", round(seconds / 3600))


def _tiles(board: Board) -> list[dict[str, object]]:
    """Four numbers with their small lines, each opening its rows."""
    today, before, day = board.this_day, board.week_ago, board.today.isoformat()
    cash = money(today.payable_cents, board.chain.currency, language())
    if today.payable_cents % 100 == 0 or today.payable_cents >= 100_000:
        cash = money(round(today.payable_cents, -2), board.chain.currency, language()).partition(".")[0]
    rows = {"from": day, "to": day}
    return [
        {
            "label": gettext("New cards"),
            "value": f"{today.cards:,}",
            "href": url_for("members.index", joined_from=day, joined_to=day),
            "spark": board.line("cards"),
            **_delta(today.cards, before.cards_so_far, board),
        },
        {
            "label": gettext("Paid by members"),
            "value": cash,
            "href": url_for("reports.show", name="checkouts", **rows),
            "spark": board.line("payable_cents"),
            **_delta(today.payable_cents, before.payable_so_far, board),
        },
        {
            "label": gettext("Coupons used"),
            "value": f"{today.redemptions:,}",
            "href": url_for("reports.show", name="redemptions", **rows),
            "spark": board.line("redemptions"),
            **_delta(today.redemptions, before.redemptions_so_far, board),
        },
        {
            "label": gettext("Brought by friends"),
            "value": f"{today.cards_by_share:,}",
            "href": url_for("reports.show", name="referrals", **rows),
            "spark": board.line("cards_by_share"),
            **_delta(today.cards_by_share, before.shares_so_far, board),
        },
    ]


def _delta(now: int, then: int, board: Board) -> dict[str, str]:
    """How a number stands against a week ago at this time."""
    if then == 0:
        return {"delta": "", "tone": ""}
    per_cent = round(100 * (now - then) / then)
    if per_cent == 0:
        return {"delta": gettext("as many as %(day)s by this time", day=_last_weekday(board)), "tone": ""}
    if now >= MANIFOLD * then:
        return {
            "delta": gettext("%(times)s times %(day)s", times=round(now / then), day=_last_weekday(board)),
            "tone": "good",
        }
    text = gettext("%(change)s%% against %(day)s", change=f"{per_cent:+d}".replace("-", "−"), day=_last_weekday(board))
    return {"delta": text, "tone": "good" if per_cent > 0 else ""}


def _decided(each: Decision) -> dict[str, object]:
    """One matter as a line of the list: words, a link, and what the link says."""
    name = each.name if language() == "zh" else each.name_en or each.name
    at = moment_shown(each.at, chain_of(actor()).timezone, now=utc_now()) if each.at else ""
    words, label, tone = {
        Matter.MISSED: (
            gettext("“%(name)s” missed its time. Send it or let it go?", name=name),
            gettext("Decide"),
            "bad",
        ),
        Matter.PAUSED: (
            gettext("“%(name)s” paused by itself: too many messages went wrong.", name=name),
            gettext("Decide"),
            "bad",
        ),
        Matter.FAILED: (
            ngettext(
                "%(num)d message of “%(name)s” failed.",
                "%(num)d messages of “%(name)s” failed.",
                each.number,
                name=name,
            ),
            gettext("Look"),
            "bad",
        ),
        Matter.REWARDS: (
            ngettext(
                "%(num)d reward for bringing a friend waits for you.",
                "%(num)d rewards for bringing a friend wait for you.",
                each.number,
            ),
            gettext("Decide"),
            "warn",
        ),
        Matter.LOW_STOCK: (_stock_words(each, name), gettext("Add stock"), "warn"),
        Matter.LOW_BUDGET: (_budget_words(each, name), gettext("Look"), "warn"),
        Matter.APPROVAL: (gettext("“%(name)s” waits for you to approve it.", name=name), gettext("Read it"), "warn"),
        Matter.PUSH_APPROVAL: (
            gettext("The push “%(name)s” waits for you to approve it.", name=name),
            gettext("Read it"),
            "warn",
        ),
        Matter.GOING_OUT: (gettext("“%(name)s” goes out %(at)s.", name=name, at=at), gettext("Look"), ""),
        Matter.BEGINNING: (gettext("“%(name)s” begins %(at)s.", name=name, at=at), gettext("Look"), ""),
        Matter.ENDING: (gettext("“%(name)s” ends %(at)s.", name=name, at=at), gettext("Look"), ""),
        Matter.NO_CODE: (gettext("%(name)s has no code that can be scanned.", name=name), gettext("Make one"), "warn"),
    }[each.matter]
    return {"words": words, "label": label, "tone": tone, "url": _page_of(each)}


def _stock_words(each: Decision, name: str) -> str:
    left, whole = f"{each.number:,}", f"{each.of:,}"
    if each.is_gone:
        return gettext("“%(name)s”: all %(of)s are gone.", name=name, of=whole)
    return gettext("“%(name)s”: %(count)s of %(of)s left.", name=name, count=left, of=whole)


def _budget_words(each: Decision, name: str) -> str:
    if each.is_gone:
        return gettext("“%(name)s”: its budget does not cover another coupon.", name=name)
    left, whole = (money(cents, chain_of(actor()).currency, language()) for cents in (each.number, each.of))
    return gettext("“%(name)s”: %(left)s of its budget of %(whole)s left.", name=name, left=left, whole=whole)


def _page_of(each: Decision) -> str:
    if each.matter in (Matter.LOW_STOCK, Matter.LOW_BUDGET, Matter.ENDING, Matter.APPROVAL):
        return url_for("offers.show", offer_id=each.object_id)
    if each.matter == Matter.REWARDS:
        return url_for("rewards.queue")
    if each.matter == Matter.NO_CODE:
        return url_for("stores.show", store_id=each.object_id)
    return url_for("campaigns.show", campaign_id=each.object_id)


def _steps(chain_id: int) -> list[dict[str, object]]:
    """What a fresh chain does first, and which of it is done."""
    has_store = db.session.scalar(db.select(Store.id).filter_by(chain_id=chain_id).limit(1)) is not None
    has_offer = db.session.scalar(db.select(Offer.id).filter_by(chain_id=chain_id).limit(1)) is not None
    may_edit = actor().role == Role.HQ_ADMIN
    return [
        {
            "title": gettext("Bring your stores in"),
            "why": gettext("From head office's list, or one by one. Each store gets its own code at once."),
            "url": url_for("stores.index"),
            "label": gettext("Bring stores in"),
            "done": has_store,
        },
        {
            "title": gettext("Write a welcome coupon"),
            "why": gettext("Whoever takes the card gets it at once. It is the reason to scan."),
            "url": url_for("offers.new") if may_edit else url_for("offers.index"),
            "label": gettext("Write a coupon"),
            "done": has_offer,
        },
        {
            "title": gettext("Print the posters and hang them up"),
            "why": gettext("One scan, one tap, and the card is in the customer's phone. The first card appears here."),
            "url": url_for("stores.index"),
            "label": gettext("To the posters"),
            "done": False,
        },
    ]
