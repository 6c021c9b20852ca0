"""What a message says: variants, channels, languages, variables, and clean HTML."""

from types import SimpleNamespace

import pytest

from core.db import db, transaction
from push.errors import CampaignInvalid
from push.inbox import inbox_of
from push.models import Run
from push.wording.texts import Words, check_texts, check_variables, choose, choose_template, clean_html, fill_in, filled
from tests.factories import make_chain, make_offer, make_store, make_store_code
from tests.push.pushing import make_campaign, make_member, send_all, start


def words(title, body="…", **more):
    return {"title": title, "body": body} | more


def run(**more):
    return SimpleNamespace(**{"title": "标题", "title_en": "Title", "body": "…", "body_en": "…", "texts": {}} | more)


def test_a_channel_says_its_own_words_and_else_those_for_any():
    said = run(texts={"A": {"email": {"zh": words("邮件")}}, "B": {"any": {"zh": words("乙")}}})

    assert choose(said, "A", "email", "zh").title == "邮件"
    assert choose(said, "A", "inbox", "zh").title == "标题"
    assert choose(said, "B", "email", "zh").title == "乙"


def test_a_missing_language_is_replaced_by_the_other():
    assert choose(run(title_en="", body_en=""), "A", "inbox", "en").title == "标题"
    assert choose(run(texts={"B": {"any": {"zh": words("乙")}}}), "B", "inbox", "en").title == "乙"
    assert choose(run(), "A", "inbox", "en").title == "Title"


def test_a_template_may_stand_alone_and_the_words_then_are_those_for_any():
    texts = {
        "A": {"gateway": {"zh": {"template": "SMS_1"}, "en": {"template": "SMS_2"}}},
        "B": {"any": {"zh": words("乙")}},
    }

    assert check_texts(texts, {"A", "B"}, "zh") == texts
    assert choose(run(texts=texts), "A", "gateway", "zh").title == "标题"
    assert choose(run(texts=texts), "B", "gateway", "zh").title == "乙"


def test_the_template_of_a_variant_is_its_own_or_else_that_of_the_first():
    texts = {
        "A": {"gateway": {"zh": {"template": "SMS_1"}, "en": {"template": "SMS_2"}}},
        "B": {"wechat_template": {"zh": {"template": "wx"}}},
    }

    assert choose_template(texts, "A", "gateway", "en") == "SMS_2"
    assert choose_template(texts, "B", "gateway", "zh") == "SMS_1"
    assert choose_template(texts, "B", "wechat_template", "en") == "wx"
    assert choose_template(texts, "A", "wechat_template", "zh") is None


def test_variables_are_filled_and_a_members_name_is_escaped_in_html():
    said = filled(Words("{name}，你好", "{points} 分 {nothing}", "<p>{name}</p>"), {"name": "<b>王</b>", "points": "7"})

    assert said == Words("<b>王</b>，你好", "7 分 ", "<p>&lt;b&gt;王&lt;/b&gt;</p>")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("{name}，欢迎", "欢迎"),
        ("{name}, a new flavour", "A new flavour"),
        ("Welcome, {name}", "Welcome"),
        ("Happy birthday, {name}!", "Happy birthday!"),
        ("好久不见，{name}。{name}，送您一张券", "好久不见。送您一张券"),
        ("<p>{name}，欢迎</p>", "<p>欢迎</p>"),
        ("亲爱的{name}：您好", "亲爱的会员：您好"),
        ("Dear {name}, hello", "Dear member, hello"),
        ("{name}，{store}见", "南京东路店见"),
        ("{name}您好，{name}的券", "您好，会员的券"),
        ("{name}", "member"),
        ("{name}！", "会员！"),
    ],
)
def test_somebody_without_a_name_is_not_called_by_a_gap(text, read):
    assert fill_in(text, {"name": "", "store": "南京东路店"}) == read


@pytest.mark.parametrize("text", ["{nmae}", "{}", "你好 {name} {密码}"])
def test_a_variable_that_nobody_knows_is_refused_and_the_known_ones_are_named(text):
    with pytest.raises(CampaignInvalid) as refusal:
        check_variables(text)

    assert "{name}" in refusal.value.sentence.en


@pytest.mark.parametrize("text", ["{ name }", "{Link", "｛name｝，你好", "{name} {coupon_until!r}", "{name.real}"])
def test_a_variable_with_wrong_braces_is_refused_with_its_right_spelling(text):
    with pytest.raises(CampaignInvalid, match="half-width braces"):
        check_variables(text)


@pytest.mark.parametrize(
    "text", ["{name}", "{coupon}{link}", "甜 {^_^} 筒", "｛夏日｝", "{ 8 折 }", "function() { names }"]
)
def test_braces_that_name_no_variable_are_text(text):
    check_variables(text)


def test_html_keeps_what_mail_needs_and_nothing_that_acts():
    dirty = (
        '<h1 onclick="x()">Hi {name}</h1><a href="{link}">go</a><a href="javascript:x()">bad</a>'
        '<script>x()</script><img src="https://a/b.png" onerror="x()"><form><input></form>'
        '<p style="color: red; position: fixed">x</p><iframe src="https://a"></iframe>'
    )

    clean = clean_html(dirty)

    assert '<a href="{link}">go</a>' in clean
    assert '<img src="https://a/b.png">' in clean
    assert "Hi {name}" in clean
    for bad in ("onclick", "onerror", "javascript", "script", "form", "input", "iframe", "position"):
        assert bad not in clean


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param([], id="a list"),
        pytest.param({"E": {}}, id="a fifth variant"),
        pytest.param({"A": {"fax": {}}}, id="another channel"),
        pytest.param({"A": {"any": {"fr": words("x")}}}, id="another language"),
        pytest.param({"A": {"any": {"zh": {"title": "x"}}}}, id="a title alone"),
        pytest.param({"A": {"any": {"zh": words("x", sql="1")}}}, id="another part"),
        pytest.param({"A": {"any": {"zh": words(7)}}}, id="a number"),
        pytest.param({"A": {"any": {"zh": words("x" * 121)}}}, id="a title too long"),
        pytest.param({"A": {"inbox": {"zh": words("x", html="<p>x</p>")}}}, id="html in the inbox"),
        pytest.param({"A": {"any": {"zh": words("{oops}")}}}, id="an unknown variable"),
        pytest.param({"A": {"any": {"zh": words("x\0")}}}, id="a NUL, which no database can hold"),
        pytest.param({"A": {"gateway": {"zh": {"template": "SMS\0"}}}}, id="a NUL in a template"),
        pytest.param({"A": {"any": {"zh": words("x", template="SMS_1")}}}, id="a template for any channel"),
        pytest.param({"A": {"email": {"zh": words("x", template="SMS_1")}}}, id="a template for e-mail"),
        pytest.param({"A": {"gateway": {"zh": {"template": "x" * 81}}}}, id="a template with too long a code"),
    ],
)
def test_texts_of_another_shape_are_refused(texts):
    with pytest.raises(CampaignInvalid):
        check_texts(texts, {"A"}, "zh")


def test_a_variant_needs_words_of_its_own_in_the_chains_language():
    with pytest.raises(CampaignInvalid):
        check_texts({"B": {"any": {"en": words("x")}}}, {"A", "B"}, "zh")

    assert check_texts({"B": {"any": {"zh": words(" 乙 ")}}, "C": {}}, {"A", "B"}, "zh") == {
        "B": {"any": {"zh": words("乙")}}
    }


def test_each_member_reads_his_own_words(app):
    chain = make_chain()
    member = make_member(make_store_code(make_store(chain, name="外滩店")), name="小雪", email="a@example.com")
    offer = make_offer(chain)
    campaign = make_campaign(
        chain,
        "inbox",
        "email",
        title="{name}，{store}想您",
        body="{points} 分，{coupon}到{coupon_until}",
        title_en="",
        body_en="",
        offer_id=offer.id,
        texts={"A": {"email": {"zh": words("信", "文", html="<p>{name}: {tier}</p>")}}},
    )
    start(campaign)
    sent = send_all()

    message = inbox_of(member.wallet_id)[0]
    assert message.title.zh == "小雪，外滩店想您"
    assert message.body.zh == "0 分，满30减5到2026年6月18日"
    mail = sent["email"].sent[0]
    assert (mail.title, mail.html) == ("信", "<p>小雪: 银卡</p>")


def test_a_message_keeps_the_words_it_went_out_with(app):
    chain = make_chain()
    member = make_member(make_store_code(make_store(chain)))
    campaign = make_campaign(chain, "inbox", texts={"A": {"inbox": {"zh": words("先")}}})
    start(campaign)
    send_all()
    with transaction():
        campaign.texts = {}

    assert inbox_of(member.wallet_id)[0].title.zh == "先"
    assert db.session.scalars(db.select(Run)).one().texts["A"]["inbox"]["zh"]["title"] == "先"


def test_a_title_is_one_line():
    said = check_texts({"A": {"email": {"zh": {"title": "周五\u2028半价 ", "body": "上\n下"}}}}, {"A"}, "zh")

    assert said["A"]["email"]["zh"] == {"title": "周五 半价", "body": "上\n下"}
