"""Whom a member brought: his own friends, masked; how many came through them; what it brought him."""

from typing import Any

from flask import Blueprint, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.auth.guard import WALLET, access
from app.languages import say
from app.security import row_number
from app.wallet import invitations
from app.wallet.phone import held_card, require_wallet
from app.wallet.showing import moment_shown
from cards.contacts import masked_name
from cards.holding import HeldCard
from cards.models import CardState
from core.clock import utc_now
from core.text import Text
from sharing import friends, reward_queries, reward_terms
from sharing.friends import Friend
from sharing.queries import Generation
from sharing.reward_models import Reward, RewardSide, RewardState
from sharing.reward_queries import RewardLine

bp = Blueprint(
    "wallet_friends", __name__, url_prefix="/wallet/cards/<int:card_id>/friends", template_folder="templates"
)
bp.before_request(require_wallet)

PAGE = 20
STATES = {
    RewardState.PENDING: (Text("待到账", "on its way"), "warn"),
    RewardState.APPROVED: (Text("已到账", "given"), "good"),
    RewardState.REJECTED: (Text("未发放", "not given"), ""),
    RewardState.FLAGGED: (Text("核对中", "being checked"), "warn"),
    RewardState.CLAWED_BACK: (Text("已收回", "taken back"), ""),
}
# Why a reward was not given or was taken back. What the fraud rules look at is nobody's business but the chain's.
REASONS = {
    "refunded": Text("这笔消费后来退款了", "The purchase was refunded"),
    "voided": Text("这笔消费后来撤销了", "The purchase was undone"),
    "cap": Text("已到可得的上限", "You had the most one can get"),
    "budget": Text("活动奖励已发完", "All rewards of the promotion were given out"),
    "card_closed": Text("朋友已退卡", "The card was closed"),
    "not_given": Text("暂时发不出来，门店会处理", "It could not be handed out. The chain sees to it"),
}
CHECKED = Text("门店正在核对，一般几天内有结果", "The chain looks at it. It usually takes a few days")
NOT_MET = Text("不符合活动条件", "It does not meet the terms")
FOR_FRIEND = Text("因为{name}通过您领卡", "For {name}, who came through you")
FOR_COMING = Text("因为您通过朋友领卡", "For coming through a friend")


@bp.get("")
@access(WALLET)
def index(card_id: int) -> str:
    """The member's own small tree, and his rewards."""
    held = held_card(card_id)
    chain_id, member_id = held.chain.id, held.member.id
    direct = friends.friends_of(chain_id, member_id, before=_asked("friends"), limit=PAGE + 1)
    rewards = reward_queries.rewards_of_member(chain_id, member_id, before=_asked("rewards"), limit=PAGE + 1)
    below = friends.generations_below(chain_id, member_id)
    return render_template(
        "wallet/friends.html",
        held=held,
        sentence=brought_words(below),
        friends=[_friend_shown(held, friend) for friend in direct[:PAGE]],
        more_friends_url=_further(card_id, friends=direct[PAGE - 1].id) if len(direct) > PAGE else "",
        below=[_generation_shown(line) for line in below if line.generation > 1],
        rewards=[_reward_shown(held, line) for line in rewards[:PAGE]],
        more_rewards_url=_further(card_id, rewards=rewards[PAGE - 1].reward.id) if len(rewards) > PAGE else "",
        promises=[say(promise) for promise in invitations.referrer_rewards(held.chain)],
        can_share=held.card.state == CardState.ACTIVE,
        chain_accent=held.chain.accent,
    )


def brought_words(below: list[Generation]) -> str:
    """You brought 7, they brought 12. Nothing before the first."""
    direct = sum(line.members for line in below if line.generation == 1)
    others = sum(line.members for line in below if line.generation > 1)
    if not direct:
        return ""
    brought = ngettext("You brought %(num)d friend", "You brought %(num)d friends", direct)
    if not others:
        return str(brought)
    if direct == 1:
        return str(_("%(brought)s, who brought %(others)s more", brought=brought, others=others))
    return str(_("%(brought)s, they brought %(others)s", brought=brought, others=others))


def _asked(list_name: str) -> int | None:
    return request.args.get(list_name, type=row_number)


def _further(card_id: int, **before: int) -> str:
    """The next page of one list; the other stays where it is."""
    asked: dict[str, Any] = {name: _asked(name) for name in ("friends", "rewards")}
    return url_for("wallet_friends.index", card_id=card_id, **(asked | before))


def _friend_shown(held: HeldCard, friend: Friend) -> dict[str, Any]:
    return {
        "name": masked_name(friend.name),
        "when": moment_shown(friend.joined_at, held.chain.timezone, now=utc_now()),
        "channel": friend.channel,
        "own_channel": friend.own_channel,
        "has_bought": friend.has_bought,
    }


def _generation_shown(line: Generation) -> dict[str, Any]:
    if line.generation == 2:
        words = _("Friends of your friends")
    else:
        words = _("%(number)s steps away", number=line.generation)
    return {"words": words, "members": line.members}


def _reward_shown(held: HeldCard, line: RewardLine) -> dict[str, Any]:
    state, tone = STATES[RewardState(line.reward.state)]
    return {
        "gift": _gift(held, line),
        "why": _why(line),
        "note": _note(held, line.reward),
        "state": say(state),
        "tone": tone,
    }


def _gift(held: HeldCard, line: RewardLine) -> str:
    if line.offer is not None:
        words = say(reward_terms.coupon_sentence(line.offer, held.chain.currency))
        return words[:1].upper() + words[1:]
    return say(reward_terms.points_sentence(line.reward.points or 0))


def _why(line: RewardLine) -> str:
    if line.reward.side == RewardSide.FRIEND:
        return say(FOR_COMING)
    name = masked_name(line.friend.name)
    return say(_named(FOR_FRIEND, Text(name, name) if name else Text("一位朋友", "a friend")))


def _named(sentence: Text, name: Text) -> Text:
    return Text(sentence.say("zh", name=name), sentence.say("en", name=name))


def _note(held: HeldCard, reward: Reward) -> str:
    """When it comes, or why it did not."""
    chain = held.chain
    if reward.state == RewardState.APPROVED:
        return ""
    if reward.state == RewardState.PENDING:
        return say(reward_terms.due_sentence(reward.due_at, chain.timezone, chain.cutoff_hour))
    known = REASONS.get(reward.reason or "")
    if known is None:
        known = CHECKED if reward.state == RewardState.FLAGGED else NOT_MET
    return say(known)
