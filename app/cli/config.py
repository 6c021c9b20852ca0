"""``config``: the settings of this installation and where each comes from."""

import json
from dataclasses import fields

import click
from flask import current_app
from flask.cli import with_appcontext

from app.cli.speaking import json_option, show_list
from app.config import Settings, masked, sources


@click.command("config")
@json_option
@with_appcontext
def group(as_json: bool) -> None:
    """Print every setting with its source; secrets are masked."""
    settings: Settings = current_app.extensions["settings"]
    source = sources()
    shown = {
        field.name.upper(): {
            "value": masked(field.name, getattr(settings, field.name)),
            "source": source[field.name],
        }
        for field in fields(Settings)
    }
    if as_json:
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    rows = ({"setting": name, **one} for name, one in shown.items())
    show_list(rows, columns=("setting", "value", "source"), as_json=False)
