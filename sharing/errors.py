"""What can stand in the way of sharing."""

from core.errors import Conflict, Invalid
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
