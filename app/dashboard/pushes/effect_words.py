"""What a campaign caused, as people read it: sentences, differences, ranges."""

from collections.abc import Callable

from flask_babel import gettext as _

from app.dashboard.shares.sharing_words import cash, per_cent
from core.intervals import Interval
from push.effects.effect import FEWEST, Against, Comparison, Difference, Effect


def sentence(effect: Effect, found: Comparison, soon: str) -> str:
    """What can be said, first of all. ``soon``: when the first members' days are over."""
    if effect.against == Against.NOBODY:
        return _("Nobody was held out, so what it caused cannot be told.")
    if not found.one.members and not found.other.members:
        return _("Too early to say what it caused: the first days are over on %(soon)s.", soon=soon)
    if not found.is_enough:
        return _(
            "Too few to say what it caused: %(told)s were told and %(held)s held out; it takes %(fewest)s of each.",
            told=f"{found.one.members:,}",
            held=f"{found.other.members:,}",
            fewest=FEWEST,
        )
    if found.spend.is_shown:
        return _spent(found)
    if found.bought.is_shown:
        return _bought(found)
    return _("No effect shown: what those told spent and bought differs no more than by chance.")


def _bought(found: Comparison) -> str:
    return _(
        "%(told)s of those told bought something, and %(held)s of those held out; what each spent shows no effect.",
        told=per_cent(found.bought.one),
        held=per_cent(found.bought.other),
    )


def _spent(found: Comparison) -> str:
    interval = found.spend.interval
    assert interval is not None
    members, value = found.one.members, found.spend.value
    words = {
        "each": cash(abs(value)),
        "total": cash(abs(value) * members),
        "low": cash(min(abs(interval.low), abs(interval.high)) * members),
        "high": cash(max(abs(interval.low), abs(interval.high)) * members),
    }
    if value > 0:
        return _("Everyone who was told spent %(each)s more: %(total)s in all, between %(low)s and %(high)s.", **words)
    return _("Everyone who was told spent %(each)s less: %(total)s in all, between %(low)s and %(high)s.", **words)


def shares(found: Difference) -> str:
    """The difference of two shares in percentage points: +2.1."""
    return _points(found.value)


def amounts(found: Difference) -> str:
    return _signed(found.value)


def verdict_of_shares(found: Difference) -> str:
    """What the interval says of the difference between two shares."""
    return _verdict(found, _points)


def verdict_of_amounts(found: Difference) -> str:
    return _verdict(found, _signed)


def share_and_range(share: float, interval: Interval | None) -> tuple[float, float, float]:
    """Three figures of a chart, in per cent."""
    low, high = interval or (share, share)
    return round(share * 100, 2), round(low * 100, 2), round(high * 100, 2)


def smallest(found: Comparison) -> str:
    """How large a difference would have to be for groups of this size to show it."""
    least = found.smallest_shown
    if not least or not found.is_enough:
        return ""
    return _(
        "With %(told)s told and %(held)s held out, a difference between the buyers shows from about %(points)s points.",
        told=f"{found.one.members:,}",
        held=f"{found.other.members:,}",
        points=f"{least * 100:.1f}",
    )


def _verdict(found: Difference, words: Callable[[float], str]) -> str:
    if found.interval is None:
        return _("too few to say")
    low, high = words(found.interval.low), words(found.interval.high)
    if not found.is_shown:
        return _("no effect shown (%(low)s to %(high)s)", low=low, high=high)
    return _("%(low)s to %(high)s", low=low, high=high)


def _points(share: float) -> str:
    points = round(share * 100, 1)
    return f"{_sign(points)}{abs(points):.1f}"


def _signed(cents: float) -> str:
    whole = round(cents)
    return f"{_sign(whole)}{cash(abs(whole))}"


def _sign(value: float) -> str:
    return "+" if value > 0 else "−" if value < 0 else ""


__all__ = [
    "amounts", "cash", "per_cent", "sentence", "share_and_range", "shares", "smallest", "verdict_of_amounts",
    "verdict_of_shares",
]  # fmt: skip
