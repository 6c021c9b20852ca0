"""The life of a reward: earned from what happened, held, then given; or rejected, or a person decides.

``pending`` → ``approved`` at the end of the holding days; ``flagged`` waits for a person; ``rejected`` and
``clawed_back`` say why. Nothing is given twice: the events are read once, and a state is left once.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import func, select

from cards import ledger
from cards.models import Card, CardState
from core import audit, events
from core.audit import Author
from core.db import db, transaction
from core.errors import DomainError
from core.events import Event
from core.hot import this_transaction
from core.text import Text
from coupons.claiming import claim
from coupons.errors import CardNeeded, ReasonNeeded
from coupons.models import CouponSource
from sharing import earning
from sharing import reward_books as books
from sharing import reward_errors as errors
from sharing.clawing_back import claw_back_given, collect_short
from sharing.fraud import dismiss_all, judge
from sharing.models import Referral
from sharing.reward_models import FraudAction, Reward, RewardRule, RewardState

READER = "rewards"
BATCH = 100
LONGEST_REASON = 200
NOT_GIVEN, PERSON = "not_given", "person"
GONE_FOR_GOOD = (earning.VOIDED, earning.REFUNDED, earning.CARD_CLOSED)  # what a person overrules at once or never

EARNING: dict[str, Callable[[Event, datetime], None]] = {
    "member.referred": lambda e, now: earning.friend_joined(e.chain_id, e.payload["referral_id"], now=now),
    "checkout.settled": lambda e, now: earning.purchase_settled(e.chain_id, e.payload["checkout_id"], now=now),
}


def _undone(event: Event, now: datetime) -> None:
    """A purchase was voided or refunded: what it earned goes, then points that came back settle what was short."""
    earning.purchase_undone(event.chain_id, event.payload["checkout_id"], now=now)
    _given_back(event, now)


def _given_back(event: Event, now: datetime) -> None:
    if returned := event.payload.get("points_returned", 0):
        collect_short(event.chain_id, event.payload["card_id"], returned, now=now)


UNDOING: dict[str, Callable[[Event, datetime], None]] = {
    "checkout.voided": _undone,
    "checkout.refunded": _undone,
    "checkout.released": _given_back,
}


def earn_batch(chain_id: int, *, now: datetime) -> int:
    """Turn the next events of a chain into rewards and clawbacks; return how many were read. Zero: none is left.

    The reader's place moves in the transaction that acts, so that however many clocks read, each event counts once.
    """
    since = db.session.scalar(select(func.min(RewardRule.started_at)).where(RewardRule.chain_id == chain_id))
    if since is None:
        return 0
    news = events.news_for(READER, chain_id, kinds=EARNING | UNDOING, since=since, limit=BATCH)
    if news is None:
        return 0
    news = news.first(_how_many_together(news.events)) if news.events else news
    with transaction():
        if not events.mark_read(READER, chain_id, news):
            return len(news.events)  # another clock was faster; there may be more
        earning.keep_edges()
        for event in _of_friends(chain_id, news.events):
            (EARNING | UNDOING)[event.kind](event, now)
    return len(news.events)


def give_due_batch(chain_id: int, *, now: datetime) -> int:
    """Give the rewards whose holding days are over, each in a transaction of its own; return how many were due."""
    due = db.session.scalars(
        select(Reward.id)
        .where(Reward.chain_id == chain_id, Reward.state == RewardState.PENDING, Reward.due_at <= now)
        .order_by(Reward.due_at, Reward.id)
        .limit(BATCH)
    ).all()
    for reward_id in due:
        with transaction():
            reward, rule = books.hold(chain_id, reward_id)
            if reward.state == RewardState.PENDING and reward.due_at <= now:
                _decide_due(reward, rule, now)
    return len(due)


def approve(chain_id: int, reward_id: int, *, reason: str, by: Author, now: datetime) -> Reward:
    """A person lets a flagged or rejected reward through; what was found of the referral is dismissed with his reason.

    It is given at once if it is due, else held on. The caps and the budget are asked again of a rejected one. Where the
    purchase was undone or the friend left meanwhile, it is first rejected for that: whoever approves it then knows it.
    Needs an open transaction. Raises RewardNotFound, ReasonNeeded, RewardStateForbids, RewardReferrerChanged,
    RewardCapReached, RewardBudgetSpent, RewardNotGiven.
    """
    reason = _reason(reason)
    earning.keep_edges()
    reward, rule = books.hold(chain_id, reward_id)
    if reward.state not in (RewardState.FLAGGED, RewardState.REJECTED):
        raise books.forbids(reward.state)
    if earning.is_of_another(reward):
        raise errors.RewardReferrerChanged()
    before = _seen(reward)
    gone = earning.why_undone(rule, reward)
    if gone is not None and reward.reason not in GONE_FOR_GOOD:
        reward = books.change(reward, RewardState.REJECTED, by=books.BY_SYSTEM, now=now, reason=gone, committed_cents=0)
        _note("rejected", reward, before, gone, by, now)
        return reward
    if reward.state == RewardState.REJECTED:
        if books.is_capped(rule, reward.side, reward.member_id, reward.earned_on):
            raise errors.RewardCapReached()
        if not books.commit_budget(rule.id, reward.cost_cents):
            raise errors.RewardBudgetSpent()
    dismiss_all(chain_id, reward.referral_id, reason=reason, by=by, now=now)
    if reward.due_at <= now or reward.reason in GONE_FOR_GOOD:
        reward = _give_or_refuse(reward, by, now)
    else:
        reward = books.change(reward, RewardState.PENDING, by=by.name, now=now, committed_cents=reward.cost_cents)
    _note("approved", reward, before, reason, by, now)
    return reward


def reject(chain_id: int, reward_id: int, *, reason: str, by: Author, now: datetime) -> Reward:
    """A person refuses a pending or flagged reward. Needs an open transaction.

    Raises RewardNotFound, ReasonNeeded, RewardStateForbids.
    """
    reason = _reason(reason)
    reward = books.hold(chain_id, reward_id).reward
    if reward.state not in (RewardState.PENDING, RewardState.FLAGGED):
        raise books.forbids(reward.state)
    before = _seen(reward)
    reward = books.change(reward, RewardState.REJECTED, by=by.name, now=now, reason=PERSON, committed_cents=0)
    _note("rejected", reward, before, reason, by, now)
    return reward


def claw_back(chain_id: int, reward_id: int, *, reason: str, by: Author, now: datetime) -> Reward:
    """A person takes an approved reward back, as far as it is still there. Needs an open transaction.

    ``points_short`` and ``is_coupon_lost`` of the reward say what the member keeps. Raises RewardNotFound,
    ReasonNeeded, RewardStateForbids.
    """
    reason = _reason(reason)
    reward = books.hold(chain_id, reward_id).reward
    before = _seen(reward)
    reward = claw_back_given(reward, reason=PERSON, words=reason, by=by, now=now)
    _note("clawed back", reward, before, reason, by, now)
    return reward


def _how_many_together(read: Sequence[Event]) -> int:
    """How many events one transaction takes: what undoes is by itself, since it locks cards and coupons."""
    earning_first = next((number for number, event in enumerate(read) if event.kind in UNDOING), len(read))
    return max(earning_first, 1)


def _of_friends(chain_id: int, read: Sequence[Event]) -> list[Event]:
    """Without the purchases of members whom nobody brought: most purchases of most chains."""
    buyers = {event.payload["member_id"] for event in read if event.kind == "checkout.settled"}
    query = select(Referral.member_id).where(Referral.chain_id == chain_id, Referral.member_id.in_(buyers))
    friends = set(db.session.scalars(query)) if buyers else set()
    return [event for event in read if event.kind != "checkout.settled" or event.payload["member_id"] in friends]


def _decide_due(reward: Reward, rule: RewardRule, now: datetime) -> None:
    """At the end of the holding days everything is asked once more."""
    gone = earning.why_undone(rule, reward)
    verdict = None if gone else judge(reward.chain_id, reward.referral_id, now=now)
    if gone is not None or (verdict is not None and verdict.action == FraudAction.REJECT):
        reason = gone or (verdict and verdict.rule)
        books.change(reward, RewardState.REJECTED, by=books.BY_SYSTEM, now=now, reason=reason, committed_cents=0)
    elif verdict is not None:
        books.change(reward, RewardState.FLAGGED, by=books.BY_SYSTEM, now=now, reason=verdict.rule)
    else:
        try:
            _give(reward, books.BY_SYSTEM, now)
        except DomainError:
            books.change(reward, RewardState.FLAGGED, by=books.BY_SYSTEM, now=now, reason=NOT_GIVEN)


def _give(reward: Reward, by: str, now: datetime) -> Reward:
    """Give the coupon or the points of a held reward. Raises what claim raises, and then nothing has happened."""
    given: dict[str, int] = {"committed_cents": reward.cost_cents}
    if reward.offer_id is not None:
        source = CouponSource.SHARE_REWARD
        coupon = claim(this_transaction(), reward.offer_id, card_id=reward.card_id, source=source, now=now)
        given["coupon_id"] = coupon.id
    else:
        assert reward.points is not None
        ledger.hold(reward.card_id)
        if db.session.scalar(select(Card.state).where(Card.id == reward.card_id)) != CardState.ACTIVE:
            raise CardNeeded()
        ledger.add(reward.card_id, reward.points, cause=f"reward:{reward.id}", now=now)
    return books.change(reward, RewardState.APPROVED, by=by, now=now, **given)


def _give_or_refuse(reward: Reward, by: Author, now: datetime) -> Reward:
    try:
        return _give(reward, by.name, now)
    except errors.RewardStateForbids:
        raise
    except DomainError as refusal:
        raise errors.RewardNotGiven(why=Text(refusal.say("zh"), refusal.say("en"))) from refusal


def _reason(reason: str) -> str:
    reason = " ".join(reason.split())[:LONGEST_REASON]
    if not reason:
        raise ReasonNeeded()
    return reason


def _seen(reward: Reward) -> dict[str, str | None]:
    return {"state": reward.state, "reason": reward.reason}


def _note(verb: str, reward: Reward, before: dict[str, str | None], reason: str, by: Author, now: datetime) -> None:
    after = _seen(reward) | {"because": reason, "coupon_id": reward.coupon_id}
    if reward.state == RewardState.CLAWED_BACK:
        after |= {"points_short": reward.points_short, "is_coupon_lost": reward.is_coupon_lost}
    audit.note(
        f"reward {verb}",
        chain_id=reward.chain_id,
        object_kind="reward",
        object_id=reward.id,
        by=by,
        at=now,
        before=before,
        after=after,
    )
