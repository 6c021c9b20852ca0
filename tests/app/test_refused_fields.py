"""What the editors of pushes refuse stands at the field that it is about, and what was typed stays."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from core.audit import SYSTEM
from core.clock import utc_now
from core.db import transaction
from push.audiences.saved_segments import create_segment
from push.runs import start_due_batch
from push.wording import message_templates
from tests.factories import NOON, make_chain, make_staff
from tests.pages import post, sign_in
from tests.push.pushing import make_campaign, schedule

pytestmark = pytest.mark.usefixtures("app")
CAMPAIGNS, SEGMENTS, TEMPLATES = "/dashboard/campaigns", "/dashboard/segments", "/dashboard/templates"
TYPED = {
    "name": "周五",
    "channels": ["inbox"],
    "title": "周五冰淇淋",
    "body": "今天第二份半价。",
    "kind": "now",
    "fresh_hours": "24",
    "variants": "1",
    "do": "save",
}
TWO = {"variants": "2", "share.A": "50", "share.B": "50", "B.any.zh.title": "乙", "B.any.zh.body": "也好。"}
WEEKLY = {"kind": "recurring", "pattern": "weekdays", "weekdays": ["fri"], "time": "18:00"}
BIRTHDAY = {"kind": "event", "event": "birthday", "event_days": "3"}
VENDOR_TEMPLATE = {"channel": "wechat_template", "code": "TM1", "name": "到账", "language": "zh"}
WEBHOOK = {"name": "CRM", "url": "https://crm.example/hooks", "kinds": ["delivery.sent"]}
OWN = {"audience": "own", "rule": ["r", "r_0"], "r-mode": "all"}


class _Page(HTMLParser):
    """The elements with their attributes, and the text of each that has an id."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts, self._open = [], {}, ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.elements.append(given)
        if tag == "p":
            self._open = given.get("id", "")

    def handle_endtag(self, tag):
        if tag == "p":
            self._open = ""

    def handle_data(self, data):
        if self._open:
            self.texts[self._open] = self.texts.get(self._open, "") + data

    def with_(self, **wanted):
        return [each for each in self.elements if wanted.items() <= each.items()]


def said_at(html, field):
    """What is said at a field: it is tied to its input, the link above leads there, and so does the cursor."""
    page, place, message = _Page(html), f"f-{field}", f"f-{field}-error"
    inputs = [each for each in page.elements if message in each.get("aria-describedby", "").split()]
    assert inputs, f"no input is described by {message}"
    assert all(each["aria-invalid"] == "true" for each in inputs)
    assert [each["id"] for each in page.elements if "autofocus" in each] == [place]
    assert inputs[0]["id"] == place
    assert len(page.with_(href=f"#{place}")) == 1
    assert len(page.with_(id=message)) == 1
    return page.texts[message]


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def hq(client, chain):
    sign_in(client, make_staff(chain))
    client.set_cookie("kq_language", "en")
    return client


@pytest.fixture
def set_up(app, monkeypatch):
    """Let this server have a channel for one test."""

    def change(**values):
        monkeypatch.setitem(app.extensions, "settings", replace(app.extensions["settings"], **values))

    return change


CAMPAIGN_REFUSALS = [
    ({"name": " "}, "name", "Give it a name."),
    ({"name": "长" * 81}, "name", "Its name is too long."),
    ({"channels": []}, "channels", "Choose at least one channel."),
    ({"title": ""}, "title", "Write a title and a text in the chain's language."),
    ({"body": ""}, "body", "Write a title and a text in the chain's language."),
    ({"title_en": "Friday"}, "body_en", "The other language needs both title and text, or neither."),
    ({"body": "{nmae} 好"}, "body", "{nmae} is not a variable; there are {name} {chain}"),
    ({"body_en": "{ name } hello", "title_en": "Hello"}, "body_en", "The variable is written {name}"),
    ({"A.email.zh.title": "信"}, "A.email.zh.body", "Both a title and a text are needed."),
    ({"A.email.en.title": "{x}", "A.email.en.body": "y"}, "A.email.en.title", "{x} is not a variable"),
    (TWO | {"B.any.zh.title": "", "B.any.zh.body": ""}, "B.any.zh.title", "Variant B has no title and text yet."),
    (TWO | {"share.B": "60"}, "share.A", "The shares of the variants add up to 100%."),
    (TWO | {"share.B": "half"}, "share.B", "This is not a number: half"),
    ({"holdout": "51"}, "holdout", "Hold out from 0 to 50% of the audience."),
    ({"holdout": "many"}, "holdout", "This is not a number: many"),
    ({"holdout": "-1"}, "holdout", "Hold out from 0 to 50% of the audience."),
    ({"offer_id": "999999"}, "offer_id", "The offer it hands out is not there any more."),
    ({"fresh_hours": "0"}, "fresh_hours", "A message stays fresh for 1 to 168 hours."),
    ({"kind": "at", "at": ""}, "at", "Give a day and a time."),
    ({"kind": "at", "at": "2020-01-01T10:00", "do": "schedule"}, "at", "That time has passed."),
    (WEEKLY | {"weekdays": []}, "weekdays", "Choose at least one weekday (mon … sun)."),
    (WEEKLY | {"pattern": "monthdays"}, "monthdays", "Choose at least one day of the month (1 to 31)."),
    (WEEKLY | {"time": ""}, "time", "Give a time of day such as 18:00."),
    (WEEKLY | {"until": "soon"}, "until", "The last day is not a date."),
    (WEEKLY | {"pattern": "cron", "cron": "0 18 * * 1"}, "cron", "Weekdays in a cron line are named: mon … sun."),
    (BIRTHDAY | {"event_days": "61"}, "event_days", "Days lie between 0 and 60."),
    (BIRTHDAY | {"event_time": "noon"}, "event_time", "Give a time of day such as 18:00."),
    ({"audience": "saved"}, "audience_segment", "Choose a segment."),
    (OWN | {"r_0-what": "points.at_least", "r_0-value": "much"}, "r_0-value", ""),
    (OWN | {"r_0-what": "tier.in"}, "r_0-value", "Choose at least one."),
    (OWN | {"rule": ["r"]}, "audience", "There is no condition yet: add one, or choose all members."),
    (OWN | {"r_0-what": ""}, "audience", "There is no condition yet: add one, or choose all members."),
]


@pytest.mark.parametrize(("change", "field", "words"), CAMPAIGN_REFUSALS)
def test_a_refused_campaign_says_so_at_the_field(hq, change, field, words):
    answer = post(hq, CAMPAIGNS, TYPED | change)

    assert answer.status_code == 422
    assert said_at(answer.text, field).startswith(words)
    assert 'value="周五冰淇淋"' in answer.text or "title" in change


def test_the_page_of_a_draft_says_so_in_the_reader_s_language(hq, chain):
    campaign = make_campaign(chain, "inbox")
    hq.set_cookie("kq_language", "zh")

    answer = post(hq, f"{CAMPAIGNS}/{campaign.id}/edit", TYPED | {"channels": []})

    assert said_at(answer.text, "channels") == "至少选一个渠道。"
    assert "推送活动还差一点：至少选一个渠道。" in answer.text


def test_a_wechat_message_without_a_template_leads_to_where_one_is_chosen_or_added(hq, set_up):
    set_up(wechat_appid="wx1", wechat_secret="s" * 32)
    typed = TYPED | {"channels": ["wechat_template"]}

    none_yet = post(hq, CAMPAIGNS, typed).text
    assert re.search(r"<details [^>]*open><summary><span>WeChat to followers", none_yet)
    assert _Page(none_yet).with_(id="f-A.wechat_template.zh.template", href=f"{CAMPAIGNS}/vendor-templates")
    assert _Page(none_yet).texts["f-A.wechat_template.zh.template-error"] == "WeChat messages need a template."
    post(hq, f"{CAMPAIGNS}/vendor-templates", VENDOR_TEMPLATE)

    said = said_at(post(hq, CAMPAIGNS, typed).text, "A.wechat_template.zh.template")
    assert said == "WeChat messages need a template."


def test_new_words_that_are_refused_say_so_at_the_field(hq, chain):
    campaign = schedule(make_campaign(chain, "inbox"), now=utc_now() - timedelta(minutes=10))
    start_due_batch(now=utc_now())
    post(hq, f"{CAMPAIGNS}/{campaign.id}/pause")

    answer = post(hq, f"{CAMPAIGNS}/{campaign.id}/words", {"title": "好", "body": "", "variants": "1"})

    assert answer.status_code == 422
    assert said_at(answer.text, "body") == "Write a title and a text in the chain's language."


@pytest.mark.parametrize(
    ("do", "field", "words"),
    [
        ("use_template", "template_id", "There is no such message template."),
        ("save_template", "body", "Both a title and a text are needed."),
        ("trial:email.zh", "trial.email", "Say first where it is to go."),
        ("trial:email.en", "trial.email", "This is not an e-mail address. Please check it."),
    ],
)
def test_the_buttons_beside_the_words_say_what_is_missing_at_their_own_fields(hq, chain, set_up, do, field, words):
    set_up(smtp_url="smtp://127.0.0.1:9")
    address = {"trial.email": "nobody" if do.endswith("en") else ""}
    kept = {"zh": {"title": "好", "body": "内容"}}
    with transaction():
        message_templates.create_template(chain.id, "周五", {"any": kept}, by=SYSTEM, now=utc_now())

    page = _Page(post(hq, CAMPAIGNS, TYPED | {"do": do, "body": ""} | address).text)

    (tied,) = page.with_(id=f"f-{field}")
    assert tied["aria-invalid"] == "true"
    assert tied["aria-describedby"] == f"f-{field}-error"
    assert "autofocus" in tied
    assert page.texts[f"f-{field}-error"] == words


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": ""}, "name", "Give the segment a name of at most 60 characters."),
        ({"name": "老客"}, "name", "There is another segment with this name."),
        ({"r_0-value": "0"}, "r_0-value", "Days lie between 1 and 3650."),
        ({"r_0-what": "place.within_km", "r_0-latitude": "31.2", "r_0-longitude": "121", "r_0-km": "0"}, "r_0-km", ""),
        ({"r_0-what": "segment.is", "r_0-value": ""}, "r_0-value", "Choose a segment."),
        ({"r_0-what": "address.has", "r_0-value": ""}, "r_0-value", "Choose one."),
        ({"r_0-what": "", "r_0-out": "yes", "name": "老客"}, "name", "There is another segment with this name."),
    ],
)
def test_a_refused_segment_says_so_at_the_name_or_at_the_input_of_the_condition(hq, chain, change, field, words):
    with transaction():
        create_segment(chain.id, "老客", {"all": []}, by=SYSTEM, now=NOON)
    typed = OWN | {"name": "新客", "r_0-what": "joined.within_days", "r_0-value": "30"} | change

    answer = post(hq, SEGMENTS, typed)

    assert answer.status_code == 422
    assert said_at(answer.text, field).startswith(words)


def test_each_condition_that_is_wrong_says_so_and_the_cursor_stands_in_the_first(hq):
    rows = {"rule": ["r", "r_0", "r_1"], "r_0-what": "joined.within_days", "r_1-what": "points.at_least"}

    page = post(hq, SEGMENTS, OWN | rows | {"name": "新客"}).text

    assert said_at(page, "r_0-value") == "Days lie between 1 and 3650."
    assert "f-r_1-value-error" in _Page(page).texts
    assert "Some conditions need another look." in page


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": ""}, "name", "Give it a name."),
        ({"title": "", "body": ""}, "title", "Write a title and a text"),
        ({"body": ""}, "body", "Both a title and a text are needed."),
        ({"A.email.zh.title": "{x}", "A.email.zh.body": "好"}, "A.email.zh.title", "{x} is not a variable"),
    ],
)
def test_a_refused_message_template_says_so_at_the_field(hq, change, field, words):
    answer = post(hq, TEMPLATES, TYPED | change)

    assert answer.status_code == 422
    assert said_at(answer.text, field).startswith(words)


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": ""}, "name", "Give it a name of 60 characters at most."),
        ({"code": " "}, "code", "Write the code that the vendor gave it."),
        ({"field": ["thing1", "两"], "text": ["a", "b"]}, "field.2", "The name of a field has letters, digits"),
        ({"field": ["", "thing1"], "text": ["a", "b"]}, "field.1", "The name of a field has letters, digits"),
        ({"field": ["thing1", "", ""], "text": ["a", "b", " "]}, "field.2", "The name of a field has letters, digits"),
        ({"field": ["thing1", " thing1"], "text": ["a", "b"]}, "field.2", "This field stands here twice."),
        ({"field": ["thing1", "thing2"], "text": ["a", ""]}, "text.2", "Every field needs its text."),
        ({"field": ["thing1"], "text": ["{x}"]}, "text.1", "{x} is not a variable"),
    ],
)
def test_a_refused_vendor_template_says_so_at_the_field_or_row(hq, change, field, words):
    answer = post(hq, f"{CAMPAIGNS}/vendor-templates", VENDOR_TEMPLATE | change)

    assert answer.status_code == 422
    assert said_at(answer.text, field).startswith(words)


@pytest.mark.parametrize(
    ("change", "field"), [({"name": ""}, "name"), ({"url": "http://10.0.0.1/"}, "url"), ({"kinds": ["x"]}, "kinds")]
)
def test_a_refused_webhook_says_so_at_the_field(hq, change, field):
    answer = post(hq, "/dashboard/webhooks", WEBHOOK | change)

    assert answer.status_code == 422
    assert said_at(answer.text, field)


@pytest.mark.parametrize(
    ("field", "typed", "words"),
    [
        ("quiet_from", "24", "Quiet hours begin and end at 0 to 23 o'clock."),
        ("quiet_until", "noon", "This is not a number: noon"),
        ("quiet_until", "", "Write a number."),
        ("cap_per_day", "0", "At least one a day"),
        ("cap_per_week", "0", "At least one a day, and no fewer a week than a day."),
        ("global_holdout_bp", "21", "At most 20 % of the members are held out for good."),
        ("error_pause_bp", "0", "It pauses at 1 to 100 %"),
        ("error_pause_after", "0", "It pauses at 1 to 100 %"),
    ],
)
def test_refused_push_rules_say_so_at_the_field(hq, field, typed, words):
    rules = {"quiet_from": "21", "quiet_until": "9", "cap_per_day": "1", "cap_per_week": "3"}

    answer = post(hq, "/dashboard/settings/push", rules | {field: typed})

    assert answer.status_code == 422
    assert said_at(answer.text, field).startswith(words)
