"""What the audit's actions and objects are called on the page of changes."""

from core.text import Text

ACTIONS = {
    "chain created": Text("建立品牌", "Brand created"),
    "chain changed": Text("修改品牌", "Brand changed"),
    "program created": Text("建立会员卡", "Card designed"),
    "program changed": Text("修改会员卡", "Card redesigned"),
    "tiers changed": Text("修改等级", "Tiers changed"),
    "staff created": Text("添加员工", "Person added"),
    "staff changed": Text("修改员工", "Person changed"),
    "staff stores": Text("分配门店", "Stores assigned"),
    "staff password": Text("换新密码", "Password renewed"),
    "staff pin set": Text("设定收银 PIN", "PIN set"),
    "staff pin cleared": Text("清除收银 PIN", "PIN taken away"),
    "staff disabled": Text("停用员工", "Person locked out"),
    "staff enabled": Text("恢复员工", "Person let in again"),
    "key created": Text("新建密钥", "Key made"),
    "key revoked": Text("作废密钥", "Key revoked"),
    "key restored": Text("恢复密钥", "Key restored"),
    "till policy changed": Text("修改收银规则", "Till rules changed"),
    "sharing policy changed": Text("修改分享规则", "Sharing rules changed"),
    "share channel added": Text("新增分享渠道", "Channel of sharing added"),
    "share channel changed": Text("修改分享渠道", "Channel of sharing changed"),
    "share channel archived": Text("停用分享渠道", "Channel of sharing archived"),
    "share channel restored": Text("恢复分享渠道", "Channel of sharing in use again"),
    "sharer named": Text("会员选择分享称呼", "Member chose a name for friends"),
    "referrer corrected": Text("更正推荐人", "Referrer corrected"),
    "reward rule created": Text("新建奖励规则", "Reward rule drafted"),
    "reward rule rewritten": Text("改写奖励规则", "Reward rule rewritten"),
    "reward rule discarded": Text("丢弃奖励规则草稿", "Draft of a reward rule discarded"),
    "reward rule started": Text("奖励规则开始", "Reward rule started"),
    "reward rule paused": Text("奖励规则暂停", "Reward rule paused"),
    "reward rule resumed": Text("奖励规则继续", "Reward rule resumed"),
    "reward rule ended": Text("奖励规则结束", "Reward rule ended"),
    "reward rule budget": Text("调整奖励预算", "Budget of a reward rule changed"),
    "reward approved": Text("通过奖励", "Reward let through"),
    "reward rejected": Text("拒绝奖励", "Reward rejected"),
    "reward clawed back": Text("收回奖励", "Reward taken back"),
    "fraud rules changed": Text("修改防作弊规则", "Fraud rules changed"),
    "fraud finding dismissed": Text("排除风险记录", "Finding dismissed"),
    "referral found wrong": Text("认定推荐不真实", "Referral found wrong"),
    "push policy changed": Text("修改推送规则", "Push rules changed"),
    "store created": Text("添加门店", "Store added"),
    "store edited": Text("修改门店", "Store changed"),
    "store closed": Text("关闭门店", "Store closed"),
    "store reopened": Text("重开门店", "Store opened again"),
    "store imported": Text("导入一家门店", "Store imported"),
    "stores imported": Text("导入门店", "Stores imported"),
    "store code added": Text("新增门店码", "Store code added"),
    "store code renamed": Text("门店码改名", "Store code renamed"),
    "store code revoked": Text("作废门店码", "Store code revoked"),
    "store code restored": Text("恢复门店码", "Store code restored"),
    "offer created": Text("新建券活动", "Offer drafted"),
    "offer rewritten": Text("改写券活动", "Offer rewritten"),
    "offer running": Text("券活动开始", "Offer started"),
    "offer paused": Text("券活动暂停", "Offer paused"),
    "offer ended": Text("券活动结束", "Offer ended"),
    "offer budget": Text("调整预算", "Budget changed"),
    "offer stock": Text("调整库存", "Stock changed"),
    "offer edited": Text("修改进行中的券活动", "Running offer changed"),
    "offer submitted": Text("提交券活动审批", "Offer submitted"),
    "offer approved": Text("批准券活动", "Offer approved"),
    "offer sent back": Text("退回券活动", "Offer sent back"),
    "offer approval setting": Text("修改券审批规则", "Approval of offers changed"),
    "codes begun": Text("生成印刷券码", "Printed codes begun"),
    "codes exported": Text("导出印刷券码", "Printed codes taken away"),
    "codes voided": Text("作废印刷券码", "Printed codes voided"),
    "coupon given": Text("员工赠券", "Coupon given by staff"),
    "coupon voided": Text("作废优惠券", "Coupon voided"),
    "campaign created": Text("新建推送", "Push drafted"),
    "campaign edited": Text("修改推送", "Push changed"),
    "campaign scheduled": Text("安排推送", "Push scheduled"),
    "campaign started": Text("推送开始", "Push started"),
    "campaign paused": Text("暂停推送", "Push paused"),
    "campaign resumed": Text("继续推送", "Push resumed"),
    "campaign cancelled": Text("取消推送", "Push cancelled"),
    "campaign stopped": Text("停止推送", "Push stopped"),
    "campaign missed": Text("错过推送", "Push missed"),
    "message template created": Text("新建消息模板", "Message template made"),
    "message template changed": Text("修改消息模板", "Message template changed"),
    "message template archived": Text("收起消息模板", "Message template put away"),
    "message template restored": Text("恢复消息模板", "Message template taken out again"),
    "test message sent": Text("给自己发测试消息", "Test message sent to oneself"),
    "member imported": Text("导入一位会员", "Member imported"),
    "members imported": Text("导入会员", "Members imported"),
    "member phone verified": Text("会员验证手机", "Member's phone verified"),
    "member profile": Text("修改会员资料", "Member's details changed"),
    "card frozen": Text("冻结会员卡", "Card frozen"),
    "card unfrozen": Text("解冻会员卡", "Card let go"),
    "card closed": Text("会员退卡", "Card given back"),
    "card restored": Text("会员取回卡", "Card taken back"),
    "checkout voided": Text("撤销结账", "Checkout undone"),
    "checkout refunded": Text("退款", "Checkout refunded"),
    "checkout released": Text("释放预留", "Reservation released"),
    "report requested": Text("查看报表", "Report asked for"),
    "report delivered": Text("导出报表", "Report delivered"),
}
AUTHORS = {
    "staff": Text("员工", "person"),
    "key": Text("密钥", "key"),
    "wallet": Text("顾客", "customer"),
    "system": Text("系统", "the system"),
    "command": Text("命令行", "command line"),
}


OBJECTS = {
    "campaign": Text("推送", "push"),
    "message template": Text("消息模板", "message template"),
    "card": Text("会员卡", "card"),
    "chain": Text("品牌", "brand"),
    "checkout": Text("结账", "checkout"),
    "code_batch": Text("印刷券码", "printed codes"),
    "coupon": Text("优惠券", "coupon"),
    "key": Text("密钥", "key"),
    "member": Text("会员", "member"),
    "offer": Text("券活动", "offer"),
    "program": Text("会员卡方案", "kind of card"),
    "push_policy": Text("推送规则", "push rules"),
    "report": Text("报表", "report"),
    "fraud_settings": Text("防作弊规则", "fraud rules"),
    "referral": Text("推荐关系", "referral"),
    "reward": Text("奖励", "reward"),
    "reward_rule": Text("奖励规则", "reward rule"),
    "share_channel": Text("分享渠道", "channel of sharing"),
    "sharing_policy": Text("分享规则", "sharing rules"),
    "staff": Text("员工", "person"),
    "store": Text("门店", "store"),
    "store_code": Text("门店码", "store code"),
    "till_policy": Text("收银规则", "till rules"),
}


def action_word(action: str, language: str) -> str:
    """An action in the reader's words; one that nobody named yet as it is."""
    known = ACTIONS.get(action)
    return known.say(language) if known else action.capitalize()


def author_word(author: str, language: str) -> str:
    """Who, where no name is known: ``key:3`` is "key"."""
    known = AUTHORS.get(author.partition(":")[0])
    return known.say(language) if known else author


def object_word(kind: str, language: str) -> str:
    """What was changed: ``store_code`` is 门店码."""
    known = OBJECTS.get(kind)
    return known.say(language) if known else kind
