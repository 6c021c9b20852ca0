"""The pages of saved messages: the list, the editor, what was put away."""

import pytest

from core.audit import SYSTEM
from core.clock import utc_now
from core.db import transaction
from push.wording import message_templates as saved
from stores.models import Role
from tests.factories import make_chain, make_staff
from tests.forms import form_of_page
from tests.pages import post, sign_in

pytestmark = pytest.mark.usefixtures("app")
PAGE = "/dashboard/templates"
TYPED = {"name": "生日", "title": "生日快乐", "body": "{name}，今天有礼物", "do": "save"}


@pytest.fixture
def chain():
    return make_chain()


@pytest.fixture
def hq(client, chain):
    return sign_in(client, make_staff(chain))


def keep(chain, name="生日", **more):
    texts = {"any": {"zh": {"title": "生日快乐", "body": "有礼物"}}} | more
    with transaction():
        return saved.create_template(chain.id, name, texts, by=SYSTEM, now=utc_now())


def test_an_empty_list_says_what_belongs_here(hq):
    assert "写第一个模板" in hq.get(PAGE).text


def test_a_template_is_written_listed_and_begins_a_push(hq, chain):
    answer = post(hq, PAGE, TYPED | {"A.email.en.title": "Hi", "A.email.en.body": "There"}, follow_redirects=True)
    (template,) = saved.list_templates(chain.id)

    assert "模板已保存" in answer.text
    assert "生日快乐" in answer.text
    assert "电子邮件" in answer.text
    assert f"/dashboard/campaigns/new?template={template.id}" in answer.text
    assert template.texts["email"] == {"en": {"title": "Hi", "body": "There"}}


def test_opening_and_saving_a_template_loses_nothing(hq, chain):
    texts = {
        "email": {"en": {"title": "Mail", "body": "Text", "html": "<p>{name} &amp; co</p>"}},
        "web_push": {"zh": {"title": "推", "body": "送"}},
    }
    template = keep(chain, **texts)
    before = dict(template.texts)
    url = f"{PAGE}/{template.id}/edit"

    answer = post(hq, url, form_of_page(hq.get(url).text, "template-form") | {"do": "save"})

    assert answer.status_code == 303
    assert saved.get_template(chain.id, template.id).texts == before


def test_what_is_wrong_is_said_and_what_was_typed_stays(hq, chain):
    keep(chain)

    taken = post(hq, PAGE, TYPED)
    missing = post(hq, PAGE, TYPED | {"name": "无", "body": ""})

    assert (taken.status_code, missing.status_code) == (422, 422)
    assert "已经有同名的模板" in taken.text
    assert "{name}，今天有礼物" in taken.text
    assert "标题和内容都要写" in missing.text


def test_a_copy_has_a_name_of_its_own(hq, chain):
    template = keep(chain)

    assert form_of_page(hq.get(f"{PAGE}/new?copy={template.id}").text, "template-form")["name"] == ["生日 2"]


def test_the_preview_shows_what_is_typed(hq):
    mail = {"A.email.zh.title": "看 https://bit.ly/x", "A.email.zh.body": "x"}
    shown = post(hq, f"{PAGE}/preview", TYPED | mail).text

    assert "林小雪，今天有礼物" in shown
    assert "短链接" in shown
    assert "sandbox" in post(hq, PAGE, TYPED | {"do": "mail:zh"}).headers["Content-Security-Policy"]
    redrawn = post(hq, PAGE, TYPED | {"do": "look"})
    assert redrawn.status_code == 200
    assert "生日快乐" in redrawn.text


def test_a_template_is_put_away_and_taken_out_again(hq, chain):
    template = keep(chain)

    page = post(hq, f"{PAGE}/{template.id}/archive", follow_redirects=True).text
    assert "已收起来" in page
    assert "写第一个模板" in page
    assert "生日" in hq.get(f"{PAGE}?archived=1").text
    post(hq, f"{PAGE}/{template.id}/restore")

    assert len(saved.list_templates(chain.id)) == 1


def test_an_analyst_reads_and_changes_nothing(client, chain):
    template = keep(chain)
    sign_in(client, make_staff(chain, Role.HQ_ANALYST))

    page = client.get(PAGE).text
    assert "生日快乐" in page
    assert f"{template.id}/edit" not in page
    assert {client.get(f"{PAGE}/{path}").status_code for path in ("new", f"{template.id}/edit")} == {403}
    verbs = ("edit", "archive", "restore")
    assert {post(client, f"{PAGE}/{template.id}/{verb}").status_code for verb in verbs} == {403}


def test_another_chains_template_is_not_there(hq):
    foreign = keep(make_chain("other"))

    assert hq.get(f"{PAGE}/{foreign.id}/edit").status_code == 404
    answers = {post(hq, f"{PAGE}/{foreign.id}/{verb}", TYPED).status_code for verb in ("edit", "archive", "restore")}
    assert answers == {404}
