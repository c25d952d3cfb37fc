import json
import math

import pytest

from hotloop.optim import schedules

CASES = [
    (schedules.constant(0.5), lambda t: 0.5),
    (schedules.linear_decay(1.0, 10), lambda t: max(0.0, 1 - t / 10)),
    (schedules.linear_decay(1.0, 10, final=0.2), lambda t: max(0.2, 1 - 0.8 * t / 10)),
    (schedules.cosine(2.0, 8), lambda t: 1 + math.cos(math.pi * min(t, 8) / 8)),
    (schedules.cosine(2.0, 8, final=1.0), lambda t: 1.5 + 0.5 * math.cos(math.pi * min(t, 8) / 8)),
    (schedules.exponential_decay(1.0, 0.5, 4), lambda t: 0.5 ** (t / 4)),
    (schedules.inverse_time_decay(1.0, 0.5, 4), lambda t: 1 / (1 + 0.5 * t / 4)),
    (schedules.step_decay(1.0, 0.1, 5), lambda t: 0.1 ** (t // 5)),
    (schedules.linear_warmup(0.4, 4), lambda t: 0.4 * min(1, (t + 1) / 4)),
    (
        schedules.linear_warmup(schedules.linear_decay(1.0, 10), 5),
        lambda t: (t + 1) / 5 if t < 5 else max(0.0, 1 - (t - 5) / 10),
    ),
]


@pytest.mark.parametrize(("schedule", "wanted"), CASES)
def test_rates(schedule, wanted):
    for step in range(30):
        assert abs(schedule(step) - wanted(step)) <= 1e-12


@pytest.mark.parametrize(("schedule", "wanted"), CASES)
def test_configs_make_the_schedule_again(schedule, wanted):
    config = json.loads(json.dumps(schedule.config()))
    assert schedules.from_config(config) == schedule


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: schedules.cosine(math.nan, 10), ValueError, r"\[cosine\] initial must be in \[0, inf\), got nan"),
        (lambda: schedules.cosine(-0.1, 10), ValueError, r"\[cosine\] initial"),
        (lambda: schedules.cosine(0.1, 0), ValueError, r"\[cosine\] steps must be at least 1, got 0"),
        (lambda: schedules.linear_decay(0.1, 2.5), TypeError, r"\[linear_decay\] steps must be an integer, got 2.5"),
        (lambda: schedules.step_decay(0.1, 0.5, 0), ValueError, r"\[step_decay\] every"),
        (lambda: schedules.exponential_decay(0.1, math.inf, 1), ValueError, r"\[exponential_decay\] rate"),
        (lambda: schedules.constant("x"), TypeError, r"\[constant\] value must be a number, got 'x'"),
        (lambda: schedules.linear_warmup("x", 3), TypeError, r"\[linear_warmup\] schedule"),
        (lambda: schedules.linear_warmup(0.1, -1), ValueError, r"\[linear_warmup\] steps"),
        (
            lambda: schedules.from_config({"name": "cosin"}),
            ValueError,
            "unknown schedule 'cosin'; did you mean 'cosine'",
        ),
    ],
)
def test_refuses(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_warmup_around_a_plain_function_can_not_be_saved():
    with pytest.raises(TypeError, match="plain function"):
        schedules.linear_warmup(lambda step: 0.1, 3).config()
