"""The editor of offers: what is typed, the coupon it makes while it is typed, the draft it becomes."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from app.auth.guard import HQ_ADMIN, access, actor, author
from app.dashboard.offer_form import FRESH, OfferForm, currency_sign, typed_of
from app.languages import language, say
from app.security import row_number
from app.wallet.showing import name_of, offer_shown
from cards.programs import list_programs
from core import idempotency
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.idempotency import Answer, earlier_answer, keep_answer
from core.tokens import new_code
from coupons import offers, terms
from coupons.models import Offer, OfferKind, OfferState
from stores.models import Chain
from stores.queries import get_chain

LONGEST_KEY = 80
OFFER = "/<int:offer_id>"


def add_routes(bp: Blueprint) -> None:
    """Its pages stand among those of the offers."""
    bp.add_url_rule("/new", "new", new, methods=["GET"])
    bp.add_url_rule("", "create", create, methods=["POST"])
    bp.add_url_rule(f"{OFFER}/edit", "edit", edit, methods=["GET"])
    bp.add_url_rule(OFFER, "rewrite", rewrite, methods=["POST"])
    bp.add_url_rule("/preview", "preview", preview, methods=["POST"])


@access(*HQ_ADMIN)
def new() -> str:
    """An empty editor, or one with the rules of another offer."""
    chain, copied = get_chain(actor().chain_id), request.args.get("copy", type=row_number)
    if copied is None:
        return _editor(OfferForm(chain, FRESH))
    original = offers.get_offer(chain.id, copied)
    typed = typed_of(offers.draft_of(original), chain)
    typed["name"] = _("%(name)s (copy)", name=original.name)[:60]
    return _editor(OfferForm(chain, typed))


@access(*HQ_ADMIN)
def create() -> AnyResponse | str | tuple[str, int]:
    """Write the draft down; the same form sent twice is one offer."""
    form = _form()
    draft = form.draft()
    if "preview" in request.form:
        form.errors.clear()
        return _editor(form)
    if form.errors:
        return _editor(form), 422
    try:
        offer_id = _create_once(form, draft)
    except DomainError as refusal:
        return _editor(form, problem=refusal.say(language())), 422
    flash(_("Saved as a draft. Nobody can claim it before it is published."), "good")
    return redirect(url_for("offers.show", offer_id=offer_id), 303)


def _create_once(form: OfferForm, draft: offers.Draft) -> int:
    key, scope, now = form["request_id"][:LONGEST_KEY] or new_code(), f"{actor().author_name}:offer", utc_now()
    asked = {name: value for name, value in form.typed.items() if name != "csrf_token"}
    with transaction():
        earlier = earlier_answer(scope, key, fingerprint=idempotency.fingerprint(asked), now=now)
        if earlier is not None:
            return int(earlier.body["offer_id"])
        _check_program(draft)
        offer = offers.create_offer(form.chain.id, draft, by=author(), now=now)
        keep_answer(scope, key, Answer(303, {"offer_id": offer.id}))
        return offer.id


@access(*HQ_ADMIN)
def edit(offer_id: int) -> AnyResponse | str:
    """The rules of a draft."""
    chain, offer = get_chain(actor().chain_id), offers.get_offer(actor().chain_id, offer_id)
    if offer.state != OfferState.DRAFT:
        return redirect(url_for("offers.show", offer_id=offer_id))
    return _editor(OfferForm(chain, typed_of(offers.draft_of(offer), chain)), offer)


@access(*HQ_ADMIN)
def rewrite(offer_id: int) -> AnyResponse | str | tuple[str, int]:
    """Change a draft."""
    form, offer = _form(), offers.get_offer(actor().chain_id, offer_id)
    draft = form.draft()
    if "preview" in request.form:
        form.errors.clear()
        return _editor(form, offer)
    if form.errors:
        return _editor(form, offer), 422
    try:
        with transaction():
            _check_program(draft)
            offers.rewrite(form.chain.id, offer_id, draft, by=author(), now=utc_now())
    except DomainError as refusal:
        return _editor(form, offer, problem=refusal.say(language())), 422
    flash(_("Saved."), "good")
    return redirect(url_for("offers.show", offer_id=offer_id), 303)


@access(*HQ_ADMIN)
def preview() -> str:
    """The coupon as the phone would show it, for what has been typed so far."""
    return render_template("dashboard/offers/_preview.html", shown=_preview_of(_form()))


def _form() -> OfferForm:
    return OfferForm(
        get_chain(actor().chain_id), {name: value.replace("\0", "") for name, value in request.form.items()}
    )


def _check_program(draft: offers.Draft) -> None:
    """A welcome gift belongs to a program of this chain."""
    if draft.program_id is not None and draft.program_id not in dict(program_names()):
        offers.refuse_program()


def _editor(form: OfferForm, offer: Offer | None = None, *, problem: str = "") -> str:
    return render_template(
        "dashboard/offers/edit.html",
        nav="coupons",
        form=form,
        offer=offer,
        problem=problem,
        shown=_preview_of(form),
        sign=currency_sign(form.chain.currency),
        programs=[("", _("No, members claim it")), *program_names()],
        request_id=form["request_id"] or new_code(),
        OfferKind=OfferKind,
    )


def program_names() -> list[tuple[int, str]]:
    return [(program.id, name_of(program)) for program in list_programs(actor().chain_id)]


def _preview_of(form: OfferForm) -> dict[str, Any] | None:
    """What the phone would show; None while the figures do not make a coupon yet."""
    trial = OfferForm(form.chain, form.typed)
    draft = trial.draft()
    if {"value", "percent", "cap", "minimum"} & set(trial.errors):
        return None
    draft_is_whole = not ({"valid_days", "valid_from", "valid_to", "per_member_limit"} & set(trial.errors))
    return shown_on_phone(draft, form.chain, with_conditions=draft_is_whole)


def shown_on_phone(rules: Any, chain: Chain, *, with_conditions: bool = True) -> dict[str, Any]:
    cutoff = chain.cutoff_hour
    validity = say(terms.offer_validity(rules, chain.timezone, cutoff_hour=cutoff)) if with_conditions else ""
    ticket = offer_shown(rules, chain, validity)
    return {
        "ticket": ticket | {"title": ticket["title"] or _("Name of the offer")},
        "sentence": say(terms.sentence(rules, chain.currency)),
        "conditions": [say(text) for text in terms.conditions(rules, chain.timezone, cutoff_hour=cutoff)]
        if with_conditions
        else [],
    }
