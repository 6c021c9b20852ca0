"""Sharing: every act makes a link of its own, for one channel, from wherever the thought arose."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug import Response as AnyResponse

from app.auth.guard import WALLET, access
from app.errors import wants_json
from app.languages import language, say
from app.security import row_number
from app.traces import trace_of_request
from app.wallet import invitations
from app.wallet.invitations import Invitation
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import card_shown, offer_shown, picture
from cards.holding import HeldCard
from core.clock import utc_now
from core.hot import one_action
from coupons import terms
from coupons.errors import OfferNotFound, OfferNotRunning
from coupons.models import Offer
from coupons.offers import get_offer
from coupons.queries import find_claimable, find_welcome_offer
from sharing import channels, linking, naming
from sharing.channels import Channel
from sharing.joining import CodeUnknown
from sharing.linking import LinkView
from sharing.models import Occasion, ShareChannel

bp = Blueprint("wallet_sharing", __name__, url_prefix="/wallet/cards/<int:card_id>/share", template_folder="templates")
bp.before_request(require_wallet)

OCCASIONS = (Occasion.WALLET, Occasion.JOINED, Occasion.RECEIPT, Occasion.COUPON)  # of members
KEPT_SECONDS = 300  # a poster, by the phone that shows it


@bp.get("")
@access(WALLET)
def choose(card_id: int) -> str:
    """The channels, for phones on which the sheet does not open and for thoughts that arose elsewhere."""
    held, now = held_card(card_id), utc_now()
    offer = _asked_offer(held, request.args.get("offer", type=row_number), now=now)
    shown = sheet_of(held, _occasion(request.args, offer), offer, now=now)
    ticket = _ticket(held, offer) if offer else None
    return render_template("wallet/share.html", **_page(held), sharing=shown, ticket=ticket)


@bp.post("")
@access(WALLET)
def share(card_id: int) -> AnyResponse:
    """Make the link of this act of sharing."""
    held, now = held_card(card_id), utc_now()
    channel = request.form.get("channel", ShareChannel.COPY)
    offer = _asked_offer(held, request.form.get("offer", type=row_number), now=now)
    occasion, trace = _occasion(request.form, offer), trace_of_request()
    offer_id = offer.id if offer else None
    with one_action() as hot:
        link = linking.create_link(
            hot, held.chain.id, card_id, channel, now=now, occasion=occasion, offer_id=offer_id, trace=trace
        )
    page = url_for("wallet_sharing.show", card_id=card_id, token=link.token)
    if not wants_json():
        return redirect(page, 303)
    invited = _invitation(held, offer, now=now)
    return jsonify(
        url=invitations.address_of(link.token),
        title=say(invited.full_title),
        text=f"{say(invited.full_title)} · {say(invited.message)}",
        picture=_picture_of(card_id, link.token, invited),
        page=page,
    )


@bp.get("/<token>")
@access(WALLET)
def show(card_id: int, token: str) -> str:
    """One link: as a poster to be kept, as a QR to be held out, to be copied."""
    held = held_card(card_id)
    invited = invitations.invitation_of(_own_link(card_id, token))
    address = invitations.address_of(token)
    return render_template(
        "wallet/shared.html",
        **_page(held),
        address=address,
        qr=picture(address),
        title=say(invited.full_title),
        poster_url=_picture_of(card_id, token, invited),
        is_offer_gone=invited.is_offer_gone,
    )


@bp.get("/<token>/poster.png")
@access(WALLET)
def poster_picture(card_id: int, token: str) -> Response:
    """The poster of one link, for the album; ``?download=1`` saves it as a file."""
    held_card(card_id)
    poster = invitations.poster(_own_link(card_id, token), language())
    headers = {"Cache-Control": f"private, max-age={KEPT_SECONDS}"}
    if request.args.get("download"):
        headers["Content-Disposition"] = f'attachment; filename="kaquan-{token[-4:].lower()}.png"'
    return Response(poster, mimetype="image/png", headers=headers)


@dataclass(frozen=True)
class Sheet:
    """What stands on the sheet of channels."""

    occasion: Occasion
    offer_id: int | None
    named: str  # as friends see the member; empty where they do not
    gifts: list[str]  # what a friend gets
    rewards: list[str]  # what the member gets for each
    own_channels: list[Channel]


def sheet_of(held: HeldCard, occasion: Occasion, offer: Offer | None = None, *, now: datetime) -> Sheet:
    """The sheet for a card, from wherever it is opened."""
    invited = _invitation(held, offer, now=now)
    return Sheet(
        occasion=occasion,
        offer_id=offer.id if offer else None,
        named=naming.shown_name(held.member),
        gifts=[say(gift) for gift in invited.gifts],
        rewards=[say(reward) for reward in invitations.referrer_rewards(held.chain)],
        own_channels=[channel for channel in channels.channels_for_members(held.chain.id) if channel.is_own],
    )


def _invitation(held: HeldCard, offer: Offer | None, *, now: datetime) -> Invitation:
    """What a link that is not made yet will invite to."""
    return Invitation(
        chain=held.chain,
        program=held.program,
        sharer=invitations.named(naming.shown_name(held.member)),
        welcome=find_welcome_offer(held.program.id, now=now),
        offer=offer,
        is_offer_gone=False,
        rewards=tuple(invitations.friend_rewards(held.chain)),
    )


def find_shareable(held: HeldCard, offer: Offer, *, now: datetime) -> Offer | None:
    """The offer, while a friend could claim it with the card that he is sent."""
    return find_claimable(offer.id, held.program.id, now=now)


def _asked_offer(held: HeldCard, offer_id: int | None, *, now: datetime) -> Offer | None:
    """The coupon that is shared. Raises OfferNotFound, OfferNotRunning: nobody is sent to what he cannot have."""
    if offer_id is None:
        return None
    offer = get_offer(held.chain.id, offer_id)
    if not offer.is_public:
        raise OfferNotFound()
    if find_shareable(held, offer, now=now) is None:
        raise OfferNotRunning()
    return offer


def _occasion(said: Any, offer: Offer | None) -> Occasion:
    if offer is not None:
        return Occasion.COUPON
    asked = said.get("occasion", Occasion.WALLET)
    return Occasion(asked) if asked in OCCASIONS else Occasion.WALLET


def _own_link(card_id: int, token: str) -> LinkView:
    """A link of this card. Raises CodeUnknown."""
    shared = linking.find_link(token, now=utc_now())
    if shared is None or shared.link.card_id != card_id:
        raise CodeUnknown()
    return shared


def _picture_of(card_id: int, token: str, invited: Invitation) -> str:
    """Where the poster is; a new address when it says something else."""
    mark = invitations.mark_of(invited.words(language()))
    return url_for("wallet_sharing.poster_picture", card_id=card_id, token=token, v=mark)


def _ticket(held: HeldCard, offer: Offer) -> dict[str, Any]:
    chain = held.chain
    when = terms.offer_validity(offer, chain.timezone, cutoff_hour=chain.cutoff_hour)
    return offer_shown(offer, chain, say(when))


def _page(held: HeldCard) -> dict[str, Any]:
    return {
        "held": held,
        "card": card_shown(held) | {"number": "", "tier": "", "holder": ""},
        "chain_accent": held.chain.accent,
    }
