"""The buttons of the editor that save no campaign: they change the form, keep a template, look at links, send a test.

Each answers what it has to say and where on the page; the page is drawn anew with it.
"""

from collections.abc import Callable
from typing import Any

from flask import current_app
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from app.auth.guard import actor, author
from app.dashboard.pushes import message_form, message_preview
from app.dashboard.pushes.campaign_form import CampaignForm
from app.dashboard.refusing import refused
from app.security import LARGEST, count_link_check, count_trial
from app.worker import channels_of
from core.clock import utc_now
from core.db import transaction
from core.errors import DomainError, Invalid
from push.channels import Channel
from push.errors import TemplateNotFound, TrialNotSent
from push.models import PushChannel
from push.wording import link_checking, message_templates, testing
from push.wording.texts import LANGUAGES
from push.wording.variants import LABELS

Said = dict[str, Any]


def act(form: CampaignForm) -> Said:
    """Do what the pressed button says; nothing for one that is not known."""
    name, _colon, rest = form["do"].partition(":")
    action = ACTIONS.get(name)
    if action is None:
        return {}
    try:
        return action(form, rest)
    except DomainError as refusal:
        wrong = refused(refusal, _field_of(form, refusal))
        said = {"about": ABOUT.get(name, name), "tone": "bad", "text": wrong["problem"]}
        return {"said": said, "field_errors": wrong["field_errors"]}


def _field_of(form: CampaignForm, refusal: DomainError) -> str:
    """The field that the pressed button would have needed otherwise; nothing where it is nobody's."""
    name, _colon, rest = form["do"].partition(":")
    if name == "trial":
        return f"trial.{rest.partition('.')[0]}" if isinstance(refusal, Invalid) else ""
    if name == "use_template":
        return "template_id" if isinstance(refusal, TemplateNotFound) else ""
    if name == "save_template":
        return "template_name" if refusal.part == "name" else form.field_of(refusal.part)
    return ""


def mail_asked(form: CampaignForm) -> Response | None:
    """The mail as it goes, with its pictures and colours, when the button asked to see it (``mail:zh``).

    A page by itself that may do nothing but show them.
    """
    asked, _colon, code = form["do"].partition(":")
    if asked != "mail" or code not in LANGUAGES:
        return None
    chain = form.chain
    shown = message_preview.shown_of(chain, form.typed, [PushChannel.EMAIL])
    offer = message_preview.find_offer(chain, form["offer_id"])
    seen = message_preview.look(
        chain, form.typed, shown, offer, code, now=utc_now(), imagines_coupon=form.reminds_of_coupon
    )
    policy = {"Content-Security-Policy": message_preview.MAIL_POLICY}
    return Response(message_preview.mail_page(seen), mimetype="text/html", headers=policy)


def _add_variant(form: CampaignForm, _rest: str) -> Said:
    message_form.add_variant(form.typed)
    return {}


def _remove_variant(form: CampaignForm, label: str) -> Said:
    message_form.remove_variant(form.typed, label)
    return {}


def _use_template(form: CampaignForm, _rest: str) -> Said:
    number = form["template_id"]
    if not number.isdecimal() or not number.isascii() or int(number) > LARGEST:
        raise TemplateNotFound()
    template = message_templates.get_template(form.chain.id, int(number))
    message_form.use_template(form.typed, template.texts)
    return _say("template", _("The words are those of “%(name)s” now.", name=template.name))


def _save_template(form: CampaignForm, _rest: str) -> Said:
    """Version A's words, under the campaign's name or the one that was typed."""
    chain, typed = form.chain, form.typed
    texts = message_form.texts_of(typed, with_own=True).get(LABELS[0], {})
    with transaction():
        name = message_templates.free_name(chain.id, form["template_name"] or form["name"])
        message_templates.create_template(chain.id, name, texts, by=author(), now=utc_now())
    return _say("template", _("Kept as the template “%(name)s”.", name=name))


def _check_links(form: CampaignForm, _rest: str) -> Said:
    count_link_check(actor().author_name)
    urls = [each.url for each in message_preview.judged_links(form.typed) if each.url.startswith(("http:", "https:"))]
    return {"asked": {judged.url: judged for judged in link_checking.ask_all(urls)}}


def _trial(form: CampaignForm, rest: str) -> Said:
    """Send what is being looked at to the person himself, in the language of the button."""
    way, _dot, code = rest.partition(".")
    if way not in testing.WAYS or code not in LANGUAGES:
        return {}
    name, chain, now = PushChannel(way), form.chain, utc_now()
    channel = _channel(name)
    count_trial(actor().author_name)
    with transaction():
        address = testing.keep_address(chain, actor().id, name, form[f"trial.{way}"], now=now)
    form.typed["shown_channel"] = way
    shown = message_preview.shown_of(chain, form.typed, [way])
    offer = message_preview.find_offer(chain, form["offer_id"])
    look = message_preview.look(chain, form.typed, shown, offer, code, now=now, imagines_coupon=form.reminds_of_coupon)
    message = testing.trial(
        name,
        look.words,
        look.values,
        to=address,
        language=code,
        offer=offer,
        template=look.template,
        links=message_preview.links(),
    )
    testing.send_trial(channel, message)
    with transaction():
        testing.note_trial(chain, actor().id, name, by=author(), now=now)
    return _say("trial", _("Sent to %(address)s. It says that it is a test.", address=address))


def _channel(name: PushChannel) -> Channel:
    channel = channels_of(current_app.extensions["settings"]).get(name)
    if channel is None:
        raise TrialNotSent(problem=_("this way is not set up on this server"))
    return channel


def _say(about: str, text: str) -> Said:
    return {"said": {"about": about, "tone": "good", "text": text}}


ACTIONS: dict[str, Callable[[CampaignForm, str], Said]] = {
    "add_variant": _add_variant,
    "remove_variant": _remove_variant,
    "use_template": _use_template,
    "save_template": _save_template,
    "check_links": _check_links,
    "trial": _trial,
}
ABOUT = {"use_template": "template", "save_template": "template", "check_links": "links"}
