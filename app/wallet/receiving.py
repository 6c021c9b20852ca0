"""A coupon that a friend gives: what it is, from whom, and one tap. Who has no card yet takes it with the coupon."""

from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app import gifts
from app.auth.devices import device_key_hash, device_wallet
from app.auth.guard import PUBLIC, access
from app.languages import language, say
from app.security import note_wrong_code, slow_down_guessing
from app.traces import trace_of_request
from app.wallet.giving import title_of
from app.wallet.showing import lines, moment_shown, name_of, offer_shown, program_shown, public_url
from core.clock import utc_now
from core.hot import one_action
from coupons import errors, gift_views, giving, terms
from coupons.gift_views import GiftView
from coupons.scopes import scope_of
from sharing import linking, naming, previews, visiting
from sharing.joining import CodeUnknown

bp = Blueprint("wallet_receiving", __name__, url_prefix="/g", template_folder="templates")


@bp.get("/<token>")
@access(PUBLIC)
def look(token: str) -> Response | str:
    """The gift and one button. Looking takes nothing: messengers open links all day."""
    found, wallet, now = _gift(token), device_wallet(), utc_now()
    if wallet and wallet.id == found.giver_wallet_id:
        return redirect(url_for("wallet.coupon", card_id=found.giver_card_id, coupon_id=found.coupon.id))
    taken = giving.find_taken(found, wallet.id) if wallet else None
    if taken is not None:
        return redirect(url_for("wallet.coupon", card_id=taken.card_id, coupon_id=taken.id))
    if not gifts.is_open(found, now=now):
        raise errors.GiftGone()
    device_key_hash()  # the cookie comes with the page, so that parallel taps are one wallet
    return render_template("wallet/gift.html", **_shown(found, wallet.id if wallet else None))


@bp.post("/<token>")
@access(PUBLIC)
def accept(token: str) -> Response:
    """Take it; any number of taps are one."""
    found = _gift(token)
    try:
        taken = gifts.take(token, key_hash=device_key_hash(), trace=trace_of_request())
    except errors.PhoneNeeded:
        return _prove_phone(found)
    except (errors.CardNotInScope, errors.OfferLimitReached, errors.OfferPhoneLimitReached) as refusal:
        flash(refusal.say(language()), "warn")
        return redirect(url_for("wallet_receiving.look", token=token), 303)
    except errors.CardNeeded:  # he left, or the chain froze the card
        return redirect(url_for("wallet.index"), 303)
    flash(_("The coupon is in your card."), "good")
    return redirect(url_for("wallet.coupon", card_id=taken.card_id, coupon_id=taken.id), 303)


@bp.post("/<token>/visit")
@access(PUBLIC)
def visited(token: str) -> tuple[str, int]:
    """Told by the page once a person really sees it. Previews are not counted."""
    if not previews.is_preview(request.user_agent.string, dict(request.headers), method=request.method):
        link = gifts.link_of(_gift(token))
        visitor, now = device_key_hash(), utc_now()
        if link is not None:
            try:
                with one_action() as hot:
                    visiting.count_visit(hot, link, visitor=visitor, now=now)
            except CodeUnknown:
                pass  # the giver has closed his card
    return "", 204


def _gift(token: str) -> GiftView:
    slow_down_guessing()
    found = gift_views.find_gift(token)
    if found is None:
        if not gift_views.is_known(token):
            note_wrong_code()
        raise errors.GiftGone()
    g.chain = found.chain
    return found


def _prove_phone(found: GiftView) -> Response:
    """To the page where the phone is proved; it leads back here."""
    wallet = device_wallet()
    card_id = gifts.find_card(wallet.id, found.chain.id, now=utc_now()) if wallet else None
    if card_id is None:
        return redirect(url_for("wallet.index"), 303)
    return redirect(url_for("wallet_phone.show", card_id=card_id, gift=found.gift.token), 303)


def _shown(found: GiftView, wallet_id: int | None) -> dict[str, Any]:
    chain, offer, now = found.chain, found.offer, utc_now()
    valid = say(terms.validity_sentence(found.coupon, chain.timezone, cutoff_hour=chain.cutoff_hour))
    uses = terms.use_conditions(offer, cutoff_hour=chain.cutoff_hour, scope=scope_of(offer))
    does = say(terms.sentence(offer, chain.currency))
    giver = naming.find_choice(found.gift.giver_id).of(found.giver_name)
    has_card = gifts.find_card(wallet_id, chain.id, now=now) is not None
    return {
        "giver": giver or _("A friend"),
        "is_named": bool(giver),
        "message": found.gift.message,
        "ticket": offer_shown(offer, chain, valid),
        "rules": [does, *map(say, uses)],
        "until": moment_shown(found.gift.valid_until, chain.timezone, now=now),
        "has_card": has_card,
        "chain_name": name_of(chain),
        "chain_accent": chain.accent,
        "take_url": url_for("wallet_receiving.accept", token=found.gift.token),
        "beacon_url": url_for("wallet_receiving.visited", token=found.gift.token),
        "og": {
            "title": title_of(giver, name_of(offer)),
            "description": does,
            "url": public_url(url_for("wallet_receiving.look", token=found.gift.token)),
            "image": public_url(url_for("scanning.face_picture", slug=chain.slug)),
        },
    } | ({} if has_card else _card_shown(found))


def _card_shown(found: GiftView) -> dict[str, Any]:
    """The card that comes with the coupon: of the same program as the giver's."""
    link = gifts.link_of(found)
    shared = linking.find_link(link, now=utc_now()) if link else None
    if shared is None:
        raise errors.GiftGone()
    program = shared.program
    return {"card": program_shown(shared.chain, program), "terms": lines(program.terms, program.terms_en)}
