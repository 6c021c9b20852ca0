"""What the fraud rules mean and what they saw, in both languages."""

from collections.abc import Callable
from typing import Any

from core.text import Text
from sharing.reward_models import FraudAction, FraudRule

NAMES = {
    FraudRule.OWN_PHONE: Text("同一个手机号", "Same phone number"),
    FraudRule.EXISTING_MEMBER: Text("原来就是会员", "A member before"),
    FraudRule.OWN_DEVICE: Text("像是同一台手机", "Looks like the same phone"),
    FraudRule.DEVICE_CLUSTER: Text("一台手机多人入会", "Many on one phone"),
    FraudRule.NETWORK_CLUSTER: Text("一个网络多位好友", "Many from one network"),
    FraudRule.VELOCITY: Text("短时间内太多", "Too many within an hour"),
    FraudRule.CLOSED_LOOP: Text("推荐绕了一圈", "A closed loop"),
    FraudRule.FARM: Text("只领卡不消费", "Cards, but no purchases"),
    FraudRule.PERSON: Text("人工判定", "Found by a person"),
}
MEANINGS = {
    FraudRule.OWN_PHONE: Text(
        "好友和推荐人的手机号相同。只有双方都验证过这个号码才会拒绝，否则转人工核对。",
        "Friend and referrer have the same phone number. Rejected only when both proved it, else a person decides.",
    ),
    FraudRule.EXISTING_MEMBER: Text(
        "好友的手机号在入会之前已经属于另一位会员。只有双方都验证过这个号码才会拒绝，否则转人工核对。",
        "Another member had the friend's phone number before. Rejected only when both have proved it, else a person"
        " looks.",
    ),
    FraudRule.OWN_DEVICE: Text(
        "好友入会的手机和网络，与推荐人分享或入会时的看起来一样。同一家人、同一宿舍用同款手机时也会这样。",
        "The friend joined on a phone and network that look like the referrer's own. So do two phones of one model in"
        " one home.",
    ),
    FraudRule.DEVICE_CLUSTER: Text(
        "7 天内有多人在看起来一样的手机上入会。如果同一网络上还有两倍以上的其他手机，视为公共网络，不计。",
        "Several joined within 7 days on what looks like one phone. Not counted where twice as many other phones joined"
        " from the same network: that is a public one.",
    ),
    FraudRule.NETWORK_CLUSTER: Text(
        "24 小时内，同一推荐人的多位好友从同一网络入会。办公室、宿舍一起领卡时也会这样。",
        "Many friends of one referrer joined from one network within 24 hours. So does an office that joins together.",
    ),
    FraudRule.VELOCITY: Text(
        "同一推荐人在一小时内带来太多好友。在大群或朋友圈里分享时也会这样。",
        "One referrer brought many friends within an hour. So does a post that many people read.",
    ),
    FraudRule.CLOSED_LOOP: Text(
        "好友的手机号或手机，属于当初带来这位推荐人的人，或更早带来他们的人。",
        "The friend's phone number or phone belongs to somebody through whom the referrer came.",
    ),
    FraudRule.FARM: Text(
        "推荐人有许多入会满 14 天的好友从未消费，消费的不到十分之一，这位好友也没有消费。",
        "Many of the referrer's friends bought nothing in 14 days, fewer than one in ten did, nor did this one.",
    ),
    FraudRule.PERSON: Text("工作人员认定这次推荐不真实。", "Somebody of the staff found this referral to be untrue."),
}
THRESHOLDS = {
    FraudRule.DEVICE_CLUSTER: Text("7 天内达到多少人", "How many joins in 7 days"),
    FraudRule.NETWORK_CLUSTER: Text("24 小时内达到多少人", "How many friends in 24 hours"),
    FraudRule.VELOCITY: Text("一小时内达到多少人", "How many friends in an hour"),
    FraudRule.FARM: Text("达到多少位未消费的好友", "How many friends without a purchase"),
}
ACTIONS = {
    FraudAction.OFF: Text("关闭", "Off"),
    FraudAction.FLAG: Text("转人工核对", "A person decides"),
    FraudAction.REJECT: Text("拒绝", "Reject"),
}
PROVED = Text("双方都验证过。", "Both have proved it.")
NOT_PROVED = Text("至少一方没有验证过。", "At least one of them has not proved it.")


def explain(rule: str, evidence: dict[str, Any]) -> Text:
    """What a finding saw, as a sentence: figures only, nobody's name or number."""
    return SENTENCES[FraudRule(rule)](evidence)


def _own_phone(seen: dict[str, Any]) -> Text:
    return _with(Text("好友和推荐人的手机号相同，", "Friend and referrer have the same phone number. "), _proof(seen))


def _existing_member(seen: dict[str, Any]) -> Text:
    said = Text(
        "好友入会之前，另一位会员已经用这个手机号，", "Another member had the friend's phone number before he joined. "
    )
    return _with(said, _proof(seen))


def _own_device(seen: dict[str, Any]) -> Text:
    if "referral_id" in seen:
        return Text(
            "好友入会的手机和网络，与推荐人当初入会时的看起来一样。",
            "The friend joined on what looks like the phone and network on which the referrer once joined himself.",
        )
    when = _span(seen["minutes"])
    return Text(
        f"好友入会的手机和网络，与推荐人{when.zh}前分享时的看起来一样。",
        f"The friend joined on what looks like the phone and network that the referrer shared from {when.en} before.",
    )


def _device_cluster(seen: dict[str, Any]) -> Text:
    people, time, others = seen["joins"], _span(seen["minutes"]), seen["others"]
    by = _by(seen["referrers"])
    rest = Text(f"同一网络另有 {others} 人", f"{_people(others)} joined there on other phones")
    return Text(
        f"在{time.zh}内，有 {people} 人在看起来一样的手机上入会（{by.zh}），{rest.zh}。"
        f"规则从 {seen['threshold']} 人起。",
        f"{_people(people)} joined within {time.en} on what looks like one phone ({by.en}); {rest.en}."
        f" The rule begins at {seen['threshold']}.",
    )


def _network_cluster(seen: dict[str, Any]) -> Text:
    people, time = seen["joins"], _span(seen["minutes"])
    return Text(
        f"这位推荐人的 {people} 位好友在{time.zh}内从同一网络入会。规则从 {seen['threshold']} 人起。",
        f"{_friends(people)} of this referrer joined from one network within {time.en}."
        f" The rule begins at {seen['threshold']}.",
    )


def _velocity(seen: dict[str, Any]) -> Text:
    people, time = seen["joins"], _span(seen["minutes"])
    return Text(
        f"这位推荐人在{time.zh}内带来 {people} 位好友。规则从一小时 {seen['threshold']} 人起。",
        f"This referrer brought {_friends(people).lower()} within {time.en}."
        f" The rule begins at {seen['threshold']} an hour.",
    )


def _closed_loop(seen: dict[str, Any]) -> Text:
    up = seen["generations"]
    if seen["by"] == "phone":
        said = Text(
            f"好友的手机号属于上面第 {up} 代的会员，", f"The friend's phone number is that of a member {up} above. "
        )
        return _with(said, _proof(seen))
    return Text(
        f"好友入会的手机和网络，与上面第 {up} 代的会员用过的看起来一样。",
        f"The friend joined on what looks like the phone and network of a member {up} above.",
    )


def _farm(seen: dict[str, Any]) -> Text:
    friends, buyers, days = seen["friends"], seen["buyers"], seen["days"]
    return Text(
        f"这位推荐人最近 {friends} 位入会满 {days} 天的好友里，只有 {buyers} 位消费过；这位好友也没有消费。",
        f"Of the {friends} newest friends who joined through this referrer at least {days} days ago,"
        f" {buyers or 'none'} ever bought; neither did this one.",
    )


def _person(seen: dict[str, Any]) -> Text:
    reason = seen["reason"]
    return Text(f"工作人员认定：{reason}", f"Staff wrote: {reason}")


SENTENCES: dict[FraudRule, Callable[[dict[str, Any]], Text]] = {
    FraudRule.OWN_PHONE: _own_phone,
    FraudRule.EXISTING_MEMBER: _existing_member,
    FraudRule.OWN_DEVICE: _own_device,
    FraudRule.DEVICE_CLUSTER: _device_cluster,
    FraudRule.NETWORK_CLUSTER: _network_cluster,
    FraudRule.VELOCITY: _velocity,
    FraudRule.CLOSED_LOOP: _closed_loop,
    FraudRule.FARM: _farm,
    FraudRule.PERSON: _person,
}


def _with(first: Text, second: Text) -> Text:
    return Text(first.zh + second.zh, first.en + second.en)


def _proof(seen: dict[str, Any]) -> Text:
    return PROVED if seen["proved"] else NOT_PROVED


def _span(minutes: int) -> Text:
    """About so long."""
    for least, length, zh, en in ((2880, 1440, "天", "day"), (120, 60, "小时", "hour"), (0, 1, "分钟", "minute")):
        if minutes >= least:
            count = max(1, round(minutes / length))
            return Text(f" {count} {zh}", f"{count} {en}{'s' if count != 1 else ''}")
    raise ValueError(minutes)


def _by(referrers: int) -> Text:
    if referrers == 1:
        return Text("都由同一人推荐", "all brought by one referrer")
    return Text(f"由 {referrers} 人推荐", f"brought by {referrers} referrers")


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _friends(count: int) -> str:
    return "1 friend" if count == 1 else f"{count} friends"
