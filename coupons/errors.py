"""What can stand in the way of having or using a coupon."""

from core.errors import Conflict, Invalid, NotFound
from core.text import Text


class OfferNotFound(NotFound):
    """No such offer in this chain."""

    code = "offer_not_found"
    sentence = Text("没有这个券活动。", "There is no such offer.")


class OfferNotRunning(Conflict):
    """The offer has not begun, is paused or has ended."""

    code = "offer_not_running"
    sentence = Text("这个活动现在不能领取。", "This offer cannot be claimed now.")


class OfferSoldOut(Conflict):
    """All coupons of the offer are gone."""

    code = "offer_sold_out"
    sentence = Text("已经领完了。", "All coupons of this offer are gone.")


class OfferLimitReached(Conflict):
    """The member has as many coupons of this offer as he may."""

    code = "offer_limit_reached"
    sentence = Text("您已经领过了，每人限领 {limit} 张。", "You already have it: {limit} per member.")


class CardNeeded(Conflict):
    """Only members can claim."""

    code = "card_needed"
    sentence = Text("先领会员卡，再领券。", "Take the membership card first, then the coupon.")


class CouponNotFound(NotFound):
    """No such coupon on this card."""

    code = "coupon_not_found"
    sentence = Text("这张卡里没有这张券。", "This card holds no such coupon.")


class CouponAlreadyRedeemed(Conflict):
    """The coupon was used before."""

    code = "coupon_already_redeemed"
    sentence = Text("这张券已经用过了。", "This coupon was already used.")


class CouponNotYetValid(Conflict):
    """The coupon begins later."""

    code = "coupon_not_yet_valid"
    sentence = Text("这张券 {day}起可用。", "This coupon starts on {day}.")


class CouponExpired(Conflict):
    """The coupon has ended."""

    code = "coupon_expired"
    sentence = Text("这张券 {day}已过期。", "This coupon ended on {day}.")


class CouponNotUsable(Conflict):
    """The coupon is being given away, or was made void."""

    code = "coupon_not_usable"
    sentence = Text("这张券现在不能用。", "This coupon cannot be used now.")


class CouponMinimumNotMet(Conflict):
    """The amount is below what the coupon asks for."""

    code = "coupon_minimum_not_met"
    sentence = Text("还差 {missing} 可用。", "{missing} more to use it.")


class CouponNothingLeft(Conflict):
    """There is nothing left to pay that the coupon could take off."""

    code = "coupon_nothing_left"
    sentence = Text("已经没有可减的金额，券留着下次用。", "Nothing is left to take off. Keep the coupon for later.")


class OfferInvalid(Invalid):
    """The offer's figures contradict one another."""

    code = "offer_invalid"
    sentence = Text("活动设置有误：{problem}", "The offer is not valid: {problem}")


class OfferChanged(Conflict):
    """Somebody else changed the stock in the meantime."""

    code = "offer_changed"
    sentence = Text("库存刚被别人改过，请刷新后再改。", "Somebody just changed the stock. Reload and try again.")


class OfferNotDraft(Conflict):
    """Once published, an offer's rules stay as members read them."""

    code = "offer_not_draft"
    sentence = Text(
        "已经发布过的活动不能再改规则，可以复制一份再改。",
        "An offer that was published keeps its rules. Copy it and change the copy.",
    )


class OfferIsOver(Conflict):
    """Its last day has passed."""

    code = "offer_is_over"
    sentence = Text("有效期已经过去，请先改日期。", "Its last day has passed. Change the dates first.")


class WelcomeGiftTaken(Conflict):
    """A program has one welcome gift at a time."""

    code = "welcome_gift_taken"
    sentence = Text(
        "这种会员卡已有入会礼在发放，请先暂停那一个。",
        "This card has a welcome gift already. Pause that one first.",
    )
