"""Settings of finished pictures in words."""

from types import SimpleNamespace

import pytest

from app.components.details import PRIVATE_LINK, links_html, schedule_text


@pytest.mark.parametrize(
    "schedule, text",
    [
        ({"kind": "half-linear", "ramp_end": 0.5}, "half-linear to 7.5"),
        ({"kind": "half-linear", "ramp_end": 0.3}, "half-linear to 7.5, ramp to 30%"),
        ({"kind": "custom", "points": [[0, 1], [0.5, 6]]}, "custom 0:1 0.5:6"),
        ({"kind": "custom", "points": [[0, 1], [0.4, 1.65], [0.7, 5.88], [1, 7.5]]}, "Late to 7.5"),
        ({"kind": "custom", "points": [[i, 2] for i in range(12)]}, "custom 0:2 1:2 2:2 3:2 4:2 … (12 points)"),
        ({"kind": "constant", "range": [0.2, 0.8]}, "constant to 7.5, from 20% to 80% of the picture"),
    ],
)
def test_a_schedule_is_told_with_all_that_shapes_it(schedule, text):
    assert schedule_text({"schedule": schedule, "scale": 7.5}) == text


@pytest.mark.parametrize("published", [True, False])
def test_who_copies_the_link_of_a_private_picture_reads_who_can_open_it(published):
    services = SimpleNamespace(picture_url=lambda *_, **__: "/media/x")
    made = SimpleNamespace(id="x", image_index=0, published=published, taken_down_reason=None)
    assert (PRIVATE_LINK in links_html(services, made, own=True, numbered=False)) != published
