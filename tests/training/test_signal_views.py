"""Random views of signals, series and sounds: what changes, and what must not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from medfm_cli.data.inputs import AudioInput, SeriesInput, SignalInput
from medfm_cli.training.augmentations import (
    AnyViews,
    AudioViews,
    ImageViews,
    SeriesViews,
    SignalViews,
)
from medfm_cli.training.randomness import StepRandom
from medfm_cli.training.views import draw_view
from medfm_cli.training.views.masking import keep_one, window
from medfm_cli.training.views.signals import known_samples

LEADS, RATE, SECONDS = 4, 50.0, 4.0
ECG = SignalInput(leads=["I", "II", "V1", "V5"], rate=RATE, seconds=SECONDS)
ICU = SeriesInput(variables=["HR", "Temp", "Na"], hours=48, mean=[0.0] * 3, std=[1.0] * 3)
SOUND = AudioInput(rate=4000, seconds=2.0, mels=16, n_fft=256, hop=100)
STILL: dict[str, Any] = {"shift": 0.0, "scale": 0.0}


def _random(step: int = 0, batch: int = 8) -> StepRandom:
    return StepRandom(seed=0, step=step, batch=batch, device=torch.device("cpu"))


def _ecg() -> Tensor:
    """Eight records; the first lacks a lead, the second ends after three quarters."""
    values = torch.randn(8, LEADS, 200, generator=torch.Generator().manual_seed(0))
    values[0, 2] = 0
    values[1, :, 150:] = 0
    return values


def _icu() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    flags = (torch.rand(8, 3, 48, generator=generator) < 0.4).float()
    flags[0, 1:] = 0
    return torch.cat([torch.randn(8, 3, 48, generator=generator) * flags, flags], dim=1)


def _sounds() -> Tensor:
    return torch.randn(8, *SOUND.shape, generator=torch.Generator().manual_seed(0))


def test_what_is_known_of_a_signal() -> None:
    known = known_samples(_ecg())
    assert not known[0, 2].any() and known[0, [0, 1, 3]].all()
    assert not known[1, :, 150:].any() and known[1, :, :150].all()
    assert known[2:].all()


def test_a_lead_that_happens_to_cross_zero_is_still_known() -> None:
    values = _ecg()
    values[3, 1, 40] = 0
    assert known_samples(values)[3, 1, 40]


def test_a_shift_moves_whole_samples_and_brings_in_nothing() -> None:
    batch = _ecg()
    out = draw_view(batch, SignalViews(scale=0.0, shift=0.2), ECG, _random())
    shifts = (200 * 0.2 * (2 * _random().uniform("time", 3)[:, 2] - 1)).round().int().tolist()
    assert min(shifts) < 0 < max(shifts)
    for view, record, shift in zip(out, batch, shifts, strict=True):
        expected = torch.zeros_like(record)
        if shift >= 0:
            expected[:, : 200 - shift] = record[:, shift:]
        else:
            expected[:, -shift:] = record[:, :shift]
        assert torch.equal(view, expected)


def test_a_crop_is_linear_interpolation_in_scipy() -> None:
    batch = _ecg()[2:]
    random = _random(batch=6)
    out = draw_view(batch, SignalViews(**STILL, crop=[0.5, 0.8]), ECG, random)
    for view, record, draw in zip(out, batch, random.uniform("time", 3).tolist(), strict=True):
        part = 0.5 + 0.3 * draw[0]
        places = 200 * draw[1] * (1 - part) + part * (np.arange(200) + 0.5) - 0.5
        for lead, samples in zip(view.numpy(), record.numpy(), strict=True):
            expected = map_coordinates(samples, [places], order=1, mode="nearest")
            assert np.allclose(lead, expected, atol=1e-3)


def test_scaling_keeps_the_proportions_of_the_leads() -> None:
    batch = _ecg()
    out = draw_view(batch, SignalViews(shift=0.0, scale=0.3), ECG, _random())
    factor = 1 + 0.3 * (2 * _random().uniform("scale") - 1)
    assert torch.allclose(out, batch * factor.view(-1, 1, 1))
    assert factor.min() < 0.9 < 1.1 < factor.max()


@pytest.mark.parametrize("change", [{"noise": 0.5}, {"wander": 0.5}])
def test_noise_and_wander_leave_alone_what_is_not_known(change: dict[str, float]) -> None:
    batch = _ecg()
    out = draw_view(batch, SignalViews(**STILL, **change), ECG, _random())
    known = known_samples(batch)
    assert (out[~known] == 0).all()
    assert (out != batch)[known].float().mean() > 0.99


def test_noise_is_as_strong_as_drawn() -> None:
    values = _ecg().repeat(1, 1, 20)[2:]
    random = _random(batch=6)
    out = draw_view(values, SignalViews(**STILL, noise=0.4), ECG, random)
    strength = 0.4 * random.uniform("noise", 2)[:, 0]
    assert torch.allclose((out - values).std(dim=(1, 2)), strength, rtol=0.05)


def test_wander_is_one_slow_wave_a_lead() -> None:
    batch = _ecg()[2:]
    random = _random(batch=6)
    wave = draw_view(batch, SignalViews(**STILL, wander=0.5), ECG, random) - batch
    hertz = 0.05 + 0.45 * random.uniform("wander hz")
    time = np.arange(200) / RATE
    for lead, frequency in zip(wave[:, 1].numpy(), hertz.tolist(), strict=True):
        turns = 2 * math.pi * frequency * time
        basis = np.stack([np.sin(turns), np.cos(turns)], axis=1)
        weights, residual, *_ = np.linalg.lstsq(basis, lead, rcond=None)
        assert float(residual.sum()) < 1e-6
        assert 0 < np.hypot(*weights) <= 0.5


def test_dropped_leads_are_zero_and_one_that_was_there_stays() -> None:
    batch = _ecg().repeat(25, 1, 1)
    out = draw_view(batch, SignalViews(**STILL, drop=0.5), ECG, _random(batch=200))
    there = (out != 0).any(dim=2)
    assert there.any(dim=1).all()
    assert torch.equal(out[there], batch[there])
    full = there[2:8].float().mean()
    assert 0.4 < full < 0.7
    alone = draw_view(batch, SignalViews(**STILL, drop=1.0), ECG, _random(batch=200))
    assert ((alone != 0).any(dim=2).sum(dim=1) == 1).all()


def test_a_mask_takes_away_one_piece_of_all_leads() -> None:
    batch = _ecg()[2:]
    out = draw_view(batch, SignalViews(**STILL, mask=0.3), ECG, _random(batch=6))
    gone = (out == 0).all(dim=1)
    assert torch.equal(out[~gone[:, None].expand_as(out)], batch[~gone[:, None].expand_as(out)])
    assert gone.sum(dim=1).max() <= 60
    assert (gone.int().diff(dim=1).abs().sum(dim=1) <= 2).all()


def test_windows_have_every_length_and_lie_inside() -> None:
    hidden = window(torch.rand(4000, 2), 10, 0.3)
    assert hidden.sum(dim=1).unique().tolist() == [0, 1, 2, 3]
    assert hidden.any(dim=0).all()
    edge = torch.tensor([[0.999999, 0.999999]])
    assert window(edge, 10, 0.3)[0].tolist() == [False] * 7 + [True] * 3


def test_the_channel_that_stays_is_one_that_is_there() -> None:
    there = torch.zeros(50, 6, dtype=torch.bool)
    there[:, 2] = True
    assert keep_one(torch.rand(50, 6), there, 1.0)[:, 2].all()


def test_values_and_flags_of_a_series_agree() -> None:
    batch = _icu()
    out = draw_view(batch, SeriesViews(drop=0.3, mask=0.4, jitter=0.5), ICU, _random())
    (values, flags), (before, measured) = out.chunk(2, dim=1), batch.chunk(2, dim=1)
    assert set(flags.unique().tolist()) == {0.0, 1.0}
    assert (values[flags == 0] == 0).all()
    assert (flags <= measured).all() and flags.sum() < measured.sum()
    assert (values != before)[flags == 1].all()
    assert (flags[0, 0].sum() > 0) or measured[0, 0].sum() == 0  # its only variable


def test_a_dropped_variable_is_gone_for_all_time() -> None:
    batch = _icu().repeat(20, 1, 1)
    out = draw_view(batch, SeriesViews(drop=0.5), ICU, _random(batch=160))
    left = out[:, 3:].sum(dim=2)
    assert ((left == 0) | (left == batch[:, 3:].sum(dim=2))).all()
    assert (left.sum(dim=1) > 0).all()
    assert (left[1:8] == 0).any()


def test_without_jitter_what_is_left_is_what_was_measured() -> None:
    batch = _icu()
    out = draw_view(batch, SeriesViews(drop=0.3, mask=0.4), ICU, _random())
    kept = out[:, 3:] == 1
    assert torch.equal(out[:, :3][kept], batch[:, :3][kept])


def test_a_sound_is_rolled_in_time() -> None:
    batch = _sounds()
    out = draw_view(batch, AudioViews(shift=0.5), SOUND, _random())
    frames = SOUND.shape[2]
    shifts = (0.5 * (2 * _random().uniform("shift") - 1) * frames).round().int().tolist()
    for view, sound, shift in zip(out, batch, shifts, strict=True):
        assert torch.equal(view, sound.roll(-shift, dims=2))


def test_gain_is_in_decibels_and_stops_at_silence() -> None:
    batch = 3 * _sounds()
    batch = batch.clamp(min=-2.0)  # silence: −80 dB, with mean −40 and deviation 20
    out = draw_view(batch, AudioViews(shift=0.0, gain=6.0), SOUND, _random())
    decibels = 6 * (2 * _random().uniform("gain") - 1)
    expected = (20 * batch - 40 + decibels.view(-1, 1, 1, 1)).clamp(min=-80)
    assert torch.allclose(20 * out - 40, expected, atol=1e-4)


def test_masks_of_a_sound_are_bands_and_pieces_of_zeros() -> None:
    batch = _sounds()
    views = AudioViews(shift=0.0, time_masks=2, time_mask=0.2, mel_masks=1, mel_mask=0.3)
    out = draw_view(batch, views, SOUND, _random())
    gone = out == 0
    time = gone.all(dim=2, keepdim=True)
    pitch = gone.all(dim=3, keepdim=True)
    assert torch.equal(gone, (time | pitch).expand_as(gone))
    assert torch.equal(out[~gone], batch[~gone])
    assert 0 < time.sum() <= 8 * 2 * 16 and 0 < pitch.sum() <= 8 * 4


EVERYTHING = [
    (
        _ecg,
        ECG,
        SignalViews(crop=[0.8, 1.0], scale=0.2, noise=0.1, wander=0.2, drop=0.2, mask=0.2),
    ),
    (_icu, ICU, SeriesViews(drop=0.3, mask=0.3, jitter=0.1)),
    (_sounds, SOUND, AudioViews(gain=6.0, time_masks=2, mel_masks=2)),
]


@pytest.mark.parametrize(("make", "preprocessing", "views"), EVERYTHING)
def test_depends_on_step_and_name_and_not_on_how_the_batch_is_split(
    make: Any, preprocessing: Any, views: AnyViews
) -> None:
    batch = make()
    before = batch.clone()

    def view(part: slice = slice(0, 8), step: int = 0, name: str = "") -> Tensor:
        random = _random(step).part(part.start, part.stop)
        return draw_view(batch[part], views, preprocessing, random, name=name)

    whole = view()
    assert whole.shape == batch.shape and whole.dtype == torch.float32
    assert torch.equal(whole, view())
    assert torch.allclose(whole, torch.cat([view(slice(0, 3)), view(slice(3, 8))]), atol=1e-5)
    assert not torch.equal(whole, view(step=1))
    assert not torch.equal(whole, view(name="second"))
    assert torch.equal(batch, before)


def test_views_of_another_kind_are_no_views_of_these() -> None:
    with pytest.raises(ValueError, match="image for inputs of kind signal"):
        draw_view(_ecg(), ImageViews(), ECG, _random())
    with pytest.raises(ValueError, match="for images"):
        draw_view(_ecg(), SignalViews(), ECG, _random(), size=10)
