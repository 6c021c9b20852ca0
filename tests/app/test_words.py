"""States, sources, roles … of the product are said in words, in both languages."""

import re

import pytest
from flask import g, get_template_attribute
from flask_babel import refresh

from app.dashboard.personal import cause_words
from app.share_channels import share_channel_word
from cards.models import CardState
from checkout.models import CheckoutState
from coupons.models import CouponSource, CouponState, OfferKind, OfferState
from push.models import CampaignState, DeliveryState, PushChannel, SkipReason
from sharing.channels import words_of
from sharing.models import Occasion, OwnChannel, ShareChannel
from stores.models import Role
from tests.factories import NOON, make_chain, save

SAID_BY = [
    ("state_word", CardState),
    ("state_word", OfferState),
    ("state_word", CouponState),
    ("state_word", CheckoutState),
    ("state_word", CampaignState),
    ("state_word", DeliveryState),
    ("source_word", CouponSource),
    ("offer_kind_word", OfferKind),
    ("role_word", Role),
    ("skip_word", SkipReason),
    ("channel_word", ShareChannel),
    ("occasion_word", Occasion),
    ("channel_word", PushChannel),
]
CHINESE = re.compile(r"[\u4e00-\u9fff]|^API$")
CAUSES = [
    "checkout:7",
    "spend:7",
    "reserve:7",
    "release:7",
    "refund:7:250",
    "void:7",
    "reward:7",
    "clawback:7",
    "import",
]


@pytest.mark.parametrize(("macro", "words"), SAID_BY, ids=lambda each: getattr(each, "__name__", each))
def test_every_word_of_the_product_is_said_in_both_languages(app, macro, words):
    for language, is_said in (("zh", CHINESE.search), ("en", lambda said: said[0].isupper() and "_" not in said)):
        with app.test_request_context(f"/?lang={language}"):
            refresh()
            say = get_template_attribute("macros/words.html", macro)
            unsaid = [str(word) for word in words if not is_said(str(say(word)).strip())]

        assert unsaid == [], language


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_channel_of_sharing_is_said_in_one_way(app, language):
    """Whether by the macro or by the domain; the chain's own by its names, also when it is archived."""
    chain = make_chain()
    save(OwnChannel(chain_id=chain.id, code="slip", name="随单卡", name_en="Slip", is_for_members=True, created_at=NOON,
                    archived_at=NOON))  # fmt: skip
    with app.test_request_context(f"/?lang={language}"):
        refresh()
        g.chain = chain
        say = get_template_attribute("macros/words.html", "channel_word")
        words = words_of(chain.id)

        assert {code: str(say(code)).strip() for code in words} == {
            code: word.say(language) for code, word in words.items()
        }
        assert share_channel_word("fax") == "fax"


@pytest.mark.parametrize("cause", CAUSES)
def test_every_cause_of_points_is_said_in_both_languages(app, cause):
    said = {}
    for language in ("zh", "en"):
        with app.test_request_context(f"/?lang={language}"):
            refresh()
            said[language] = cause_words(cause)

    assert CHINESE.search(said["zh"])
    assert said["en"] != cause
    assert all(("7" in words, ":" in words) == ("7" in cause, False) for words in said.values())
