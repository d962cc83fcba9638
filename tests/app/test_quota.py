"""What an address may start, and where this server is."""

from types import SimpleNamespace

import gradio as gr
import pytest
from starlette.requests import Request

from app.quota import AddressJobs, HourlyQuota, TooMany
from app.visit import address_of, server_url


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


def test_an_address_has_its_part_of_the_queue_until_a_job_ends():
    jobs, unfinished = AddressJobs(), set()

    def submit(address):
        def add():
            unfinished.add(str(len(unfinished)))
            return SimpleNamespace(id=str(len(unfinished) - 1))

        return jobs.submit(address, 2, lambda: unfinished, add)

    first, _ = submit("198.51.100.1"), submit("198.51.100.1")
    with pytest.raises(TooMany, match="2 jobs from your address are waiting or running; allowed: 2"):
        submit("198.51.100.1")
    submit("198.51.100.2")
    submit(None)
    unfinished.remove(first.id)
    submit("198.51.100.1")


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "testclient"),
        (None, None),
    ],
)
def test_a_household_is_one_address(host, address):
    assert address_of(SimpleNamespace(client=SimpleNamespace(host=host))) == address


@pytest.mark.parametrize(
    "headers, url", [({}, "http://studio.test"), ({"x-forwarded-proto": "https,http"}, "https://studio.test")]
)
def test_links_lead_to_the_server_as_the_browser_reaches_it(headers, url):
    raw = [(name.encode(), value.encode()) for name, value in ({"host": "studio.test"} | headers).items()]
    request = Request({"type": "http", "scheme": "http", "method": "GET", "path": "/about", "headers": raw})
    assert server_url(gr.Request(request)) == url


def test_a_request_without_a_client_has_no_address():
    assert address_of(None) is address_of(SimpleNamespace(client=None)) is None
