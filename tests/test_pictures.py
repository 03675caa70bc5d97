"""Test the pictures of an experiment that are made, not shown to us."""

from __future__ import annotations

import numpy as np

from synthesight.people.pictures import pink_noise


def test_the_mask_has_power_that_falls_as_one_over_f():
    noises = [pink_noise(128, np.random.default_rng(seed)) for seed in range(8)]
    power = np.mean([np.abs(np.fft.fft2(each - each.mean())) ** 2 for each in noises], axis=0)
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None])
    band = (frequency > 0.03) & (frequency < 0.4)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[band]), 1)[0]
    assert -1.15 < slope < -0.75  # clipping whitens it a little
    assert noises[0].dtype == np.uint8
    assert abs(np.mean(noises) - 127.5) < 10
