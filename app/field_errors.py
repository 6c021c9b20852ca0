"""What Marshmallow says of a field, in the reader's language; it speaks English alone.

Its sentences are known by their shape, since it fills in the numbers itself.
"""

import re
from typing import Any

from core.text import Text

SENTENCES = (
    Text("必填。", "Missing data for required field."),
    Text("不能为空。", "Field may not be null."),
    Text("没有这个字段。", "Unknown field."),
    Text("这个值不行。", "Invalid value."),
    Text("这个值不行。", "Invalid input."),
    Text("类型不对。", "Invalid type."),
    Text("类型不对。", "Invalid input type."),
    Text("应为列表。", "Not a valid list."),
    Text("应为对象。", "Not a valid mapping type."),
    Text("应为文字。", "Not a valid string."),
    Text("应为 UTF-8 文字。", "Not a valid utf-8 string."),
    Text("应为数字。", "Not a valid number."),
    Text("数字太大。", "Number too large."),
    Text("应为整数。", "Not a valid integer."),
    Text("不能是 NaN 或无穷大。", "Special numeric values (nan or infinity) are not permitted."),
    Text("应为 true 或 false。", "Not a valid boolean."),
    Text("应为日期，如 2026-10-01。", "Not a valid date."),
    Text("应为时间。", "Not a valid time."),
    Text("应为日期和时间，如 2026-10-01T08:00:00+08:00。", "Not a valid datetime."),
    Text("应为带时区的日期和时间，如 2026-10-01T08:00:00+08:00。", "Not a valid aware datetime."),
    Text("应为网址。", "Not a valid URL."),
    Text("应为邮箱地址。", "Not a valid email address."),
    Text("应为以下之一：{choices}。", "Must be one of: {choices}."),
    Text("有的选项不在其中：{choices}。", "One or more of the choices you made was not in: {choices}."),
    Text("含有不能使用的字符。", "One or more of the choices you made was in: {values}."),
    Text("应在 {min} 到 {max} 之间。", "Must be greater than or equal to {min} and less than or equal to {max}."),
    Text("应大于 {min}，不大于 {max}。", "Must be greater than {min} and less than or equal to {max}."),
    Text("应不小于 {min}，小于 {max}。", "Must be greater than or equal to {min} and less than {max}."),
    Text("应大于 {min}，小于 {max}。", "Must be greater than {min} and less than {max}."),
    Text("应不小于 {min}。", "Must be greater than or equal to {min}."),
    Text("应大于 {min}。", "Must be greater than {min}."),
    Text("应不大于 {max}。", "Must be less than or equal to {max}."),
    Text("应小于 {max}。", "Must be less than {max}."),
    Text("太短，至少 {min}。", "Shorter than minimum length {min}."),
    Text("太长，最多 {max}。", "Longer than maximum length {max}."),
    Text("长度应在 {min} 到 {max} 之间。", "Length must be between {min} and {max}."),
    Text("长度应为 {equal}。", "Length must be {equal}."),
    Text("应等于 {other}。", "Must be equal to {other}."),
    Text("格式不对。", "String does not match expected pattern."),
    Text("应为如 14:00 的时间。", "Write a time such as 14:00."),
    Text("应为 IP 地址。", "Not an IP address."),
    Text("请写明要改什么。", "Say what changes."),
)


def _shape(sentence: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.*)", re.escape(sentence)), re.DOTALL)


SHAPES = tuple((_shape(sentence.en), sentence) for sentence in SENTENCES)


def said(messages: Any, language: str) -> Any:
    """Errors as Marshmallow nests them, each sentence for a reader of ``language``; one it may not know stays."""
    if isinstance(messages, dict):
        return {field: said(inner, language) for field, inner in messages.items()}
    if isinstance(messages, list):
        return [said(inner, language) for inner in messages]
    for shape, sentence in SHAPES:
        if isinstance(messages, str) and (found := shape.fullmatch(messages)):
            return sentence.say(language, **found.groupdict())
    return messages
