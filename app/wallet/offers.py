"""The public claim page of an offer. Who has no card yet takes it with the coupon, by the same tap."""

from typing import Any, NamedTuple

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug import Response

from app.auth.devices import device_key_hash, device_wallet
from app.auth.guard import PUBLIC, access
from app.languages import language, say
from app.security import note_wrong_code, row_number, slow_down_guessing
from app.traces import trace_of_request
from app.wallet.showing import lines, name_of, offer_shown, program_shown, public_url
from cards import faces, holding, issuing, wallets
from cards.faces import Face
from cards.holding import HeldCard
from cards.models import CardState
from core.clock import utc_now
from core.db import transaction
from core.errors import Conflict, Invalid
from core.hot import one_action, reading, this_transaction
from core.idempotency import Answer, earlier_answer, fingerprint, keep_answer
from core.text import Text
from core.tokens import new_code
from coupons import errors, queries, sightings, terms
from coupons.claiming import claim, why_not
from coupons.models import CouponSource, Offer, OfferState
from coupons.offers import find_public_offer
from coupons.scopes import scope_of
from sharing import joining
from sharing.joining import CodeUnknown
from sharing.previews import is_preview
from stores.nearby import stores_named
from stores.queries import codes_of_store, get_store

bp = Blueprint("wallet_offers", __name__, template_folder="templates")
MOST_STORES = 20


@bp.get("/o/<token>")
@access(PUBLIC)
def look(token: str) -> str:
    """What the coupon gives and one button; why not, where it cannot be had."""
    offer, face = _offer_of(token)
    held = _held(offer.chain_id)
    on_show = _on_show(offer, held)
    words = request.args.get("q", "").strip()[:60]
    device_key_hash()
    chain, scanned = face.chain, _scanned(offer.chain_id)
    return render_template(
        "wallet/offer.html",
        ticket=offer_shown(offer, chain, say(_validity(offer, face))),
        rules=[say(terms.sentence(offer, chain.currency)), *map(say, _conditions(offer, face))],
        left=on_show.left if on_show else None,
        refusal=_refusal(offer, on_show, held),
        proof_url=_proof_url(offer, held) if _needs_proof(offer, held) else "",
        held=held,
        face=face,
        card=program_shown(chain, face.program),
        terms=lines(face.program.terms, face.program.terms_en),
        stores=[] if held else stores_named(chain.id, words, limit=MOST_STORES),
        words=words,
        request_id=new_code(),
        chain_name=name_of(chain),
        chain_accent=chain.accent,
        take_url=url_for("wallet_offers.take", token=token),
        scan=scanned.token,
        beacon_url=url_for("wallet_offers.seen", token=token, scan=scanned.token or None),
        og={
            "title": f"{name_of(chain)} · {name_of(offer)}",
            "description": say(terms.sentence(offer, chain.currency)),
            "url": public_url(url_for("wallet_offers.look", token=token)),
            "image": public_url(url_for("scanning.face_picture", slug=chain.slug)),
        },
    )


@bp.post("/o/<token>")
@access(PUBLIC)
def take(token: str) -> Response:
    """Claim one coupon; the same form sent twice is one claim."""
    offer, _face = _offer_of(token)
    try:
        held = _held(offer.chain_id) or _join(offer.chain_id)
        _claim_once(offer, held)
    except errors.PhoneNeeded:
        return redirect(_proof_url(offer, held), 303)
    except errors.CardNeeded:  # he left, or the chain froze the card
        return redirect(url_for("wallet.index"), 303)
    except (Conflict, StoreNeeded) as refusal:
        flash(refusal.say(language()), "warn")
        return redirect(url_for("wallet_offers.look", token=token), 303)
    flash(_("The coupon is in your card."), "good")
    return redirect(url_for("wallet.card", card_id=held.card.id), 303)


@bp.post("/o/<token>/seen")
@access(PUBLIC)
def seen(token: str) -> tuple[str, int]:
    """Told by the page once a person really sees it."""
    offer, _face = _offer_of(token)
    if not is_preview(request.user_agent.string, dict(request.headers), method=request.method):
        scanned = _scanned(offer.chain_id)
        visitor, now = device_key_hash(), utc_now()
        with one_action() as hot:
            sightings.see(hot, [offer.id], visitor=visitor, now=now, source=scanned.source, store_id=scanned.store_id)
    return "", 204


class StoreNeeded(Invalid):
    """A card belongs to a store."""

    code = "store_not_chosen"
    sentence = Text("先选一家您常去的门店。", "First choose the store you go to.")


def _offer_of(token: str) -> tuple[Offer, Face]:
    slow_down_guessing()
    offer = find_public_offer(token)
    face = faces.find_face_of_chain(offer.chain_id) if offer and offer.state != OfferState.DRAFT else None
    if offer is None or face is None:
        note_wrong_code()
        raise CodeUnknown()
    g.chain = face.chain
    return offer, face


class Scanned(NamedTuple):
    """How the page was come by: through a store's code (``?scan=``), or not."""

    token: str = ""
    store_id: int | None = None

    @property
    def source(self) -> CouponSource:
        return CouponSource.STORE_CODE if self.token else CouponSource.CLAIM_PAGE


def _scanned(chain_id: int) -> Scanned:
    token = request.values.get("scan", "")
    if not token:
        return Scanned()
    with reading() as hot:
        origin = issuing.find_origin_by_code(hot, token, now=utc_now())
    return Scanned(token, origin.store_id) if origin is not None and origin.chain_id == chain_id else Scanned()


def _held(chain_id: int) -> HeldCard | None:
    """The active card of this chain on this phone."""
    wallet = device_wallet()
    cards = holding.cards_of_wallet(wallet.id, now=utc_now()) if wallet else []
    return next((h for h in cards if h.chain.id == chain_id and h.card.state == CardState.ACTIVE), None)


def _on_show(offer: Offer, held: HeldCard | None) -> queries.OfferOnShow | None:
    """The offer as it stands now; None when it does not run."""
    member_id = held.member.id if held else None
    shown = queries.public_offers(offer.chain_id, now=utc_now(), member_id=member_id, limit=200)
    return next((row for row in shown if row.offer.id == offer.id), None)


def _refusal(offer: Offer, on_show: queries.OfferOnShow | None, held: HeldCard | None) -> str:
    """Why there is no button; empty when there is one."""
    if on_show is None:
        return errors.OfferNotRunning().say(language())
    if on_show.left == 0:
        return errors.OfferSoldOut().say(language())
    if held is None:
        return ""
    with reading() as hot:
        refusal = why_not(hot, offer.id, card_id=held.card.id, now=utc_now())
    return "" if refusal is None or isinstance(refusal, errors.PhoneNeeded) else refusal.say(language())


def _needs_proof(offer: Offer, held: HeldCard | None) -> bool:
    """Whether his phone has to be proved before he can claim."""
    return offer.per_phone_limit is not None and held is not None and held.member.phone_verified_at is None


def _proof_url(offer: Offer, held: HeldCard | None) -> str:
    """Where the phone is proved; it leads back to the offer."""
    assert held is not None
    return url_for("wallet_phone.show", card_id=held.card.id, offer=offer.token)


def _validity(offer: Offer, face: Face) -> Any:
    return terms.offer_validity(offer, face.chain.timezone, cutoff_hour=face.chain.cutoff_hour)


def _conditions(offer: Offer, face: Face) -> Any:
    scope = scope_of(offer)
    return terms.conditions(offer, face.chain.timezone, cutoff_hour=face.chain.cutoff_hour, scope=scope)


def _join(chain_id: int) -> HeldCard:
    """Take the chain's card at the store that was chosen. Raises StoreNeeded."""
    store_id = request.form.get("store_id", type=row_number)
    if store_id is None:
        raise StoreNeeded()
    codes = codes_of_store(chain_id, get_store(chain_id, store_id).id)
    if not codes or codes[0].revoked_at is not None:
        raise StoreNeeded()
    token, visitor, now, trace = codes[0].token, device_key_hash(), utc_now(), trace_of_request()
    with one_action() as hot:
        wallet_id = wallets.open_wallet(hot, visitor, language=language(), now=now)
        joined = joining.join_by_code(
            hot, token, wallet_id=wallet_id, visitor=visitor, language=language(), now=now, trace=trace
        )
    return holding.card_of_wallet(wallet_id, joined.card_id)


def _claim_once(offer: Offer, held: HeldCard) -> None:
    """Claim, unless this very form has already claimed."""
    scanned = _scanned(offer.chain_id)
    key, scope = request.form.get("request_id", "")[:80] or new_code(), f"wallet:{held.card.wallet_id}:claim"
    _claim_by(scope, key, offer, held.card.id, source=scanned.source, store_id=scanned.store_id)


def claim_shared(offer: Offer, card_id: int, token: str) -> None:
    """Claim what a friend shared, by the claim page's rules: once for each card and link. Raises what claim raises."""
    _claim_by(f"card:{card_id}:shared", token, offer, card_id, source=CouponSource.CLAIM_PAGE, store_id=None)


def _claim_by(scope: str, key: str, offer: Offer, card_id: int, *, source: CouponSource, store_id: int | None) -> None:
    now = utc_now()
    with transaction():
        if earlier_answer(scope, key, fingerprint=fingerprint(offer.id), now=now) is None:
            claimed = claim(this_transaction(), offer.id, card_id=card_id, source=source, store_id=store_id, now=now)
            keep_answer(scope, key, Answer(303, {"coupon_id": claimed.id}))
