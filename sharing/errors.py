"""What can stand in the way of sharing."""

from core.errors import Conflict, Invalid
from core.text import Text


class CardNotActive(Conflict):
    """Only an active card can be shared."""

    code = "card_not_active"
    sentence = Text("这张卡现在不能分享。", "This card cannot be shared now.")


class ChannelUnknown(Invalid):
    """Not one of friend, group, moments, poster, copy."""

    code = "channel_unknown"
    sentence = Text(
        "分享渠道只能是 friend、group、moments、poster 或 copy。",
        "A channel is one of friend, group, moments, poster, copy.",
    )
