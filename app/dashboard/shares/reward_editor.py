"""The rules of rewards: the list, one rule with its budget, its form with the sentences beside, its start and end."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, NamedTuple

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, access, actor, author
from app.dashboard.change_words import action_word, author_word
from app.dashboard.figures import amount, currency_sign, plain_amount
from app.dashboard.frame import chain_of
from app.dashboard.shares.reward_form import FRESH, RuleForm, typed_of
from app.flashing import flash_with_undo
from app.languages import language
from app.security import row_number
from app.wallet.showing import name_of
from core import idempotency
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, NotFound
from core.idempotency import Answer, earlier_answer, keep_answer
from core.money import money
from core.text import Text
from core.tokens import new_code
from coupons import offers
from coupons.models import Offer, OfferState
from sharing import reward_queries, reward_review, reward_rules
from sharing.reward_models import RewardRule, RewardRuleState, RewardSide, RewardState
from sharing.reward_queries import Total
from sharing.reward_rules import RuleDraft
from sharing.reward_terms import friend_sentence, offers_of, referrer_sentence
from stores.staffing import list_staff

RULE = "/rules/<int:rule_id>"
PAGE = 30
MOST_OFFERS = 300
LONGEST_KEY = 80


class Line(NamedTuple):
    """A rule in the list."""

    rule: RewardRule
    sentences: list[tuple[RewardSide, Text]]
    totals: dict[RewardState, Total]


def add_routes(bp: Blueprint) -> None:
    """Its pages stand among those of the rewards."""
    bp.add_url_rule("", "index", index, methods=["GET"])
    bp.add_url_rule("/rules/new", "new", new, methods=["GET"])
    bp.add_url_rule("/rules", "create", create, methods=["POST"])
    bp.add_url_rule("/rules/preview", "preview", preview, methods=["POST"])
    bp.add_url_rule(RULE, "rule", rule, methods=["GET"])
    bp.add_url_rule(f"{RULE}/edit", "edit", edit, methods=["GET"])
    bp.add_url_rule(f"{RULE}/edit", "rewrite", rewrite, methods=["POST"])
    for move in (start, pause, resume, end, discard, change_budget):
        bp.add_url_rule(f"{RULE}/{move.__name__.replace('change_', '')}", move.__name__, move, methods=["POST"])


@access(*HQ)
def index() -> str:
    """What is given for bringing a friend."""
    chain_id = actor().chain_id
    before = request.args.get("before", type=row_number)
    found = reward_rules.list_rules(chain_id, before=before, limit=PAGE)
    return render_template(
        "dashboard/rewards/rules.html",
        nav="rewards",
        lines=[_line(each) for each in found],
        before=before,
        next_before=found[-1].id if len(found) == PAGE else None,
        may_edit=_may_edit(),
        name_of=name_of,
        cash=cash,
    )


def _line(found: RewardRule) -> Line:
    return Line(found, _sentences(found), reward_queries.count_by_state(found.chain_id, rule_id=found.id))


def _sentences(found: RewardRule) -> list[tuple[RewardSide, Text]]:
    currency = chain_of(actor()).currency
    said = [
        (RewardSide.REFERRER, referrer_sentence(found, currency)),
        (RewardSide.FRIEND, friend_sentence(found, currency)),
    ]
    return [(side, text) for side, text in said if text is not None]


# --- one rule -----------------------------------------------------------------------------------------------------


@access(*HQ)
def rule(rule_id: int) -> str:
    """One rule: what it promises, what it cost, what can be done to it."""
    return _page(rule_id)


def _page(rule_id: int, *, budget: str | None = None, problem: str = "") -> str:
    chain, found = chain_of(actor()), reward_rules.get_rule(actor().chain_id, rule_id)
    line = _line(found)
    kept = plain_amount(found.budget_cents, chain.currency) if found.budget_cents else ""
    return render_template(
        "dashboard/rewards/rule.html",
        nav="rewards",
        rule=found,
        line=line,
        offers=offers_of([found]),
        history=history(reward_review.acts_on(chain.id, "reward_rule", rule_id)),
        consequences=_consequences(line),
        budget=kept if budget is None else budget,
        problem=problem,
        sign=currency_sign(chain.currency, language()),
        may_edit=_may_edit(),
        name_of=name_of,
        cash=cash,
    )


def history(entries: Any) -> list[dict[str, Any]]:
    """What people did, in words: when, who, what, why."""
    people = {f"staff:{person.id}": person.name for person in list_staff(actor().chain_id)}
    return [
        {
            "at": entry.at,
            "who": people.get(entry.actor) or author_word(entry.actor, language()),
            "what": action_word(entry.action, language()),
            "why": (entry.after or {}).get("because", ""),
        }
        for entry in entries
    ]


def _consequences(line: Line) -> dict[str, str]:
    """What each button would do, in numbers."""
    waiting = line.totals[RewardState.PENDING].rewards + line.totals[RewardState.FLAGGED].rewards
    kept = ngettext("%(num)d reward that waits is still given.", "%(num)d rewards that wait are still given.", waiting)
    joint = "" if language() == "zh" else " "
    budget = line.rule.budget_cents
    spends = (
        _("Together they may cost %(budget)s.", budget=cash(budget)) if budget else _("There is no limit to the cost.")
    )
    starts = _("Friends who join from now on fall under it; members read its sentences when they share.")
    ends = _("Friends who join later earn nothing by it; who joined before gets what he was promised.")
    return {
        "start": joint.join([starts, spends]),
        "pause": joint.join([_("Nothing more is earned by it meanwhile, and not later either."), kept]),
        "end": joint.join([ends, kept, _("A rule that has ended cannot run again.")]),
    }


@access(*HQ_ADMIN)
def start(rule_id: int) -> Response:
    """Let a draft run."""
    return _move(rule_id, reward_rules.start_rule, _("It is running."))


@access(*HQ_ADMIN)
def pause(rule_id: int) -> Response:
    """Earn nothing more for now."""
    return _move(rule_id, reward_rules.pause_rule, _("It is paused."), undo="rewards.resume")


@access(*HQ_ADMIN)
def resume(rule_id: int) -> Response:
    """Let it run again."""
    return _move(rule_id, reward_rules.resume_rule, _("It is running."), undo="rewards.pause")


@access(*HQ_ADMIN)
def end(rule_id: int) -> Response:
    """Take no more friends."""
    return _move(rule_id, reward_rules.end_rule, _("It has ended."))


@access(*HQ_ADMIN)
def discard(rule_id: int) -> Response:
    """Throw a draft away."""
    moved = _move(rule_id, reward_rules.discard_rule, _("The draft is gone."))
    try:
        reward_rules.get_rule(actor().chain_id, rule_id)
    except NotFound:
        return redirect(url_for("rewards.index"), 303)
    return moved


def _move(rule_id: int, change: Callable[..., Any], done: str, *, undo: str = "") -> Response:
    try:
        with transaction():
            change(actor().chain_id, rule_id, by=author(), now=utc_now())
    except NotFound:
        raise
    except DomainError as refusal:
        flash(refusal.say(language()), "bad")
    else:
        flash_with_undo(done, url_for(undo, rule_id=rule_id) if undo else None)
    return redirect(url_for("rewards.rule", rule_id=rule_id), 303)


@access(*HQ_ADMIN)
def change_budget(rule_id: int) -> Response | tuple[str, int]:
    """Give the rule more or less to spend; empty is without end."""
    typed = request.form.get("budget", "").strip()
    try:
        cents = amount(typed, chain_of(actor()).currency) if typed else None
        with transaction():
            reward_rules.change_budget(actor().chain_id, rule_id, cents, by=author(), now=utc_now())
    except NotFound:
        raise
    except DomainError as refusal:
        return _page(rule_id, budget=typed, problem=refusal.say(language())), 422
    flash(_("Saved."), "good")
    return redirect(url_for("rewards.rule", rule_id=rule_id), 303)


# --- writing ------------------------------------------------------------------------------------------------------


@access(*HQ_ADMIN)
def new() -> str:
    """An empty form, or one with the rules of another."""
    copied = request.args.get("copy", type=row_number)
    if copied is None:
        return _editor(_form_of(FRESH))
    draft = reward_rules.draft_of(reward_rules.get_rule(actor().chain_id, copied))
    return _editor(_form_of(typed_of(draft, chain_of(actor()).currency)))


@access(*HQ_ADMIN)
def create() -> Response | tuple[str, int]:
    """Write a draft down; the same form sent twice is one rule."""
    form = _form_of(request.form)
    draft = form.draft()
    if form.errors:
        return _editor(form), 422
    try:
        rule_id = _create_once(form, draft)
    except DomainError as refusal:
        return _editor(form, problem=refusal.say(language())), 422
    flash(_("Saved as a draft. Nothing is given before it is started."), "good")
    return redirect(url_for("rewards.rule", rule_id=rule_id), 303)


def _create_once(form: RuleForm, draft: RuleDraft) -> int:
    key, scope, now = form["request_id"][:LONGEST_KEY] or new_code(), f"{actor().author_name}:reward-rule", utc_now()
    asked = {name: value for name, value in form.typed.items() if name != "csrf_token"}
    with transaction():
        earlier = earlier_answer(scope, key, fingerprint=idempotency.fingerprint(asked), now=now)
        if earlier is not None:
            return int(earlier.body["rule_id"])
        made = reward_rules.create_rule(actor().chain_id, draft, by=author(), now=now)
        keep_answer(scope, key, Answer(303, {"rule_id": made.id}))
        return made.id


@access(*HQ_ADMIN)
def edit(rule_id: int) -> Response | str:
    """The form of a draft."""
    found = reward_rules.get_rule(actor().chain_id, rule_id)
    if found.state != RewardRuleState.DRAFT:
        return redirect(url_for("rewards.rule", rule_id=rule_id))
    return _editor(_form_of(typed_of(reward_rules.draft_of(found), chain_of(actor()).currency)), found)


@access(*HQ_ADMIN)
def rewrite(rule_id: int) -> Response | tuple[str, int]:
    """Change a draft."""
    found, form = reward_rules.get_rule(actor().chain_id, rule_id), _form_of(request.form)
    draft = form.draft()
    if form.errors:
        return _editor(form, found), 422
    try:
        with transaction():
            reward_rules.rewrite_rule(actor().chain_id, rule_id, draft, by=author(), now=utc_now())
    except DomainError as refusal:
        return _editor(form, found, problem=refusal.say(language())), 422
    flash(_("Saved."), "good")
    return redirect(url_for("rewards.rule", rule_id=rule_id), 303)


@access(*HQ_ADMIN)
def preview() -> str:
    """The sentences that members would read, for what is typed so far."""
    return render_template("dashboard/rewards/_preview.html", **_preview_of(_form_of(request.form)))


def _preview_of(form: RuleForm) -> dict[str, Any]:
    """What both sides read and what one reward costs; nothing of a side whose fields make no sense yet."""
    draft = form.draft()
    wrong = set(form.errors) - {"name", "name_en"}
    form.errors.clear()
    if wrong:
        return {"sentences": [], "costs": []}
    chain = chain_of(actor())
    sketch = RewardRule(**asdict(draft))
    costs = []
    for side in RewardSide:
        gift = reward_rules.gift_of(sketch, side)
        if gift is not None:
            known = reward_rules.find_cost(chain.id, gift.offer_id, gift.points)
            costs.append((side, known if known is not None else gift.cost_cents))
    return {"sentences": _sentences(sketch), "costs": [(side, cents and cash(cents)) for side, cents in costs]}


def _form_of(typed: Any) -> RuleForm:
    choosable = frozenset(offer.id for offer in _choosable())
    return RuleForm(chain_of(actor()).currency, dict(typed), choosable)


def _choosable() -> list[Offer]:
    """Offers of which a coupon can be given, the newest first."""
    found = offers.list_offers(actor().chain_id, limit=MOST_OFFERS)
    return [offer for offer in found if offer.state != OfferState.ENDED]


def _editor(form: RuleForm, found: RewardRule | None = None, *, problem: str = "") -> str:
    errors = dict(form.errors)
    shown = _preview_of(form)
    form.errors.update(errors)
    return render_template(
        "dashboard/rewards/edit.html",
        nav="rewards",
        form=form,
        rule=found,
        problem=problem,
        offers=[(offer.id, _offer_words(offer)) for offer in _choosable()],
        sign=currency_sign(chain_of(actor()).currency, language()),
        request_id=form["request_id"] or new_code(),
        name_of=name_of,
        **shown,
    )


def _offer_words(offer: Offer) -> str:
    if offer.state == OfferState.RUNNING:
        return str(name_of(offer))
    return _("%(offer)s (not running yet)", offer=name_of(offer))


def _may_edit() -> bool:
    return actor().role in HQ_ADMIN


def cash(cents: int | None) -> str:
    """An amount of the chain's money."""
    return money(cents or 0, chain_of(actor()).currency, language())
