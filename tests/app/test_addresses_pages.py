"""Pages of closed addresses and of vendors' templates."""

import pytest

from core.audit import Author
from core.db import db, transaction
from push import approving, campaigns
from push.channels.models import SuppressionReason
from push.channels.suppressing import list_suppressions, suppress
from push.models import PushChannel
from push.timing.policies import Oversight, set_oversight
from push.wording.models import VendorTemplate
from push.wording.texts import VARIABLES
from push.wording.vendor_templates import OF_MESSAGE
from stores.models import Role
from tests.factories import NOON, make_chain, make_staff, make_store, make_store_code
from tests.pages import csrf, sign_in
from tests.push.pushing import make_campaign, make_member

ADDRESSES = "/dashboard/campaigns/addresses"
TEMPLATES = "/dashboard/campaigns/vendor-templates"
TYPED = {
    "channel": "wechat_template",
    "code": "OPENTM207422813",
    "name": "优惠券到账",
    "language": "zh",
    "field": ["thing1", "time2", ""],
    "text": ["{chain}：{title}", "{coupon_until}", ""],
}


@pytest.fixture
def chain(app):
    return make_chain()


@pytest.fixture
def lin(chain):
    """A member whose e-mail and phone are closed."""
    card = make_member(make_store_code(make_store(chain)), email="lin@example.com", phone="+8613800000001", name="林")
    with transaction():
        suppress(chain.id, card.member_id, PushChannel.EMAIL, "lin@example.com", now=NOON)
        reason = SuppressionReason.COMPLAINED
        suppress(chain.id, card.member_id, PushChannel.GATEWAY, "+8613800000001", reason=reason, now=NOON)
    return card


def post(client, url, **form):
    return client.post(url, data=form | {"csrf_token": csrf(client)})


def test_closed_addresses_are_listed_with_their_reason_and_filtered(client, chain, lin):
    sign_in(client, make_staff(chain))

    whole = client.get(f"{ADDRESSES}?lang=en").text
    mails = client.get(f"{ADDRESSES}?lang=en&channel=email").text
    found = client.get(f"{ADDRESSES}?lang=en&search=LIN@").text
    none = client.get(f"{ADDRESSES}?lang=en&search=nobody").text

    assert "lin@example.com" in whole
    assert "+8613800000001" in whole
    assert "Reported as spam" in whole
    assert "+8613800000001" not in mails
    assert "+8613800000001" not in found
    assert "No closed address fits." in none


def test_a_chain_without_closed_addresses_is_told_what_would_stand_there(client, chain):
    sign_in(client, make_staff(chain))

    assert "现在没有" in client.get(f"{ADDRESSES}?lang=zh").text


def test_an_address_is_opened_again_by_head_office_alone(client, chain, lin):
    kept = list_suppressions(chain.id, channel="email")[0].row
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))
    assert "Reopen" not in client.get(f"{ADDRESSES}?lang=en").text
    assert post(client, f"{ADDRESSES}/{kept.id}/lift").status_code == 403

    other = make_chain(slug="other")
    stranger = client.application.test_client()
    sign_in(stranger, make_staff(other))
    assert post(stranger, f"{ADDRESSES}/{kept.id}/lift").status_code == 404

    admin = client.application.test_client()
    sign_in(admin, make_staff(chain))
    assert post(admin, f"{ADDRESSES}/{kept.id}/lift").status_code == 303
    assert [each.row.channel for each in list_suppressions(chain.id)] == ["gateway"]


def test_a_long_list_has_pages(client, chain, lin):
    with transaction():
        for n in range(60):
            suppress(chain.id, lin.member_id, PushChannel.EMAIL, f"m{n:02d}@example.com", now=NOON)
    sign_in(client, make_staff(chain))

    first = client.get(ADDRESSES).text
    last = list_suppressions(chain.id, limit=50)[-1].row.id

    assert first.count("@example.com") == 50
    assert f"before={last}" in first
    assert client.get(f"{ADDRESSES}?before={last}").text.count("@example.com") == 11


def test_a_template_is_added_changed_put_away_and_used_again(client, chain):
    sign_in(client, make_staff(chain))

    assert post(client, TEMPLATES, **TYPED).status_code == 303
    template = db.session.scalars(db.select(VendorTemplate)).one()
    assert template.fields == {"thing1": "{chain}：{title}", "time2": "{coupon_until}"}
    form = client.get(f"{TEMPLATES}?change={template.id}").text
    assert 'value="{chain}：{title}"' in form

    changed = TYPED | {"name": "券到了", "field": ["thing1"], "text": ["{title}"]}
    assert post(client, f"{TEMPLATES}/{template.id}", **changed).status_code == 303
    db.session.refresh(template)
    assert (template.name, template.fields) == ("券到了", {"thing1": "{title}"})

    assert post(client, f"{TEMPLATES}/{template.id}/archive").status_code == 303
    db.session.refresh(template)
    assert template.archived_at is not None
    assert post(client, f"{TEMPLATES}/{template.id}/restore").status_code == 303
    db.session.refresh(template)
    assert template.archived_at is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"code": ""}, "code"),
        ({"name": " "}, "name"),
        ({"channel": "email"}, "only SMS and WeChat"),
        ({"language": "fr"}, "Chinese or in English"),
        ({"field": ["thing 1"], "text": ["x"]}, "letters, digits"),
        ({"field": ["thing1"], "text": [""]}, "needs its text"),
        ({"field": [""], "text": ["x"]}, "letters, digits"),
        ({"field": ["thing1"], "text": ["{nmae}"]}, "not a variable"),
        ({"field": [f"f{n}" for n in range(21)], "text": ["x"] * 21}, "20 fields"),
    ],
)
def test_a_template_that_is_not_right_is_shown_again_as_it_was_typed(client, chain, wrong, words):
    sign_in(client, make_staff(chain))

    answer = client.post(f"{TEMPLATES}?lang=en", data=TYPED | wrong | {"csrf_token": csrf(client)})

    assert answer.status_code == 422
    assert words in answer.text
    if "code" not in wrong:
        assert "OPENTM207422813" in answer.text
    assert db.session.scalars(db.select(VendorTemplate)).all() == []


def test_a_template_that_was_approved_with_a_push_says_whose_it_is(client, chain):
    sign_in(client, make_staff(chain))
    post(client, TEMPLATES, **TYPED)
    template = db.session.scalars(db.select(VendorTemplate)).one()
    texts = {"A": {"wechat_template": {"zh": {"template": TYPED["code"]}}}}
    campaign = make_campaign(chain, "wechat_template", texts=texts)
    ann, ben = Author("staff:91"), Author("staff:92")
    with transaction():
        set_oversight(chain.id, Oversight(needs_approval=True), by=ann, now=NOON)
        approving.submit_campaign(chain.id, campaign.id, by=ann, now=NOON)
        approving.approve_campaign(chain.id, campaign.id, by=ben, now=NOON)
        campaigns.schedule_campaign(chain.id, campaign.id, by=ann, now=NOON)
    changed = TYPED | {"field": ["thing1"], "text": ["{title}"]}

    answer = post(client, f"{TEMPLATES}/{template.id}?lang=en", **changed)

    assert answer.status_code == 422
    assert "going out now or soon: “周五”" in answer.text
    assert 'value="{title}"' in answer.text  # as it was typed
    db.session.refresh(template)
    assert template.fields == {"thing1": "{chain}：{title}", "time2": "{coupon_until}"}


def test_every_variable_of_a_message_is_explained(client, chain):
    sign_in(client, make_staff(chain))

    page = client.get(f"{TEMPLATES}?lang=en").text

    assert [name for name in (*VARIABLES, *OF_MESSAGE) if f"<code>{{{name}}}</code>" not in page] == []


def test_one_code_is_one_template_in_a_language(client, chain):
    sign_in(client, make_staff(chain))
    post(client, TEMPLATES, **TYPED)
    post(client, TEMPLATES, **TYPED | {"language": "en"})

    assert post(client, TEMPLATES, **TYPED).status_code == 422
    english = db.session.scalars(db.select(VendorTemplate).filter_by(language="en")).one().id
    assert post(client, f"{TEMPLATES}/{english}", **TYPED).status_code == 422
    assert len(db.session.scalars(db.select(VendorTemplate)).all()) == 2


def test_a_template_of_another_chain_is_not_there(client, chain):
    sign_in(client, make_staff(chain))
    post(client, TEMPLATES, **TYPED)
    template = db.session.scalars(db.select(VendorTemplate)).one().id
    other = client.application.test_client()
    sign_in(other, make_staff(make_chain(slug="other")))

    assert other.get(f"{TEMPLATES}?change={template}").status_code == 404
    assert post(other, f"{TEMPLATES}/{template}", **TYPED).status_code == 404
    assert post(other, f"{TEMPLATES}/{template}/archive").status_code == 404
