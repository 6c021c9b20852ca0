"""The pages of campaigns: list, editor, progress, and what can be done there."""

import re
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from core.audit import SYSTEM
from core.clock import utc_now
from core.db import db, transaction
from push import campaigns, runs
from push.delivering.models import ChannelState
from push.models import Campaign
from push.timing.policies import Policy, set_policy
from stores.models import Role
from tests.factories import make_chain, make_offer, make_staff, make_store, make_store_code
from tests.pages import post, sign_in
from tests.push.memory import MemoryChannel
from tests.push.pushing import make_campaign, make_member, schedule, send, send_all

pytestmark = pytest.mark.usefixtures("app")
TYPED = {
    "name": "周五",
    "channels": "inbox",
    "title": "周五冰淇淋",
    "body": "今天第二份半价。",
    "kind": "now",
    "fresh_hours": "24",
    "request_id": "form-000001",
}

STORES = {"audience": "own", "rule": ["r", "r_0"], "r-mode": "all", "r_0-what": "store.in"}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def hq(client, chain):
    return sign_in(client, make_staff(chain))


def only_campaign():
    db.session.commit()
    return db.session.scalars(db.select(Campaign).execution_options(populate_existing=True)).one()


def start_now(campaign):
    now = utc_now()
    schedule(campaign, {"kind": "now"}, now=now - timedelta(minutes=10))
    runs.start_due_batch(now=now)


def test_an_empty_list_says_what_belongs_here(hq):
    assert "写第一条推送" in hq.get("/dashboard/campaigns").text


def test_the_list_shows_where_each_campaign_stands(hq, chain):
    make_member(make_store_code(make_store(chain)))
    start_now(make_campaign(chain))
    send_all(now=utc_now())
    make_campaign(chain)

    page = hq.get("/dashboard/campaigns").text

    assert "进行中" in page
    assert "草稿" in page
    assert "100%" in page


def test_the_list_says_when_an_event_campaign_begins_and_not_that_it_goes_out(hq, chain):
    birthday = {"kind": "event", "event": "birthday", "days": 0, "time": "09:30"}
    schedule(make_campaign(chain, schedule=birthday), birthday, now=utc_now())

    page = hq.get("/dashboard/campaigns?lang=en").text

    assert "begins " in page
    assert "goes out " not in page


def test_the_list_takes_as_many_queries_for_many_campaigns(hq, chain, count_queries):
    for _ in range(8):
        start_now(make_campaign(chain))
    hq.get("/dashboard/campaigns")
    count_queries.clear()

    hq.get("/dashboard/campaigns")

    assert len(count_queries) <= 12


def test_a_draft_is_saved_and_nothing_goes_out(hq):
    answer = post(hq, "/dashboard/campaigns", TYPED | {"do": "save"}, follow_redirects=True)

    assert only_campaign().state == "draft"
    assert "安排发送之前不会发出" in answer.text


def test_the_same_form_sent_twice_is_one_campaign(hq):
    for _ in range(2):
        assert post(hq, "/dashboard/campaigns", TYPED | {"do": "schedule"}).status_code == 303

    assert only_campaign().state == "scheduled"


def test_a_scheduled_campaign_can_be_taken_back_on_its_page(hq):
    page = post(hq, "/dashboard/campaigns", TYPED | {"do": "schedule"}, follow_redirects=True).text
    campaign = only_campaign()
    assert "还有 10 分钟可以撤回" in page

    after = post(hq, f"/dashboard/campaigns/{campaign.id}/stop", follow_redirects=True)

    assert "已撤回" in after.text
    assert only_campaign().state == "draft"


def test_taking_back_too_late_says_so(hq, chain):
    campaign = make_campaign(chain)
    start_now(campaign)

    answer = post(hq, f"/dashboard/campaigns/{campaign.id}/stop", follow_redirects=True)

    assert "不能撤回了" in answer.text


def test_what_is_missing_is_said_and_what_was_typed_stays(hq):
    answer = post(hq, "/dashboard/campaigns", TYPED | {"body": "", "do": "schedule", "title": "只有标题<b>"})

    assert answer.status_code == 422
    assert "写上标题和内容" in answer.text
    assert "只有标题&lt;b&gt;" in answer.text
    assert db.session.scalar(db.select(db.func.count(Campaign.id))) == 0


def test_a_draft_is_filled_into_the_editor_as_it_was_typed(hq, chain):
    stores = [make_store(chain), make_store(chain)]
    offer = make_offer(chain)
    typed = TYPED | {
        "audience": "own",
        "rule": ["r", "r_0", "r_1", "r_2"],
        "r-mode": "all",
        "r_0-what": "store.in",
        "r_0-value": [str(store.id) for store in stores],
        "r_1-what": "joined.after",
        "r_1-value": "2026-05-01",
        "r_2-what": "last_visit.before_days",
        "r_2-value": "21",
        "offer_id": str(offer.id),
        "kind": "recurring",
        "weekdays": ["mon", "fri"],
        "time": "17:30",
        "until": "2030-12-31",
        "title_en": "Friday",
        "body_en": "Half price",
    }
    post(hq, "/dashboard/campaigns", typed | {"do": "save"})
    first = only_campaign()

    page = hq.get(f"/dashboard/campaigns/{first.id}/edit").text
    found = {
        name: re.search(rf'name="{name}"[^>]*value="([^"]*)"', page)
        for name in ("r_1-value", "r_2-value", "time", "until", "title_en")
    }

    assert {name: match and match[1] for name, match in found.items()} == {
        "r_1-value": "2026-05-01",
        "r_2-value": "21",
        "time": "17:30",
        "until": "2030-12-31",
        "title_en": "Friday",
    }
    assert len(re.findall(r'name="(?:r_0-value|weekdays)" value="[^"]*" checked', page)) == 4
    assert first.audience["all"] == [
        {"field": "store", "op": "in", "value": [store.id for store in stores]},
        {"field": "joined", "op": "after", "value": "2026-05-01"},
        {"field": "last_visit", "op": "before_days", "value": 21},
    ]


def test_a_chain_with_very_many_stores_types_their_numbers(hq, chain):
    for n in range(101):
        make_store(chain, f"N{n:03d}")

    post(hq, "/dashboard/campaigns", TYPED | STORES | {"r_0-value": "N001， N002", "do": "save"})

    assert len(only_campaign().audience["all"][0]["value"]) == 2
    assert 'value="N001, N002"' in hq.get(f"/dashboard/campaigns/{only_campaign().id}/edit").text
    wrong = post(hq, "/dashboard/campaigns", TYPED | STORES | {"r_0-value": "N999", "request_id": "form-000002"})
    assert wrong.status_code == 422


def test_the_preview_counts_whom_it_reaches(hq, chain):
    code = make_store_code(make_store(chain))
    make_member(code, email="a@example.com", name="林小雪")
    make_member(code)
    make_store_code(make_store(chain))

    page = post(hq, "/dashboard/campaigns/whom", TYPED | {"channels": ["inbox", "email"]}).text

    assert re.search(r'id="reach">2<', page)
    assert "可送达 1 人" in page
    assert "林**" in page
    assert "林小雪" not in page


def test_the_preview_of_nonsense_says_so_and_never_breaks(hq):
    rules = {"audience": "own", "rule": ["r", "r_0"], "r_0-what": "last_visit.before_days", "r_0-value": "many"}
    typed = TYPED | rules | {"offer_id": "9" * 30, "shown_reader": "9" * 30, "holdout": "half", "shown_channel": "x"}

    answer = post(hq, "/dashboard/campaigns/whom", typed)

    assert answer.status_code == 200
    assert post(hq, "/dashboard/campaigns/preview", typed).status_code == 200
    assert "天数要在 1 到 3650 之间" in answer.text


def test_channels_that_are_not_set_up_cannot_be_chosen(hq):
    page = hq.get("/dashboard/campaigns/new").text

    assert "SMTP_URL" in page
    assert "GATEWAY_URL" in page


def test_the_progress_page_adds_up(hq, chain):
    code = make_store_code(make_store(chain))
    for n in range(4):
        make_member(code, email=f"m{n}@example.com", agrees_to=("email",) if n else ())
    campaign = make_campaign(chain, "inbox", "email")
    start_now(campaign)

    page = hq.get(f"/dashboard/campaigns/{campaign.id}").text
    tiles = [int(number) for number in re.findall(r'tile__value">(\d+)', page)]

    audience, arrived, skipped, failed, waiting = tiles
    assert audience == arrived + skipped + failed + waiting == 8
    assert "没有同意接收" in page


def test_what_a_provider_took_is_not_called_delivered(hq, chain):
    make_member(make_store_code(make_store(chain)), email="lin@example.com")
    campaign = make_campaign(chain, "email")
    with transaction():  # at whatever hour this runs
        set_policy(chain.id, Policy(0, 0), by=SYSTEM, now=utc_now())
    start_now(campaign)
    send("email", MemoryChannel(), now=utc_now())
    listed, shown = (hq.get(f"/dashboard/campaigns{address}").text for address in ("", f"/{campaign.id}"))

    assert '已送出</span><span class="tile__value">1<' in shown
    assert "已送出" in listed
    assert "已送达" not in listed + shown


def test_what_goes_once_has_no_next_time_after_it_went(hq, chain):
    make_member(make_store_code(make_store(chain)))
    hour = utc_now().astimezone(ZoneInfo(chain.timezone)).hour
    with transaction():  # all but the inbox waits: the page of a draft says until when
        set_policy(chain.id, Policy((hour - 1) % 24, (hour + 2) % 24), by=SYSTEM, now=utc_now())
    campaign = make_campaign(chain)
    path = f"/dashboard/campaigns/{campaign.id}"

    assert "接下来的时间" in hq.get(path).text
    start_now(campaign)

    assert "接下来的时间" not in hq.get(path).text


def test_a_provider_in_trouble_is_named_with_when_it_is_tried_again(hq, chain):
    make_member(make_store_code(make_store(chain)), email="m@example.com")
    campaign = make_campaign(chain, "email", "inbox")
    start_now(campaign)
    path = f"/dashboard/campaigns/{campaign.id}/progress?seen=running"
    before = hq.get(path).text
    with transaction():
        rest = {"failures": 20, "open_until": utc_now() + timedelta(minutes=5), "next_slot_at": None}
        db.session.add(ChannelState(channel="email", **rest))
        db.session.add(ChannelState(channel="gateway", **rest))  # of which this campaign has nothing

    page = hq.get(path).text

    assert before.count("服务商没有响应") == 0
    assert page.count("服务商没有响应") == 1


def test_the_moving_part_asks_for_the_whole_page_when_the_state_has_changed(hq, chain):
    campaign = make_campaign(chain)
    start_now(campaign)

    same = hq.get(f"/dashboard/campaigns/{campaign.id}/progress?seen=running")
    changed = hq.get(f"/dashboard/campaigns/{campaign.id}/progress?seen=scheduled")

    assert same.status_code == 200
    assert changed.headers["HX-Refresh"] == "true"


def test_pausing_resuming_and_cancelling_say_what_happens(hq, chain):
    make_member(make_store_code(make_store(chain)))
    campaign = make_campaign(chain)
    start_now(campaign)
    url = f"/dashboard/campaigns/{campaign.id}"

    assert "还没发出的 1 条会等您继续" in hq.get(url).text
    assert "已暂停" in post(hq, f"{url}/pause", follow_redirects=True).text
    assert "已继续" in post(hq, f"{url}/resume", follow_redirects=True).text
    assert "已取消" in post(hq, f"{url}/cancel", follow_redirects=True).text
    assert only_campaign().state == "cancelled"


def test_a_missed_campaign_asks(hq, chain):
    campaign = make_campaign(chain)
    schedule(campaign, {"kind": "now"}, now=utc_now() - timedelta(hours=5))
    runs.start_due_batch(now=utc_now())

    assert "没有擅自补发" in hq.get(f"/dashboard/campaigns/{campaign.id}").text
    post(hq, f"/dashboard/campaigns/{campaign.id}/schedule", {"now": "yes"})

    assert only_campaign().state == "scheduled"


def test_the_rows_behind_a_number(hq, chain):
    code = make_store_code(make_store(chain))
    make_member(code, name="王小雪", phone="+8613800138000")
    make_member(code, email="b@example.com", name="林一")
    campaign = make_campaign(chain, "email")
    start_now(campaign)

    page = hq.get(f"/dashboard/campaigns/{campaign.id}/deliveries?reason=no_address").text

    assert "王**" in page
    assert "138****8000" in page
    assert "林*" not in page


def test_an_analyst_sees_and_cannot_change(client, chain):
    campaign = make_campaign(chain)
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))

    page = client.get(f"/dashboard/campaigns/{campaign.id}")

    assert page.status_code == 200
    assert "安排发送" not in page.text.replace("安排发送之前不会发出", "")
    assert post(client, f"/dashboard/campaigns/{campaign.id}/schedule").status_code == 403


def test_a_store_manager_has_no_pushes(client, chain):
    sign_in(client, make_staff(chain, Role.STORE_MANAGER, (make_store(chain),)))

    assert client.get("/dashboard/campaigns").status_code == 403


def test_another_chains_campaign_is_not_there(hq):
    foreign = make_campaign(make_chain("other"))

    paths = ("", "/edit", "/progress", "/deliveries")
    assert {hq.get(f"/dashboard/campaigns/{foreign.id}{path}").status_code for path in paths} == {404}
    verbs = ("schedule", "stop", "pause", "resume", "cancel")
    assert {post(hq, f"/dashboard/campaigns/{foreign.id}/{verb}").status_code for verb in verbs} == {404}
    assert campaigns.get_campaign(foreign.chain_id, foreign.id).state == "draft"


def test_every_word_is_there_in_english(hq, chain):
    campaign = make_campaign(chain)
    written = (campaign.title, campaign.body, campaign.name, "中文", "消息")

    for path in ("", "/new", f"/{campaign.id}", f"/{campaign.id}/edit"):
        page = hq.get(f"/dashboard/campaigns{path}?lang=en").text
        main = re.search(r"<main.*</main>", page, re.S)[0]
        words = re.sub(r"<[^>]+>", " ", main)
        for text in written:
            words = words.replace(text, "")
        assert re.findall(r"[\u4e00-\u9fff]+", words.replace("雪山冰品", "")) == [], path
