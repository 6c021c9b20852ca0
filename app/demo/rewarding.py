"""What the demo's chain gives for bringing a friend: two rules, earned, given and decided at their times."""

from datetime import datetime, timedelta
from itertools import cycle

from sqlalchemy import Select, select

from app.demo import story as living
from app.demo.chain import DemoChain
from app.demo.story import Story
from core.audit import SYSTEM, Author
from core.db import db, transaction
from sharing import channels, reward_rules, rewarding
from sharing.reward_models import Reward, RewardRule, RewardState, RewardTrigger
from sharing.reward_rules import RuleDraft
from stores.models import Role, Staff

OWN_CHANNELS = (("table_card", "桌卡", "Table card"), ("courier_slip", "快递单", "Courier slip"))
CHANGE_AGO, DECIDED_AGO, TAKEN_BACK_AGO = 52, (33, 20), 14  # days
CLOSING = timedelta(hours=4)  # after half past seven

OPENING = RuleDraft(
    name="开业荐友有礼",
    name_en="Opening: bring a friend",
    trigger=RewardTrigger.CARD_ISSUED,
    hold_days=3,
    referrer_points=50,
    friend_points=30,
    per_day_cap=3,
    budget_cents=60_000,
)
REASONS = {
    "approve": ("一家人，认识的老顾客", "打电话核实过，是真朋友"),
    "reject": ("同一个人领了好几张卡", "联系不上好友"),
}


def set_up(demo: DemoChain, *, at: datetime) -> None:
    """The first rule and the chain's own channels, before the first day. Needs an open transaction."""
    for code, name, name_en in OWN_CHANNELS:
        channels.add_channel(demo.chain.id, code, name=name, name_en=name_en, is_for_members=False, by=SYSTEM, now=at)
    _start(demo, OPENING, at)


def end_the_day(story: Story, ago: int) -> None:
    """After closing: what the day earned, and what is due; on some days head office decides."""
    chain_id = story.demo.chain.id
    at = min(living.evening(story, ago) + CLOSING, story.now)
    while rewarding.earn_batch(chain_id, now=at):
        pass
    while rewarding.give_due_batch(chain_id, now=at):
        pass
    if ago == CHANGE_AGO:
        _change_rules(story.demo, at)
    if ago in DECIDED_AGO:
        _decide(chain_id, at)
    if ago == TAKEN_BACK_AGO:
        _take_back(chain_id, at)


def _change_rules(demo: DemoChain, at: datetime) -> None:
    """The rule of the opening ends; from now on a first purchase counts."""
    purchase = RuleDraft(
        name="老友带新友",
        name_en="Old friends bring new ones",
        trigger=RewardTrigger.FIRST_PURCHASE,
        min_cents=2000,
        within_days=30,
        hold_days=7,
        referrer_offer_id=demo.offers["friends"].id,
        friend_points=50,
        per_day_cap=5,
        lifetime_cap=20,
        budget_cents=300_000,
    )
    with transaction():
        opening = db.session.scalars(select(RewardRule.id).filter_by(chain_id=demo.chain.id)).one()
        reward_rules.end_rule(demo.chain.id, opening, by=SYSTEM, now=at)
        _start(demo, purchase, at)


def _start(demo: DemoChain, draft: RuleDraft, at: datetime) -> None:
    rule = reward_rules.create_rule(demo.chain.id, draft, by=SYSTEM, now=at)
    reward_rules.start_rule(demo.chain.id, rule.id, by=SYSTEM, now=at)


def _decide(chain_id: int, at: datetime) -> None:
    """Everything that waits, one after the other: let through, or not."""
    waiting = db.session.execute(_in_state(chain_id, RewardState.FLAGGED)).all()
    verdicts = dict(zip(dict.fromkeys(referral_id for _, referral_id in waiting), cycle(REASONS), strict=False))
    for number, (reward_id, referral_id) in enumerate(waiting):
        verb = verdicts[referral_id]
        act = rewarding.approve if verb == "approve" else rewarding.reject
        with transaction():
            act(chain_id, reward_id, reason=REASONS[verb][number % 2], by=_head_office(chain_id), now=at)


def _take_back(chain_id: int, at: datetime) -> None:
    """Two that turned out wrong."""
    given = db.session.execute(_in_state(chain_id, RewardState.APPROVED)).all()
    for reward_id, _ in given[-2:]:
        with transaction():
            rewarding.claw_back(chain_id, reward_id, reason="顾客退货，重复领取", by=_head_office(chain_id), now=at)


def _in_state(chain_id: int, state: RewardState) -> Select[int, int]:
    return select(Reward.id, Reward.referral_id).filter_by(chain_id=chain_id, state=state).order_by(Reward.id)


def _head_office(chain_id: int) -> Author:
    person = db.session.scalars(select(Staff.id).filter_by(chain_id=chain_id, role=Role.HQ_ADMIN)).first()
    return Author(f"staff:{person}")
