"""What can stand in the way of a campaign."""

from core.errors import Conflict, Invalid, NotFound, NotPermitted
from core.text import Text


class CampaignNotFound(NotFound):
    """No such campaign in this chain."""

    code = "campaign_not_found"
    sentence = Text("没有这个推送活动。", "There is no such campaign.")


class CampaignStateConflict(Conflict):
    """The campaign is in a state that does not allow this."""

    code = "campaign_state_conflict"
    sentence = Text(
        "推送活动的状态刚刚变了，现在不能这样做。请刷新后再看。",
        "The campaign's state does not allow this now. Reload to see where it stands.",
    )


class UndoOver(Conflict):
    """The ten minutes are over: messages are going out."""

    code = "undo_over"
    sentence = Text(
        "已经开始发送，不能撤回了。可以暂停或取消还没发出的。",
        "It has begun to go out and cannot be taken back. You can pause it, or cancel what has not gone.",
    )


class CampaignNeedsApproval(Conflict):
    """A second person approves a campaign before it goes out."""

    code = "campaign_needs_approval"
    sentence = Text(
        "发送前要先提交，由另一个人批准。", "Submit it first: a second person approves it before it goes out."
    )


class CampaignNotSubmitted(Conflict):
    """Only what waits for approval can be approved or sent back."""

    code = "campaign_not_submitted"
    sentence = Text("这个推送没有在等待批准。", "This push does not wait for approval.")


class CampaignSecondPersonNeeded(NotPermitted):
    """Whoever submitted or wrote a campaign does not approve it."""

    code = "campaign_second_person_needed"
    sentence = Text("要由提交人以外的另一个人批准。", "Somebody other than who submitted it must approve it.")


class CampaignChanged(Conflict):
    """It was submitted anew after it was read."""

    code = "campaign_changed"
    sentence = Text("您看过之后它又改了。请再看一遍。", "It was changed after you read it. Please read it again.")


class CampaignOfferDraft(Conflict):
    """What a draft of an offer gives can still become anything."""

    code = "campaign_offer_draft"
    sentence = Text(
        "随推送送的券还是草稿，规则随时会变。先发布这张券，再批准推送。",
        "The offer it hands out is still a draft, whose terms may change. Publish it first, then approve the push.",
    )


class RunNotFound(NotFound):
    """The campaign has no such run."""

    code = "run_not_found"
    sentence = Text("这个推送没有这次发送。", "The campaign has no such run.")


class RunOver(Conflict):
    """The time in which its messages were worth sending is over, or it was cancelled."""

    code = "run_over"
    sentence = Text(
        "这次发送已经过了有效时间或已取消，不能再试。",
        "This run is past its time or was cancelled: nothing of it is tried again.",
    )


class WithProblem(Invalid):
    """Says what is wrong, in both languages, and with which part."""

    def __init__(self, problem: Text, part: str = "") -> None:
        super().__init__()
        self.problem = problem
        self.part = part or self.part
        whole = type(self).sentence
        self.sentence = Text(whole.zh.format(problem=problem.zh), whole.en.format(problem=problem.en))


class CampaignInvalid(WithProblem):
    """The campaign lacks something, or its parts contradict one another."""

    code = "campaign_invalid"
    sentence = Text("推送活动还差一点：{problem}", "The campaign is not ready: {problem}")


class AudienceInvalid(WithProblem):
    """A condition that is not known, or names what is not there."""

    code = "audience_invalid"
    part = "audience"
    sentence = Text("发给谁的条件有误：{problem}", "The audience is not valid: {problem}")


class SegmentNotFound(NotFound):
    """No such segment in this chain."""

    code = "segment_not_found"
    sentence = Text("没有这个人群。", "There is no such segment.")


class SegmentNameTaken(Conflict):
    """Another segment that is in use has this name."""

    code = "segment_name_taken"
    part = "name"
    sentence = Text("已经有一个叫这个名字的人群。", "There is another segment with this name.")


class SegmentNameInvalid(Invalid):
    """A segment needs a name that fits into a line."""

    code = "segment_name_invalid"
    part = "name"
    sentence = Text("给人群起个名字，最多 60 个字。", "Give the segment a name of at most 60 characters.")


class SegmentInUse(Conflict):
    """A campaign that may still go out, or another segment, is made of it."""

    code = "segment_in_use"
    sentence = Text(
        "{names}还在用这个人群，先在那里换掉它。", "It is still used by {names}. Choose another one there first."
    )


class SegmentApproved(Conflict):
    """A second person approved a campaign for the people it means now, and it is about to go out."""

    code = "segment_approved"
    sentence = Text(
        "{names}是按现在这个人群批准的，正等着发送。先停下来，再改人群。",
        "{names} was approved for the people it means now, and is about to go out. Stop it first, then change this.",
    )


class ScheduleInvalid(WithProblem):
    """A time that is not one, or lies behind us."""

    code = "schedule_invalid"
    sentence = Text("发送时间有误：{problem}", "The schedule is not valid: {problem}")


class SuppressionNotFound(NotFound):
    """No such address in this chain's list."""

    code = "suppression_not_found"
    sentence = Text("名单里没有这个地址。", "There is no such address on the list.")


class VendorTemplateNotFound(NotFound):
    """No such template in this chain."""

    code = "vendor_template_not_found"
    sentence = Text("没有这个模板。", "There is no such template.")


class VendorTemplateInvalid(WithProblem):
    """A template lacks something, or its fields contradict one another."""

    code = "vendor_template_invalid"
    sentence = Text("模板还差一点：{problem}", "The template is not ready: {problem}")


class VendorTemplateApproved(Conflict):
    """A second person approved a campaign with the template as it stands, and it goes out."""

    code = "vendor_template_approved"
    sentence = Text(
        "{names}是按模板现在的样子批准的，正在发送或等着发送。先撤回或暂停，再改模板。",
        "Approved with the template as it stands, and going out now or soon: {names}. Take it back or pause it first, "
        "then change the template.",
    )


class WechatUserTaken(Conflict):
    """Another member of the chain is this WeChat user."""

    code = "wechat_user_taken"
    sentence = Text("这个微信用户已经是另一位会员。", "This WeChat user is another member already.")


class WechatUserUnknown(Conflict):
    """Nobody has said who the member is in WeChat."""

    code = "wechat_user_unknown"
    sentence = Text("还不知道这位会员的微信。", "The member is not known in WeChat yet.")


class ChannelUnknown(Invalid):
    """There is no such channel."""

    code = "push_channel_unknown"
    sentence = Text("没有这个渠道。", "There is no such channel.")


class TemplateNotFound(NotFound):
    """No such saved message in this chain."""

    code = "message_template_not_found"
    sentence = Text("没有这个消息模板。", "There is no such message template.")


class TemplateNameTaken(Conflict):
    """Another saved message, perhaps an archived one, has the name."""

    code = "message_template_name_taken"
    part = "name"
    sentence = Text("已经有同名的模板，请换个名字。", "A template has this name already. Choose another one.")


class MessageLinkUnknown(NotFound):
    """No message has this link, or not any more."""

    code = "message_link_unknown"
    sentence = Text(
        "这个链接不完整，或者已经失效。品牌发给您的消息和券都在卡包里。",
        "The link is cut off, or in use no more. The messages and coupons you were sent are in your wallet.",
    )


class WayOutUnknown(NotFound):
    """Not a link by which a member stops messages."""

    code = "way_out_unknown"
    sentence = Text(
        "退订链接不完整，没有停掉任何消息。请从消息里再点一次，或在卡包的设置里选择接收哪些消息。",
        "The link is cut off, so nothing was stopped. Open it from the message once more,"
        " or choose in your wallet's settings what may reach you.",
    )


class ReaderUnknown(NotFound):
    """No such member to look at the message with."""

    code = "reader_not_found"
    sentence = Text("没有找到这位会员。", "There is no such member.")


class TrialAddressMissing(Invalid):
    """Nobody said where the test message is to go."""

    code = "test_address_missing"
    sentence = Text("请先填上自己的地址。", "Say first where it is to go.")


class TrialNotSent(Conflict):
    """The provider did not take the test message."""

    code = "test_not_sent"
    sentence = Text("没有发出去：{problem}", "It did not go: {problem}")
