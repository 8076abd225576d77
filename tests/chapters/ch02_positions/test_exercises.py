"""Chapter 02's exercises: any correct way passes, and the answers by heart are those of the room."""

import torch

from course_lib.course.exercises import get_exercise, judge
from course_lib.foundations.positions import shift_matrix, sinusoidal, wave_frequencies


def test_the_room_passes_in_both_precisions():
    exercise = get_exercise("02-positions-2")
    for dtype in (torch.float32, torch.float64):
        assert judge(exercise, lambda n, d, base, dtype=dtype: sinusoidal(n, d, base, dtype)).passed
    assert judge(get_exercise("02-positions-4"), shift_matrix).passed


def test_the_length_by_heart_is_that_of_the_room():
    length = sinusoidal(38, 512, dtype=torch.float64)[37].norm()
    assert abs(float(length) - get_exercise("02-positions-1").solution) < 1e-9


def test_the_number_of_finished_turns_is_that_of_the_frequencies():
    wavelength = 2 * torch.pi / wave_frequencies(16)
    assert int((wavelength <= 64).sum()) == get_exercise("02-positions-3").solution


def test_an_offset_found_by_trying_every_shift_passes():
    def by_search(a, b, base):
        shifts = range(-99, 100)
        return min(shifts, key=lambda k: float((shift_matrix(k, len(a), base) @ a.double() - b.double()).norm()))

    assert judge(get_exercise("02-positions-5"), by_search).passed
