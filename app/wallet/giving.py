"""Giving a coupon away, on the giver's phone: hold it out, send the link, see what became of it, take it back."""

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app import gifts
from app.auth.guard import WALLET, access
from app.errors import wants_json
from app.languages import language, say
from app.traces import trace_of_request
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import coupon_shown, moment_shown, name_of, picture, public_url
from cards.contacts import masked_name
from cards.holding import HeldCard
from core.clock import utc_now
from core.db import transaction
from coupons import gift_views, giving, queries, terms
from coupons.errors import CouponBeingGiven, CouponNotFound, CouponNotUsable, GiftMessageTooLong
from coupons.gift_models import GiftState
from coupons.gift_views import Given, Giver
from coupons.giving import LONGEST_MESSAGE
from coupons.models import CouponSource, CouponState
from coupons.queries import HeldCoupon
from sharing import naming

TOLD_FOR = timedelta(hours=12)

bp = Blueprint(
    "wallet_giving",
    __name__,
    url_prefix="/wallet/cards/<int:card_id>/coupons/<int:coupon_id>/give",
    template_folder="templates",
)
bp.before_request(require_wallet)


@bp.get("")
@access(WALLET)
def write(card_id: int, coupon_id: int) -> str | Response:
    """What is given, and a line to go with it."""
    held, found = _coupon(card_id, coupon_id)
    if not may_be_given(found):
        return redirect(url_for("wallet.coupon", card_id=card_id, coupon_id=coupon_id))
    return _form(held, found)


@bp.post("")
@access(WALLET)
def give(card_id: int, coupon_id: int) -> Response | tuple[str, int]:
    """Hold it out. Tapped again, the link is the same."""
    held, found = _coupon(card_id, coupon_id)
    try:
        with transaction():
            message, trace = request.form.get("message", ""), trace_of_request()
            gifts.give(held.chain.id, card_id, coupon_id, message, now=utc_now(), trace=trace)
    except CouponBeingGiven:
        pass
    except GiftMessageTooLong as refusal:
        return _form(held, found, error=refusal.say(language())), 422
    if not wants_json():
        return redirect(url_for("wallet.coupon", card_id=card_id, coupon_id=coupon_id), 303)
    given = gift_views.gifts_of_coupons([coupon_id])[coupon_id]
    title = title_of(naming.shown_name(held.member), name_of(found.offer))
    return jsonify(url=address_of(given.token), title=title, text=given.message or title)


@bp.post("/cancel")
@access(WALLET)
def cancel(card_id: int, coupon_id: int) -> Response:
    """Take it back, if no friend was faster."""
    held_card(card_id)
    try:
        with transaction():
            giving.cancel(card_id, coupon_id, now=utc_now())
    except CouponNotUsable:
        flash(_("A friend was faster: the coupon is taken."), "warn")
    else:
        flash(_("The coupon is yours again. The link no longer works."), "good")
    return redirect(url_for("wallet.coupon", card_id=card_id, coupon_id=coupon_id), 303)


def may_be_given(found: HeldCoupon) -> bool:
    return found.offer.may_be_given and found.state == CouponState.CLAIMED


def giving_shown(held: HeldCard, found: HeldCoupon) -> dict[str, Any]:
    """How the giving of a coupon stands, for the coupon's page."""
    given = gift_views.gifts_of_coupons([found.coupon.id]).get(found.coupon.id)
    giver = gift_views.find_giver(found.coupon.id) if found.coupon.source == CouponSource.FRIEND else None
    return {
        "may_be_given": may_be_given(found),
        "waiting": _waiting(held, given) if given and given.state == GiftState.OPEN else None,
        "was_given": given_words(held, given) if given and given.state == GiftState.ACCEPTED else "",
        "came_back": bool(given and given.state == GiftState.TIMED_OUT and found.state == CouponState.CLAIMED),
        "giver": _giver_shown(giver) if giver else None,
    }


def _giver_shown(giver: Giver) -> dict[str, str]:
    name = naming.find_choice(giver.member_id).of(giver.name)
    return {"name": name or _("A friend"), "message": giver.message}


def taken_lately(held: HeldCard, *, now: datetime) -> list[str]:
    """That a friend has taken a gift, told on the card's page for a few hours."""
    return [
        str(_("%(name)s took your gift: %(offer)s", name=masked_name(name) or _("A friend"), offer=name_of(offer)))
        for offer, name in gift_views.taken_since(held.chain.id, held.member.id, now - TOLD_FOR)
    ]


def given_words(held: HeldCard, given: Given) -> str:
    """To whom it went, and when; strangers' names are masked."""
    name, now = masked_name(given.receiver_name), utc_now()
    assert given.ended_at is not None
    when = moment_shown(given.ended_at, held.chain.timezone, now=now)
    if not name:
        return str(_("A friend took it, %(when)s", when=when))
    return str(_("%(name)s took it, %(when)s", name=name, when=when))


def title_of(giver_name: str, offer_name: str) -> str:
    """The line above the link in a messenger."""
    return str(_("%(name)s gives you a coupon: %(offer)s", name=giver_name or _("A friend"), offer=offer_name))


def address_of(token: str) -> str:
    return public_url(url_for("wallet_receiving.look", token=token))


def _waiting(held: HeldCard, given: Given) -> dict[str, Any]:
    address = address_of(given.token)
    return {
        "address": address,
        "qr": picture(address),
        "message": given.message,
        "until": moment_shown(given.valid_until, held.chain.timezone, now=utc_now()),
    }


def _coupon(card_id: int, coupon_id: int) -> tuple[HeldCard, HeldCoupon]:
    held = held_card(card_id)
    found = queries.find_coupon(card_id, coupon_id, now=utc_now())
    if found is None:
        raise CouponNotFound()
    return held, found


def _form(held: HeldCard, found: HeldCoupon, *, error: str = "") -> str:
    chain = held.chain
    return render_template(
        "wallet/give.html",
        held=held,
        coupon=coupon_shown(found, chain, now=utc_now()),
        rule=say(terms.sentence(found.offer, chain.currency)),
        message=request.form.get("message", ""),
        longest=LONGEST_MESSAGE,
        error=error,
        shown_name=naming.shown_name(held.member),
        chain_accent=chain.accent,
    )
