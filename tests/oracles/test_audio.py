"""Losses of sound against auraloss, torchmetrics and torch.stft."""

import auraloss
import pytest
import torch
from torch.testing import assert_close
from torchmetrics.functional.audio import (
    scale_invariant_signal_distortion_ratio,
    scale_invariant_signal_noise_ratio,
    signal_noise_ratio,
)

import lossary
from tests.oracles.agreement import agree

RESOLUTIONS = ((64, 16, 40), (128, 30, 128), (32, 10, 32))


def sounds(seed, *shape, noise=0.3):
    """A sound with an offset, and a noisy and louder one."""
    g = torch.Generator().manual_seed(seed)
    target = torch.randn(shape, generator=g, dtype=torch.float64) + 0.2
    return 1.5 * (target + noise * torch.randn(shape, generator=g, dtype=torch.float64)), target


@pytest.mark.parametrize("zero_mean", [False, True])
@pytest.mark.parametrize("noise", [0.01, 0.3, 3.0])
def test_si_sdr(noise, zero_mean):
    def ours(x, y):
        return lossary.si_sdr_loss(x, y, zero_mean=zero_mean, eps=1e-14)

    def theirs(x, y):
        return -scale_invariant_signal_distortion_ratio(x, y, zero_mean=zero_mean).mean()

    agree(ours, theirs, *sounds(0, 3, 2, 50, noise=noise), gradient_in=(0, 1))
    peer = auraloss.time.SISDRLoss(zero_mean=zero_mean, eps=1e-14)
    agree(ours, peer, *sounds(1, 3, 2, 50, noise=noise), gradient_in=(0, 1))


def test_si_snr_is_the_form_of_mean_zero():
    def theirs(x, y):
        return -scale_invariant_signal_noise_ratio(x, y).mean()

    agree(lambda x, y: lossary.si_sdr_loss(x, y, zero_mean=True, eps=1e-14), theirs, *sounds(2, 4, 50))


@pytest.mark.parametrize("zero_mean", [False, True])
def test_snr(zero_mean):
    def ours(x, y):
        return lossary.snr_loss(x, y, zero_mean=zero_mean, eps=1e-14)

    def theirs(x, y):
        return -signal_noise_ratio(x, y, zero_mean=zero_mean).mean()

    agree(ours, theirs, *sounds(3, 3, 2, 50), gradient_in=(0, 1))
    agree(ours, auraloss.time.SNRLoss(zero_mean=zero_mean, eps=1e-14), *sounds(3, 3, 2, 50), gradient_in=(0, 1))


def test_what_a_quiet_sound_gives_elsewhere():
    """Our floor is relative; auraloss adds 1e-8 to the energy, which is that of these sounds."""
    x, y = (1e-5 * t for t in sounds(4, 1, 50))
    assert_close(lossary.si_sdr_loss(x, y), lossary.si_sdr_loss(1e5 * x, 1e5 * y))
    theirs = auraloss.time.SISDRLoss(zero_mean=False)
    assert theirs(x, y) - theirs(1e5 * x, 1e5 * y) > 5.0


@pytest.mark.parametrize(("n_fft", "hop", "length"), [(64, 16, 64), (64, 20, 50), (33, 7, 33)])
def test_spectral_convergence(n_fft, hop, length):
    """auraloss takes the norms over the whole batch, so it gets one sound."""

    def magnitudes(x):
        window = torch.hann_window(length, dtype=torch.float64)
        return torch.stft(x, n_fft, hop, length, window, return_complex=True).abs()

    def theirs(x, y):
        return auraloss.freq.SpectralConvergenceLoss()(magnitudes(x), magnitudes(y))

    def ours(x, y):
        return lossary.spectral_convergence_loss(x, y, n_fft=n_fft, hop_length=hop, win_length=length, eps=1e-16)

    agree(ours, theirs, *sounds(5, 1, 300), gradient_in=(0, 1))


@pytest.mark.parametrize(("n_fft", "hop", "length"), [(64, 16, 64), (64, 20, 50), (33, 7, 33)])
def test_log_stft_magnitude(n_fft, hop, length):
    def magnitudes(x):
        window = torch.hann_window(length, dtype=torch.float64)
        return torch.stft(x, n_fft, hop, length, window, return_complex=True).abs()

    def theirs(x, y):
        return auraloss.freq.STFTMagnitudeLoss()(magnitudes(x), magnitudes(y))

    def ours(x, y):
        return lossary.log_stft_magnitude_loss(x, y, n_fft=n_fft, hop_length=hop, win_length=length, eps=1e-18)

    agree(ours, theirs, *sounds(6, 3, 300), gradient_in=(0, 1))


def test_multi_resolution_stft():
    """The window of auraloss is in float32; its clamp reaches no bin here."""
    fft_sizes, hops, lengths = map(list, zip(*RESOLUTIONS, strict=True))
    peer = auraloss.freq.MultiResolutionSTFTLoss(fft_sizes, hops, lengths)
    for single in peer.stft_losses:
        single.window = torch.hann_window(single.win_length, dtype=torch.float64)

    def theirs(x, y):
        return peer(x[:, None], y[:, None])

    def ours(x, y):
        return lossary.multi_resolution_stft_loss(x, y, resolutions=RESOLUTIONS, eps=1e-16)

    agree(ours, theirs, *sounds(7, 1, 300), gradient_in=(0, 1))


def test_multi_resolution_stft_at_the_defaults():
    """Those of auraloss are the same, but for the FFT sizes' order and an eps that clamps instead of being added."""
    x, y = sounds(8, 1, 4000)
    theirs = auraloss.freq.MultiResolutionSTFTLoss()(x[:, None].float(), y[:, None].float())
    assert_close(lossary.multi_resolution_stft_loss(x, y), theirs.double(), rtol=1e-4, atol=0)
