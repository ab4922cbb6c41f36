"""Edges of the losses of sound."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close

import lossary
from lossary.core import LossInputError

STFT = [lossary.spectral_convergence_loss, lossary.log_stft_magnitude_loss]


def tone(t=400):
    return torch.sin(torch.arange(float(t)) * 0.3).unsqueeze(0)


def noise(t=400):
    return torch.randn(1, t, generator=torch.Generator().manual_seed(0))


def test_si_sdr_knows_neither_loudness_nor_polarity():
    x, y = tone() + 0.1 * noise(), tone()
    for scale in (-1.0, 1e-4, 1e4):
        assert_close(lossary.si_sdr_loss(scale * x, y), lossary.si_sdr_loss(x, y), rtol=1e-5, atol=0)
    assert lossary.snr_loss(2 * x, y) > lossary.snr_loss(x, y) + 5


def test_a_perfect_prediction_reaches_the_floor():
    assert_close(lossary.si_sdr_loss(3 * tone(), tone(), eps=1e-6), torch.tensor(-60.0), rtol=0, atol=0.1)
    assert_close(lossary.snr_loss(tone(), tone(), eps=5e-7), torch.tensor(-60.0), rtol=0, atol=0.1)


@pytest.mark.parametrize(("x", "y"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_silence_fits_nothing_and_has_no_gradient(x, y):
    prediction = (x * tone()).requires_grad_()
    value = lossary.si_sdr_loss(prediction, y * tone())
    assert_close(value, torch.tensor(80.0))
    assert torch.autograd.grad(value, prediction)[0].abs().max() < 1e-3


def test_an_offset_counts_unless_the_mean_is_removed():
    shifted = tone() + 0.5
    centred = tone() - tone().mean()
    with_offset = lossary.si_sdr_loss(shifted, centred)
    assert with_offset > -10
    assert lossary.si_sdr_loss(shifted, centred, zero_mean=True) < -60


@pytest.mark.parametrize("loss", STFT)
def test_the_phase_does_not_count(loss):
    x = noise(64)
    assert_close(loss(-x, x, n_fft=32, hop_length=8), torch.tensor(0.0))


def test_half_the_amplitude():
    x = noise()
    options = {"n_fft": 64, "hop_length": 16, "eps": 1e-12}
    assert_close(lossary.spectral_convergence_loss(0.5 * x, x, **options), torch.tensor(0.5))
    assert_close(lossary.log_stft_magnitude_loss(0.5 * x, x, **options), torch.tensor(math.log(2.0)))


def test_multi_resolution_is_the_mean_over_resolutions_of_both_parts():
    x, y = noise() + 0.3 * tone(), noise()
    sizes = ((64, 16, 40), (32, 10, 32))
    parts = [loss(x, y, n_fft=n, hop_length=h, win_length=w) for n, h, w in sizes for loss in STFT]
    assert_close(lossary.multi_resolution_stft_loss(x, y, resolutions=sizes), sum(parts) / 2)


def test_frames_are_those_of_torch_where_it_has_them():
    """Reflected at the ends and centred: 400 samples at a hop of 16 are 26 frames."""
    x = noise().double()
    spectrum = torch.stft(x, 64, 16, window=torch.hann_window(64, dtype=torch.float64), return_complex=True)
    assert spectrum.shape[-1] == 26
    wanted = spectrum.abs().log().mean()
    silent = torch.zeros_like(x)
    options = {"n_fft": 64, "hop_length": 16, "eps": 1e-18}
    value = lossary.log_stft_magnitude_loss(x, silent, **options)
    assert_close(value, wanted - 0.5 * math.log(1e-18))


@pytest.mark.parametrize("t", [1, 2, 7])
def test_a_signal_shorter_than_the_window_is_reflected_again_and_again(t):
    """As NumPy pads it: 1 2 3 becomes ... 3 2 1 2 3 2 1 2 3 ..."""
    x = torch.rand(1, t, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    long = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (8, 8)), mode="reflect"))
    window = torch.hann_window(16, dtype=torch.float64)
    frames = torch.fft.rfft(long.unfold(-1, 16, 4) * window).abs()
    other = torch.ones_like(x)
    value = lossary.spectral_convergence_loss(other, x, n_fft=16, hop_length=4, eps=1e-18)
    flat = torch.fft.rfft(window).abs().expand_as(frames)
    assert_close(value, (frames - flat).norm() / frames.norm())


def test_silence_is_finite():
    x = torch.zeros(1, 64, requires_grad=True)
    for loss in (*STFT, lossary.multi_resolution_stft_loss):
        for pair in ((x, noise(64)), (noise(64).requires_grad_(), x.detach())):
            value = loss(*pair)
            assert value.isfinite() and torch.autograd.grad(value, pair[0])[0].isfinite().all()


def test_a_window_fits_its_fft():
    with pytest.raises(LossInputError, match="`win_length` must be at most `n_fft`, 8, got 9"):
        lossary.spectral_convergence_loss(tone(), tone(), n_fft=8, win_length=9)


@pytest.mark.parametrize("resolutions", [(), ((64, 16),), ((64, 0, 64),), ((64, 1.5, 64),)])
def test_resolutions_are_triples(resolutions):
    with pytest.raises(LossInputError, match=r"`resolutions` must be (triples|a tuple)"):
        lossary.multi_resolution_stft_loss(tone(), tone(), resolutions=resolutions)


def test_there_is_sound():
    with pytest.raises(LossInputError, match="at least one sample of sound"):
        lossary.spectral_convergence_loss(torch.zeros(1, 0), torch.zeros(1, 0))
