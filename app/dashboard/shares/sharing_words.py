"""The figures of sharing as people read them: sentences, spans of time, intervals, amounts."""

from datetime import timedelta

from flask_babel import gettext as _
from flask_babel import ngettext

from app.auth.guard import actor
from app.dashboard import personal
from app.dashboard.frame import chain_of
from app.languages import language
from app.reports.views import reader_of
from core.intervals import Interval
from core.money import money
from sharing.equal_age import Comparison
from sharing.propagation import KFactor, Numbers


def sentence(numbers: Numbers, k_factor: KFactor) -> str:
    """The period in a sentence."""
    if not numbers.new_members:
        return _("Nobody joined in this period.")
    if not numbers.referred:
        return ngettext(
            "%(num)d member joined, nobody through a friend.",
            "%(num)d members joined, nobody through a friend.",
            numbers.new_members,
        )
    return _(
        "Of %(all)s new members %(share)s came through a friend; each new member brings %(k)s more.",
        all=f"{numbers.new_members:,}",
        share=per_cent(numbers.referred_share),
        k=f"{k_factor.value:.2f}",
    )


def per_cent(part: float) -> str:
    """A share as people read it: 31%, 4.2%."""
    return f"{part:.0%}" if part == 0 or part >= 0.1 else f"{part:.1%}"


def between(interval: Interval | None, *, as_share: bool = False) -> str:
    """0.38–0.46, or 31%–42%; nothing where there is none."""
    if interval is None:
        return ""
    low, high = (per_cent(end) if as_share else f"{end:.2f}" for end in interval)
    return f"{low}–{high}"


def ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def span(took: timedelta | None) -> str:
    """A length of time in its largest unit."""
    if took is None:
        return "–"
    minutes = round(took.total_seconds() / 60)
    if minutes < 1:
        return _("under a minute")
    if minutes < 90:
        return ngettext("%(num)d minute", "%(num)d minutes", minutes)
    hours = round(minutes / 60)
    if hours < 48:
        return ngettext("%(num)d hour", "%(num)d hours", hours)
    return ngettext("%(num)d day", "%(num)d days", round(hours / 24))


def cash(cents: float) -> str:
    """An amount in the chain's currency."""
    return money(round(cents), chain_of(actor()).currency, language())


def difference(found: Comparison) -> str:
    """+¥1.20, with the sign that says who spends more."""
    if not (found.referred.number and found.others.number):
        return "–"
    cents = round(found.difference_cents)
    return _signed(cents)


def verdict(found: Comparison) -> str:
    """What the interval says of the difference."""
    if not (found.referred.number or found.others.number):
        return _("too early to say")
    if found.interval is None:
        return _("too few to say")
    low, high = (_signed(round(end)) for end in found.interval)
    if not found.is_shown:
        return _("no difference shown (%(low)s to %(high)s)", low=low, high=high)
    return _("%(low)s to %(high)s", low=low, high=high)


def _signed(cents: int) -> str:
    sign = "+" if cents > 0 else "−" if cents < 0 else ""
    return f"{sign}{cash(abs(cents))}"


def called(name: str, number: str) -> str:
    """A member's name as far as the reader may know it."""
    return personal.called(personal.Called(name, number), reader_of(actor()))
