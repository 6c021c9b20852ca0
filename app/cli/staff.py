"""``staff``: the people who sign in."""

import sys
from collections.abc import Sequence

import click

from app.cli.speaking import author, chain_option, chosen_chain, command, json_option, print_list, say
from core.clock import utc_now
from core.db import transaction
from core.text import Text
from stores import staffing
from stores.models import Role

MADE = Text("{login} 现在可以登录了。", "{login} can log in now.")
DISABLED = Text("{login} 不能再登录了。", "{login} can log in no more.")
CHANGED = Text("{login} 的密码换好了，原来的登录都已退出。", "{login} has a new password; earlier sessions have ended.")
PASSWORD = Text("密码", "Password")
COLUMNS = ("login", "name", "role", "created_at", "disabled_at")
password_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@click.group("staff")
def group() -> None:
    """The people of a chain."""


@group.command("create")
@click.option("--login", required=True, help="What the person types to log in; an e-mail address is good.")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--store", "codes", multiple=True, metavar="CODE", help="A store of a manager or clerk; repeatable.")
@click.option("--language", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@password_option
@chain_option
@command
def create(
    login: str, name: str, role: str, codes: Sequence[str], language: str, password_stdin: bool, chain_slug: str | None
) -> None:
    """Add a person. The password is asked for, or read from standard input."""
    chain_id = chosen_chain(chain_slug).id
    password = _password(password_stdin)
    with transaction():
        person = staffing.create_staff(
            chain_id,
            login=login,
            name=name,
            role=Role(role),
            password=password,
            store_ids=staffing.stores_with_codes(chain_id, codes),
            language=language,
            by=author(),
            now=utc_now(),
        )
    click.echo(say(MADE, login=person.login), err=True)


@group.command("list")
@chain_option
@json_option
@command
def list_(chain_slug: str | None, as_json: bool) -> None:
    """List the people of a chain."""
    print_list(staffing.list_staff(chosen_chain(chain_slug).id), columns=COLUMNS, as_json=as_json)


@group.command("password")
@click.argument("login")
@password_option
@chain_option
@command
def password_(login: str, password_stdin: bool, chain_slug: str | None) -> None:
    """Give a person a new password, and end his sessions."""
    chain_id = chosen_chain(chain_slug).id
    person = staffing.get_staff_by_login(chain_id, login)
    password = _password(password_stdin)
    with transaction():
        staffing.set_password(chain_id, person.id, password, by=author(), now=utc_now())
    click.echo(say(CHANGED, login=person.login), err=True)


@group.command("disable")
@click.argument("login")
@chain_option
@command
def disable(login: str, chain_slug: str | None) -> None:
    """Let a person in no more."""
    chain_id = chosen_chain(chain_slug).id
    with transaction():
        person = staffing.get_staff_by_login(chain_id, login)
        staffing.disable_staff(chain_id, person.id, by=author(), now=utc_now())
    click.echo(say(DISABLED, login=person.login), err=True)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt(say(PASSWORD), hide_input=True, confirmation_prompt=True, err=True))
