"""The fraud rules: each looks at one referral and says what it saw, or that it saw nothing.

A rule that counts looks to both sides of the friend's joining, so that the first of a cluster are found as well when
they are judged again at the end of their holding days. A window is shorter than its length: what lies a whole window
apart is not in one.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sharing import fraud_facts as facts
from sharing.fraud_facts import Join, Subject
from sharing.reward_models import FraudRule

DEVICE_WINDOW = timedelta(days=7)
NETWORK_WINDOW = timedelta(hours=24)
VELOCITY_WINDOW = timedelta(hours=1)
FARM_AGE = timedelta(days=14)  # a friend had so long to buy something
FARM_LOOKS_AT = 5  # thresholds of friends, the newest
FARM_BUYERS = 10  # less than one buyer in so many
CROWD = 2  # so many joins on other devices for each on this one: a network of the public
SHOWN = 20  # ids in the evidence


class Found(NamedTuple):
    """What a rule saw: figures and ids. What is not sure is never rejected, only flagged."""

    evidence: dict[str, Any]
    is_sure: bool = True


Rule = Callable[[Subject, int, datetime], Found | None]


def own_phone(seen: Subject, threshold: int, now: datetime) -> Found | None:
    """Friend and referrer have one phone. It is sure when both proved it."""
    if seen.phone is None or seen.phone != seen.referrer_phone:
        return None
    is_proved = seen.phone_verified_at is not None and seen.referrer_verified_at is not None
    return Found({"member_id": seen.referrer_id, "proved": is_proved}, is_sure=is_proved)


def existing_member(seen: Subject, threshold: int, now: datetime) -> Found | None:
    """Somebody else of the chain had the friend's phone before the friend joined."""
    earlier = facts.find_earlier_member(seen) if seen.phone else None
    if earlier is None:
        return None
    member_id, has_proved = earlier
    is_proved = has_proved and seen.phone_verified_at is not None
    return Found({"member_id": member_id, "proved": is_proved}, is_sure=is_proved)


def own_device(seen: Subject, threshold: int, now: datetime) -> Found | None:
    """The friend joined on what looks like the device where the referrer shares, or where he himself joined."""
    if seen.device is None:
        return None
    if made := facts.find_link_made_there(seen):
        link_id, made_at = made
        return Found({"share_link_id": link_id, "minutes": _minutes(made_at, seen.created_at)})
    if seen.up_device == seen.device:
        return Found({"referral_id": seen.up_id})
    return None


def device_cluster(seen: Subject, threshold: int, now: datetime) -> Found | None:
    """Many joined on what looks like one device. Not where a crowd of other devices joined from the same network:
    phones of one model in one messenger look alike behind a café's or an operator's address.
    """
    if seen.device is None:
        return None
    together = _densest(facts.joins_of_device(seen, DEVICE_WINDOW, threshold), seen.created_at, DEVICE_WINDOW)
    if len(together) < threshold:
        return None
    most = CROWD * len(together)
    others = facts.count_others_on_network(seen, together[0].at, together[-1].at, most=most)
    return None if others >= most else Found(_counted(together, threshold) | {"others": others})


def network_cluster(seen: Subject, threshold: int, now: datetime) -> Found | None:
    """Many friends of one referrer joined from one network within a day."""
    if seen.network is None:
        return None
    together = _densest(facts.joins_of_network(seen, NETWORK_WINDOW, threshold), seen.created_at, NETWORK_WINDOW)
    return Found(_counted(together, threshold)) if len(together) >= threshold else None


def velocity(seen: Subject, threshold: int, now: datetime) -> Found | None:
    """A referrer brought many within an hour."""
    together = _densest(facts.joins_of_referrer(seen, VELOCITY_WINDOW, threshold), seen.created_at, VELOCITY_WINDOW)
    return Found(_counted(together, threshold)) if len(together) >= threshold else None


def closed_loop(seen: Subject, threshold: int, now: datetime) -> Found | None:
    """The friend's phone or device stands above his referrer: somebody below himself. OWN_PHONE sees the referrer."""
    line = seen.line[:-1]
    if not line:
        return None
    if seen.phone and (above := facts.find_in_line_by_phone(seen, line)):
        member_id, has_proved = above
        is_proved = has_proved and seen.phone_verified_at is not None
        return Found(_above(seen, member_id, "phone") | {"proved": is_proved}, is_sure=is_proved)
    member = facts.find_in_line_by_device(seen, line) if seen.device else None
    return Found(_above(seen, member, "device")) if member is not None else None


def farm(seen: Subject, threshold: int, now: datetime) -> Found | None:
    """The referrer's friends take cards and buy nothing, and this one did not buy either."""
    friends = facts.newest_friends(seen, joined_by=now - FARM_AGE, limit=FARM_LOOKS_AT * threshold)
    idle = [referral_id for referral_id, is_buyer in friends if not is_buyer]
    buyers = len(friends) - len(idle)
    if len(idle) < threshold or buyers * FARM_BUYERS >= len(friends) or facts.is_buyer(seen):
        return None
    evidence = {"friends": len(friends), "buyers": buyers, "days": FARM_AGE.days, "threshold": threshold}
    return Found(evidence | {"referral_ids": idle[:SHOWN]})


RULES: dict[FraudRule, Rule] = {
    FraudRule.OWN_PHONE: own_phone,
    FraudRule.EXISTING_MEMBER: existing_member,
    FraudRule.OWN_DEVICE: own_device,
    FraudRule.DEVICE_CLUSTER: device_cluster,
    FraudRule.NETWORK_CLUSTER: network_cluster,
    FraudRule.VELOCITY: velocity,
    FraudRule.CLOSED_LOOP: closed_loop,
    FraudRule.FARM: farm,
}


def _densest(joins: Sequence[Join], at: datetime, window: timedelta) -> Sequence[Join]:
    """The most joins that lie in one window with the moment ``at``. ``joins`` are in the order of time."""
    best: Sequence[Join] = []
    end = 0
    for start, first in enumerate(joins):
        if first.at > at:
            break
        while end < len(joins) and joins[end].at - first.at < window:
            end += 1
        if joins[end - 1].at >= at and end - start > len(best):
            best = joins[start:end]
    return best


def _counted(together: Sequence[Join], threshold: int) -> dict[str, Any]:
    return {
        "joins": len(together),
        "threshold": threshold,
        "referrers": len({join.referrer_id for join in together}),
        "minutes": _minutes(together[0].at, together[-1].at),
        "referral_ids": [join.referral_id for join in together[-SHOWN:]],
    }


def _above(seen: Subject, member_id: int, by: str) -> dict[str, Any]:
    line = seen.line
    return {"by": by, "member_id": member_id, "generations": len(line) - line.index(member_id)}


def _minutes(since: datetime, until: datetime) -> int:
    return int((until - since).total_seconds() // 60)
