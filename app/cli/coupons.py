"""``coupons``: printed codes made, taken in, made void; coupons handed out to a list of phones."""

import csv
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from app.cli.importing import dry_run_option, reason_of
from app.cli.speaking import author, chain_option, chosen_chain, command, json_option, say, show_list, terminal_language
from app.reports.cells import cell
from app.reports.code_list import csv_lines
from core.clock import utc_now
from core.db import transaction
from core.text import Text
from coupons import code_import, handing_out, printing
from coupons.code_models import BatchState, CodeBatch
from coupons.errors import BatchNotWhole
from coupons.handing_out import Handed, Outcome
from coupons.offers import get_offer

MOST_TOLD = 1000  # lines in a report; --report has them all
SHOWN = 50  # lines on the screen
COLUMNS = ["id", "offer_id", "name", "kind", "state", "size", "used", "made_at"]
MAKING = Text("券码", "Codes")
READING = Text("读文件", "Reading")
HANDING = Text("发券", "Handing out")
MADE = Text("第 {batch} 批：{size} 个券码，已写入 {file}", "Batch {batch}: {size} codes, written to {file}")
BEGUN = Text(
    "第 {batch} 批。中断了可以继续：coupons codes-continue {batch} --out {file}",
    "Batch {batch}. If this is interrupted: coupons codes-continue {batch} --out {file}",
)
WRITTEN = Text("{count} 个券码，已写入 {file}", "{count} codes, written to {file}")
TAKEN = Text(
    "第 {batch} 批：收下 {accepted}，文件内重复 {duplicate_in_file}，系统里已有 {duplicate_in_chain}，"
    "格式不对 {malformed}",
    "Batch {batch}: accepted {accepted}, twice in the file {duplicate_in_file}, known before {duplicate_in_chain}, "
    "malformed {malformed}",
)
INTERRUPTED = Text(
    "第 {batch} 批没有收完，券码都还不能用。请作废（coupons codes-void {batch}）再导入一次。",
    "Batch {batch} is not whole, and none of its codes works. Void it (coupons codes-void {batch}) and import anew.",
)
VOIDED = Text("作废了 {count} 个没有用过的券码。", "{count} unused codes are void.")
SURE = Text("第 {batch} 批还有 {count} 个没有用过的券码，全部作废？", "Void the {count} unused codes of batch {batch}?")
HANDED = Text(
    "已发 {accepted}，已有 {already_has}，没有这个会员 {unknown_phone}，号码不对 {malformed}，其他原因 {limit}",
    "Given {accepted}, had it {already_has}, no such member {unknown_phone}, no phone {malformed}, other {limit}",
)
DRY_RUN = Text("试运行，没有发券。", "Dry run: nothing was given.")
LINE = Text("  第 {line} 行 {said}：{reason} [{code}]", "  line {line} {said}: {reason} [{code}]")
MORE = Text("  另有 {count} 行，用 --report 写出全部。", "  and {count} more; --report writes them all.")
WORDS = {
    code_import.Problem.MALFORMED: Text("不是 8 到 32 位的字母和数字", "not 8 to 32 letters and digits"),
    code_import.Problem.DUPLICATE_IN_FILE: Text("文件里前面已有", "stood in the file before"),
    code_import.Problem.DUPLICATE_IN_CHAIN: Text("系统里已有", "the chain has it already"),
    Outcome.UNKNOWN_PHONE: Text("没有这个手机号的会员", "no member has this phone"),
    Outcome.ALREADY_HAS: Text("已经领过", "has it already"),
    Outcome.LIMIT: Text("没有发出", "not given"),
}
NO_PHONE = Text("不是手机号", "no phone number")
NO_FOLDER = Text("不能写入文件夹 {folder}", "the folder {folder} cannot be written to")


def _with_folder(_context: click.Context, _option: click.Parameter, file: Path | None) -> Path | None:
    """Refuse a place where nothing can be written before anything is done."""
    if file is not None and not os.access(file.resolve().parent, os.W_OK):
        raise click.BadParameter(say(NO_FOLDER, folder=file.resolve().parent))
    return file


csv_file = click.Path(dir_okay=False, path_type=Path)
out_option = click.option(
    "--out", type=csv_file, required=True, callback=_with_folder, help="The CSV to write the codes to."
)
report_option = click.option(
    "--report", type=csv_file, callback=_with_folder, help="A CSV for every line that was not accepted."
)
name_option = click.option("--name", default="", help="What the batch is called; the offer's name when left out.")
offer_argument = click.argument("offer_id", metavar="OFFER", type=click.IntRange(1, 2**63 - 1))
batch_argument = click.argument("batch_id", metavar="BATCH", type=click.IntRange(1, 2**63 - 1))


@click.group("coupons")
def group() -> None:
    """Printed codes, and coupons for a list of phones."""


@group.command("codes-make")
@offer_argument
@click.argument("size", metavar="N", type=click.IntRange(1, printing.MOST_CODES))
@out_option
@name_option
@json_option
@chain_option
@command
def make(offer_id: int, size: int, out: Path, name: str, as_json: bool, chain_slug: str | None) -> None:
    """Make N new codes of an offer and write them to a CSV. None works before all are there."""
    chain = chosen_chain(chain_slug)
    with transaction():
        batch_id = printing.make_batch(chain.id, offer_id, size=size, name=name, by=author(), now=utc_now()).id
    click.echo(say(BEGUN, batch=batch_id, file=out), err=True)
    _finish(chain.id, batch_id, out, as_json)


@group.command("codes-continue")
@batch_argument
@out_option
@json_option
@chain_option
@command
def continue_(batch_id: int, out: Path, as_json: bool, chain_slug: str | None) -> None:
    """Go on with a batch that was interrupted, and write its codes to a CSV."""
    _finish(chosen_chain(chain_slug).id, batch_id, out, as_json)


def _finish(chain_id: int, batch_id: int, out: Path, as_json: bool) -> None:
    batch = printing.get_batch(chain_id, batch_id)
    done = batch.made
    with click.progressbar(length=batch.size, label=say(MAKING), file=sys.stderr) as bar:
        bar.update(done)
        while done < batch.size:
            progress = printing.fill_batch(chain_id, batch_id)
            bar.update(progress.made - done)
            done = progress.made
    batch = _written(chain_id, batch_id, out)
    if as_json:
        click.echo(json.dumps(_described(batch) | {"file": str(out)}, ensure_ascii=False))
    else:
        click.echo(say(MADE, batch=batch.id, size=batch.size, file=out))


@group.command("codes-export")
@batch_argument
@out_option
@chain_option
@command
def export(batch_id: int, out: Path, chain_slug: str | None) -> None:
    """Write the codes of a batch to a CSV once more. The audit tells of it."""
    batch = _written(chosen_chain(chain_slug).id, batch_id, out)
    click.echo(say(WRITTEN, count=batch.made, file=out), err=True)


def _written(chain_id: int, batch_id: int, out: Path) -> CodeBatch:
    """Write the codes; the file is in its place when it is whole."""
    batch = printing.get_batch(chain_id, batch_id)
    if batch.state == BatchState.MAKING:
        raise BatchNotWhole()
    with transaction():
        printing.note_export(batch, by=author(), now=utc_now())
    unfinished = out.with_name(out.name + ".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(batch))
    unfinished.replace(out)
    return batch


@group.command("codes-import")
@offer_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@name_option
@report_option
@json_option
@chain_option
@command
def import_(offer_id: int, file: Path, name: str, report: Path | None, as_json: bool, chain_slug: str | None) -> None:
    """Take in a partner's codes: the first column of each line, 8 to 32 letters and digits.

    Hyphens, spaces and small letters do not matter. A line that is no code, or that the file or the chain had before,
    is left out and reported; the others go in, and work once all are in.
    """
    chain = chosen_chain(chain_slug)
    with transaction():
        batch_id = printing.take_in(chain.id, offer_id, name=name, by=author(), now=utc_now()).id
    counts = code_import.Counts()
    told: list[code_import.Refused] = []
    with _lines_to(report, ["line", "text", "problem"]) as write:

        def tell(refused: code_import.Refused) -> None:
            write([refused.line, cell(refused.text), str(refused.problem)])
            if len(told) < MOST_TOLD:
                told.append(refused)

        try:
            with file.open("rb") as stream, _progress(file) as bar:
                for so_far in code_import.import_codes(chain.id, batch_id, stream, tell=tell, now=utc_now()):
                    counts = so_far
                    bar.update(stream.tell() - bar.pos)
        except BaseException:
            click.echo(say(INTERRUPTED, batch=batch_id), err=True)
            raise
    batch = printing.get_batch(chain.id, batch_id)
    if as_json:
        lines = [{"line": line.line, "text": line.text, "problem": str(line.problem)} for line in told]
        click.echo(json.dumps(_described(batch) | counts._asdict() | {"refused": lines}, ensure_ascii=False, indent=2))
        return
    click.echo(say(TAKEN, batch=batch_id, **counts._asdict()))
    for line in told[:SHOWN]:
        click.echo(say(LINE, line=line.line, said=line.text, reason=say(WORDS[line.problem]), code=line.problem))
    _tell_more(sum(counts[1:]))


@group.command("codes-void")
@batch_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@chain_option
@command
def void(batch_id: int, yes: bool, as_json: bool, chain_slug: str | None) -> None:
    """Let no unused code of a batch work any more. Coupons that came of its codes stay."""
    chain = chosen_chain(chain_slug)
    batch = printing.get_batch(chain.id, batch_id)
    unused = batch.made - printing.count_used([batch_id])[batch_id]
    if not yes:
        click.confirm(say(SURE, batch=batch_id, count=unused), abort=True, err=True)
    gone = printing.void_batch(chain.id, batch_id, by=author(), now=utc_now())
    if as_json:
        click.echo(json.dumps({"id": batch_id, "state": "void", "voided": gone}))
    else:
        click.echo(say(VOIDED, count=gone))


@group.command("codes-list")
@click.option("--offer", "offer_id", type=int, help="Of one offer only.")
@json_option
@chain_option
@command
def list_(offer_id: int | None, as_json: bool, chain_slug: str | None) -> None:
    """List the batches of codes, the newest first."""
    lines = printing.list_batches(chosen_chain(chain_slug).id, offer_id)
    rows = [{column: getattr(line.batch, column, line.used) for column in COLUMNS} for line in lines]
    show_list(rows, columns=COLUMNS, as_json=as_json)


@group.command("hand-out")
@offer_argument
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--key", default="", help="Names this handing-out: under one key a phone gets one coupon. Else the file.")
@dry_run_option
@report_option
@json_option
@chain_option
@command
def hand_out(
    offer_id: int, file: Path, key: str, dry_run: bool, report: Path | None, as_json: bool, chain_slug: str | None
) -> None:
    """Give a coupon to every member whose phone stands in a CSV: in the column “phone” or 手机, else in the first.

    Each line is done or not, by itself; the same file handed out again gives nothing again.
    """
    chain = chosen_chain(chain_slug)
    get_offer(chain.id, offer_id)
    key = key or _fingerprint(file)
    counts: Counter[str] = Counter(dict.fromkeys(Outcome, 0))
    told: list[dict[str, Any]] = []
    with (
        _lines_to(report, ["line", "phone", "outcome", "code"]) as write,
        file.open("rb") as stream,
        _progress(file, HANDING) as bar,
    ):
        for line in handing_out.read_phones(stream, currency=chain.currency):
            if dry_run:
                handed = handing_out.foresee(chain.id, offer_id, line, now=utc_now())
            else:
                handed = handing_out.hand_out_batch(chain.id, offer_id, line, key=key, now=utc_now())
            counts[handed.outcome] += 1
            bar.update(stream.tell() - bar.pos)
            if handed.outcome != Outcome.ACCEPTED:
                code = handed.refusal.code if handed.refusal else ""
                write([handed.line, cell(handed.text), str(handed.outcome), code])
                if len(told) < MOST_TOLD:
                    told.append(_line_of(handed))
    if as_json:
        document = {"dry_run": dry_run, "key": key, **counts, "refused": told}
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
        return
    if dry_run:
        click.echo(say(DRY_RUN))
    click.echo(say(HANDED, **counts))
    for each in told[:SHOWN]:
        click.echo(say(LINE, line=each["line"], said=each["text"], reason=each["reason"], code=each["code"]))
    _tell_more(sum(counts.values()) - counts[Outcome.ACCEPTED])


def _line_of(handed: Handed) -> dict[str, Any]:
    """A line that was not given, for the report."""
    line = {"line": handed.line, "text": handed.text, "outcome": str(handed.outcome)}
    if handed.refusal is not None:
        return line | reason_of(handed.refusal)
    words = NO_PHONE if handed.outcome == Outcome.MALFORMED else WORDS[handed.outcome]
    return line | {"code": str(handed.outcome), "reason": words.say(terminal_language()), "reasons": words._asdict()}


def _described(batch: CodeBatch) -> dict[str, Any]:
    return {"id": batch.id, "offer_id": batch.offer_id, "name": batch.name, "state": batch.state, "size": batch.size}


def _fingerprint(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:32]


def _progress(file: Path, label: Text = READING) -> Any:
    """A bar over the bytes of a file, on standard error."""
    return click.progressbar(length=file.stat().st_size, label=say(label), file=sys.stderr)


@contextmanager
def _lines_to(report: Path | None, head: list[str]) -> Iterator[Any]:
    """What writes a line to the report, where one is asked for."""
    if report is None:
        yield lambda row: None
        return
    with report.open("w", encoding="utf-8-sig", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(head)
        yield rows.writerow


def _tell_more(count: int) -> None:
    if count > SHOWN:
        click.echo(say(MORE, count=count - SHOWN))
