"""Confidence intervals against tables and against the plain formulas."""

import math
from statistics import stdev, variance

import pytest

from core.intervals import Interval, Sample, mean_interval, newcombe, smallest_shown, student, welch, wilson


def sample(figures):
    return Sample(len(figures), sum(figures), sum(figure * figure for figure in figures))


@pytest.mark.parametrize(
    ("freedom", "table"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (5, 2.571), (10, 2.228), (30, 2.042), (120, 1.980), (1e9, 1.960)],
)  # fmt: skip
def test_students_distribution_is_that_of_the_tables(freedom, table):
    assert student(freedom) == pytest.approx(table, abs=6e-4)


def test_student_falls_smoothly_also_between_whole_degrees():
    values = [student(freedom / 4) for freedom in range(4, 400)]

    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [(0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)  # fmt: skip
def test_wilsons_interval_is_that_of_the_books(hits, tries, low, high):
    assert wilson(hits, tries) == pytest.approx((low, high), abs=1e-4)


def test_a_share_of_nothing_has_no_interval():
    assert wilson(0, 0) is None


def test_the_interval_of_a_mean_is_the_plain_formula():
    figures = [0, 0, 3, 1, 0, 7, 2]

    half = 1.96 * stdev(figures) / math.sqrt(len(figures))
    middle = sum(figures) / len(figures)
    assert mean_interval(sample(figures)) == pytest.approx((middle - half, middle + half), abs=1e-4)
    assert mean_interval(sample([5])) is None


def test_the_difference_of_two_means_is_welchs():
    one, other = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9], [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8]
    one, other = [round(10 * each) for each in one], [round(10 * each) for each in other]
    errors = [variance(each) / len(each) for each in (one, other)]
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / 5 + errors[1] ** 2 / 6)
    middle = sum(one) / 6 - sum(other) / 7

    found = welch(sample(one), sample(other))

    half = student(freedom) * math.sqrt(sum(errors))
    assert found == pytest.approx((middle - half, middle + half))


def test_nothing_is_said_of_too_few_or_of_what_never_varies():
    assert welch(sample([5]), sample([1, 2, 3])) is None
    assert welch(sample([5, 5]), sample([5, 5])) is None


@pytest.mark.parametrize(
    ("interval", "is_shown"), [((-2, 5), False), ((0, 3), False), ((1, 3), True), ((-3, -1), True)]
)
def test_a_difference_is_shown_when_its_interval_leaves_nought_out(interval, is_shown):
    assert Interval(*interval).shows_difference is is_shown


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((0, 10), (0, 10), -0.2775, 0.2775),
    ],
)
def test_the_difference_of_two_shares_is_newcombes(one, other, low, high):
    assert newcombe(one, other) == pytest.approx((low, high), abs=1e-4)
    assert newcombe(other, one) == pytest.approx((-high, -low), abs=1e-4)


def test_a_share_of_nobody_differs_from_none():
    assert newcombe((0, 0), (1, 2)) is None
    assert smallest_shown(0.5, 0, 10) is None
