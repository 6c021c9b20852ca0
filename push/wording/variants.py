"""Variants of a message: which there are, what part of the audience each gets, and what each says.

``variants`` is ``[{"label": "A", "share_bp": 5000}, {"label": "B", "share_bp": 5000}]``, or empty for A alone.
"""

from typing import Any

from sqlalchemy import ColumnElement, case, literal

from cards.models import Member
from core.text import Text
from push.audiences.chance import LOTS, of_variants
from push.errors import CampaignInvalid

LABELS = ("A", "B", "C", "D")
FEWEST_BP = 100  # a variant that hardly anybody gets shows nothing


def check_variants(variants: Any) -> list[dict[str, Any]]:
    """The variants in their one spelling; one alone is none. Raises CampaignInvalid."""
    if not isinstance(variants, list) or len(variants) > len(LABELS):
        raise _invalid("最多四个版本。", "there are four variants at most.")
    if len(variants) < 2:
        return []
    shares: list[Any] = [each.get("share_bp") if isinstance(each, dict) else None for each in variants]
    if not all(type(share) is int and FEWEST_BP <= share <= LOTS for share in shares) or sum(shares) != LOTS:
        raise _invalid("各版本的比例加起来要是 100%。", "the shares of the variants add up to 100%.")
    return [{"label": label, "share_bp": share} for label, share in zip(LABELS, shares, strict=False)]


def variant_of(variants: list[dict[str, Any]], campaign_id: int, member_id: int) -> str:
    """Which variant a member gets, always the same one."""
    lot, up_to = of_variants(campaign_id).lot(member_id), 0
    for each in variants:
        up_to += each["share_bp"]
        if lot < up_to:
            return str(each["label"])
    return LABELS[0]


def variant_sql(variants: list[dict[str, Any]], campaign_id: int) -> ColumnElement[str]:
    """The same as SQL over ``members``."""
    if not variants:
        return literal(LABELS[0])
    lot, up_to = of_variants(campaign_id).sql(Member.id), 0
    whens = []
    for each in variants:
        up_to += each["share_bp"]
        whens.append((lot < up_to, literal(each["label"])))
    return case(*whens, else_=literal(LABELS[0]))


def _invalid(zh: str, en: str) -> CampaignInvalid:
    return CampaignInvalid(Text(zh, en), "variants")
