"""The editor of offers: what is typed, the coupon it makes meanwhile, the draft or the better rules it becomes."""

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from app.auth.guard import HQ_ADMIN, access, actor, author
from app.dashboard.figures import currency_sign
from app.dashboard.offer_form import FRESH, OfferForm, says_its_conditions, says_what_comes_off
from app.dashboard.offer_typing import READY_MADE, ready_made, typed_of
from app.languages import language, say
from app.security import row_number
from app.wallet.showing import name_of, offer_shown
from cards.programs import list_programs, tiers_of
from core import idempotency
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError
from core.idempotency import Answer, earlier_answer, keep_answer
from core.tokens import new_code
from coupons import offers, terms
from coupons.drafts import Draft, version_of
from coupons.editing import edit_running
from coupons.models import Offer, OfferKind, OfferState
from coupons.scopes import scope_of, scope_of_draft
from coupons.terms import Scope
from stores.models import Chain
from stores.queries import codes_of_ids, get_chain, ids_of_codes, list_stores

LONGEST_KEY = 80
OFFER = "/<int:offer_id>"
MOST_TICKED = 60  # more stores than that are typed by their codes


def add_routes(bp: Blueprint) -> None:
    """Its pages stand among those of the offers."""
    bp.add_url_rule("/new", "new", new, methods=["GET"])
    bp.add_url_rule("", "create", create, methods=["POST"])
    bp.add_url_rule(f"{OFFER}/edit", "edit", edit, methods=["GET"])
    bp.add_url_rule(OFFER, "rewrite", rewrite, methods=["POST"])
    bp.add_url_rule("/preview", "preview", preview, methods=["POST"])


@access(*HQ_ADMIN)
def new() -> str:
    """An empty editor, or one that begins with a ready-made offer or with the rules of another one."""
    chain, copied = get_chain(actor().chain_id), request.args.get("copy", type=row_number)
    ready = ready_made(request.args.get("ready", ""))
    if copied is None:
        return _editor(_form_of(ready.typed if ready else FRESH), is_fresh=True)
    original = offers.get_offer(chain.id, copied)
    typed = _typed(offers.copy_of(original), chain)
    typed["name"] = _("%(name)s (copy)", name=original.name)[:60]
    return _editor(_form_of(typed))


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


def _create_once(form: OfferForm, draft: Draft) -> int:
    key, scope, now = form["request_id"][:LONGEST_KEY] or new_code(), f"{actor().author_name}:offer", utc_now()
    asked = {name: value for name, value in form.typed.items() if name != "csrf_token"}
    with transaction():
        earlier = earlier_answer(scope, key, fingerprint=idempotency.fingerprint(asked), now=now)
        if earlier is not None:
            return int(earlier.body["offer_id"])
        offer = offers.create_offer(form.chain.id, draft, by=author(), now=now)
        keep_answer(scope, key, Answer(303, {"offer_id": offer.id}))
        return offer.id


@access(*HQ_ADMIN)
def edit(offer_id: int) -> AnyResponse | str:
    """The rules of a draft; or of an offer that runs, to be made more generous."""
    chain, offer = get_chain(actor().chain_id), offers.get_offer(actor().chain_id, offer_id)
    if offer.state == OfferState.ENDED:
        return redirect(url_for("offers.show", offer_id=offer_id))
    draft = offers.draft_of(offer)
    return _editor(_form_of(_typed(draft, chain) | {"seen": version_of(draft)}), offer)


@access(*HQ_ADMIN)
def rewrite(offer_id: int) -> AnyResponse | str | tuple[str, int]:
    """Change a draft, or give an offer that runs better rules."""
    form, offer = _form(), offers.get_offer(actor().chain_id, offer_id)
    draft, is_draft = form.draft(), offer.state == OfferState.DRAFT
    if "preview" in request.form:
        form.errors.clear()
        return _editor(form, offer)
    if form.errors:
        return _editor(form, offer), 422
    how: dict[str, Any] = {"by": author(), "now": utc_now()}
    try:
        with transaction():
            if is_draft:
                offers.rewrite(form.chain.id, offer_id, draft, **how)
            else:
                edit_running(form.chain.id, offer_id, draft, seen=form["seen"], **how)
    except DomainError as refusal:
        return _editor(form, offer, problem=refusal.say(language())), 422
    flash(_("Saved.") if is_draft else _("Saved. Coupons already out follow the better rules."), "good")
    return redirect(url_for("offers.show", offer_id=offer_id), 303)


@access(*HQ_ADMIN)
def preview() -> str:
    """The coupon as the phone would show it, for what has been typed so far."""
    return render_template("dashboard/offers/_preview.html", shown=_preview_of(_form()))


def _form() -> OfferForm:
    return _form_of({name: value.replace("\0", "") for name, value in request.form.items()})


def _form_of(typed: Any) -> OfferForm:
    chain = get_chain(actor().chain_id)
    return OfferForm(chain, typed, lambda codes: ids_of_codes(chain.id, codes))


def _typed(draft: Draft, chain: Chain) -> dict[str, str]:
    """Rules as typed; stores by their codes where there are too many to tick."""
    typed = typed_of(draft, chain)
    if draft.store_ids and len(_tickable_stores()) == 0:
        typed = {name: value for name, value in typed.items() if not name.startswith("store_")}
        typed["store_codes"] = "\n".join(codes_of_ids(chain.id, draft.store_ids))
    return typed


def _editor(form: OfferForm, offer: Offer | None = None, *, problem: str = "", is_fresh: bool = False) -> str:
    return render_template(
        "dashboard/offers/edit.html",
        nav="coupons",
        form=form,
        offer=offer,
        is_draft=offer is None or offer.state == OfferState.DRAFT,
        problem=problem,
        shown=_preview_of(form),
        sign=currency_sign(form.chain.currency, language()),
        programs=[("", _("No, members claim it")), *program_names()],
        stores=[(store.id, store.name) for store in _tickable_stores()],
        cards=program_names(),
        tiers=_tier_names(),
        request_id=form["request_id"] or new_code(),
        ready_made=READY_MADE if is_fresh else (),
        OfferKind=OfferKind,
    )


def program_names() -> list[tuple[int, str]]:
    return [(program.id, name_of(program)) for program in list_programs(actor().chain_id)]


def _tier_names() -> list[tuple[int, str]]:
    programs = list_programs(actor().chain_id)
    return [
        (tier.id, name_of(tier) if len(programs) == 1 else f"{name_of(program)} · {name_of(tier)}")
        for program in programs
        for tier in tiers_of(program.id)
    ]


def _tickable_stores() -> list[Any]:
    """The chain's stores, or none where there are too many to tick."""
    stores = list(list_stores(actor().chain_id, limit=MOST_TICKED + 1))
    return stores if len(stores) <= MOST_TICKED else []


def _preview_of(form: OfferForm) -> dict[str, Any] | None:
    """What the phone would show; None while the figures do not make a coupon yet."""
    trial = _form_of(form.typed)
    draft = trial.draft()
    if not says_what_comes_off(trial.errors):
        return None
    scope = scope_of_draft(form.chain.id, draft)
    return _shown(draft, form.chain, scope, with_conditions=says_its_conditions(trial.errors))


def shown_on_phone(offer: Offer, chain: Chain) -> dict[str, Any]:
    """An offer as members see it: its ticket, its sentence and its conditions."""
    return _shown(offer, chain, scope_of(offer))


def _shown(rules: Any, chain: Chain, scope: Scope, *, with_conditions: bool = True) -> dict[str, Any]:
    cutoff = chain.cutoff_hour
    validity = say(terms.offer_validity(rules, chain.timezone, cutoff_hour=cutoff)) if with_conditions else ""
    ticket = offer_shown(rules, chain, validity)
    conditions = terms.conditions(rules, chain.timezone, cutoff_hour=cutoff, scope=scope) if with_conditions else []
    return {
        "ticket": ticket | {"title": ticket["title"] or _("Name of the offer")},
        "sentence": say(terms.sentence(rules, chain.currency)),
        "conditions": [say(text) for text in conditions],
    }
