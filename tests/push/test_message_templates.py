"""Saved messages: kept, changed, put away and taken out again, each in its chain."""

import pytest

from core.audit import SYSTEM, list_entries
from core.db import transaction
from push.errors import CampaignInvalid, TemplateNameTaken, TemplateNotFound
from push.wording import message_templates as saved
from tests.factories import NOON, make_chain

pytestmark = pytest.mark.usefixtures("app")
WORDS = {"any": {"zh": {"title": "生日快乐", "body": "{name}，今天有礼物。"}}}


@pytest.fixture
def chain():
    return make_chain()


def keep(chain, name="生日", texts=WORDS):
    with transaction():
        return saved.create_template(chain.id, name, texts, by=SYSTEM, now=NOON)


def actions(chain):
    return [entry.action for entry in list_entries(chain.id)]


def test_a_template_keeps_words_for_channels_and_languages(chain):
    texts = WORDS | {"email": {"en": {"title": "Happy birthday", "body": "A gift", "html": "<p onclick=x>Hi</p>"}}}

    template = keep(chain, " 生日  祝福 ", texts)

    assert template.name == "生日 祝福"
    assert template.texts["any"] == WORDS["any"]
    assert template.texts["email"]["en"]["html"] == "<p>Hi</p>"
    assert actions(chain) == ["message template created"]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("", WORDS),
        ("长" * 61, WORDS),
        ("无", {}),
        ("只有英文", {"any": {"en": {"title": "Hi", "body": "There"}}}),
        ("变量", {"any": {"zh": {"title": "{nmae}", "body": "好"}}}),
        ("半句", {"any": {"zh": {"title": "只有标题"}}}),
    ],
)
def test_what_could_not_be_sent_is_not_kept(chain, name, texts):
    with pytest.raises(CampaignInvalid):
        keep(chain, name, texts)

    assert saved.list_templates(chain.id) == []


def test_a_name_is_taken_once_and_a_free_one_has_a_number_behind_it(chain):
    keep(chain)

    with pytest.raises(TemplateNameTaken):
        keep(chain)

    assert saved.free_name(chain.id, "生日") == "生日 2"
    keep(make_chain("other"))
    assert len(saved.list_templates(chain.id)) == 1


def test_a_changed_template_leaves_both_states_in_the_audit(chain):
    template = keep(chain)

    with transaction():
        texts = {"any": {"zh": {"title": "新", "body": "的"}}}
        saved.edit_template(chain.id, template.id, "生日2", texts, by=SYSTEM, now=NOON)

    assert saved.get_template(chain.id, template.id).texts["any"]["zh"]["title"] == "新"
    newest = list_entries(chain.id)[0]
    assert (newest.before["name"], newest.after["name"]) == ("生日", "生日2")


def test_a_name_of_another_template_is_not_taken_over(chain):
    keep(chain)
    other = keep(chain, "别的")

    with pytest.raises(TemplateNameTaken), transaction():
        saved.edit_template(chain.id, other.id, "生日", WORDS, by=SYSTEM, now=NOON)

    assert saved.get_template(chain.id, other.id).name == "别的"


def test_putting_away_and_taking_out_again_are_noted_once(chain):
    template = keep(chain)

    with transaction():
        for _ in range(2):
            saved.archive_template(chain.id, template.id, by=SYSTEM, now=NOON)
    assert saved.list_templates(chain.id) == []
    assert [each.id for each in saved.list_templates(chain.id, archived=True)] == [template.id]
    with transaction():
        saved.restore_template(chain.id, template.id, by=SYSTEM, now=NOON)

    assert [each.id for each in saved.list_templates(chain.id)] == [template.id]
    assert actions(chain) == [
        "message template restored",
        "message template archived",
        "message template created",
    ]


def test_another_chains_template_is_not_there(chain):
    foreign = keep(make_chain("other"))

    for change in (saved.get_template, lambda *ids: saved.archive_template(*ids, by=SYSTEM, now=NOON)):
        with pytest.raises(TemplateNotFound), transaction():
            change(chain.id, foreign.id)


def test_the_list_pages_by_key_with_the_newest_first(chain):
    ids = [keep(chain, str(number)).id for number in range(5)]

    first = saved.list_templates(chain.id, limit=3)
    rest = saved.list_templates(chain.id, after=first[-1].id, limit=3)

    assert [each.id for each in [*first, *rest]] == ids[::-1]
