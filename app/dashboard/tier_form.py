"""The form of tiers and points: read, shown again, and said in plain words."""

from collections.abc import Mapping
from decimal import Decimal

from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from app.dashboard.figures import amount, number, plain, plain_amount
from app.languages import language, say
from cards.models import Tier, TierBy
from cards.programs import NewTier, PointRules
from checkout.quoting import member_price
from core.errors import DomainError
from core.money import WHOLE
from coupons import terms
from stores.models import Chain

COLUMNS = ("name", "name_en", "discount", "multiplier", "threshold", "threshold_spend")
EMPTY = ("",) * len(COLUMNS)

Row = tuple[str, ...]  # one tier, a cell for each column


def row_of(tier: Tier, currency: str) -> Row:
    return (
        tier.name,
        tier.name_en,
        plain(Decimal(tier.discount_bp) / 100),
        plain(Decimal(tier.points_multiplier_bp) / WHOLE),
        str(tier.threshold_points),
        plain_amount(tier.threshold_cents, currency),
    )


def rows_typed(form: MultiDict[str, str]) -> list[Row]:
    """The lines of the form that are not empty."""
    columns = [form.getlist(name) for name in COLUMNS]
    longest = max(map(len, columns))
    padded = [cells + [""] * (longest - len(cells)) for cells in columns]
    return [row for row in zip(*padded, strict=True) if any(cell.strip() for cell in row)]


def tier_of(row: Row, currency: str) -> NewTier:
    """Raises NumberUnreadable."""
    name, name_en, discount, multiplier, threshold, spend = (cell.strip() for cell in row)
    return NewTier(
        name,
        name_en,
        discount_bp=number(discount or "0", times=100),
        points_multiplier_bp=number(multiplier or "1", times=WHOLE),
        threshold_points=number(threshold or "0"),
        threshold_cents=amount(spend or "0", currency),
    )


def kept_rules(rules: PointRules, currency: str) -> dict[str, str]:
    """The rules in force as the form shows them."""
    return {
        "tier_by": rules.tier_by,
        "spend_points": "" if rules.spend_points is None else str(rules.spend_points),
        "spend_amount": "" if rules.spend_cents is None else plain_amount(rules.spend_cents, currency),
    }


def rules_of(form: Mapping[str, str], currency: str, present: PointRules) -> PointRules:
    """What the form says; what it does not name stays. Raises NumberUnreadable."""
    said = kept_rules(present, currency)
    said |= {name: form[name].strip() for name in said if name in form}
    points, money = said["spend_points"], said["spend_amount"]
    return PointRules(
        said["tier_by"],
        number(points) if points else None,
        amount(money, currency) if money else None,
    )


def preview(form: MultiDict[str, str], present: PointRules, points_per_unit: int, chain: Chain) -> list[str]:
    """What members will read into it: one sentence for each tier, one for the points. Or what is wrong with it."""
    try:
        rules = rules_of(form, chain.currency, present)
        tiers = [tier_of(row, chain.currency) for row in rows_typed(form)]
    except DomainError as refusal:
        return [refusal.say(language())]
    return [
        *(_tier_sentence(tier, rules, chain.currency) for tier in tiers),
        _points_sentence(rules, points_per_unit, chain),
    ]


def _tier_sentence(tier: NewTier, rules: PointRules, currency: str) -> str:
    name = tier.name if language() == "zh" else tier.name_en
    gives = []
    if 0 < tier.discount_bp <= WHOLE:
        gives.append(say(member_price(tier.discount_bp)))
    if tier.points_multiplier_bp != WHOLE:
        gives.append(_("%(times)s times the points", times=plain(Decimal(tier.points_multiplier_bp) / WHOLE)))
    comma = "，" if language() == "zh" else ", "
    what = comma.join(gives) or _("no member price")
    return _("%(tier)s: %(start)s: %(what)s.", tier=name or "…", start=_start(tier, rules, currency), what=what)


def _start(tier: NewTier, rules: PointRules, currency: str) -> str:
    if rules.tier_by == TierBy.SPEND:
        if tier.threshold_cents <= 0:
            return _("from the first purchase")
        return _("from %(amount)s paid in all", amount=say(terms.amount(tier.threshold_cents, currency)))
    if tier.threshold_points <= 0:
        return _("from the first purchase")
    return _("from %(points)s points earned in all", points=f"{tier.threshold_points:,}")


def _points_sentence(rules: PointRules, points_per_unit: int, chain: Chain) -> str:
    if not rules.spend_points or not rules.spend_cents or rules.spend_points < 0 or rules.spend_cents < 0:
        return _("Points cannot be spent; they only count.")
    worth = say(terms.amount(rules.spend_cents, chain.currency))
    back = Decimal(points_per_unit * rules.spend_cents) / rules.spend_points  # per cent of what is paid
    return _(
        "%(points)s points take %(amount)s off at the till: %(share)s%% of what was paid comes back.",
        points=f"{rules.spend_points:,}",
        amount=worth,
        share=plain(back.quantize(Decimal("0.01"))),
    )
