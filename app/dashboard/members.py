"""Members: the list with its filters, one member, freezing a card."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from markupsafe import Markup, escape
from sqlalchemy import select
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, MANAGERS, access, actor, author, require_staff
from app.dashboard import personal, store_choice
from app.dashboard.frame import chain_of
from app.dashboard.shares.bringing import PRINTERS
from app.dashboard.store_choice import Choice
from app.flashing import flash_with_undo
from app.languages import language
from app.reports import people
from app.reports.people import Filters, Person
from app.reports.question import Reader
from app.reports.views import reader_of
from app.security import row_number
from cards import freezing
from cards.models import CardState, Program, Tier
from core.clock import utc_now
from core.db import db, transaction
from core.errors import DomainError, NotFound
from core.money import money
from coupons.queries import find_coupon
from coupons.voiding import void_coupon
from push.audiences.models import Segment
from push.audiences.saved_segments import called, get_segment
from sharing.reward_queries import rewards_of_member
from stores.models import Role

bp = Blueprint("members", __name__, url_prefix="/dashboard/members", template_folder="templates")
bp.before_request(require_staff)
bp.record_once(lambda state: personal.init_app(state.app))

PAGE = 50
LONGEST_SEARCH = 80
NAMES = ("search", "tier", "store", "state", "joined_from", "joined_to", "segment")
ID = "<int:member_id>"
CARD = f"{ID}/cards/<int:card_id>"
FREEZERS = (Role.HQ_ADMIN, Role.STORE_MANAGER)


@dataclass(frozen=True)
class Asked:
    """What the list is asked for: as written in the address, and as understood."""

    words: dict[str, str]
    filters: Filters
    store: Choice
    segment: Segment | None  # for head office


@bp.get("")
@access(*MANAGERS)
def index() -> str:
    """The members of the chain, or of a manager's stores; newest first."""
    who, chain = actor(), chain_of(actor())
    asked, reader = _asked(), reader_of(who)
    after = request.args.get("after", type=row_number)
    found = people.list_people(reader, asked.filters, chain=chain, after=after, limit=PAGE + 1)
    total = people.count_people(reader, asked.filters, chain=chain)
    return render_template(
        "dashboard/members/index.html",
        nav="members",
        reader=reader,
        people=found[:PAGE],
        next_after=found[PAGE - 1].id if len(found) > PAGE else None,
        after=after,
        total=total,
        count_words=_count_words(total),
        filters=asked.filters,
        asked=asked.words,
        tiers=_tiers(chain.id),
        store=asked.store,
        segment=(asked.segment, called(asked.segment)) if asked.segment else None,
        csv_url=_csv_url(asked),
    )


@bp.get(f"/{ID}")
@access(*MANAGERS)
def show(member_id: int) -> str:
    """One member with everything that is known."""
    reader = reader_of(actor())
    person = people.find_person(reader, member_id, now=utc_now())
    chain = chain_of(actor())
    return render_template(
        "dashboard/members/show.html",
        nav="members",
        reader=reader,
        person=person,
        name=_name(person, reader),
        came_through=_came_through(person, reader),
        consents=_consents(person),
        words=_words(person),
        may_freeze=actor().role in FREEZERS,
        may_void=actor().role in HQ_ADMIN,
        may_correct=actor().role in HQ_ADMIN,
        may_print=actor().role in PRINTERS,
        rewards=rewards_of_member(chain.id, member_id, limit=people.SHOWN),
        cash=lambda cents: money(cents, chain.currency, language()),
    )


@bp.post(f"/{CARD}/freeze")
@access(*FREEZERS)
def freeze(member_id: int, card_id: int) -> Response:
    """Stop a card, with a way back."""
    _change(freezing.freeze, member_id, card_id)
    undo = url_for("members.unfreeze", member_id=member_id, card_id=card_id)
    flash_with_undo(gettext("The card is frozen."), undo)
    return redirect(url_for("members.show", member_id=member_id))


@bp.post(f"/{CARD}/unfreeze")
@access(*FREEZERS)
def unfreeze(member_id: int, card_id: int) -> Response:
    """Let a frozen card go."""
    _change(freezing.unfreeze, member_id, card_id)
    flash(gettext("The card works again."), "good")
    return redirect(url_for("members.show", member_id=member_id))


@bp.post(f"/{ID}/coupons/<int:coupon_id>/void")
@access(*HQ_ADMIN)
def void(member_id: int, coupon_id: int) -> Response:
    """Take a coupon away for good, with a reason."""
    now = utc_now()
    person = people.find_person(reader_of(actor()), member_id, now=now)
    if not any(find_coupon(held.card.id, coupon_id, now=now) for held in person.cards):
        raise NotFound()
    try:
        with transaction():
            void_coupon(actor().chain_id, coupon_id, reason=request.form.get("reason", ""), by=author(), now=now)
    except DomainError as refusal:
        flash(refusal.say(language()), "warn")
    else:
        flash(gettext("The coupon is void."), "good")
    return redirect(url_for("members.show", member_id=member_id, _anchor="coupons"))


def _change(change: Callable[..., bool], member_id: int, card_id: int) -> None:
    now = utc_now()
    person = people.find_person(reader_of(actor()), member_id, now=now)
    if card_id not in [held.card.id for held in person.cards]:
        raise NotFound()
    chain_id, by = actor().chain_id, author()
    with transaction():
        change(chain_id, card_id, by=by, now=now)


def _asked() -> Asked:
    """The filters of this request. What makes no sense is left out."""
    given = {name: request.args.get(name, "").replace("\0", "").strip()[:LONGEST_SEARCH] for name in NAMES}
    choice = store_choice.choose(given["store"])
    segment_id = request.args.get("segment", type=row_number) if actor().role in HQ else None
    segment = get_segment(actor().chain_id, segment_id) if segment_id is not None else None
    filters = Filters(
        search=given["search"],
        tier_id=request.args.get("tier", type=row_number),
        store_id=choice.store.id if choice.store else None,
        state=given["state"] if given["state"] in [*CardState] else "",
        joined_from=_day(given["joined_from"]),
        joined_to=_day(given["joined_to"]),
        segment_id=segment.id if segment else None,
    )
    words = {name: word for name, word in given.items() if word}
    return Asked(words, filters, choice, segment)


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 1970 <= day.year <= 2100 else None


def _tiers(chain_id: int) -> list[tuple[int, str]]:
    query = (
        select(Tier.id, Tier.name, Tier.name_en)
        .join(Program, Program.id == Tier.program_id)
        .where(Tier.chain_id == chain_id, Program.is_default)
        .order_by(Tier.rank)
    )
    return [(row[0], row[2] if language() == "en" else row[1]) for row in db.session.execute(query)]


def _count_words(total: int) -> str:
    if total > people.MOST_COUNTED:
        return gettext("more than %(count)s members", count=f"{people.MOST_COUNTED:,}")
    return ngettext("%(count)s member", "%(count)s members", total, count=f"{total:,}")


def _csv_url(asked: Asked) -> str:
    store = asked.store.store
    narrowed = {
        "segment": str(asked.segment.id) if asked.segment else "",
        "from": asked.words.get("joined_from"),
        "to": asked.words.get("joined_to"),
        "store": store.code if store else "",
    }
    return url_for("report_files.csv_file", name="members", **{name: word for name, word in narrowed.items() if word})


def _name(person: Person, reader: Reader) -> str:
    number = person.cards[0].card.number if person.cards else ""
    return personal.called(Called(person.member.name, number), reader)


class Called(NamedTuple):
    """What somebody can be called by."""

    name: str
    number: str


def _came_through(person: Person, reader: Reader) -> str | Markup:
    """Who brought him, as a link where the reader may follow it."""
    friend = person.came_through
    if friend is None:
        return ""
    if not people.may_see(reader, friend):
        return gettext("a member of another store")
    url = url_for("members.show", member_id=friend.member_id)
    return Markup('<a href="{}">{}</a>').format(url, escape(personal.called(friend, reader)))


def _consents(person: Person) -> str:
    """The channels over which he gets promotion."""
    words = _channel_words()
    wanted = [words[channel] for channel, granted in person.consents.items() if granted]
    return ", ".join(dict.fromkeys(wanted)) or gettext("wants none")


def _words(person: Person) -> list[dict[str, Any]]:
    """What he said himself about being told, the latest first: the proof of each consent."""
    purposes = {"promotion": gettext("Offers and news"), "service": gettext("About the own card")}
    sources = {
        "wallet settings": gettext("in the settings"),
        "wallet inbox": gettext("in the inbox"),
        "unsubscribe link": gettext("by the link in a message"),
        "browser": gettext("when notifications were turned on"),
    }
    channels = _channel_words()
    said = sorted(person.words.items(), key=lambda each: each[1].at, reverse=True)
    return [
        {
            "what": f"{purposes[purpose]} · {channels[channel]}"
            if purpose in purposes
            else gettext("Which links are followed"),
            "is_granted": word.is_granted,
            "at": word.at,
            "where": sources.get(word.source, word.source),
        }
        for (purpose, channel), word in said
    ]


def _channel_words() -> dict[str, str]:
    return {
        "inbox": gettext("Wallet inbox"),
        "email": gettext("E-mail"),
        "gateway": gettext("SMS"),
        "web_push": gettext("Browser notification"),
        "wechat_template": gettext("WeChat to followers"),
        "wechat_subscription": gettext("WeChat by subscription"),
    }
