"""Channels are asked once a batch what their messages need, and told how these fared.

A channel that needs nothing but the member's e-mail address is not in the tables.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from push.channels import browsers, providing
from push.delivering.facts import Facts
from push.delivering.needs import Needed, Result
from push.models import PushChannel

# For the rows of a batch, by delivery. One that is left out cannot go: it is skipped as ``no_address``. In the
# transaction in which the batch is taken.
GATHERING: dict[PushChannel, Callable[[Sequence[Facts], datetime], Mapping[int, Needed]]] = {
    PushChannel.WEB_PUSH: browsers.for_web_push,
    PushChannel.GATEWAY: providing.for_gateway,
    PushChannel.WECHAT_TEMPLATE: providing.for_wechat_template,
    PushChannel.WECHAT_SUBSCRIPTION: providing.for_wechat_subscription,
}
# In the transaction in which results are noted.
AFTERWARDS: dict[PushChannel, Callable[[Sequence[Result], datetime], None]] = {
    PushChannel.WECHAT_SUBSCRIPTION: providing.settle_allowances,
}


def gather(name: PushChannel, rows: Sequence[Facts], *, now: datetime) -> Mapping[int, Needed]:
    """What each delivery needs. Needs an open transaction."""
    gathering = GATHERING.get(name)
    if gathering is None or not rows:
        return {row.id: Needed() for row in rows}
    return gathering(rows, now)


def tell(name: PushChannel, results: Sequence[Result], *, now: datetime) -> None:
    """Let the channel know how its messages fared. Needs an open transaction."""
    afterwards = AFTERWARDS.get(name)
    if afterwards is not None:
        afterwards(results, now)
