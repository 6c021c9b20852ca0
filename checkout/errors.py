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
    """Every coupon wants to be the only one of a purchase."""

    code = "coupons_not_stackable"
    sentence = Text("一次只能用一张券。", "Only one coupon can be used at a time.")


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
