"""What can stand in the way of sharing."""

from core.errors import Conflict, Invalid, NotFound
from core.text import Text


class CardNotActive(Conflict):
    """Only an active card can be shared."""

    code = "card_not_active"
    sentence = Text("这张卡现在不能分享。", "This card cannot be shared now.")


class ChannelUnknown(Invalid):
    """Neither friend, group, moments, poster or copy, nor a channel of the chain's own that is in use."""

    code = "channel_unknown"
    sentence = Text(
        "没有这个分享渠道：可以是 friend、group、moments、poster、copy，或品牌自己在用的渠道。",
        "There is no such channel: it is friend, group, moments, poster, copy or one of the chain's own in use.",
    )


class ChannelNotFound(NotFound):
    """No such channel among the chain's own."""

    code = "channel_not_found"
    sentence = Text("没有这个自有渠道。", "There is no such channel of your own.")


class ChannelCodeInvalid(Invalid):
    """2 to 20 small letters, digits, ``_`` or ``-``, a letter first."""

    code = "channel_code_invalid"
    sentence = Text(
        "渠道编号要 2 到 20 个小写字母、数字、_ 或 -，以字母开头。",
        "A channel's code has 2 to 20 small letters, digits, _ or -, and begins with a letter.",
    )


class ChannelCodeTaken(Conflict):
    """The code is another channel's, perhaps of an archived one."""

    code = "channel_code_taken"
    sentence = Text(
        "这个渠道编号已经用过了，停用的渠道也算。", "This code is a channel's already, perhaps an archived one's."
    )


class ChannelNameInvalid(Invalid):
    """Too long, or none."""

    code = "channel_name_invalid"
    sentence = Text(
        "渠道名称要 1 到 20 个字，英文名称最多 30 个字母。",
        "A channel's name has 1 to 20 characters, its English name at most 30.",
    )


class NamingInvalid(Invalid):
    """Not one of name, masked, nickname, nobody."""

    code = "naming_invalid"
    sentence = Text("请选择朋友看到的称呼。", "Choose how friends see you.")


class NicknameInvalid(Invalid):
    """1 to 20 characters, and nothing to call or to open: it stands beside the chain's name."""

    code = "nickname_invalid"
    sentence = Text(
        "昵称要 1 到 20 个字，不能写网址或号码。",
        "A nickname has 1 to 20 characters, without addresses or numbers to call.",
    )


class MemberNotFound(NotFound):
    """No such member of this chain."""

    code = "member_not_found"
    sentence = Text("没有这位会员。", "There is no such member.")


class ReferrerUnchanged(Conflict):
    """He came so already."""

    code = "referrer_unchanged"
    sentence = Text("推荐人没有变化。", "This is how the member came already.")


class ReferralLoop(Conflict):
    """Nobody comes through himself, nor through whom he brought."""

    code = "referral_loop"
    sentence = Text(
        "不能这样改：新推荐人就是本人，或是由本人带来的会员。",
        "This cannot be: the new referrer is the member, or came through the member.",
    )


class ReferrerJoinedLater(Invalid):
    """Somebody who was no member yet brought nobody."""

    code = "referrer_joined_later"
    sentence = Text("推荐人入会的时间晚于这位会员。", "The referrer became a member only after this member.")


class ReferralTooDeep(Conflict):
    """The line of ancestors would be too long."""

    code = "referral_too_deep"
    sentence = Text("推荐链太长，不能移到这里。", "The line of referrers would be too long.")


class ReferralHasRewards(Conflict):
    """What was given for the referral stands in the way."""

    code = "referral_has_rewards"
    sentence = Text(
        "这次推荐已经有奖励。请先在奖励审核中拒绝或收回，再改推荐人；有过奖励的推荐不能取消。",
        "There are rewards for this referral. Reject them or take them back first; a referral that ever had one can be "
        "given to another referrer, but not be taken out.",
    )


class TreeBusy(Conflict):
    """Members are joining, and did not let go in time."""

    code = "tree_busy"
    sentence = Text("现在入会的人太多，请稍后再试。", "Too many are joining just now. Please try again in a moment.")
