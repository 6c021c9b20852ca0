"""What each figure of a campaign's effect means, in the words of whoever reads it."""

from core.text import Text
from sharing.definitions import Definition

DEFINITIONS: dict[str, Definition] = {
    "sent": Definition(
        Text("已送出", "Sent"),
        Text(
            "服务商收下的，或者已经放进卡包的消息。一位会员、一个渠道算一条。",
            "Messages that a provider took, or that lie in a wallet: one for each member and channel.",
        ),
    ),
    "delivered": Definition(
        Text("确认送达", "Confirmed"),
        Text(
            "已送出的消息里，服务商回执说已经到了手机上的，以及卡包里的消息。不给回执的渠道这里是 0，不等于没有到。",
            "Of those sent, the ones whose arrival the provider confirmed, and those in wallets. A channel without"
            " receipts has 0 here, which does not mean that they did not arrive.",
        ),
    ),
    "opened": Definition(
        Text("打开", "Opened"),
        Text(
            "在卡包里看到的消息，以及点过里面链接的消息。邮件里没有暗中计数的图片，所以打开而没有点的邮件不在内。",
            "Messages seen in the wallet, and those of which a link was followed. Mails carry no hidden picture, so one"
            " that was read without following a link is not counted.",
        ),
    ),
    "clicked": Definition(
        Text("点击", "Clicked"),
        Text(
            "至少点过一个链接的消息。预览、机器人和扫描程序不算；不同意记录的会员拿到的是原链接，也不算。",
            "Messages of which at least one link was followed. Previews, bots and scanners do not count, nor do members"
            " who refused: their links lead straight there.",
        ),
    ),
    "redeemed": Definition(
        Text("核销", "Redeemed"),
        Text(
            "随这次推送发出的券里用掉的张数，撤销的不算。同一张券可能跟着几个渠道，合计里只算一次。",
            "Of the coupons that came with the messages, those used and not undone. One coupon may come over several"
            " channels; in the whole it counts once.",
        ),
    ),
    "spend": Definition(
        Text("用券消费", "Spent with them"),
        Text(
            "用了这些券的结账实付多少，减去退款；每次推送里一笔结账只算一次。",
            "What was paid in the purchases in which those coupons were used, refunds taken off; each purchase once for"
            " a run.",
        ),
    ),
    "funnel": Definition(
        Text("从送出到消费", "From sent to spent"),
        Text(
            "按版本和渠道，消息走到了哪一步。这是做了什么，不是带来了什么：会来的人本来也会来。",
            "By version and channel, how far the messages came. It tells what was done, not what it caused: some would"
            " have come anyway.",
        ),
    ),
    "caused": Definition(
        Text("带来了什么", "What it caused"),
        Text(
            "发送前按抽签留出一部分会员不发，再比较两组在同样的天数里买了多少。每位会员从第一次轮到他的推送算起，只算"
            "一次；天数没满的还不算。抽到要发的，送没送到都算在内。区间是 95%：包含 0，就是没有显示出效果。",
            "Before sending, a part of the members was drawn by lot to get nothing; both groups are compared over the"
            " same number of days. Each member counts once, from the first run that meant him, and only when all his"
            " days are over; who was meant counts whether his message arrived or not. The range is the 95 % confidence"
            " interval: where it holds 0, no effect is shown.",
        ),
    ),
    "versions": Definition(
        Text("哪个版本更好", "Which version did better"),
        Text(
            "每位会员按抽签拿到一个版本。和版本 A 比较；区间包含 0，就分不出高下。",
            "Each member gets a version by lot. They are compared with version A; where the range holds 0, neither is"
            " shown to be better.",
        ),
    ),
}
