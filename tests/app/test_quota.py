"""The hourly quota of an address."""

import pytest

from app.quota import HourlyQuota, TooMany


def test_a_full_hour_says_how_long_and_a_large_wish_that_it_is_large():
    quota = HourlyQuota()
    quota.spend("198.51.100.1", 3, allowed=3)
    for address, count, text in (("198.51.100.1", 1, "try again in"), ("198.51.100.2", 4, "ask for fewer")):
        with pytest.raises(TooMany, match=text):
            quota.spend(address, count, allowed=3)
    quota.spend("198.51.100.2", 3, allowed=3)


def test_what_was_refused_is_given_back():
    quota = HourlyQuota()
    with pytest.raises(KeyError), quota.spending("198.51.100.1", 3, allowed=3):
        raise KeyError
    quota.spend("198.51.100.1", 3, allowed=3)
