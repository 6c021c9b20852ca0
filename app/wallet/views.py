"""The wallet: its cards, the code for the till, coupons, stores nearby."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug import Response

from app.auth.devices import device_wallet
from app.auth.guard import PUBLIC, WALLET, access, actor, author
from app.flashing import flash_with_undo
from app.languages import say
from app.wallet.browsers import may_be_offered
from app.wallet.giving import given_words, giving_shown, taken_lately
from app.wallet.phone import held_card, require_wallet
from app.wallet.receipts import latest_of
from app.wallet.sharing import find_shareable, sheet_of
from app.wallet.showing import (
    card_shown,
    code_shown,
    coupon_shown,
    day_shown,
    distance_shown,
    name_of,
    offer_shown,
    points_worth,
)
from cards import holding
from cards.contacts import spoken
from cards.holding import RESTORABLE_FOR, HeldCard
from cards.models import CardState
from cards.rotating_code import STEP
from core.clock import utc_now
from core.db import transaction
from coupons import gift_views, queries, terms
from coupons.errors import CouponNotFound
from coupons.models import CouponState
from coupons.scopes import scope_of
from push import inbox
from sharing import friends
from sharing.models import Occasion
from stores.models import Store
from stores.nearby import NearbyStore, Place, stores_named, stores_nearby
from stores.queries import get_store

bp = Blueprint("wallet", __name__, url_prefix="/wallet", template_folder="templates")
bp.before_request(require_wallet)

MOST_OFFERS = 3  # to be claimed, on the card's page
FRESH_FOR = timedelta(days=1)  # so long a new card asks whether a friend would like one too
PLACE_DIGITS = 3  # of a degree: about 100 metres, all that is needed to sort stores


@bp.get("/")
@access(PUBLIC)
def index() -> str:
    """All cards of this phone; one sentence where there are none."""
    wallet, now = device_wallet(), utc_now()
    cards = holding.cards_of_wallet(wallet.id, now=now) if wallet else []
    coupons = queries.count_usable([held.card.id for held in cards], now=now)
    return render_template(
        "wallet/index.html",
        cards=[(held, card_shown(held), coupons.get(held.card.id, 0)) for held in cards],
        unread=inbox.count_unread(wallet.id) if wallet else 0,
        chain_accent=cards[0].chain.accent if cards else None,
    )


@bp.get("/privacy")
@access(PUBLIC)
def privacy() -> str:
    return render_template("wallet/privacy.html")


@bp.get("/cards/<int:card_id>")
@access(WALLET)
def card(card_id: int) -> str:
    """The card: the code is the page. ``scan`` is the store code that led here, to be counted."""
    held, now = held_card(card_id), utc_now()
    if held.card.state != CardState.ACTIVE:
        return _resting(held)
    coupons = queries.coupons_of_card(card_id, now=now)
    open_coupons = [c for c in coupons if c.state in (CouponState.CLAIMED, CouponState.GIFTING)]
    offers = queries.public_offers(held.chain.id, now=now, member_id=held.member.id)
    code, brought = code_shown(held, now=now), friends.count_friends(held.chain.id, held.member.id)
    scanned = request.args.get("scan", "")
    claimable = [on_show for on_show in offers if on_show.is_claimable][:MOST_OFFERS]
    scan_url = url_for("scanning.seen", token=scanned) if scanned else ""
    shown_ids = [on_show.offer.id for on_show in claimable]
    seen_url = url_for("wallet_entering.seen", card_id=card_id, offer=shown_ids) if claimable else ""
    return render_template(
        "wallet/card.html",
        held=held,
        card=card_shown(held),
        code=code,
        period=int(STEP.total_seconds()),
        refresh_seconds=code["seconds"] or None,
        coupons=[coupon_shown(c, held.chain, now=now) for c in open_coupons],
        taken=taken_lately(held, now=now),
        has_past=len(open_coupons) < len(coupons),
        offers=[_offer_row(held, on_show, scanned) for on_show in claimable],
        sharing=sheet_of(held, Occasion.WALLET, now=now),
        is_fresh=held.card.issued_at > now - FRESH_FOR and not friends.has_shared(card_id),
        offers_notifications=may_be_offered(held),
        purchase=latest_of(held),
        brought=ngettext("You brought %(num)d friend", "You brought %(num)d friends", brought) if brought else "",
        tier=name_of(held.tier),
        points_worth=points_worth(held),
        unread=inbox.count_unread(actor().id),
        chain_accent=held.chain.accent,
        beacon_url=list(filter(None, [scan_url, seen_url])),
    )


def _offer_row(held: HeldCard, on_show: queries.OfferOnShow, scanned: str) -> tuple[dict[str, Any], str]:
    offer, chain = on_show.offer, held.chain
    when = say(terms.offer_validity(offer, chain.timezone, cutoff_hour=chain.cutoff_hour))
    return offer_shown(offer, chain, when), url_for("wallet_offers.look", token=offer.token, scan=scanned or None)


def _resting(held: HeldCard) -> str:
    """A frozen or closed card: why, and the way back."""
    closed_at = held.card.closed_at
    until = closed_at + RESTORABLE_FOR if closed_at else None
    return render_template(
        "wallet/resting.html",
        held=held,
        card=card_shown(held),
        until=day_shown(until, held.chain.timezone, now=utc_now()) if until and until > utc_now() else None,
        chain_accent=held.chain.accent,
    )


@bp.get("/cards/<int:card_id>/code")
@access(WALLET)
def code(card_id: int) -> Response:
    """The code of this moment, for the page that shows the card."""
    held = held_card(card_id)
    if held.card.state != CardState.ACTIVE:
        raise holding.CardFrozen()
    return jsonify(code_shown(held, now=utc_now()))


@bp.get("/cards/<int:card_id>/coupons")
@access(WALLET)
def coupons(card_id: int) -> str:
    """Every coupon of the card, also those that are over."""
    held, now = held_card(card_id), utc_now()
    found = queries.coupons_of_card(card_id, now=now)
    gone = gift_views.gifts_of_coupons([c.coupon.id for c in found if c.state == CouponState.VOID])
    given = {coupon_id: given_words(held, gift) for coupon_id, gift in gone.items() if gift.receiver_id}
    rows = [coupon_shown(c, held.chain, now=now, given=given.get(c.coupon.id, "")) for c in found]
    return render_template(
        "wallet/coupons.html",
        held=held,
        open_coupons=[row for row in rows if not row["used"]],
        past_coupons=[row for row in rows if row["used"]],
        chain_accent=held.chain.accent,
    )


@bp.get("/cards/<int:card_id>/coupons/<int:coupon_id>")
@access(WALLET)
def coupon(card_id: int, coupon_id: int) -> str:
    """One coupon: what it gives, when, and how it is used."""
    held, now = held_card(card_id), utc_now()
    found = queries.find_coupon(card_id, coupon_id, now=now)
    if found is None:
        raise CouponNotFound()
    chain = held.chain
    rules = [
        terms.sentence(found.offer, chain.currency),
        terms.validity_sentence(found.coupon, chain.timezone, cutoff_hour=chain.cutoff_hour),
        *terms.use_conditions(found.offer, cutoff_hour=chain.cutoff_hour, scope=scope_of(found.offer)),
    ]
    shown = giving_shown(held, found)
    return render_template(
        "wallet/coupon.html",
        held=held,
        giving=shown,
        coupon=coupon_shown(found, chain, now=now, given=shown["was_given"]),
        shared_offer_id=found.offer.id if _may_be_shared(held, found, now=now) else None,
        rules=[say(rule) for rule in rules],
        chain_accent=chain.accent,
    )


def _may_be_shared(held: HeldCard, found: queries.HeldCoupon, *, now: datetime) -> bool:
    """Whether a friend could have such a coupon too."""
    return held.card.state == CardState.ACTIVE and find_shareable(held, found.offer, now=now) is not None


@bp.get("/cards/<int:card_id>/stores")
@access(WALLET)
def stores(card_id: int) -> str:
    """The chain's stores: near the phone where it told its place, else those of the city where he joined first."""
    held = held_card(card_id)
    place, words = _place(), request.args.get("q", "").strip()[:60]
    joined_at = _joined_at(held)
    if place and not words:
        found = stores_nearby(held.chain.id, place)
    else:
        found = stores_named(held.chain.id, words, home=joined_at)
    return render_template(
        "wallet/stores.html",
        held=held,
        stores=[_store_row(near, held.chain.currency) for near in found],
        words=words,
        is_near=place is not None,
        chain_accent=held.chain.accent,
    )


def _store_row(near: NearbyStore, currency: str) -> dict[str, Any]:
    address = " ".join(filter(None, (near.store.city, near.store.address)))
    return {
        "store": near.store,
        "address": address,
        "phone": spoken(near.store.phone, currency=currency),
        "distance": distance_shown(near.metres),
    }


def _joined_at(held: HeldCard) -> Store | None:
    return get_store(held.chain.id, held.card.store_id) if held.card.store_id else None


def _place() -> Place | None:
    """Where the phone is, if it told."""
    latitude, longitude = request.args.get("lat", type=float), request.args.get("lng", type=float)
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    return Place(round(latitude, PLACE_DIGITS), round(longitude, PLACE_DIGITS))


@bp.post("/cards/<int:card_id>/close")
@access(WALLET)
def close(card_id: int) -> Response:
    """Leave, at once; the next page can undo it."""
    with transaction():
        holding.close_card(actor().id, card_id, by=author(), now=utc_now())
    flash_with_undo(
        _("The card is closed. Points and coupons are kept for 30 days."),
        url_for("wallet.restore", card_id=card_id),
        undo_label=_("Restore"),
    )
    return redirect(url_for("wallet.index"), 303)


@bp.post("/cards/<int:card_id>/restore")
@access(WALLET)
def restore(card_id: int) -> Response:
    with transaction():
        holding.restore_card(actor().id, card_id, by=author(), now=utc_now())
    flash(_("Welcome back. Everything is as it was."), "good")
    return redirect(url_for("wallet.card", card_id=card_id), 303)
