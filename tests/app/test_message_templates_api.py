"""Saved messages through the API."""

import pytest

from core.audit import SYSTEM, list_entries
from core.db import transaction
from push.wording import message_templates as saved
from stores.models import Role
from tests.factories import NOON, make_chain, make_key, make_store
from tests.push.pushing import make_campaign

pytestmark = pytest.mark.usefixtures("app")
PATH = "/message-templates"
TEXTS = {
    "any": {"zh": {"title": "生日快乐", "body": "{name}，今天有礼物。"}, "en": {"title": "Hi", "body": "A present"}},
    "email": {"zh": {"title": "生日快乐", "body": "今天有礼物。", "html": "<h1>生日快乐</h1>"}},
}
BODY = {"name": "生日", "texts": TEXTS}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def call(client, chain):
    return caller(client, make_key(chain))


def caller(client, key):
    def send(method, path, body=None, **headers):
        headers = {"Authorization": f"Bearer {key}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return client.open(f"/api/v1{path}", method=method, json=body, headers=headers)

    return send


def test_a_message_is_kept_read_changed_put_away_and_taken_out(call, chain):
    made = call("POST", PATH, BODY)
    assert made.status_code == 201
    assert (made.json["name"], made.json["texts"], made.json["archived_at"]) == ("生日", TEXTS, None)
    path = f"{PATH}/{made.json['id']}"
    assert made.json["url"].endswith(f"/dashboard/templates/{made.json['id']}/edit")
    assert call("GET", path).json == made.json
    assert call("GET", PATH).json == {"items": [made.json], "next_cursor": None}

    other = {"any": {"zh": {"title": "周末见", "body": "来吧"}}}
    changed = call("PUT", path, {"name": " 周末 ", "texts": other}).json
    assert (changed["name"], changed["texts"]) == ("周末", other)

    assert call("POST", f"{path}/archive").json["archived_at"] is not None
    assert call("POST", f"{path}/archive").status_code == 200
    assert call("GET", PATH).json["items"] == []
    assert [each["id"] for each in call("GET", f"{PATH}?archived=true").json["items"]] == [made.json["id"]]
    assert call("GET", path).json["archived_at"] is not None
    assert call("POST", f"{path}/restore").json == changed
    assert [entry.action.removeprefix("message template ") for entry in list_entries(chain.id)][:4] == [
        "restored",
        "archived",
        "changed",
        "created",
    ]
    assert list_entries(chain.id)[0].actor.startswith("key:")


def test_what_a_campaign_said_stays_when_its_template_changes(call, chain):
    made = call("POST", PATH, BODY).json
    campaign = make_campaign(chain, "email", texts={"A": {"email": made["texts"]["email"]}})

    call("PUT", f"{PATH}/{made['id']}", BODY | {"texts": {"any": TEXTS["any"]}})

    assert call("GET", f"/campaigns/{campaign.id}").json["texts"] == {"A": {"email": TEXTS["email"]}}


def test_html_is_cleaned_and_what_is_empty_left_out(call):
    texts = {
        "any": TEXTS["any"] | {"en": {"title": " ", "body": ""}},
        "email": {"zh": {"title": "好", "body": "好", "html": "<h1 onclick=x>好</h1><script>x</script>"}},
    }

    made = call("POST", PATH, {"name": "A", "texts": texts}).json

    assert made["texts"]["any"] == {"zh": TEXTS["any"]["zh"]}
    assert made["texts"]["email"]["zh"]["html"] == "<h1>好</h1>"


def test_a_repeat_under_one_key_is_one_message(call):
    first = call("POST", PATH, BODY, Idempotency_Key="message-0001")
    again = call("POST", PATH, BODY, Idempotency_Key="message-0001")

    assert (again.status_code, again.json) == (201, first.json)
    assert again.headers["Idempotent-Replay"] == "true"
    assert len(call("GET", PATH).json["items"]) == 1


@pytest.mark.parametrize(("language", "words"), [("zh-CN", "已经有同名的模板"), ("en", "has this name already")])
def test_a_name_is_taken_also_by_what_was_put_away(call, language, words):
    made = call("POST", PATH, BODY).json
    call("POST", f"{PATH}/{made['id']}/archive")
    other = call("POST", PATH, BODY | {"name": "另一个"}).json

    answers = [call("POST", PATH, BODY, Accept_Language=language)]
    answers += [call("PUT", f"{PATH}/{other['id']}", BODY, Accept_Language=language)]

    for answer in answers:
        assert (answer.status_code, answer.json["code"]) == (409, "message_template_name_taken")
        assert words in answer.json["detail"]


def test_the_list_goes_page_by_page(call):
    ids = [call("POST", PATH, BODY | {"name": f"第 {number} 个"}).json["id"] for number in range(3)]

    first = call("GET", f"{PATH}?limit=2").json
    second = call("GET", f"{PATH}?limit=2&cursor={first['next_cursor']}").json

    assert [each["id"] for each in (*first["items"], *second["items"])] == ids[::-1]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"any": {"en": {"title": "Hi", "body": "There"}}}, id="not in the chain's language"),
        pytest.param({"any": {"zh": {"title": "只有标题"}}}, id="half of it"),
        pytest.param({"any": {"zh": {"title": "{nmae}", "body": "好"}}}, id="a variable that is none"),
        pytest.param(TEXTS | {"fax": TEXTS["any"]}, id="a channel that is none"),
        pytest.param({"any": []}, id="another shape"),
        pytest.param({"any": {"zh": {"title": ["x"], "body": 3}}}, id="no texts"),
    ],
)
def test_what_could_not_be_sent_is_not_kept(call, texts):
    answer = call("POST", PATH, {"name": "A", "texts": texts})

    assert (answer.status_code, answer.json["code"]) == (422, "campaign_invalid")
    assert call("GET", PATH).json["items"] == []


@pytest.mark.parametrize(
    "body", [{"texts": TEXTS}, {"name": "A"}, {"name": "长" * 61, "texts": TEXTS}, BODY | {"x": 1}]
)
def test_what_is_not_a_message_is_refused(call, body):
    assert call("POST", PATH, body).status_code == 422


def test_messages_are_the_chains_own(call):
    stranger = make_chain("other")
    with transaction():
        foreign = saved.create_template(stranger.id, "别家", TEXTS, by=SYSTEM, now=NOON)
    path = f"{PATH}/{foreign.id}"

    answers = [call("GET", path), call("PUT", path, BODY)]
    answers += [call("POST", f"{path}/{verb}") for verb in ("archive", "restore")]

    assert {(answer.status_code, answer.json["code"]) for answer in answers} == {(404, "message_template_not_found")}


def test_an_analyst_reads_and_a_store_does_not_even_ask(client, chain, call):
    made = call("POST", PATH, BODY).json
    analyst = caller(client, make_key(chain, Role.HQ_ANALYST))
    clerk = caller(client, make_key(chain, Role.CLERK, make_store(chain)))

    assert analyst("GET", f"{PATH}/{made['id']}").json == made
    assert analyst("POST", PATH, BODY).status_code == 403
    assert analyst("POST", f"{PATH}/{made['id']}/archive").status_code == 403
    assert clerk("GET", PATH).status_code == 403
