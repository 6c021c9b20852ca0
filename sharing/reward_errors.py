"""What can stand in the way of a reward and of its rule."""

from core.errors import Conflict, Invalid, NotFound
from core.text import Text


class RewardNotFound(NotFound):
    """The chain has no such reward."""

    code = "reward_not_found"
    sentence = Text("没有这笔奖励。", "There is no such reward.")


class RewardStateForbids(Conflict):
    """The reward was decided otherwise meanwhile."""

    code = "reward_state_forbids"
    sentence = Text("这笔奖励现在是“{state}”，不能这样做。", "The reward is {state} now, which does not allow this.")


class RewardBudgetSpent(Conflict):
    """The rule's budget has no room for the reward."""

    code = "reward_budget_spent"
    sentence = Text("奖励规则的预算不够了。", "The budget of the reward rule is spent.")


class RewardCapReached(Conflict):
    """The referrer has had as many rewards as the rule allows."""

    code = "reward_cap_reached"
    sentence = Text("推荐人的奖励已达上限。", "The referrer has had as many rewards as the rule allows.")


class RewardNotGiven(Conflict):
    """The coupon or the points cannot be given now."""

    code = "reward_not_given"
    sentence = Text("现在发不出这笔奖励：{why}", "The reward cannot be given now: {why}")


class RewardRuleNotFound(NotFound):
    """The chain has no such rule."""

    code = "reward_rule_not_found"
    sentence = Text("没有这条奖励规则。", "There is no such reward rule.")


class RewardRuleInvalid(Invalid):
    """The rule makes no sense."""

    code = "reward_rule_invalid"
    sentence = Text("奖励规则有误：{problem}", "This reward rule does not work: {problem}")


class RewardRuleStateForbids(Conflict):
    """A draft is rewritten and started, a running rule paused, a running or paused one ended."""

    code = "reward_rule_state_forbids"
    sentence = Text("奖励规则现在的状态不能这样做。", "The rule's present state does not allow this.")


class RewardRuleTaken(Conflict):
    """Of each trigger one rule runs at a time."""

    code = "reward_rule_taken"
    sentence = Text(
        "同一触发条件已有一条进行中或暂停的规则，请先结束它。",
        "Another rule with this trigger is running or paused. End it first.",
    )


class RewardReferrerChanged(Conflict):
    """Somebody else brought the friend, as it turned out."""

    code = "reward_referrer_changed"
    sentence = Text(
        "这位朋友的推荐人已经更正，这份奖励不能再通过。",
        "The friend's referrer was corrected meanwhile: this reward can no longer be approved.",
    )


class RewardOfferNotRunning(Conflict):
    """A rule starts when the offers it gives can be claimed."""

    code = "reward_offer_not_running"
    sentence = Text("“{offer}”还没有开始或已经结束，请先让它进行。", "“{offer}” is not running. Let it run first.")
