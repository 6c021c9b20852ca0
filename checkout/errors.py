"""What can stand in the way of a purchase, and of undoing it. Told to the till, so each says what to do."""

from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.text import Text


class CardCodeOutdated(Conflict):
    """The card is known, but it does not show this code any more."""

    code = "card_code_outdated"
    sentence = Text(
        "这个会员码已过期。请顾客让会员码刷新后再扫。",
        "This card code is out of date. Ask the customer to let it refresh, then scan again.",
    )


class CardFrozen(Conflict):
    """Staff have frozen the card."""

    code = "card_frozen"
    sentence = Text(
        "这张卡已被冻结，不能使用。请店长查看原因。",
        "This card is frozen. Ask the store manager why.",
    )


class CardClosed(Conflict):
    """The card is closed, merged into another, or erased."""

    code = "card_closed"
    sentence = Text(
        "这张卡已停用。顾客可以在卡包里恢复，或重新领卡。",
        "This card is closed. The customer can restore it in the wallet, or take a new one.",
    )


class StoreNotFound(NotFound):
    """No such store in this chain, or not one of yours."""

    code = "store_not_found"
    sentence = Text("没有这家门店。", "There is no such store.")


class StoreClosed(Conflict):
    """The store has closed for good."""

    code = "store_closed"
    sentence = Text("这家门店已停业，不能收款。", "This store is closed and takes no payments.")


class StoreNeeded(Invalid):
    """A key of head office says for which store it acts."""

    code = "store_needed"
    sentence = Text("总部密钥要写明 store_code。", "A head-office key must name the store_code.")


class AmountInvalid(Invalid):
    """Nothing, less than nothing, or more than anybody pays."""

    code = "amount_invalid"
    sentence = Text("请输入大于零的金额，最多 1000 万。", "Enter an amount above zero, at most 10 million.")


class CouponsNotStackable(Conflict):
    """Two of the chosen coupons do not go together."""

    code = "coupons_not_stackable"
    sentence = Text("“{one}”和“{other}”不能一起用。", "“{one}” and “{other}” do not go together.")


class QuoteChanged(Conflict):
    """What would be booked is not what the till showed."""

    code = "quote_changed"
    sentence = Text(
        "应收金额变了，现在是 {payable}。请核对后再收款。",
        "The amount due has changed to {payable}. Check it, then take the payment.",
    )


class CheckoutNotFound(NotFound):
    """No such checkout in this chain, or in another's store."""

    code = "checkout_not_found"
    sentence = Text("没有这笔交易。", "There is no such checkout.")


class CheckoutAlreadyVoided(Conflict):
    """It was undone before."""

    code = "checkout_already_voided"
    sentence = Text("这笔交易已经撤销过了。", "This checkout was already undone.")


class VoidTooLate(Conflict):
    """The time in which this role may undo has passed."""

    code = "void_too_late"
    sentence = Text(
        "已超过可撤销的时间（{window}）。{who}",
        "The time for undoing it ({window}) has passed. {who}",
    )


class VoidNotPermitted(NotPermitted):
    """This role undoes nothing."""

    code = "void_not_permitted"
    sentence = Text("您不能撤销交易。", "You may not undo checkouts.")


class ItemsDoNotAddUp(Invalid):
    """The basket comes to another sum than the amount."""

    code = "items_do_not_add_up"
    sentence = Text("商品合计 {total}，和金额不一致。", "The items come to {total}, which is not the amount.")


class PointsNotAccepted(Conflict):
    """The program of this card does not let points be spent."""

    code = "points_not_accepted"
    sentence = Text("这种会员卡的积分不能抵现。", "Points of this card cannot be spent.")


class PointsNotMultiple(Invalid):
    """Points are used in steps."""

    code = "points_not_multiple"
    sentence = Text("积分要按 {step} 的倍数使用。", "Points are used in multiples of {step}.")


class PointsNotEnough(Conflict):
    """The card has fewer points."""

    code = "points_not_enough"
    sentence = Text("积分不够，卡里有 {points} 分。", "Not enough points: the card has {points}.")


class PointsTooMany(Conflict):
    """They would take off more than there is to pay."""

    code = "points_too_many"
    sentence = Text("这一单最多可用 {most} 积分。", "This purchase takes {most} points at most.")


class ValueNotAccepted(Conflict):
    """Cards hold no stored value yet."""

    code = "value_not_accepted"
    sentence = Text("会员卡没有储值，不能用余额支付。", "The card holds no stored value to pay with.")


class CheckoutNotSettled(Conflict):
    """It is only reserved, or was released."""

    code = "checkout_not_settled"
    sentence = Text(
        "这笔交易还没有入账，不能撤销或退款。", "This checkout was not booked, so there is nothing to undo."
    )


class CheckoutRefunded(Conflict):
    """A part was handed back already."""

    code = "checkout_refunded"
    sentence = Text(
        "这笔交易已经退过款，不能整笔撤销；剩下的请按金额退。",
        "A part of this checkout was refunded. Refund the rest by its amount.",
    )


class RefundTooMuch(Conflict):
    """More than is left of what was paid."""

    code = "refund_too_much"
    sentence = Text("最多还能退 {left}。", "At most {left} can still be refunded.")


class RefundTooLate(Conflict):
    """The time in which this role may refund has passed."""

    code = "refund_too_late"
    sentence = Text(
        "已超过可退款的时间（{window}）。{who}",
        "The time for refunding it ({window}) has passed. {who}",
    )


class RefundNeedsApproval(Conflict):
    """More than this role refunds by itself."""

    code = "refund_needs_approval"
    sentence = Text(
        "这笔您自己还能退 {most}，更多请店长输入 PIN。",
        "By yourself you can refund {most} more of this sale. For more, ask the manager for the PIN.",
    )


class RefundNotPermitted(NotPermitted):
    """This role refunds nothing."""

    code = "refund_not_permitted"
    sentence = Text("您不能退款。", "You may not refund.")


class CheckoutNotReserved(Conflict):
    """It was confirmed or released before, or never reserved."""

    code = "checkout_not_reserved"
    sentence = Text(
        "这笔交易不在预留中，已经入账或释放了。", "This checkout is not reserved: it was booked or released."
    )


class ReservationOver(Conflict):
    """Its time has run out."""

    code = "reservation_over"
    sentence = Text("预留已超时，请重新结账。", "The reservation has run out. Start the purchase again.")


class ReservationTooLong(Invalid):
    """Coupons and points are not held for ever."""

    code = "reservation_too_long"
    sentence = Text("预留时间为 1 到 {most} 分钟。", "A reservation lasts 1 to {most} minutes.")


class CouponOnHold(Conflict):
    """A reserved purchase holds the coupon, or has let it go in this very moment."""

    code = "coupon_on_hold"
    sentence = Text(
        "这张券正被另一笔未完成的交易占用。请先完成或取消那一笔，或稍后再试。",
        "Another purchase that is not finished holds this coupon. Finish or release that one, or try again shortly.",
    )
