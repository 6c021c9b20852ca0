"""What SMS and WeChat need besides words: a vendor's template, and for a subscription message the member's "allow"."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from push.channels import ChannelError, Filled, MayHaveGoneError, NotAllowedError, UnansweredError
from push.channels.wechat_users import Wanted, give_back, take_allowances, use_up
from push.delivering.facts import Facts
from push.delivering.needs import Needed, NotTried, Result
from push.models import PushChannel
from push.wording.texts import choose_template
from push.wording.vendor_templates import Templates


def for_gateway(rows: Sequence[Facts], now: datetime) -> Mapping[int, Needed]:
    """A template where the campaign names one; else the gateway gets the words alone."""
    found = _templates_of(PushChannel.GATEWAY, rows)
    return {row.id: Needed(template=found.get(row.id)) for row in rows}


def for_wechat_template(rows: Sequence[Facts], now: datetime) -> Mapping[int, Needed]:
    """The template; the channel says what is wrong with a message that has none."""
    found = _templates_of(PushChannel.WECHAT_TEMPLATE, rows)
    return {row.id: Needed(template=found.get(row.id)) for row in rows}


def for_wechat_subscription(rows: Sequence[Facts], now: datetime) -> Mapping[int, Needed]:
    """The template, and one "allow" of the member for it. Who allows none cannot be reached."""
    found = _templates_of(PushChannel.WECHAT_SUBSCRIPTION, rows)
    wanted = [Wanted(row.id, row.member_id, found[row.id].code) for row in rows if row.id in found]
    allowed = take_allowances(wanted, now=now)
    return {
        row.id: Needed(template=found.get(row.id)) for row in rows if row.id in allowed or row.id not in found
    }  # fmt: skip


def settle_allowances(results: Sequence[Result], now: datetime) -> None:
    """Give the "allow" back where the message surely did not go; forget it where WeChat knows of none."""
    for result in sorted(results, key=_in_order_of_taking):
        template, problem = result.needed.template, result.problem
        if template is None or problem is None:
            continue
        if isinstance(problem, NotAllowedError):
            use_up(result.row.member_id, template.code, now=now)
        elif _did_not_go(problem):
            give_back(result.row.member_id, template.code, now=now)


def _in_order_of_taking(result: Result) -> tuple[str, int]:
    """As ``take_allowances`` writes them, so that two workers never wait for one another."""
    template = result.needed.template
    return ("" if template is None else template.code, int(result.row.member_id))


def _did_not_go(problem: BaseException) -> bool:
    if isinstance(problem, (UnansweredError, MayHaveGoneError)):
        return False
    return isinstance(problem, (ChannelError, NotTried))


def _templates_of(channel: PushChannel, rows: Sequence[Facts]) -> dict[int, Filled]:
    """The template of each delivery that has one, its variables not filled in."""
    codes = {row.id: choose_template(row.texts, row.variant, channel, row.language) for row in rows}
    named = [row for row in rows if codes[row.id] is not None]
    templates = Templates(channel, {row.chain_id for row in named})
    found = {row.id: templates.find(row.chain_id, codes[row.id], row.language) for row in named}
    return {delivery_id: template for delivery_id, template in found.items() if template is not None}
