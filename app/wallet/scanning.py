"""What a customer gets for scanning a store's code or opening a friend's link: a card, by one tap."""

from typing import Any

from flask import Blueprint, current_app, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug import Response

from app.auth.devices import device_key_hash, device_wallet
from app.auth.guard import PUBLIC, access
from app.languages import language, say
from app.security import note_wrong_code, slow_down_guessing
from app.traces import trace_of_request
from app.wallet import invitations
from app.wallet.invitations import Invitation
from app.wallet.offers import claim_shared
from app.wallet.pictures import card_picture
from app.wallet.showing import lines, name_of, offer_shown, program_shown
from cards import faces, wallets
from cards.faces import Face
from cards.models import CardState, Program
from core.clock import utc_now
from core.errors import DomainError, NotFound
from core.hot import one_action, reading
from coupons import errors
from coupons import terms as coupon_terms
from coupons.models import Offer
from coupons.queries import find_welcome_offer
from coupons.scopes import scope_of
from sharing import joining, linking, previews, visiting
from sharing.joining import CodeUnknown, Joined
from sharing.linking import LinkView
from stores import scanning
from stores.models import Chain

PREVIEW_SECONDS = 3600  # kept by chat apps and whatever stands before them
bp = Blueprint("scanning", __name__, template_folder="templates")


@bp.get("/q/<token>")
@access(PUBLIC)
def look(token: str) -> Response | str:
    """The card of a store code and one button; the card itself where it is held. Takes nothing."""
    face = _face_of(token)
    held = _held(token)
    if held is not None:
        return redirect(url_for("wallet.card", card_id=held.card_id, scan=token))
    gift = find_welcome_offer(face.program.id, now=utc_now())
    device_key_hash()  # the cookie comes with the page, so that parallel taps are one wallet
    return render_template(
        "wallet/scan.html",
        face=face,
        card=program_shown(face.chain, face.program),
        chain_name=name_of(face.chain),
        chain_accent=face.chain.accent,
        gifts=benefit_rows(face.program, gift=say(coupon_terms.sentence(gift, face.chain.currency)) if gift else ""),
        terms=lines(face.program.terms, face.program.terms_en),
        take_url=url_for("scanning.take", token=token),
        beacon_url=url_for("scanning.seen", token=token),
    )


@bp.post("/q/<token>")
@access(PUBLIC)
def take(token: str) -> Response:
    """Take the card; any number of taps give one."""
    slow_down_guessing()
    visitor, trace, now = device_key_hash(), trace_of_request(), utc_now()
    try:
        with one_action() as hot:
            if not scanning.is_in_use(hot, token):
                raise CodeUnknown()
            wallet_id = wallets.open_wallet(hot, visitor, language=language(), now=now)
            joined = joining.join_by_code(
                hot, token, wallet_id=wallet_id, visitor=visitor, language=language(), now=now, trace=trace
            )
            scanning.count_scan(hot, token, visitor=visitor, now=now)
    except CodeUnknown:
        note_wrong_code()
        raise
    return welcome(joined)


@bp.post("/q/<token>/scan")
@access(PUBLIC)
def seen(token: str) -> tuple[str, int]:
    """Told by the page once a person really sees it."""
    if not _is_preview():
        visitor, now = device_key_hash(), utc_now()
        with one_action() as hot:
            scanning.count_scan(hot, token, visitor=visitor, now=now)
    return "", 204


@bp.get("/s/<token>")
@access(PUBLIC)
def friend(token: str) -> Response | str:
    """What a friend sent: who it is from, what it gives, one button; the card or the coupon where the card is held."""
    shared = _shared(token)
    invited = invitations.invitation_of(shared)
    held = _held(token, by_link=True)
    if held is not None:
        return redirect(_where_to(held, shared, invited))
    device_key_hash()
    chain = shared.chain
    return render_template(
        "wallet/friend.html",
        card=program_shown(chain, shared.program),
        title=say(invited.full_title),
        heading=say(invited.title),
        invited=invited,
        offer=_offer_shown(chain, invited.offer) if invited.offer else None,
        chain_name=name_of(chain),
        chain_accent=chain.accent,
        gifts=benefit_rows(shared.program, gift=say(invited.gift) if invited.gift else ""),
        terms=lines(shared.program.terms, shared.program.terms_en),
        take_url=url_for("scanning.accept", token=token),
        beacon_url=url_for("scanning.visited", token=token),
        og=invitations.open_graph(token, invited),
    )


@bp.post("/s/<token>")
@access(PUBLIC)
def accept(token: str) -> Response:
    """Take the card a friend sent, and the coupon with it; any number of taps give one of each."""
    slow_down_guessing()
    visitor, trace, now = device_key_hash(), trace_of_request(), utc_now()
    try:
        with one_action() as hot:
            visiting.count_visit(hot, token, visitor=visitor, now=now)
            wallet_id = wallets.open_wallet(hot, visitor, language=language(), now=now)
            joined = joining.join_by_link(
                hot, token, wallet_id=wallet_id, visitor=visitor, language=language(), now=now, trace=trace
            )
    except CodeUnknown:
        note_wrong_code()
        raise
    return _with_coupon(joined, token) or welcome(joined)


@bp.post("/s/<token>/visit")
@access(PUBLIC)
def visited(token: str) -> tuple[str, int]:
    """Told by the friend's page once a person really sees it. Previews are not counted."""
    if not _is_preview():
        slow_down_guessing()
        visitor, now = device_key_hash(), utc_now()
        try:
            with one_action() as hot:
                visiting.count_visit(hot, token, visitor=visitor, now=now)
        except CodeUnknown:
            note_wrong_code()
    return "", 204


@bp.get("/s/<token>/preview-<any(zh, en):language>.png")
@access(PUBLIC)
def preview_picture(token: str, language: str) -> Response:
    """What chat apps show beside a link. One that opens nothing has a picture too, which says nothing of anybody."""
    slow_down_guessing()
    shared = linking.find_link(token, now=utc_now())
    if shared is None:
        note_wrong_code()
    picture = invitations.preview(shared, language)
    headers = {"Cache-Control": f"public, max-age={PREVIEW_SECONDS if shared else 0}"}
    answer = Response(picture, 200 if shared else 404, mimetype="image/png", headers=headers)
    if shared is None:
        return answer
    answer.add_etag()
    return answer.make_conditional(request)


@bp.get("/face/<slug>.png")
@access(PUBLIC)
def face_picture(slug: str) -> Response:
    """The chain's card as a picture, for the previews of messengers."""
    face = faces.find_face_of_slug(slug)
    if face is None:
        raise NotFound()
    font = current_app.extensions["settings"].poster_font
    program = face.program
    picture = card_picture(face.chain.name, program.name, program.face_color, program.face_pattern, font)
    return Response(picture, mimetype="image/png", headers={"Cache-Control": "public, max-age=86400"})


def welcome(joined: Joined) -> Response:
    """To the card, with a word when it is new."""
    if joined.is_new:
        with_coupon = joined.coupon_id is not None
        flash(
            _("Your card is ready. The welcome coupon is in it.") if with_coupon else _("Your card is ready."), "good"
        )
    return redirect(url_for("wallet.card", card_id=joined.card_id), 303)


def _with_coupon(joined: Joined, token: str) -> Response | None:
    """After the card: the coupon that was shared, for whoever came for it. None where none was shared."""
    shared = linking.find_link(token, now=utc_now())
    if shared is None or shared.link.offer_id is None or joined.member_id == shared.link.member_id:
        return None
    invited = invitations.invitation_of(shared)
    card = redirect(url_for("wallet.card", card_id=joined.card_id), 303)
    ready = _("Your card is ready.") if joined.is_new else ""
    if invited.offer is None:
        flash(" ".join(filter(None, (ready, _("The coupon that was shared has run out.")))), "warn")
        return card
    try:
        claim_shared(invited.offer, joined.card_id, token)
    except errors.PhoneNeeded:
        return redirect(url_for("wallet_phone.show", card_id=joined.card_id, offer=invited.offer.token), 303)
    except DomainError as refusal:
        flash(" ".join(filter(None, (ready, refusal.say(language())))), "warn")
        return card
    flash(_("Card and coupon are yours.") if joined.is_new else _("The coupon is in your card."), "good")
    return card


def _where_to(held: Joined, shared: LinkView, invited: Invitation) -> str:
    """For somebody who has the card already: to the coupon he was sent, else to his card."""
    if invited.offer is not None and held.state == CardState.ACTIVE and held.member_id != shared.link.member_id:
        return url_for("wallet_offers.look", token=invited.offer.token)
    return url_for("wallet.card", card_id=held.card_id)


def _offer_shown(chain: Chain, offer: Offer) -> dict[str, Any]:
    """The coupon that was shared: its face and its rules."""
    zone, cutoff = chain.timezone, chain.cutoff_hour
    when = coupon_terms.offer_validity(offer, zone, cutoff_hour=cutoff)
    rules = coupon_terms.conditions(offer, zone, cutoff_hour=cutoff, scope=scope_of(offer))
    does = coupon_terms.sentence(offer, chain.currency)
    return {"ticket": offer_shown(offer, chain, say(when)), "rules": [say(does), *map(say, rules)]}


def benefit_rows(program: Program, *, gift: str = "") -> list[dict[str, str]]:
    """What the card gives, one thing on a line; the welcome gift first. Never nothing."""
    rows = [{"worth": line} for line in lines(program.benefits, program.benefits_en) or _usual_benefits(program)]
    return [{"worth": gift, "what": _("with the card")}, *rows] if gift else rows


def _usual_benefits(program: Program) -> list[str]:
    """What any card gives, where the chain has written nothing yet."""
    points = program.points_per_unit
    earned = ngettext("%(num)d point for every unit you pay", "%(num)d points for every unit you pay", points)
    return [*([earned] if points else []), _("Always with you: no app, nothing to carry")]


def _is_preview() -> bool:
    return previews.is_preview(request.user_agent.string, dict(request.headers), method=request.method)


def _face_of(token: str) -> Face:
    slow_down_guessing()
    face = faces.find_face_of_code(token)
    if face is None:
        note_wrong_code()
        raise CodeUnknown()
    g.chain = face.chain
    return face


def _shared(token: str) -> LinkView:
    slow_down_guessing()
    shared = linking.find_link(token, now=utc_now())
    if shared is None:
        note_wrong_code()
        raise CodeUnknown()
    g.chain = shared.chain
    return shared


def _held(token: str, *, by_link: bool = False) -> Joined | None:
    wallet = device_wallet()
    if wallet is None:
        return None
    with reading() as hot:
        return joining.find_held(hot, token, wallet_id=wallet.id, by_link=by_link)
