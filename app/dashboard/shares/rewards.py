"""Rewards for bringing a friend: what waits for a person with its evidence, every reward, one with its history."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flask import Blueprint, Flask, flash, g, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext
from werkzeug.wrappers import Response

from app.auth.guard import HQ, HQ_ADMIN, MANAGERS, access, actor, author, require_staff
from app.dashboard.frame import chain_of
from app.dashboard.personal import Called, called
from app.dashboard.shares import reward_editor
from app.dashboard.shares.reward_editor import cash, history
from app.languages import language, say
from app.reports.question import Reader
from app.reports.views import reader_of
from app.security import row_number
from app.wallet.showing import name_of
from cards.models import Member
from core.clock import utc_now
from core.db import db, transaction
from core.errors import DomainError, NotFound
from core.text import Text
from coupons.errors import ReasonNeeded
from sharing import fraud_queries, reward_queries, reward_review, rewarding
from sharing.fraud_sentences import NAMES, explain
from sharing.models import Referral
from sharing.reward_models import FraudFinding, Reward, RewardState
from sharing.reward_queries import RewardLine, why_not_given
from sharing.reward_review import Case
from sharing.reward_terms import coupon_sentence, points_sentence
from stores.models import Role

bp = Blueprint("rewards", __name__, url_prefix="/dashboard/rewards", template_folder="../templates")
bp.before_request(require_staff)
bp.record_once(lambda state: init_app(state.app))
reward_editor.add_routes(bp)

REWARD = "/<int:reward_id>"
CASES, PAGE = 20, 50
MOST_AT_ONCE = 200
DECIDABLE = (RewardState.FLAGGED, RewardState.PENDING)
REASONS = {
    "refunded": Text("首次消费已退款", "The first purchase was refunded"),
    "voided": Text("首次消费已撤销", "The first purchase was undone"),
    "cap": Text("推荐人已达上限", "The referrer reached his cap"),
    "budget": Text("规则预算已用完", "The rule's budget was spent"),
    "card_closed": Text("好友退了卡", "The friend gave the card back"),
    "not_given": Text("发放时没有成功", "It could not be given"),
}
GOOD_REASONS = (Text("认识，是真实的朋友", "Known: they are real friends"), Text("一家人", "One family"))
BAD_REASONS = (Text("像是自己领自己", "Looks like one person"), Text("联系不上好友", "The friend cannot be reached"))


class Shown(NamedTuple):
    """A case as a card of the queue."""

    case: Case
    referrer: Member
    friend: Member
    evidence: list[tuple[FraudFinding, Text, Text]]  # with the rule's name, and what it saw


def init_app(app: Flask) -> None:
    """Teach every page how many rewards wait, and what a reward's reason is called."""
    app.jinja_env.globals["rewards_waiting"] = rewards_waiting
    app.jinja_env.filters.update(reward_reason=reason_word, reward_gift=gift_word)


def rewards_waiting() -> int:
    """How many rewards wait for a person, of the members whom the reader looks after."""
    if "rewards_waiting" not in g:
        g.rewards_waiting = reward_review.count_waiting(actor().chain_id, store_ids=actor().store_ids)
    return int(g.rewards_waiting)


def reason_word(reason: str) -> str:
    """Why a reward is not given, in words."""
    known: Text | None = REASONS.get(reason) or NAMES.get(reason)  # type: ignore[call-overload]
    return say(known) if known else reason


def gift_word(line: RewardLine) -> str:
    """What a reward gives: a coupon and its terms, or points."""
    if line.reward.points is not None:
        return say(points_sentence(line.reward.points))
    assert line.offer is not None
    return say(coupon_sentence(line.offer, chain_of(actor()).currency))


@bp.get("/queue")
@access(*MANAGERS)
def queue() -> str:
    """What waits, the oldest first: flagged rewards, or those in their holding days."""
    chain_id = actor().chain_id
    state = RewardState.PENDING if request.args.get("state") == "pending" else RewardState.FLAGGED
    after = request.args.get("after", type=row_number)
    cases = reward_review.list_cases(chain_id, state, store_ids=actor().store_ids, after=after, limit=CASES)
    shown = _shown(cases)
    return render_template(
        "dashboard/rewards/queue.html",
        nav="rewards",
        state=state,
        cases=shown,
        after=after,
        next_after=cases[-1].key if len(cases) == CASES else None,
        good_reasons=GOOD_REASONS,
        bad_reasons=BAD_REASONS,
        **_surroundings([line for case in cases for line in case.lines]),
    )


def _shown(cases: Sequence[Case]) -> list[Shown]:
    return [Shown(case, case.lines[0].referrer, case.lines[0].friend, _evidence(case.findings)) for case in cases]


def _evidence(findings: Sequence[FraudFinding]) -> list[tuple[FraudFinding, Text, Text]]:
    """What stands against a referral first, what was dismissed after it."""
    ordered = sorted(findings, key=lambda found: found.dismissed_at is not None)
    return [(found, NAMES[found.rule], explain(found.rule, found.evidence)) for found in ordered]  # type: ignore[index]


@bp.get("/behind/<int:referral_id>")
@access(*HQ)
def behind(referral_id: int) -> str:
    """Who stands behind the findings of a referral: the cluster, the loop or the farm."""
    chain_id = actor().chain_id
    if db.session.query(Referral.id).filter_by(id=referral_id, chain_id=chain_id).first() is None:
        raise NotFound()
    findings = fraud_queries.findings_of(chain_id, [referral_id]).get(referral_id, [])
    people = {member.member_id: member for found in findings for member in fraud_queries.companions(chain_id, found)}
    joined = sorted(people.values(), key=lambda member: member.joined_at)
    is_part = bool(request.headers.get("HX-Request"))
    return render_template(
        "dashboard/rewards/_behind.html" if is_part else "dashboard/rewards/behind.html",
        nav="rewards",
        people=joined,
        referral=db.session.get_one(Referral, referral_id),
        reader=reader_of(actor()),
    )


@bp.get("/all")
@access(*MANAGERS)
def everything() -> str:
    """Every reward, the newest first."""
    asked = {"state": request.args.get("state", ""), "rule": request.args.get("rule", type=row_number)}
    state = asked["state"] if asked["state"] in list(RewardState) else None
    before = request.args.get("before", type=row_number)
    member = request.args.get("member", type=row_number)
    lines = reward_queries.list_rewards(
        actor().chain_id,
        state=state,
        rule_id=asked["rule"],
        member_id=member,
        store_ids=actor().store_ids,
        before=before,
        limit=PAGE,
    )
    return render_template(
        "dashboard/rewards/all.html",
        nav="rewards",
        lines=lines,
        states=list(RewardState),
        asked={"state": state, "rule": asked["rule"], "member": member},
        before=before,
        next_before=lines[-1].reward.id if len(lines) == PAGE else None,
        **_surroundings(lines),
    )


@bp.get(REWARD)
@access(*MANAGERS)
def show(reward_id: int) -> str:
    """One reward: who gets what for whom, what was found, what became of it."""
    line, chain_id = _line(reward_id), actor().chain_id
    findings = fraud_queries.findings_of(chain_id, [line.reward.referral_id]).get(line.reward.referral_id, [])
    is_open = line.reward.state in DECIDABLE
    now = utc_now()
    why_not = why_not_given(line.reward, now=now) if line.reward.state == RewardState.FLAGGED else None
    return render_template(
        "dashboard/rewards/show.html",
        nav="rewards",
        line=line,
        referral=db.session.get_one(Referral, line.reward.referral_id),
        evidence=_evidence(findings),
        history=history(reward_review.acts_on(chain_id, "reward", reward_id)),
        coupon=reward_queries.find_coupon(line.reward),
        why_not=why_not.say(language()) if why_not else "",
        is_open=is_open,
        is_due=line.reward.due_at <= now,
        good_reasons=GOOD_REASONS,
        bad_reasons=BAD_REASONS,
        **_surroundings([line]),
    )


def _line(reward_id: int) -> RewardLine:
    """A reward of a member whom the reader looks after. Raises RewardNotFound."""
    line = reward_queries.get_reward(actor().chain_id, reward_id)
    if not actor().may_see_store(line.member.store_id):
        raise NotFound()
    return line


# --- deciding -----------------------------------------------------------------------------------------------------


@bp.post("/decide")
@access(*HQ_ADMIN)
def decide() -> Response:
    """Approve or reject what was ticked, each reward by itself; say honestly what became of each."""
    verb = request.form.get("do", "")
    act = {"approve": rewarding.approve, "reject": rewarding.reject}.get(verb)
    ids = [
        int(text) for text in " ".join(request.form.getlist("reward")).split() if text.isdecimal() and len(text) < 19
    ]
    reason = _reason_typed()
    if act is None or not ids:
        flash(_("Nothing was ticked."), "warn")
    elif not reason.strip():
        flash(ReasonNeeded().say(language()), "bad")
    else:
        _tell(*_decide_each(act, ids[:MOST_AT_ONCE], reason))
    return redirect(_back(), 303)


def _decide_each(act: Callable[..., Reward], ids: Sequence[int], reason: str) -> tuple[Counter[str], Counter[str]]:
    """How many came to which state, and which refusals there were how often."""
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for reward_id in dict.fromkeys(ids):
        try:
            with transaction():
                reward = act(actor().chain_id, reward_id, reason=reason, by=author(), now=utc_now())
                done[reward.state] += 1
        except DomainError as refusal:
            refused[refusal.say(language())] += 1
    return done, refused


def _tell(done: Counter[str], refused: Counter[str]) -> None:
    words = {
        RewardState.APPROVED: ngettext("%(num)d reward is given.", "%(num)d rewards are given.", done["approved"]),
        RewardState.PENDING: ngettext(
            "%(num)d reward is let through and comes at the end of its holding days.",
            "%(num)d rewards are let through and come at the end of their holding days.",
            done["pending"],
        ),
        RewardState.REJECTED: ngettext(
            "%(num)d reward is rejected.", "%(num)d rewards are rejected.", done["rejected"]
        ),
    }
    said = [word for state, word in words.items() if done[state]]
    if said:
        flash(("" if language() == "zh" else " ").join(said), "good")
    for why, count in refused.items():
        flash(
            ngettext("%(num)d is left as it was: %(why)s", "%(num)d are left as they were: %(why)s", count, why=why),
            "bad",
        )


@bp.post(f"{REWARD}/approve")
@access(*HQ_ADMIN)
def approve(reward_id: int) -> Response:
    """Let a flagged or rejected reward through."""
    return _act(rewarding.approve, reward_id)


@bp.post(f"{REWARD}/reject")
@access(*HQ_ADMIN)
def reject(reward_id: int) -> Response:
    """Refuse a pending or flagged reward."""
    return _act(rewarding.reject, reward_id)


@bp.post(f"{REWARD}/claw-back")
@access(*HQ_ADMIN)
def claw_back(reward_id: int) -> Response:
    """Take an approved reward back."""
    return _act(rewarding.claw_back, reward_id)


def _act(act: Callable[..., Reward], reward_id: int) -> Response:
    _line(reward_id)
    try:
        with transaction():
            reward = act(actor().chain_id, reward_id, reason=_reason_typed(), by=author(), now=utc_now())
            said = _said_of(reward)
    except NotFound:
        raise
    except DomainError as refusal:
        flash(refusal.say(language()), "bad")
    else:
        flash(said, "good")
    return redirect(url_for("rewards.show", reward_id=reward_id), 303)


def _said_of(reward: Reward) -> str:
    if reward.state == RewardState.CLAWED_BACK and reward.points_short:
        return _("It is taken back, except %(points)s points that were spent.", points=f"{reward.points_short:,}")
    if reward.state == RewardState.CLAWED_BACK and reward.is_coupon_lost:
        return _("It is taken back, but the coupon was used or given away already.")
    words = {
        RewardState.APPROVED: _("It is given."),
        RewardState.PENDING: _("It is let through and comes at the end of its holding days."),
        RewardState.REJECTED: _("It is rejected."),
        RewardState.CLAWED_BACK: _("It is taken back."),
    }
    return words[RewardState(reward.state)]


def _reason_typed() -> str:
    """A reason of one tap, else the typed one."""
    return request.form.get("because", "") or request.form.get("reason", "")


def _back() -> str:
    """To the list that was decided in."""
    state = "pending" if request.form.get("state") == "pending" else None
    return url_for("rewards.queue", state=state)


# --- words --------------------------------------------------------------------------------------------------------


def _surroundings(lines: Sequence[RewardLine]) -> dict[str, Any]:
    """What every page of rewards says things with."""
    chain = chain_of(actor())
    people = {member.id: member for line in lines for member in (line.friend, line.referrer)}
    numbers = reward_review.numbers_of(chain.id, people)
    reader = reader_of(actor())

    def named(member: Member) -> str:
        return _named(member, numbers, reader)

    return {
        "named": named,
        "is_seen": lambda member: actor().may_see_store(member.store_id),
        "name_of": name_of,
        "cash": cash,
        "now": utc_now,
        "may_decide": actor().role in HQ_ADMIN,
        "is_hq": actor().role != Role.STORE_MANAGER,
        "reader": reader,
    }


def _named(member: Member, numbers: dict[int, str], reader: Reader) -> str:
    if not actor().may_see_store(member.store_id):
        return _("a member of another store")
    return called(Called(member.name, numbers.get(member.id, "")), reader)
