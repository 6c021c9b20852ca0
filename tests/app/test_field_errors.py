"""Errors of fields in the reader's language."""

from typing import Any

import pytest
from marshmallow import Schema, ValidationError, fields, validate

from app.field_errors import SENTENCES, said


class Everything(Schema):
    """A field of each kind, with what may be asked of it."""

    name = fields.String(required=True, validate=[validate.Length(1, 5), validate.ContainsNoneOf("\0")])
    short = fields.String(validate=validate.Length(min=3))
    long = fields.String(validate=validate.Length(max=3))
    exact = fields.String(validate=validate.Length(equal=3))
    state = fields.String(validate=validate.OneOf(["open", "closed"]))
    states = fields.List(fields.String(), validate=validate.ContainsOnly(["open", "closed"]))
    code = fields.String(validate=validate.Regexp("[a-z]+$"))
    count = fields.Integer(strict=True, validate=validate.Range(1, 9))
    least = fields.Integer(validate=validate.Range(min=1))
    most = fields.Integer(validate=validate.Range(max=9))
    above = fields.Float(validate=validate.Range(min=0, min_inclusive=False))
    share = fields.Float(validate=validate.Range(0, 1, min_inclusive=False))
    below = fields.Float(validate=validate.Range(max=1, max_inclusive=False))
    is_on = fields.Boolean()
    at = fields.AwareDateTime(format="iso")
    day = fields.Date()
    more = fields.Dict()
    same = fields.Integer(validate=validate.Equal(3))


def refused(**sent: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as refusal:
        Everything().load({"name": "Ada"} | sent)
    errors: dict[str, list[str]] = refusal.value.normalized_messages()
    return errors


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "不能为空。"),
    ({"name": ""}, "长度应在 1 到 5 之间。"),
    ({"name": "a\0"}, "含有不能使用的字符。"),
    ({"name": 3}, "应为文字。"),
    ({"short": "ab"}, "太短，至少 3。"),
    ({"long": "abcd"}, "太长，最多 3。"),
    ({"exact": "ab"}, "长度应为 3。"),
    ({"state": "ajar"}, "应为以下之一：open, closed。"),
    ({"states": ["ajar"]}, "有的选项不在其中：open, closed。"),
    ({"states": "open"}, "应为列表。"),
    ({"code": "A"}, "格式不对。"),
    ({"count": 0}, "应在 1 到 9 之间。"),
    ({"count": "one"}, "应为整数。"),
    ({"least": 0}, "应不小于 1。"),
    ({"most": 10}, "应不大于 9。"),
    ({"above": 0}, "应大于 0。"),
    ({"above": "much"}, "应为数字。"),
    ({"above": "nan"}, "不能是 NaN 或无穷大。"),
    ({"share": 2}, "应大于 0，不大于 1。"),
    ({"below": 1}, "应小于 1。"),
    ({"is_on": "perhaps"}, "应为 true 或 false。"),
    ({"at": "soon"}, "应为日期和时间，如 2026-10-01T08:00:00+08:00。"),
    ({"at": "2026-10-01T08:00:00"}, "应为带时区的日期和时间，如 2026-10-01T08:00:00+08:00。"),
    ({"day": "soon"}, "应为日期，如 2026-10-01。"),
    ({"more": []}, "应为对象。"),
    ({"same": 4}, "应等于 3。"),
    ({"else": 1}, "没有这个字段。"),
]


@pytest.mark.parametrize(("sent", "expected"), WRONG)
def test_an_error_is_said_in_the_readers_language(sent, expected):
    errors = refused(**sent)

    assert list(said(errors, "zh").values()) == [[expected]]
    assert said(errors, "en") == errors


def test_a_field_that_is_missing_is_named_in_chinese():
    with pytest.raises(ValidationError) as refusal:
        Everything().load({})
    assert said(refusal.value.messages, "zh") == {"name": ["必填。"]}


def test_errors_within_lists_and_objects_are_said_too():
    nested = {"lines": {0: {"quantity": ["Not a valid integer."]}}, "_schema": ["Invalid input type."]}
    assert said(nested, "zh") == {"lines": {0: {"quantity": ["应为整数。"]}}, "_schema": ["类型不对。"]}


def test_what_nobody_translated_stays_as_it_is():
    assert said({"name": ["Quite unheard of."], "more": [3]}, "zh") == {"name": ["Quite unheard of."], "more": [3]}


def test_no_sentence_hides_another():
    """Each is found by its own shape first."""
    for sentence in SENTENCES:
        values = {name: name for name in ("min", "max", "equal", "other", "choices", "values")}
        assert said([sentence.en.format(**values)], "zh") == [sentence.zh.format(**values)]
