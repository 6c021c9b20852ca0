"""Of one member: correcting who brought him, and printing a poster by which he brings others."""

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import ngettext
from sqlalchemy import select
from werkzeug.wrappers import Response as AnyResponse

from app.auth.guard import HQ_ADMIN, access, actor, author, require_staff
from app.dashboard.frame import chain_of
from app.dashboard.personal import Called, called
from app.languages import language
from app.reports import people
from app.reports.people import Filters, Person
from app.reports.views import reader_of
from app.wallet import invitations
from cards.models import CardState
from core.clock import utc_now
from core.db import db, transaction
from core.errors import DomainError, Invalid, NotFound
from core.hot import this_transaction
from core.text import Text
from sharing import channels, linking, moving, queries
from sharing.linking import LinkView
from sharing.models import Occasion, ShareLink
from stores.models import Role

bp = Blueprint("bringing", __name__, url_prefix="/dashboard/members/<int:member_id>", template_folder="../templates")
bp.before_request(require_staff)

PRINTERS = (Role.HQ_ADMIN, Role.STORE_MANAGER)
LONGEST_SEARCH = 80


class ReferrerNotFound(Invalid):
    """Nobody, or more than one, is meant by what was typed."""

    code = "referrer_not_found"
    sentence = Text(
        "没有找到这位会员。请填完整的卡号或手机号。", "Nobody was found. Type a whole card number or phone number."
    )


class ReferrerUnclear(Invalid):
    """Several members are like this."""

    code = "referrer_unclear"
    sentence = Text("有好几位会员符合，请填完整的卡号。", "Several members are like this. Type the whole card number.")


# --- who brought him ----------------------------------------------------------------------------------------------


@bp.get("/referrer")
@access(*HQ_ADMIN)
def referrer(member_id: int) -> str:
    """Who brought him, and the form that corrects it."""
    return _referrer_page(_person(member_id))


@bp.post("/referrer")
@access(*HQ_ADMIN)
def correct(member_id: int) -> AnyResponse | tuple[str, int]:
    """Let him have come through somebody else, or by himself; all below him moves along."""
    person, form = _person(member_id), request.form
    try:
        new_id = None if form.get("how") == "alone" else _member_meant(form.get("who", ""))
        with transaction():
            moved = moving.move_subtree(
                actor().chain_id, member_id, new_id, reason=form.get("reason", ""), by=author(), now=utc_now()
            )
    except DomainError as refusal:
        return _referrer_page(person, typed=form, problem=refusal.say(language())), 422
    flash(
        ngettext("Corrected: %(num)d member moved.", "Corrected: %(num)d members moved.", moved.members),
        "good",
    )
    return redirect(url_for("members.show", member_id=member_id), 303)


def _member_meant(typed: str) -> int:
    """The one member of that card number, phone or name. Raises ReferrerNotFound, ReferrerUnclear."""
    words = typed.strip()[:LONGEST_SEARCH]
    filters = Filters(search=words)
    found = people.list_people(reader_of(actor()), filters, chain=chain_of(actor()), limit=2) if words else []
    if not found:
        raise ReferrerNotFound()
    if len(found) > 1:
        raise ReferrerUnclear()
    return found[0].id


def _referrer_page(person: Person, *, typed: Any = None, problem: str = "") -> str:
    root = queries.find_root(actor().chain_id, member_id=person.member.id)
    below = sum(each.members for each in queries.count_below(actor().chain_id, root)) if root else 0
    reader = reader_of(actor())
    return render_template(
        "dashboard/members/referrer.html",
        nav="members",
        person=person,
        name=_name(person),
        came_through=called(person.came_through, reader) if person.came_through else "",
        below=below,
        typed=typed or {},
        problem=problem,
    )


# --- a poster of his own ------------------------------------------------------------------------------------------


@bp.get("/poster")
@access(*PRINTERS)
def poster(member_id: int) -> str:
    """Choose where the poster is going to hang."""
    return _poster_page(_person(member_id))


@bp.post("/poster")
@access(*PRINTERS)
def make_poster(member_id: int) -> AnyResponse | tuple[str, int]:
    """A link of his card by the chosen channel, as a poster."""
    person, now = _person(member_id), utc_now()
    card_id = _card_of(person)
    try:
        if card_id is None:
            raise linking.CardNotFound()
        with transaction():
            link = linking.create_link(
                this_transaction(),
                actor().chain_id,
                card_id,
                request.form.get("channel", ""),
                now=now,
                occasion=Occasion.STAFF,
            )
    except DomainError as refusal:
        return _poster_page(person, problem=refusal.say(language())), 422
    return redirect(url_for("bringing.made", member_id=member_id, link_id=link.id), 303)


@bp.get("/poster/<int:link_id>")
@access(*PRINTERS)
def made(member_id: int, link_id: int) -> str:
    """The poster, to be printed or saved."""
    person, shared = _person(member_id), _link(member_id, link_id)
    return render_template(
        "dashboard/members/poster_made.html",
        nav="members",
        person=person,
        name=_name(person),
        link=shared.link,
        address=invitations.address_of(shared.link.token),
    )


@bp.get("/poster/<int:link_id>.png")
@access(*PRINTERS)
def picture(member_id: int, link_id: int) -> Response:
    """The poster itself; ``?download=1`` saves it as a file."""
    _person(member_id)
    headers = {}
    if request.args.get("download"):
        headers["Content-Disposition"] = f'attachment; filename="poster-{link_id}.png"'
    return Response(invitations.poster(_link(member_id, link_id), language()), mimetype="image/png", headers=headers)


def _link(member_id: int, link_id: int) -> LinkView:
    """A link of this member. Raises NotFound."""
    own = {"id": link_id, "member_id": member_id, "chain_id": actor().chain_id}
    token = db.session.scalar(select(ShareLink.token).filter_by(**own))
    shared = linking.find_link(token, now=utc_now()) if token else None
    if shared is None:
        raise NotFound()
    return shared


def _poster_page(person: Person, *, problem: str = "") -> str:
    own_first = sorted(channels.channels_for_staff(actor().chain_id), key=lambda channel: not channel.is_own)
    chosen = request.form.get("channel") or own_first[0].code
    return render_template(
        "dashboard/members/poster.html",
        nav="members",
        person=person,
        name=_name(person),
        channels=own_first,
        chosen=chosen,
        is_possible=_card_of(person) is not None,
        problem=problem,
        may_add=actor().role in HQ_ADMIN,
    )


def _card_of(person: Person) -> int | None:
    """The card that is shared."""
    return next((held.card.id for held in person.cards if held.card.state == CardState.ACTIVE), None)


def _person(member_id: int) -> Person:
    return people.find_person(reader_of(actor()), member_id, now=utc_now())


def _name(person: Person) -> str:
    number = person.cards[0].card.number if person.cards else ""
    return called(Called(person.member.name, number), reader_of(actor()))
