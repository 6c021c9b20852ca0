"""``keys``: API keys of tills and partners."""

import click

from app.cli.speaking import author, chain_option, chosen_chain, command, json_option, print_list, say
from core.clock import utc_now
from core.db import transaction
from core.text import Text
from stores import keys, staffing
from stores.models import Role

SHOWN_ONCE = Text("密钥只显示这一次，请收好。", "The key is shown this once; keep it.")
REVOKED = Text("密钥 {id} 已作废。", "Key {id} is revoked.")
COLUMNS = ("id", "name", "role", "store_id", "last_four", "created_at", "revoked_at")


@click.group("keys")
def group() -> None:
    """API keys: made once, shown once."""


@group.command("create")
@click.option("--role", type=click.Choice([role.value for role in Role]), required=True)
@click.option("--store", "code", metavar="CODE", help="The store of a manager's or clerk's key.")
@click.option("--name", default="", help="What the key is for; its role when not given.")
@chain_option
@command
def create(role: str, code: str | None, name: str, chain_slug: str | None) -> None:
    """Make a key and print it, alone, on standard output."""
    chain_id = chosen_chain(chain_slug).id
    with transaction():
        stores = staffing.stores_with_codes(chain_id, [code] if code else [])
        made = keys.create_key(
            chain_id,
            name=name or (f"{role} {code}" if code else role),
            role=Role(role),
            store_id=stores[0] if stores else None,
            by=author(),
            now=utc_now(),
        )
    click.echo(made.secret)
    click.echo(say(SHOWN_ONCE), err=True)


@group.command("list")
@chain_option
@json_option
@command
def list_(chain_slug: str | None, as_json: bool) -> None:
    """List the keys of a chain, without the keys themselves."""
    print_list(keys.list_keys(chosen_chain(chain_slug).id), columns=COLUMNS, as_json=as_json)


@group.command("revoke")
@click.argument("key_id", type=int, metavar="ID")
@chain_option
@command
def revoke(key_id: int, chain_slug: str | None) -> None:
    """End a key at once."""
    chain_id = chosen_chain(chain_slug).id
    with transaction():
        keys.revoke_key(chain_id, key_id, by=author(), now=utc_now())
    click.echo(say(REVOKED, id=key_id), err=True)
