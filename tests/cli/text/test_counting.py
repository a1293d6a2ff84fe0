"""Warnings that are given once."""

import logging

import pytest

from rnnsearch.cli.text.counting import summed_up
from rnnsearch.evaluation import translating


def warn(count: int, longest: int = 5) -> None:
    translating.logger.warning("sources of more than %d tokens are cut: %d", longest, count)


def test_counts_are_summed_up_by_what_they_say(caplog: pytest.LogCaptureFixture) -> None:
    with summed_up():
        warn(2)
        warn(40)
        warn(3, longest=7)
        translating.logger.error("something else")
        assert [record.getMessage() for record in caplog.records] == ["something else"]
    assert [record.getMessage() for record in caplog.records[1:]] == [
        "sources of more than 5 tokens are cut: 42",
        "sources of more than 7 tokens are cut: 3",
    ]
    assert {record.levelno for record in caplog.records[1:]} == {logging.WARNING}
    warn(1)
    assert caplog.records[-1].getMessage() == "sources of more than 5 tokens are cut: 1"


def test_they_are_given_when_the_command_fails_too(caplog: pytest.LogCaptureFixture) -> None:
    def interrupted() -> None:
        with summed_up():
            warn(2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [record.getMessage() for record in caplog.records] == ["sources of more than 5 tokens are cut: 2"]
    assert translating.logger.filters == []


def test_nothing_is_said_where_nothing_was(caplog: pytest.LogCaptureFixture) -> None:
    with summed_up():
        pass
    assert caplog.records == []
