"""How far a run came, how fast it goes, when it will be through; and what went wrong, in plain words."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import and_, case, func, select

from core.db import db
from core.text import Text
from push.models import Delivery, DeliveryState, Run, RunState
from push.runs import Sums

RATE_OVER = timedelta(minutes=1)
WAITING = (DeliveryState.PENDING, DeliveryState.SENDING)


@dataclass
class Pace:
    """Of one channel: how many went in the last minute, what can go now, what waits for a later hour."""

    last_minute: int = 0
    due: int = 0
    later: int = 0
    next_at: datetime | None = None  # when the first that waits may go
    last_at: datetime | None = None  # when the last of them may

    def through_at(self, *, now: datetime, went_for: timedelta) -> datetime | None:
        """When the last message is likely gone; None when nothing waits, or nothing moves and nothing says when."""
        if not self.due and not self.later:
            return None
        if self.due and not self.last_minute:
            return None
        span = min(max(went_for, timedelta(seconds=1)), RATE_OVER)
        need = span * (self.due / self.last_minute) if self.due else timedelta()
        return max(now + need, self.last_at or now)


@dataclass
class Progress:
    """A run at a moment."""

    sums: Sums
    at: datetime
    went_for: timedelta = timedelta()
    paces: dict[str, Pace] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        return sum(self.sums.states[state] for state in WAITING)

    @property
    def last_minute(self) -> int:
        return sum(pace.last_minute for pace in self.paces.values())

    @property
    def later(self) -> int:
        return sum(pace.later for pace in self.paces.values())

    @property
    def next_at(self) -> datetime | None:
        """When the first that waits for an hour may go; None while others go."""
        if any(pace.due for pace in self.paces.values()):
            return None
        return min((pace.next_at for pace in self.paces.values() if pace.next_at is not None), default=None)

    def through_at(self) -> datetime | None:
        """When all of it is likely through: as late as its slowest channel; None when that cannot be told."""
        waiting = [pace for pace in self.paces.values() if pace.due or pace.later]
        ends = [pace.through_at(now=self.at, went_for=self.went_for) for pace in waiting]
        known = [end for end in ends if end is not None]
        return max(known) if known and len(known) == len(ends) else None


def progress_of(run: Run, *, now: datetime) -> Progress:
    """One reading of the run's rows."""
    later = and_(Delivery.state == DeliveryState.PENDING, Delivery.due_at > now)
    rows = db.session.execute(
        select(
            Delivery.channel,
            Delivery.state,
            Delivery.reason,
            func.count(Delivery.id),
            func.count(case((Delivery.sent_at > now - RATE_OVER, 1))),
            func.count(case((later, 1))),
            func.min(case((later, Delivery.due_at))),
            func.max(case((later, Delivery.due_at))),
        )
        .where(Delivery.run_id == run.id)
        .group_by(Delivery.channel, Delivery.state, Delivery.reason)
    )
    progress = Progress(Sums(), now, max(now - run.started_at, timedelta()))
    for row in rows:
        _add(progress, *row)
    return progress


def _add(
    progress: Progress, channel: str, state: str, reason: str | None, count: int, recent: int, later: int,
    next_at: datetime | None, last_at: datetime | None,
) -> None:  # fmt: skip
    progress.sums.add(channel, state, reason, count)
    pace = progress.paces.setdefault(channel, Pace())
    pace.last_minute += recent
    if state in WAITING:
        pace.due += count - later
        pace.later += later
        pace.next_at, pace.last_at = next_at or pace.next_at, last_at or pace.last_at


# --- what went wrong ------------------------------------------------------------------------------------------------


class Trouble(NamedTuple):
    """One kind of error of a run: the machine's words, people's, how many have failed and how many are tried again."""

    error: str
    words: Text
    failed: int
    again: int
    next_at: datetime | None


def troubles_of(run_id: int, *, limit: int = 20) -> list[Trouble]:
    """What went wrong in a run, the most frequent first."""
    is_failed = Delivery.state == DeliveryState.FAILED
    rows = db.session.execute(
        select(
            Delivery.error,
            func.count(case((is_failed, 1))),
            func.count(case((~is_failed, 1))),
            func.min(case((~is_failed, Delivery.due_at))),
        )
        .where(
            Delivery.run_id == run_id,
            Delivery.error.is_not(None),
            Delivery.state.in_((DeliveryState.FAILED, *WAITING)),
        )
        .group_by(Delivery.error)
        .order_by(func.count(Delivery.id).desc(), Delivery.error)
        .limit(limit)
    )
    return [Trouble(error, explain(error), failed, again, next_at) for error, failed, again, next_at in rows if error]


def explain(error: str) -> Text:
    """What a channel's words about a failure mean."""
    for pattern, words in EXPLAINED:
        if re.search(pattern, error, re.IGNORECASE):
            return words
    return UNEXPLAINED


UNEXPLAINED = Text("服务商没有接受", "The provider did not take it")
NOT_REACHED = Text("连不上服务商", "The provider could not be reached")
NO_ACCOUNT = Text("服务商不认我们的账号", "The provider does not accept our account")
EXPLAINED: Sequence[tuple[str, Text]] = (
    (r"^internal", Text("系统内部出错，请看日志", "An error of our own; the log says more")),
    (r"web push.*(no browser|gone|keys|\b404\b|\b410\b)", Text("浏览器已取消通知", "No browser takes it any more")),
    (r"web push 413", Text("通知内容太长", "The notification is too long")),
    (r"gateway:? (410|bounced)", Text("号码不存在或已停用", "The number does not exist any more")),
    (r"no template|\b(47003|40037)\b", Text("缺少可用的模板", "A template that the provider takes is missing")),
    (r"\b(43004|43101)\b", Text("对方没有关注或没有允许", "The reader does not follow or has not allowed it")),
    (r"not an address|not supported|\b40003\b", Text("地址不能用", "The address cannot be used")),
    (r"bounced|no such user|mailbox", Text("对方邮箱退信", "The mailbox sent it back")),
    (r"complain", Text("对方投诉了这封邮件", "The reader complained about it")),
    (r"token|\b(401|403|407|530|535|4000[12]|4001[34])\b", NO_ACCOUNT),
    (r"connect\w*timeout", NOT_REACHED),
    (r"timeout|timed out|disconnected|no sense|read", Text("没有回应，可能已收到", "No answer; it may have arrived")),
    (r"connect|refused|oserror|gaierror|pool|is away", NOT_REACHED),
    (r"\b429\b|too many|45009", Text("服务商嫌太快", "The provider asks us to slow down")),
    (r"\b40[45]\b", Text("服务商的地址不对", "The provider's address is wrong")),
    (r"smtp 554", Text("对方邮件服务器拒收我们的邮件", "The reader's mail server takes no such mail from us")),
    (r"smtp 55\d", Text("对方邮箱拒收", "The mailbox refuses it")),
    (r"smtp 4\d\d", Text("邮件服务器暂时不收", "The mail server does not take it for now")),
    (r"smtp 5\d\d", Text("邮件服务器拒收", "The mail server refuses it")),
    (r"\b5\d\d\b", Text("服务商那边出错", "The provider has trouble of its own")),
    (r"\b4\d\d\b", Text("服务商不接受这条消息", "The provider refuses this message")),
    (r"card_not_in_scope", Text("券不适用于会员的卡或等级", "The coupon is not for the member's card or tier")),
    (r"phone_needed", Text("会员还没有验证手机号，领不到券", "The coupon asks for a verified phone")),
    (r"phone_limit", Text("这个手机号已经领过这张券", "The member's phone has had this coupon already")),
    (r"offer_day_limit", Text("今天的券已经发完", "Today's coupons have run out")),
    (r"offer_not_running", Text("要送的券现在领不了", "The coupon that comes with it cannot be taken now")),
    (r"offer|stock|sold", Text("要送的券已经没有了", "The coupon that comes with it has run out")),
)


def is_stuck(run: Run, progress: Progress) -> bool:
    """Whether something could go and nothing does."""
    due = sum(pace.due for pace in progress.paces.values())
    return bool(due) and run.state == RunState.RUNNING and not progress.last_minute and progress.went_for > RATE_OVER
