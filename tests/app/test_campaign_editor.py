"""The editor of pushes: everything a campaign can be is written there, looked at, tried out, and lost by nothing."""

import re
from dataclasses import replace

import pytest

from core.audit import list_entries
from core.clock import utc_now
from core.db import db, transaction
from push import campaigns
from push.models import Campaign, Delivery
from push.wording import message_templates, vendor_templates
from push.wording.models import TrialAddress
from stores.models import Role
from tests.factories import make_chain, make_offer, make_staff, make_store, make_store_code
from tests.forms import form_of_page
from tests.pages import post, sign_in
from tests.push.pushing import make_campaign, make_member
from tests.push.servers import mail_server

pytestmark = pytest.mark.usefixtures("app")
TYPED = {
    "name": "周五",
    "channels": ["inbox"],
    "title": "周五冰淇淋",
    "body": "今天第二份半价。",
    "kind": "now",
    "fresh_hours": "24",
    "request_id": "form-000001",
    "variants": "1",
}
NEW = "/dashboard/campaigns"
COLUMNS = [
    "name", "audience", "purpose", "channels", "channel_mode", "variants", "texts", "holdout_bp", "title", "title_en",
    "body", "body_en", "schedule", "offer_id",
]  # fmt: skip


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def staff(chain):
    return make_staff(chain)


@pytest.fixture
def hq(client, staff):
    return sign_in(client, staff)


@pytest.fixture
def settings(app):
    """Change settings for one test."""
    kept = app.extensions["settings"]

    def change(**values):
        app.extensions["settings"] = replace(kept, **values)

    yield change
    app.extensions["settings"] = kept


def only_campaign():
    db.session.commit()
    return db.session.scalars(db.select(Campaign).execution_options(populate_existing=True)).one()


def columns(campaign):
    db.session.commit()
    seen = campaigns.get_campaign(campaign.chain_id, campaign.id)
    return {name: getattr(seen, name) for name in COLUMNS}


def words_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def template_of_vendor(chain, channel="gateway", code="SMS_1", language="zh"):
    draft = vendor_templates.NewTemplate(channel, code, "审核过的", language, {"thing1": "{title}", "name2": "{name}"})
    with transaction():
        return vendor_templates.create_template(chain.id, draft, by=message_templates.Author("system"), now=utc_now())


# --- writing --------------------------------------------------------------------------------------------------------


def test_versions_channels_order_holdout_and_purpose_are_written_down(hq):
    typed = TYPED | {
        "do": "save",
        "purpose": "service",
        "channels": ["inbox", "email", "gateway"],
        "channel_mode": "first",
        "order.email": "1",
        "order.gateway": "2",
        "order.inbox": "3",
        "holdout": "12.5",
        "variants": "2",
        "share.A": "70",
        "share.B": "30",
        "A.email.zh.title": "邮件里的标题",
        "A.email.zh.body": "邮件里的内容",
        "A.email.zh.html": "<h1>好</h1><script>x</script>",
        "B.any.zh.title": "另一个标题",
        "B.any.zh.body": "另一个内容",
        "C.any.zh.title": "不在表单里的版本",
    }

    assert post(hq, NEW, typed).status_code == 303

    seen = columns(only_campaign())
    assert (seen["purpose"], seen["channel_mode"], seen["holdout_bp"]) == ("service", "first", 1250)
    assert seen["channels"] == ["email", "gateway", "inbox"]
    assert seen["variants"] == [{"label": "A", "share_bp": 7000}, {"label": "B", "share_bp": 3000}]
    assert seen["texts"] == {
        "A": {"email": {"zh": {"title": "邮件里的标题", "body": "邮件里的内容", "html": "<h1>好</h1>"}}},
        "B": {"any": {"zh": {"title": "另一个标题", "body": "另一个内容"}}},
    }


TREE = {
    "any": [
        {
            "all": [
                {"field": "joined", "op": "within_days", "value": 30},
                {"field": "points", "op": "at_least", "value": 9},
            ]
        },
        {"not": {"field": "last_visit", "op": "within_days", "value": 7}},
        {"not": {"all": [{"field": "birthday", "op": "in_month", "value": [5, 6]}]}},
    ]
}
SCHEDULES = [
    {"kind": "now", "fresh_hours": 3},
    {"kind": "at", "at": "2030-05-20T18:00"},
    {"kind": "at", "at": "2030-05-20T18:00+02:00"},
    {"kind": "at", "at": "2030-05-20T18:00", "zone": "member"},
    {"kind": "recurring", "weekdays": ["mon", "fri"], "time": "17:30", "until": "2031-01-01"},
    {"kind": "recurring", "monthdays": [1, 31], "time": "08:00", "zone": "member"},
    {"kind": "cron", "cron": "0 18 * * mon,fri", "until": "2031-01-01"},
    {"kind": "event", "event": "birthday", "days": 3, "time": "10:00"},
    {"kind": "event", "event": "joined", "days": 0},
    {"kind": "event", "event": "coupon_expiring", "days": 2, "time": "11:00", "until": "2031-01-01"},
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda each: "-".join(map(str, each.values()))[:40])
def test_opening_and_saving_a_campaign_loses_nothing(hq, chain, schedule):
    make_store(chain)
    make_store(chain)
    template_of_vendor(chain)
    texts = {
        "A": {
            "email": {"en": {"title": "Mail", "body": "Line\n\nLine", "html": '<p style="color:red">Hi {name}</p>'}},
            "gateway": {"zh": {"template": "SMS_1"}},
        },
        "B": {"any": {"zh": {"title": "乙", "body": "{points} & <b>"}, "en": {"title": "B", "body": "“B”"}}},
        "C": {"any": {"zh": {"title": "丙", "body": "丙"}}, "web_push": {"zh": {"title": "丙推", "body": "丙推"}}},
    }
    campaign = make_campaign(
        chain,
        "gateway",
        "inbox",
        "email",
        audience=TREE,
        schedule=schedule,
        texts=texts,
        variants=[{"label": label, "share_bp": share} for label, share in (("A", 3333), ("B", 3333), ("C", 3334))],
        holdout_bp=250,
        channel_mode="first",
        purpose="service",
        offer_id=make_offer(chain).id,
    )
    before = columns(campaign)
    url = f"{NEW}/{campaign.id}/edit"

    form = form_of_page(hq.get(url).text, "campaign-form")
    answer = post(hq, url, form | {"do": "save"})

    assert answer.status_code == 303, words_of(answer.text)
    assert columns(campaign) == before


def test_a_copy_of_a_campaign_is_the_campaign_but_for_its_name(hq, chain):
    campaign = make_campaign(chain, audience=TREE, schedule=SCHEDULES[7], holdout_bp=1000)
    form = form_of_page(hq.get(f"{NEW}/new?copy={campaign.id}").text, "campaign-form")

    post(hq, NEW, form | {"do": "save"})

    db.session.commit()
    copied = db.session.scalars(db.select(Campaign).where(Campaign.id != campaign.id)).one()
    assert columns(copied) | {"name": ""} == columns(campaign) | {"name": ""}
    assert copied.name == "周五（副本）"


def test_a_channel_that_is_not_set_up_any_more_stays_chosen(hq, chain):
    campaign = make_campaign(chain, "email", "inbox")
    url = f"{NEW}/{campaign.id}/edit"

    post(hq, url, form_of_page(hq.get(url).text, "campaign-form") | {"do": "save"})

    assert columns(campaign)["channels"] == ["inbox", "email"]


def test_nonsense_in_figures_is_said_and_what_was_typed_stays(hq):
    answer = post(hq, NEW, TYPED | {"holdout": "half", "do": "save"})

    assert answer.status_code == 422
    assert "这不是一个数字：half" in answer.text
    assert 'value="half"' in answer.text


def test_the_enter_key_draws_the_page_anew_and_saves_nothing(hq):
    page = hq.get(f"{NEW}/new").text
    form = page[page.index('id="campaign-form"') :]
    first = re.search(r'<button[^>]*type="submit"[^>]*>', form)[0]

    assert 'value="look"' in first
    answer = post(hq, NEW, TYPED | {"do": "look"})
    assert answer.status_code == 200
    assert "周五冰淇淋" in answer.text
    assert db.session.scalar(db.select(db.func.count(Campaign.id))) == 0


def test_a_button_of_the_audience_saves_nothing(hq):
    answer = post(hq, NEW, TYPED | {"audience": "own", "rule": ["r"], "r-mode": "any", "rule_do": "add:r"})

    assert answer.status_code == 200
    assert 'name="r_0-what"' in answer.text
    assert db.session.scalar(db.select(db.func.count(Campaign.id))) == 0


# --- versions -------------------------------------------------------------------------------------------------------


def test_another_version_begins_with_the_first_ones_words_and_all_share_alike(hq):
    page = post(hq, NEW, TYPED | {"title_en": "Friday", "do": "add_variant"}).text
    form = form_of_page(page, "campaign-form")

    assert form["B.any.zh.title"] == ["周五冰淇淋"]
    assert form["B.any.en.title"] == ["Friday"]
    assert [form[f"share.{label}"] for label in "AB"] == [["50"], ["50"]]

    form = form_of_page(post(hq, NEW, form | {"do": "add_variant"}).text, "campaign-form")
    assert [form[f"share.{label}"] for label in "ABC"] == [["34"], ["33"], ["33"]]


def test_taking_a_version_away_moves_the_others_up(hq):
    form = TYPED | {"variants": "3"}
    form |= {f"{label}.any.zh.{part}": label for label in "BC" for part in ("title", "body")}
    form |= {"C.email.zh.title": "C 邮件", "C.email.zh.body": "C 邮件"}

    left = form_of_page(post(hq, NEW, form | {"do": "remove_variant:B"}).text, "campaign-form")

    assert left["variants"] == ["2"]
    assert left["B.any.zh.title"] == ["C"]
    assert left["B.email.zh.title"] == ["C 邮件"]
    assert "C.any.zh.title" not in left
    still = form_of_page(post(hq, NEW, left | {"do": "remove_variant:A"}).text, "campaign-form")
    assert still["variants"] == ["2"]


def test_there_are_four_versions_at_most(hq):
    page = post(hq, NEW, TYPED | {"variants": "4", "do": "add_variant"}).text

    assert form_of_page(page, "campaign-form")["variants"] == ["4"]
    assert 'value="add_variant"' not in page


# --- templates ------------------------------------------------------------------------------------------------------


def keep(chain, name="生日", **more):
    texts = {"any": {"zh": {"title": "生日快乐", "body": "{name}，有礼物"}}} | more
    with transaction():
        return message_templates.create_template(
            chain.id, name, texts, by=message_templates.Author("system"), now=utc_now()
        )


def test_a_templates_words_take_the_place_of_those_of_the_first_version(hq, chain):
    template = keep(chain, email={"zh": {"title": "生日邮件", "body": "邮件"}})
    typed = TYPED | {"A.gateway.zh.title": "旧短信", "A.gateway.zh.body": "旧短信", "title_en": "Old", "body_en": "Old"}

    page = post(hq, NEW, typed | {"template_id": str(template.id), "do": "use_template"}).text
    form = form_of_page(page, "campaign-form")

    assert (form["title"], form["body"], form["title_en"]) == (["生日快乐"], ["{name}，有礼物"], [""])
    assert form["A.email.zh.title"] == ["生日邮件"]
    assert form["A.gateway.zh.title"] == [""]
    assert form["name"] == ["周五"]
    assert "已换成模板“生日”的文案" in page


def test_a_new_push_begins_with_a_template_by_its_link(hq, chain):
    template = keep(chain)

    assert form_of_page(hq.get(f"{NEW}/new?template={template.id}").text, "campaign-form")["title"] == ["生日快乐"]
    foreign = keep(make_chain("other"))
    assert hq.get(f"{NEW}/new?template={foreign.id}").status_code == 404
    assert "没有这个消息模板" in post(hq, NEW, TYPED | {"template_id": str(foreign.id), "do": "use_template"}).text


def test_words_are_kept_as_a_template_under_a_name_that_is_free(hq, chain):
    keep(chain, "周五")

    page = post(hq, NEW, TYPED | {"do": "save_template", "A.email.zh.title": "邮", "A.email.zh.body": "件"}).text

    assert "已存成模板“周五 2”" in page
    kept = message_templates.list_templates(chain.id)[0]
    assert kept.texts["any"]["zh"] == {"title": "周五冰淇淋", "body": "今天第二份半价。"}
    assert kept.texts["email"]["zh"]["title"] == "邮"
    wrong = post(hq, NEW, TYPED | {"body": "", "do": "save_template"}).text
    assert "标题和内容都要写" in wrong


def test_a_chain_without_templates_of_wechat_is_led_to_where_they_are_added(hq, chain, settings):
    settings(wechat_appid="wx123", wechat_secret="s" * 32)
    assert hq.get(f"{NEW}/new").text.count("还没有模板，先去添加。") == 2

    template_of_vendor(chain, "wechat_template", "WX_1")

    assert hq.get(f"{NEW}/new").text.count("还没有模板，先去添加。") == 1


# --- looking --------------------------------------------------------------------------------------------------------


def preview(hq, **typed):
    return post(hq, f"{NEW}/preview", TYPED | typed).text


def test_each_channel_shows_the_message_in_its_own_shape(hq, chain):
    template_of_vendor(chain, "wechat_template", "WX_1")
    typed = {"channels": ["inbox", "email", "gateway", "web_push", "wechat_template"], "A.gateway.zh.title": "短信标题"}
    typed |= {"A.gateway.zh.body": "短信内容", "A.wechat_template.zh.template": "WX_1"}

    assert "周五冰淇淋" in preview(hq, shown_channel="web_push", **typed)
    sms = words_of(preview(hq, shown_channel="gateway", **typed))
    assert "【雪山冰品】短信标题" in sms
    assert "1 条短信" in sms
    wechat = words_of(preview(hq, shown_channel="wechat_template", **typed))
    assert "thing1 周五冰淇淋" in wechat
    assert "name2 林小雪" in wechat
    assert "退订" in preview(hq, shown_channel="email", **typed)


def test_a_message_is_read_with_the_eyes_of_a_member_of_the_chain(hq, chain):
    card = make_member(make_store_code(make_store(chain, name="五角场店")), name="王小雪")
    foreign = make_member(make_store_code(make_store(make_chain("other"))), name="李外人")
    body = {"body": "{name}在{store}有{points}分，{unknown}"}

    assert "王小雪在五角场店有0分，{unknown}" in preview(hq, shown_reader=str(card.member_id), **body)
    assert "林小雪在五角场店有320分" in preview(hq, **body)
    assert "李外人" not in preview(hq, shown_reader=str(foreign.member_id), **body)


def test_the_inbox_shows_no_link_to_the_wallet_that_it_lies_in(hq):
    typed = {"body": "打开卡包{link}！", "channels": ["inbox", "gateway"]}

    assert "打开卡包！" in preview(hq, **typed)
    assert "打开卡包http" in preview(hq, shown_channel="gateway", **typed)


def test_the_version_that_is_chosen_is_shown_in_the_languages_it_is_written_in(hq):
    typed = {"variants": "2", "B.any.zh.title": "乙", "B.any.zh.body": "乙文", "B.any.en.title": "Bee"}

    shown = preview(hq, shown_label="B", **typed)

    assert "乙文" in shown
    assert "Bee" in shown
    assert "周五冰淇淋" not in shown
    assert "Bee" not in preview(hq, shown_label="A", **typed)


def test_a_language_that_is_not_written_is_said_to_get_the_other_one(hq):
    assert "看英文的会员也收到这一份" in preview(hq)
    assert "也收到这一份" not in preview(hq, title_en="Friday", body_en="Half price")


def test_whom_it_reaches_is_counted_for_its_purpose(hq, chain):
    make_member(make_store_code(make_store(chain)), email="a@example.com", agrees_to=())
    typed = TYPED | {"channels": ["email"]}

    assert "可送达 0 人" in post(hq, f"{NEW}/whom", typed).text
    assert "可送达 1 人" in post(hq, f"{NEW}/whom", typed | {"purpose": "service"}).text
    assert "可送达 0 人" in post(hq, f"{NEW}/whom", typed | {"purpose": "nonsense"}).text


def test_words_about_a_coupon_that_does_not_come_along_are_warned_of(hq, chain):
    words = {"title": "您的{coupon}", "body": "{coupon_until}前可用"}

    assert "没有附带券" in preview(hq, **words)
    offered = preview(hq, offer_id=str(make_offer(chain, name="满50减8").id), **words)
    assert "您的满50减8" in offered
    assert "没有附带券" not in offered
    reminding = preview(hq, kind="event", event="coupon_expiring", event_days="2", **words)
    assert "您的满30减5" in reminding
    assert "没有附带券" not in reminding


def test_what_is_typed_cannot_break_the_page(hq):
    page = preview(
        hq,
        channels=["email"],
        title="<script>alert(1)</script>",
        **{
            "A.email.zh.title": "题",
            "A.email.zh.body": "文",
            "A.email.zh.html": '<p style="position:fixed" onclick=x>好{name}</p><img src="https://i.cn/a.png"><script>y</script>',
        },
    )

    assert "<script" not in page
    assert "<img" not in page
    assert "<p>好林小雪</p>" in page


def test_the_whole_mail_is_shown_where_it_can_do_nothing(hq):
    typed = {"A.email.zh.title": "题", "A.email.zh.body": "文", "A.email.zh.html": '<p style="color:red">好</p><form>'}

    answer = post(hq, NEW, TYPED | {"channels": ["email"], "do": "mail:zh"} | typed)

    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert '<p style="color:red">好</p>' in answer.text
    assert "<form" not in answer.text
    assert db.session.scalar(db.select(db.func.count(Campaign.id))) == 0


def test_links_are_judged_as_one_writes_and_opened_by_a_button(hq):
    body = "看 https://bit.ly/3x 和 http://127.0.0.1/x"

    shown = preview(hq, body=body)
    assert "短链接" in shown
    assert "外面打不开" in shown
    opened = preview(hq, body="看 http://127.0.0.1/x", do="check_links", open="yes")
    assert "外面打不开" in opened
    for _ in range(10):
        last = preview(hq, body=body, do="check_links", open="yes")
    assert "操作太频繁" in last


# --- trying out -----------------------------------------------------------------------------------------------------


def test_a_test_goes_to_oneself_marked_and_counts_nowhere(hq, chain, staff, settings):
    member = make_member(make_store_code(make_store(chain)), name="王小雪")
    with mail_server() as (server, url):
        settings(smtp_url=url)
        page = post(
            hq,
            NEW,
            TYPED
            | {
                "do": "trial:email.zh",
                "trial.email": " Me@Example.com ",
                "shown_reader": str(member.member_id),
                "body": "{name}好",
            },
        ).text

    assert "已发到 me@example.com" in page
    (mail,) = server.mails
    assert (mail["To"], mail["Subject"]) == ("me@example.com", "[测试] 周五冰淇淋")
    assert "王小雪好" in mail.get_body(("plain",)).get_content()
    assert mail["X-Message-Key"].startswith("kq-test-")
    assert db.session.scalar(db.select(db.func.count(Delivery.id))) == 0
    assert list_entries(chain.id)[0].action == "test message sent"
    assert "example.com" not in str(list_entries(chain.id)[0].after)
    assert db.session.scalars(db.select(TrialAddress.address)).all() == ["me@example.com"]


def test_the_way_out_of_a_test_is_nobodys(hq, client, settings):
    with mail_server() as (server, url):
        settings(smtp_url=url)
        post(hq, NEW, TYPED | {"do": "trial:email.en", "trial.email": "me@example.com"})

    way_out = server.mails[0]["List-Unsubscribe"].strip("<>")
    assert client.get("/u/" + way_out.rpartition("/u/")[2]).status_code == 404


def test_the_address_is_there_the_next_time(hq, settings):
    with mail_server() as (_server, url):
        settings(smtp_url=url)
        post(hq, NEW, TYPED | {"do": "trial:email.zh", "trial.email": "me@example.com"})

        form = form_of_page(hq.get(f"{NEW}/new").text, "campaign-form")
    assert form["trial.email"] == ["me@example.com"]


def test_an_address_that_is_none_and_a_provider_that_refuses_are_said(hq, settings):
    with mail_server() as (server, url):
        server.answers["no@example.com"] = "550 no such user"
        settings(smtp_url=url)

        assert "邮箱地址不对" in post(hq, NEW, TYPED | {"do": "trial:email.zh", "trial.email": "me"}).text
        assert "先填上" in post(hq, NEW, TYPED | {"do": "trial:email.zh", "trial.email": ""}).text
        refused = post(hq, NEW, TYPED | {"do": "trial:email.zh", "trial.email": "no@example.com"}).text
    assert "没有发出去：对方邮箱拒收（" in refused
    assert "550" in refused
    assert server.mails == []


def test_a_way_that_is_not_set_up_sends_no_test(hq):
    assert "还没有接入" in post(hq, NEW, TYPED | {"do": "trial:gateway.zh", "trial.gateway": "13800138000"}).text
    assert post(hq, NEW, TYPED | {"do": "trial:inbox.zh"}).status_code == 200


def test_nobody_sends_himself_hundreds_of_tests(hq, settings):
    with mail_server() as (server, url):
        settings(smtp_url=url)
        form = TYPED | {"do": "trial:email.zh", "trial.email": "me@example.com"}
        pages = [post(hq, NEW, form).text for _ in range(32)]

    assert len(server.mails) == 30
    assert "操作太频繁" in pages[-1]


# --- who ------------------------------------------------------------------------------------------------------------


def test_where_a_second_person_reads_first_the_editor_submits(hq, chain):
    from push.timing.policies import Oversight, set_oversight

    with transaction():
        set_oversight(chain.id, Oversight(needs_approval=True), by=message_templates.Author("system"), now=utc_now())
    assert "提交审批" in hq.get(f"{NEW}/new").text

    post(hq, NEW, TYPED | {"do": "submit"})

    campaign = only_campaign()
    assert campaign.state == "draft"
    assert campaign.submitted_at is not None


def test_an_analyst_writes_nothing(client, chain):
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))

    assert client.get(f"{NEW}/new").status_code == 403
    assert {post(client, f"{NEW}{path}", TYPED).status_code for path in ("", "/preview", "/whom")} == {403}
