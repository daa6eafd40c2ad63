"""Inputs of every kind: values against formulas written out once more, and what is refused."""

from __future__ import annotations

import math
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from medfm_cli.data.inputs import (
    AnyInput,
    AudioInput,
    Preprocessing,
    SeriesInput,
    SignalInput,
    VolumeInput,
)
from medfm_cli.data.inputs.signal import STANDARD, plain_lead
from medfm_cli.data.preprocess import fit
from medfm_cli.errors import DataError
from medfm_cli.models.inputs import normalise
from medfm_cli.samples.content import Audio, Content, Image2D, Series, Signal, Volume

ANY: TypeAdapter[Any] = TypeAdapter(AnyInput)
SIGNAL = SignalInput(leads=["I", "II"], rate=100, seconds=2, standardise="none")
SERIES = SeriesInput(variables=["HR", "pH"], hours=4, mean=[80.0, 7.4], std=[10.0, 0.1])
AUDIO = AudioInput(rate=4000, seconds=1, mels=32, n_fft=256, hop=40)
VOLUME = VolumeInput(size=16, depths=[4, 8])
CT = VolumeInput(size=16, depths=[4, 8], window=[-160.0, 240.0])
IMAGE = Preprocessing(size=16)


def ramp(rate: float, seconds: float, **names: Any) -> Signal:
    """Two leads in mV: a slow sine, and a faster one."""
    at = np.arange(round(rate * seconds)) / rate
    waves = np.stack([np.sin(2 * np.pi * at), 2 * np.sin(6 * np.pi * at)]).astype(np.float32)
    values = {"channels": ("I", "II"), "units": ("mV", "mV")} | names
    return Signal(waves, rate, **values)


def ball(depth: int, side: int, *, unit: str = "", dtype: Any = np.int16) -> Volume:
    """A bright ball in the dark, with noise."""
    place = np.stack(
        np.meshgrid(*(np.linspace(-1, 1, n) for n in (depth, side, side)), indexing="ij")
    )
    inside = (place**2).sum(axis=0) < 0.5
    noise = np.random.default_rng(1).normal(0, 5, inside.shape)
    return Volume((np.where(inside, 60, -1000) + noise).astype(dtype), (3.0, 1.0, 1.0), unit)


SAMPLES: list[tuple[Any, Content]] = [
    (IMAGE, Image2D(np.arange(20 * 24, dtype=np.uint8).reshape(20, 24))),
    (VOLUME, ball(9, 20)),
    (VOLUME, Image2D(np.arange(20 * 24, dtype=np.uint8).reshape(20, 24))),
    (CT, ball(9, 20, unit="HU")),
    (SIGNAL, ramp(250, 3)),
    (SERIES, Series(np.float32([[80, 90]]), np.array([0.5, 1.5]), ("HR",))),
    (AUDIO, Audio(np.random.default_rng(0).normal(0, 0.1, (1, 5000)).astype(np.float32), 4000)),
]


@pytest.mark.parametrize(("wanted", "content"), SAMPLES)
def test_what_is_fitted_has_the_shape_and_numbers_that_are_told(
    wanted: Any, content: Content
) -> None:
    values = wanted.fit(content)
    assert values.dtype == np.dtype(wanted.dtype)
    assert values.shape == wanted.shape_of(content.kind, content.array.shape)
    np.testing.assert_array_equal(values, wanted.fit(content))
    network = normalise(torch.from_numpy(values)[None], wanted)
    assert (network.dtype, network.shape[1:]) == (torch.float32, values.shape)
    assert network.isfinite().all()


@pytest.mark.parametrize("wanted", [IMAGE, VOLUME, CT, SIGNAL, SERIES, AUDIO])
def test_an_input_survives_json_and_pickle(wanted: Any) -> None:
    assert ANY.validate_json(wanted.model_dump_json()) == wanted
    assert pickle.loads(pickle.dumps(wanted)) == wanted  # noqa: S301 (a worker gets it so)


def test_an_input_of_before_there_were_kinds_is_of_images() -> None:
    assert ANY.validate_json('{"size": 32, "channels": 3}') == Preprocessing(size=32, channels=3)


@pytest.mark.parametrize(
    ("wanted", "content"),
    [(wanted, content) for wanted, _ in SAMPLES for _, content in SAMPLES],
)
def test_samples_of_another_kind_are_refused(wanted: Any, content: Content) -> None:
    flat = wanted.kind == "volume" and content.kind == "image"  # a volume of the smallest depth
    if content.kind == wanted.kind or flat:
        wanted.fit(content)
        return
    with pytest.raises(DataError, match=f"of kind {content.kind}, and the network takes"):
        wanted.fit(content)


# Signals


def test_leads_are_found_by_name_and_become_millivolts() -> None:
    signal = ramp(100, 2, channels=("ecg lead ii", "MDC_ECG_LEAD_I"), units=("uV", "V"))
    fitted = SIGNAL.fit(signal)
    np.testing.assert_allclose(fitted[1], signal.values[0] * 1e-3, rtol=1e-6)
    np.testing.assert_allclose(fitted[0], signal.values[1] * 1e3, rtol=1e-6)


def test_a_lead_that_is_missing_is_zero_also_when_standardised() -> None:
    wanted = SignalInput(leads=list(STANDARD), rate=100, seconds=2)
    fitted = wanted.fit(ramp(100, 2))
    assert not fitted[2:].any()
    there = fitted[:2]
    assert there.mean() == pytest.approx(0, abs=1e-6)
    assert there.std() == pytest.approx(1, abs=1e-5)
    assert there[1].std() == pytest.approx(2 * there[0].std(), rel=1e-3), "proportions are kept"


def test_each_lead_may_be_standardised_alone() -> None:
    wanted = SIGNAL.model_copy(update={"standardise": "lead"})
    assert wanted.fit(ramp(100, 2)).std(axis=1).tolist() == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize("rate", [50, 128, 250, 360, 1000, 257])
def test_a_slow_wave_survives_another_rate(rate: float) -> None:
    at = np.arange(200) / 100
    fitted = SIGNAL.fit(ramp(rate, 2))
    inner = slice(20, -20)
    np.testing.assert_allclose(fitted[0, inner], np.sin(2 * np.pi * at)[inner], atol=0.02)


def test_what_is_too_fast_for_the_new_rate_is_gone_not_folded() -> None:
    at = np.arange(2000) / 1000
    fast = np.sin(2 * np.pi * 90 * at).astype(np.float32)[None]
    fitted = SIGNAL.fit(Signal(fast, 1000.0, ("I",)))
    assert np.abs(fitted[0, 10:-10]).max() < 0.02
    assert np.abs(fast[0, ::10]).max() > 0.5, "every tenth sample would be a false slow wave"


def test_the_middle_is_taken_and_the_end_filled_with_zeros() -> None:
    long, short = ramp(100, 5), ramp(100, 1.5)
    np.testing.assert_allclose(SIGNAL.fit(long), long.values[:, 150:350])
    fitted = SIGNAL.fit(short)
    np.testing.assert_allclose(fitted[:, :150], short.values)
    assert not fitted[:, 150:].any()


def test_invalid_samples_and_flat_records_are_zero() -> None:
    signal = ramp(100, 2)
    signal.values[0, 20:30] = np.nan
    assert not SIGNAL.fit(signal)[0, 20:30].any()
    flat = Signal(np.full((2, 200), 0.3, np.float32), 100.0, ("I", "II"))
    for how in ("record", "lead"):
        assert not SIGNAL.model_copy(update={"standardise": how}).fit(flat).any()


def test_a_record_without_any_of_the_leads_is_refused() -> None:
    with pytest.raises(DataError, match="none of the leads I, II: it holds PLETH, RESP"):
        SIGNAL.fit(ramp(100, 2, channels=("PLETH", "RESP")))


def test_the_names_of_leads() -> None:
    names = ("aVR", "AVR", "Lead aVR", "MDC_ECG_LEAD_AVR", "ecg_lead_avr ")
    assert {plain_lead(name) for name in names} == {"AVR"}


# Series


def test_an_hour_holds_the_mean_of_what_was_measured_in_it() -> None:
    times = np.array([0.0, 0.2, 1.0, 1.99, 4.0, 5.0, -1.0])
    pulse = [70, 90, 60, np.nan, 100, 500, 500]
    acid = [np.nan, np.nan, 7.5, 7.3, np.nan, 7, 7]
    values = np.float32([acid, pulse, np.ones(7)])
    fitted = SERIES.fit(Series(values, times, ("pH", "HR", "other")))
    expected = [
        [0.0, -2.0, 0.0, 2.0],  # 80, 60, none, 100 at the very end
        [0.0, 0.0, 0.0, 0.0],  # none, 7.4, none, none
        [1, 1, 0, 1],
        [0, 1, 0, 0],
    ]
    np.testing.assert_allclose(fitted, expected, atol=1e-5)


def test_a_variable_that_a_stay_lacks_is_not_observed() -> None:
    fitted = SERIES.fit(Series(np.float32([[80]]), np.array([2.0]), ("HR",)))
    assert fitted[3].tolist() == [0, 0, 0, 0]
    with pytest.raises(DataError, match="none of the variables"):
        SERIES.fit(Series(np.float32([[80]]), np.array([2.0]), ("Temp",)))


def test_an_absurd_value_is_brought_to_the_limit() -> None:
    fitted = SERIES.fit(Series(np.float32([[735]]), np.array([2.0]), ("pH",)))
    assert fitted[1, 2] == SERIES.limit == 10


@given(st.integers(0, 10**6))
def test_the_grid_does_not_depend_on_how_measurements_are_spread_over_columns(seed: int) -> None:
    generator = np.random.default_rng(seed)
    times = np.sort(generator.uniform(0, 4, 12))
    values = generator.normal(80, 10, (2, 12)).astype(np.float32)
    together = SERIES.fit(Series(values, times, ("HR", "pH")))
    apart = np.full((2, 24), np.nan, np.float32)
    apart[0, ::2], apart[1, 1::2] = values
    split = SERIES.fit(Series(apart, np.repeat(times, 2), ("HR", "pH")))
    np.testing.assert_allclose(together, split, atol=1e-5)


# Sound


def test_the_spectrogram_is_that_of_scipy_under_mel_filters_written_out() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 4000).astype(np.float32)
    padded = np.pad(sound.astype(np.float64), 128, mode="reflect")
    how = {"nperseg": 256, "noverlap": 216, "boundary": None, "padded": False}
    transform = scipy.signal.stft(padded, window="hann", **how)[2][:, :100]
    power = np.abs(transform * scipy.signal.get_window("hann", 256).sum()) ** 2
    mels = np.linspace(hertz_to_mel(20), hertz_to_mel(2000), 34)
    corners = [700 * (10 ** (m / 2595) - 1) for m in mels]
    filters = np.zeros((32, 129))
    for band, (left, peak, right) in enumerate(
        zip(corners, corners[1:], corners[2:], strict=False)
    ):
        for bin_ in range(129):
            at = bin_ * 4000 / 256
            if left < at <= peak:
                filters[band, bin_] = (at - left) / (peak - left)
            elif peak < at < right:
                filters[band, bin_] = (right - at) / (right - peak)
    decibels = 10 * np.log10(filters @ power)
    expected = np.maximum(decibels - decibels.max(), -80)
    found = AUDIO.decibels(Audio(sound[None], 4000.0))
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_allclose(
        AUDIO.fit(Audio(sound[None], 4000.0))[0], (found + 40) / 20, atol=1e-5
    )


def hertz_to_mel(frequency: float) -> float:
    return 2595 * math.log10(1 + frequency / 700)


def test_a_tone_lies_in_its_band_whatever_its_gain_rate_and_channels() -> None:
    def tone(rate: int, gain: float) -> np.ndarray:
        at = np.arange(rate) / rate
        return (gain * np.sin(2 * np.pi * 440 * at)).astype(np.float32)

    sounds = [
        Audio(tone(4000, 0.5)[None], 4000.0),
        Audio(tone(4000, 0.01)[None], 4000.0),
        Audio(tone(44100, 0.5)[None], 44100.0),
        Audio(np.stack([tone(8000, 0.2), tone(8000, 0.6)]), 8000.0),
    ]
    mels = np.linspace(hertz_to_mel(20), hertz_to_mel(2000), 34)
    band = int(np.argmin(np.abs(mels[1:-1] - hertz_to_mel(440))))
    for sound in sounds:
        assert AUDIO.decibels(sound)[:, 20:80].mean(axis=1).argmax() == band


def test_a_short_sound_is_repeated_and_of_a_long_one_the_middle_taken() -> None:
    sound = np.random.default_rng(0).normal(0, 0.1, 400).astype(np.float32)
    found = AUDIO.decibels(Audio(sound[None], 4000.0))
    np.testing.assert_allclose(found[:, 10:20], found[:, 30:40], atol=1e-2)
    long = np.random.default_rng(1).normal(0, 0.1, 12000).astype(np.float32)
    whole, middle = (AUDIO.decibels(Audio(s[None], 4000.0)) for s in (long, long[4000:8000]))
    np.testing.assert_array_equal(whole, middle)


def test_silence_is_finite_and_nothing_is_refused() -> None:
    assert np.isfinite(AUDIO.fit(Audio(np.zeros((1, 4000), np.float32), 4000.0))).all()
    with pytest.raises(DataError, match="empty"):
        AUDIO.fit(Audio(np.zeros((1, 0), np.float32), 4000.0))


def test_bands_that_no_frequency_falls_into_are_refused() -> None:
    with pytest.raises(ValidationError, match="128 bands are too many"):
        AudioInput(rate=4000, seconds=1, mels=128, n_fft=128, hop=40)


# Volumes


def test_a_picture_is_the_flattest_volume() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30), dtype=np.uint8)
    fitted = VOLUME.fit(Image2D(pixels))
    assert fitted.shape == (1, 4, 16, 16)
    for plane in fitted[0]:
        np.testing.assert_array_equal(plane, fit(pixels, 16, 1)[0])


@pytest.mark.parametrize(("depth", "expected"), [(2, 4), (6, 4), (7, 8), (100, 8)])
def test_a_volume_gets_the_nearest_depth(depth: int, expected: int) -> None:
    assert VOLUME.fit(ball(depth, 20)).shape == (1, expected, 16, 16)
    assert VOLUME.shape_of("volume", (depth, 20, 20)) == (1, expected, 16, 16)
    assert VOLUME.shape == (1, 8, 16, 16)


def test_ct_stays_in_hounsfield_units_until_it_is_windowed() -> None:
    fitted = CT.fit(ball(8, 16, unit="HU"))
    assert fitted.dtype == np.int16
    np.testing.assert_array_equal(fitted[0], ball(8, 16).voxels.clip(-1024, 3071))
    network = normalise(torch.from_numpy(fitted)[None], CT).numpy()[0]
    expected = (((fitted + 160.0) / 400.0).clip(0, 1) - 0.5) / 0.5
    np.testing.assert_allclose(network, expected, atol=1e-6)


def test_what_is_no_ct_is_spread_over_the_window() -> None:
    for content in (ball(9, 20), Image2D(ball(9, 20).voxels[4].clip(0, 60).astype(np.uint8))):
        greys = normalise(torch.from_numpy(VOLUME.fit(content))[None], VOLUME)
        spread = normalise(torch.from_numpy(CT.fit(content))[None], CT)
        assert (greys - spread).abs().max() <= 2 * 0.5 / 255 + 1e-6


def test_values_outside_the_scanner_are_air() -> None:
    voxels = np.float32(ball(8, 16).voxels)
    voxels[0], voxels[1] = np.nan, -3024
    fitted = CT.fit(Volume(voxels, None, "HU"))
    assert fitted.min() == -1024


def test_colour_is_the_last_axis_of_a_volume_and_the_first_of_an_input() -> None:
    voxels = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    three = VolumeInput(size=16, depths=[4], channels=3).fit(Volume(voxels))
    np.testing.assert_array_equal(three, voxels.transpose(3, 0, 1, 2))
    one = VolumeInput(size=16, depths=[4]).fit(Volume(voxels))
    np.testing.assert_allclose(one[0], voxels.mean(axis=-1), atol=0.51)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"window": [240.0, -160.0]}, "a window is"),
        ({"window": [-5000.0, 0.0]}, "a window is"),
        ({"depths": [8, 4]}, "depths are"),
        ({"depths": [0, 4]}, "depths are"),
    ],
)
def test_a_volume_that_makes_no_sense_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        VolumeInput(**({"size": 16, "depths": [4]} | values))
