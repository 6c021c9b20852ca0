"""What can stand in the way of having or using a coupon."""

from core.errors import Conflict, Invalid, NotFound, NotPermitted
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


class CouponWaitsForFriend(Conflict):
    """The coupon is held out to a friend."""

    code = "coupon_waits_for_friend"
    sentence = Text(
        "这张券正在等朋友领取。会员在手机上收回后就能用。",
        "This coupon is waiting for a friend. Once the member takes it back on the phone, it can be used.",
    )


class CouponNotUsable(Conflict):
    """The coupon was made void, or a friend has taken it."""

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
    """Somebody else changed the offer in the meantime."""

    code = "offer_changed"
    sentence = Text("这个活动刚被别人改过，请刷新后再改。", "Somebody just changed this offer. Reload and try again.")


class OfferNotDraft(Conflict):
    """Once published, an offer is no longer rewritten, only made more generous."""

    code = "offer_not_draft"
    sentence = Text(
        "已经发布过的活动不能重写，只能改得更优惠；其他改动请复制一份。",
        "An offer that was published is not rewritten, only made more generous. For other changes copy it.",
    )


class OfferEnded(Conflict):
    """An offer that has ended stays as it is."""

    code = "offer_ended"
    sentence = Text("已经结束的活动不能再改，可以复制一份。", "An offer that has ended stays as it is. Copy it.")


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


class OfferDayLimitReached(Conflict):
    """Today's share of the offer is gone."""

    code = "offer_day_limit_reached"
    sentence = Text(
        "今天的 {limit} 张已经领完，明天再来。", "Today's {limit} coupons are gone. Come back tomorrow for more."
    )


class OfferPhoneLimitReached(Conflict):
    """The phone has had as many coupons of this offer as it may."""

    code = "offer_phone_limit_reached"
    sentence = Text(
        "这个手机号已经领过了，每个手机号限领 {limit} 张。", "This phone number already had it: {limit} per number."
    )


class OfferBudgetSpent(Conflict):
    """What the chain sets aside for the offer is given out."""

    code = "offer_budget_spent"
    sentence = Text("这个活动的预算已经用完。", "The budget of this offer is used up.")


class CardNotInScope(Conflict):
    """The offer is for other cards or tiers."""

    code = "card_not_in_scope"
    sentence = Text("这张券不适用于您的会员卡或等级。", "This offer is not for your card or tier.")


class PhoneNeeded(Conflict):
    """The offer counts by phone, so the phone has to be verified first."""

    code = "phone_needed"
    sentence = Text("先验证手机号，再领这张券。", "Verify your phone number first, then take this coupon.")


class CouponWrongStore(Conflict):
    """The coupon is for other stores."""

    code = "coupon_wrong_store"
    sentence = Text("这张券只限{stores}使用。", "This coupon is for {stores} only.")


class CouponWrongProgram(Conflict):
    """The coupon is for cards of another kind."""

    code = "coupon_wrong_program"
    sentence = Text("这张券只限{programs}使用。", "This coupon is for {programs} only.")


class CouponWrongTier(Conflict):
    """The coupon is for other tiers than the card has now."""

    code = "coupon_wrong_tier"
    sentence = Text("这张券只限{tiers}使用。", "This coupon is for {tiers} only.")


class CouponNotToday(Conflict):
    """It can be used on other days of the week."""

    code = "coupon_not_today"
    sentence = Text("今天不能用，这张券{when}可用。", "Not today: this coupon can be used {when}.")


class CouponNotNow(Conflict):
    """It can be used today, at another hour."""

    code = "coupon_not_now"
    sentence = Text("现在不能用，这张券{when}可用。", "Not now: this coupon can be used {when}.")


class CouponBlackedOut(Conflict):
    """This day is one of its exceptions."""

    code = "coupon_blacked_out"
    sentence = Text("{day}不能用这张券，请改天再用。", "This coupon cannot be used on {day}. Keep it for another day.")


class CouponItemMissing(Conflict):
    """What the coupon is for is not in the purchase."""

    code = "coupon_item_missing"
    sentence = Text("先加上{item}，这张券才能用。", "Add {item} first, then this coupon can be used.")


class CouponNotCombinable(Conflict):
    """It does not go together with another coupon of this purchase."""

    code = "coupon_not_combinable"
    sentence = Text("不能和“{other}”一起用。", "It does not go together with “{other}”.")


class CouponNotNeeded(Conflict):
    """Without it the price is as low."""

    code = "coupon_not_needed"
    sentence = Text("不用这张券也是这个价，留着下次用。", "The price is as low without it. Keep it for later.")


class ClaimWordTaken(Conflict):
    """A claim word leads to one running offer."""

    code = "claim_word_taken"
    sentence = Text(
        "口令“{word}”已经用在另一个进行中的活动上。", "The claim word “{word}” already leads to another running offer."
    )


class OfferNeedsApproval(Conflict):
    """A second person approves an offer before it runs."""

    code = "offer_needs_approval"
    sentence = Text("发布前要先提交，由另一个人批准。", "Submit it first: a second person approves it before it runs.")


class OfferNotSubmitted(Conflict):
    """Only a draft that waits for approval can be approved or sent back."""

    code = "offer_not_submitted"
    sentence = Text("这个活动没有在等待批准。", "This offer does not wait for approval.")


class OfferSecondPersonNeeded(NotPermitted):
    """Whoever submitted an offer does not approve it."""

    code = "offer_second_person_needed"
    sentence = Text("要由提交人以外的另一个人批准。", "Somebody other than who submitted it must approve it.")


class OfferNotMoreGenerous(Conflict):
    """Coupons are out: their rules may only get better for whoever holds them."""

    code = "offer_not_more_generous"
    sentence = Text(
        "发布后的活动只能改得更优惠。这些规则不能这样改：{rules}。",
        "A published offer can only become more generous. These rules cannot change like this: {rules}.",
    )


class CouponNotGivable(Conflict):
    """The chain wants it used by whoever claimed it."""

    code = "coupon_not_givable"
    sentence = Text("这张券只能自己用，不能送人。", "This coupon is for you alone and cannot be given away.")


class CouponBeingGiven(Conflict):
    """It waits for a friend already."""

    code = "coupon_being_given"
    sentence = Text(
        "这张券正在等朋友领取，收回后才能再送。",
        "This coupon is waiting for a friend. Take it back before you give it again.",
    )


class GiftGone(NotFound):
    """Unknown, taken, called back or out of time: whoever holds the link is not told which."""

    code = "gift_gone"
    sentence = Text(
        "这份礼物现在领不了：可能已被领走、被收回，或者过了时间。",
        "This gift cannot be taken: somebody may have taken it, or it was called back, or its time is over.",
    )


class GiftToOneself(Conflict):
    """A gift is for somebody else."""

    code = "gift_to_oneself"
    sentence = Text(
        "这是您自己送出的券，请把链接发给朋友。", "You gave this coupon yourself. Send the link to a friend."
    )


class GiftMessageTooLong(Invalid):
    """What goes with a gift has at most 100 characters."""

    code = "gift_message_too_long"
    sentence = Text("留言最多 100 个字。", "A message has at most 100 characters.")


class EnteredCodeUnknown(NotFound):
    """Unknown, mistyped, not in use any more: the public is not told which."""

    code = "entered_code_unknown"
    sentence = Text(
        "这个口令或券码不能用。请核对后再输一次。",
        "This word or code cannot be used. Please check it and try again.",
    )


class EnteredCodeAmbiguous(Conflict):
    """Several of the chains that the person is a member of have this word or code."""

    code = "entered_code_ambiguous"
    sentence = Text("几张会员卡都有这个口令，请选一张。", "Several of your cards know this word. Choose one.")


class PrintedCodeUsed(Conflict):
    """The code on paper has become a coupon before."""

    code = "printed_code_used"
    sentence = Text("这个券码已经用过了。", "This code was already used.")


class PrintedCodeVoid(Conflict):
    """The code's batch was made void, or is not whole yet. Only staff are told."""

    code = "printed_code_void"
    sentence = Text("这批券码已作废，或还没有做完。", "The batch of this code is void, or not finished yet.")


class PrintedCodeMistyped(NotFound):
    """The check digit is wrong. Only staff are told."""

    code = "printed_code_mistyped"
    sentence = Text("券码输错了一位，请对照再输。", "One letter of the code is wrong. Compare and type it again.")


class CodesInvalid(Invalid):
    """So many codes are not made at once."""

    code = "codes_invalid"
    sentence = Text("一次可做 1 到 {most} 个券码。", "Make between 1 and {most} codes at a time.")


class BatchNotFound(NotFound):
    """No such batch of codes in this chain."""

    code = "code_batch_not_found"
    sentence = Text("没有这批券码。", "There is no such batch of codes.")


class BatchNotOpen(Conflict):
    """The batch is whole or void already."""

    code = "code_batch_not_open"
    sentence = Text("这批券码已经做完或作废。", "This batch of codes is finished or void already.")


class BatchNotWhole(Conflict):
    """The codes of the batch are still being written."""

    code = "code_batch_not_whole"
    sentence = Text("这批券码还没有做完，请先继续或作废。", "This batch is not finished. Continue it or make it void.")


class StaffGiftNotAllowed(Conflict):
    """Staff do not give out this offer."""

    code = "staff_gift_not_allowed"
    sentence = Text("这个活动不能由店员赠送。", "Staff cannot give out this offer.")


class StaffGiftLimitReached(Conflict):
    """The member of staff gave as many today as he may."""

    code = "staff_gift_limit_reached"
    sentence = Text("您今天可送的 {limit} 张已经送完。", "You gave the {limit} you may give today.")


class ReasonNeeded(Invalid):
    """What staff give or take needs a reason."""

    code = "reason_needed"
    sentence = Text("请写明原因。", "Please say why.")
