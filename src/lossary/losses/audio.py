"""Losses for sound, from waveforms."""

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import Unpack

from lossary.core import Card, LossInputError, PairLoss, Positive, PositiveInt, Reduce, Waveform, loss, reduce

__all__ = [
    "LogSTFTMagnitudeLoss", "MultiResolutionSTFTLoss", "SISDRLoss", "SNRLoss", "SpectralConvergenceLoss",
    "log_stft_magnitude_loss", "multi_resolution_stft_loss", "si_sdr_loss", "snr_loss", "spectral_convergence_loss",
]  # fmt: skip

Resolution = tuple[PositiveInt, PositiveInt, PositiveInt]
"""Size of the FFT, distance between frames, length of the window."""

_RESOLUTIONS: tuple[Resolution, ...] = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))
"""Yamamoto 2020, table 1."""


@loss(
    Card(
        task="audio",
        inputs=[Waveform("*n t"), Waveform("*n t")],
        values="*n",
        claims={"scale_invariant", "symmetric"},
        formula=r"-10 \log_{10} \frac{\|\alpha s\|^2}{\|\alpha s - x\|^2}, \quad"
                r" \alpha = \frac{\langle x, s \rangle}{\|s\|^2}",
        source="arXiv:1811.02508 (SI-SDR)",
        settings=[{"zero_mean": True}, {"eps": 1e-3}],
        good_at={"relative errors"},
        bad_at={"perceptual quality"},
        known_as=("SI-SDR", "SI-SNR", "SI-SDR / SI-SNR", "scale-invariant SDR",
                  "scale-invariant signal-to-distortion ratio"),
        elsewhere={
            "auraloss": "SISDRLoss; zero_mean is True by default; eps is added to energies, so quiet sounds differ",
            "torchmetrics": "scale_invariant_signal_distortion_ratio is its negative; eps is added to energies; "
                            "scale_invariant_signal_noise_ratio has zero_mean=True",
        },
    )
)  # fmt: skip
def si_sdr_loss(
    prediction: Tensor, target: Tensor, *, zero_mean: bool = False, eps: Positive = 1e-8, **how: Unpack[Reduce]
) -> Tensor:
    r"""Negative scale-invariant signal-to-distortion ratio, in decibels: how well the target fits when scaled at best.

    Loudness and polarity of the prediction don't count. ``eps`` is a share of its energy, and bounds the value: within
    80 decibels of 0 by default. Where target or prediction is silent the value is the worst, without a gradient.

    Args:
        prediction: Waveforms, ``(*n, t)``.
        target: The same shape.
        zero_mean: Whether to remove the mean over ``t`` first: SI-SNR.
        eps: Bounds the ratio, to between ``eps`` and ``1 / eps``.

    >>> target = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
    >>> noise = torch.tensor([[0.1, 0.1, -0.1, -0.1]])  # orthogonal, a tenth of the amplitude: 20 decibels below
    >>> round(si_sdr_loss(5.0 * (target + noise), target).item(), 3)
    -20.0
    """
    if zero_mean:
        prediction, target = (x - x.mean(-1, keepdim=True) for x in (prediction, target))
    energy = _energy(target)
    scale = (prediction * target).sum(-1) / torch.where(energy == 0, 1.0, energy)
    fitted = scale.unsqueeze(-1) * target
    floor = eps * _energy(prediction)
    silent = (energy == 0) | (floor == 0)
    noise = torch.where(silent, 1.0 + eps, _energy(prediction - fitted) + floor)
    signal = torch.where(silent, eps, _energy(fitted) + floor)
    return reduce(_decibels(noise, signal), **how)


class SISDRLoss(PairLoss, of=si_sdr_loss):
    """Module form of :func:`si_sdr_loss`."""

    zero_mean: bool = False
    eps: Positive = 1e-8


@loss(
    Card(
        task="audio",
        inputs=[Waveform("*n t"), Waveform("*n t")],
        values="*n",
        claims={"scale_invariant"},
        formula=r"-10 \log_{10} \frac{\|s\|^2}{\|s - x\|^2}",
        source="arXiv:1811.02508 (SNR)",
        settings=[{"zero_mean": True}, {"eps": 1e-3}],
        good_at={"relative errors"},
        bad_at={"perceptual quality"},
        known_as=("SNR", "SDR", "signal-to-noise ratio", "signal-to-distortion ratio"),
        elsewhere={
            "auraloss": "SNRLoss; zero_mean is True by default; eps is added to energies",
            "torchmetrics": "signal_noise_ratio is its negative; signal_distortion_ratio is that of BSSEval, which "
                            "forgives a filter of 512 taps",
        },
    )
)  # fmt: skip
def snr_loss(
    prediction: Tensor, target: Tensor, *, zero_mean: bool = False, eps: Positive = 1e-8, **how: Unpack[Reduce]
) -> Tensor:
    """Negative signal-to-noise ratio, in decibels: the energy of the error against that of the target.

    Unlike in :func:`si_sdr_loss` loudness counts. ``eps`` is a share of the energy of both signals, and bounds the
    value: within about 80 decibels of 0 by default. Where target or prediction is silent the value hardly depends on
    the other, and the gradient is next to 0; where both are it is 0.

    Args:
        prediction: Waveforms, ``(*n, t)``.
        target: The same shape.
        zero_mean: Whether to remove the mean over ``t`` first.
        eps: Bounds the ratio, to between about ``eps`` and ``1 / eps``.

    >>> target = torch.tensor([[1.0, -1.0, 1.0, -1.0]])
    >>> round(snr_loss(1.1 * target, target).item(), 3)
    -20.0
    """
    if zero_mean:
        prediction, target = (x - x.mean(-1, keepdim=True) for x in (prediction, target))
    floor = eps * (_energy(prediction) + _energy(target))
    noise = torch.where(floor == 0, 1.0, _energy(prediction - target) + floor)
    signal = torch.where(floor == 0, 1.0, _energy(target) + floor)
    return reduce(_decibels(noise, signal), **how)


class SNRLoss(PairLoss, of=snr_loss):
    """Module form of :func:`snr_loss`."""

    zero_mean: bool = False
    eps: Positive = 1e-8


@loss(
    Card(
        task="audio",
        inputs=[Waveform("*n t"), Waveform("*n t")],
        values="*n",
        claims={"nonnegative", "zero_at_target"},
        formula=r"\frac{\big\| |S| - |X| \big\|_F}{\| S \|_F}, \quad S = \mathrm{STFT}(s),\ X = \mathrm{STFT}(x)",
        source="arXiv:1910.11480, eq. 4",
        settings=[{"n_fft": 16, "hop_length": 4, "win_length": 6, "eps": 1e-3}],
        sizes={"*n": (2,), "t": (130,)},
        good_at={"large errors", "relative errors"},
        bad_at={"small errors"},
        known_as=("spectral convergence",),
        elsewhere={"auraloss": "SpectralConvergenceLoss of magnitudes; the same value"},
    )
)  # fmt: skip
def spectral_convergence_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    n_fft: PositiveInt = 1024,
    hop_length: PositiveInt = 256,
    win_length: PositiveInt | None = None,
    eps: Positive = 1e-8,
    **how: Unpack[Reduce],
) -> Tensor:
    """Relative error of the magnitudes of the short-time Fourier transform: it weighs the loud parts.

    The phase does not count. Against a silent target the value is huge but finite.

    Args:
        prediction: Waveforms, ``(*n, t)``. A signal shorter than half an FFT is reflected as often as needed.
        target: The same shape.
        n_fft: Size of the FFT.
        hop_length: Distance between frames.
        win_length: Length of the Hann window, at most ``n_fft``; ``None`` for ``n_fft``.
        eps: Added to the power of each bin, so that silence has a gradient.

    Raises:
        LossInputError: if ``win_length`` is above ``n_fft``.

    >>> round(spectral_convergence_loss(0.5 * torch.ones(1, 400), torch.ones(1, 400), n_fft=64).item(), 3)
    0.5
    """
    x, s = _magnitudes("spectral_convergence_loss", prediction, target, (n_fft, hop_length, win_length), eps)
    return reduce(_spectral_convergence(x, s), **how)


class SpectralConvergenceLoss(PairLoss, of=spectral_convergence_loss):
    """Module form of :func:`spectral_convergence_loss`."""

    n_fft: PositiveInt = 1024
    hop_length: PositiveInt = 256
    win_length: PositiveInt | None = None
    eps: Positive = 1e-8


@loss(
    Card(
        task="audio",
        inputs=[Waveform("*n t"), Waveform("*n t")],
        values="*n",
        claims={"nonnegative", "zero_at_target", "symmetric"},
        formula=r"\frac1N \big\| \log |S| - \log |X| \big\|_1, \quad S = \mathrm{STFT}(s),\ X = \mathrm{STFT}(x)",
        source="arXiv:1910.11480, eq. 5",
        settings=[{"n_fft": 16, "hop_length": 4, "win_length": 6, "eps": 1e-3}],
        sizes={"*n": (2,), "t": (130,)},
        good_at={"small errors", "relative errors"},
        known_as=("log STFT magnitude", "(log-)STFT magnitude", "log-magnitude STFT loss"),
        elsewhere={"auraloss": "STFTMagnitudeLoss of magnitudes, which STFTLoss clamps at the root of eps; log=True"},
    )
)  # fmt: skip
def log_stft_magnitude_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    n_fft: PositiveInt = 1024,
    hop_length: PositiveInt = 256,
    win_length: PositiveInt | None = None,
    eps: Positive = 1e-8,
    **how: Unpack[Reduce],
) -> Tensor:
    """Mean absolute difference of the logarithms of the magnitudes of the short-time Fourier transform.

    Quiet parts count as much as loud ones, the phase does not.

    Args:
        prediction: Waveforms, ``(*n, t)``. A signal shorter than half an FFT is reflected as often as needed.
        target: The same shape.
        n_fft: Size of the FFT.
        hop_length: Distance between frames.
        win_length: Length of the Hann window, at most ``n_fft``; ``None`` for ``n_fft``.
        eps: Added to the power of each bin: what is quieter than its root hardly counts.

    Raises:
        LossInputError: if ``win_length`` is above ``n_fft``.

    >>> signal = torch.sin(torch.arange(400.0) ** 1.3).unsqueeze(0)
    >>> round(log_stft_magnitude_loss(0.5 * signal, signal, n_fft=64, eps=1e-12).item(), 3)  # log 2
    0.693
    """
    x, s = _magnitudes("log_stft_magnitude_loss", prediction, target, (n_fft, hop_length, win_length), eps)
    return reduce(_log_distance(x, s), **how)


class LogSTFTMagnitudeLoss(PairLoss, of=log_stft_magnitude_loss):
    """Module form of :func:`log_stft_magnitude_loss`."""

    n_fft: PositiveInt = 1024
    hop_length: PositiveInt = 256
    win_length: PositiveInt | None = None
    eps: Positive = 1e-8


@loss(
    Card(
        task="audio",
        inputs=[Waveform("*n t"), Waveform("*n t")],
        values="*n",
        claims={"nonnegative", "zero_at_target"},
        formula=r"\frac1M \sum_{m=1}^M L_\mathrm{sc}^{(m)} + L_\mathrm{mag}^{(m)}",
        source="arXiv:1910.11480, eq. 6",
        settings=[{"resolutions": ((16, 4, 12), (8, 2, 8)), "eps": 1e-3}],
        sizes={"*n": (2,), "t": (20,)},
        good_at={"perceptual quality", "multi-scale structure"},
        bad_at={"speed"},
        known_as=("multi-resolution STFT", "MR-STFT", "multi-resolution STFT (incl. random, sum/diff)"),
        elsewhere={
            "auraloss": "MultiResolutionSTFTLoss; clamps powers at eps instead of adding it",
            "Parallel WaveGAN": "MultiResolutionSTFTLoss; gives the two parts apart; clamps powers at 1e-7",
        },
    )
)  # fmt: skip
def multi_resolution_stft_loss(
    prediction: Tensor,
    target: Tensor,
    *,
    resolutions: tuple[Resolution, ...] = _RESOLUTIONS,
    eps: Positive = 1e-8,
    **how: Unpack[Reduce],
) -> Tensor:
    """Spectral convergence plus log-magnitude distance, averaged over Fourier transforms of several resolutions.

    No single trade of time against frequency can be overfitted. See :func:`spectral_convergence_loss` and
    :func:`log_stft_magnitude_loss`.

    Args:
        prediction: Waveforms, ``(*n, t)``. A signal shorter than half an FFT is reflected as often as needed.
        target: The same shape.
        resolutions: For each: size of the FFT, distance between frames, length of the Hann window.
        eps: Added to the power of each bin: what is quieter than its root hardly counts.

    Raises:
        LossInputError: if there is no resolution, or a window is longer than its FFT.

    >>> signal = torch.sin(torch.arange(400.0) ** 1.3).unsqueeze(0)
    >>> resolutions = ((64, 16, 64), (32, 8, 32))
    >>> round(multi_resolution_stft_loss(0.5 * signal, signal, resolutions=resolutions, eps=1e-12).item(), 3)
    1.193
    """
    if any(len(resolution) != 3 for resolution in resolutions):
        raise LossInputError(
            "multi_resolution_stft_loss: `resolutions` must be triples (n_fft, hop_length, win_length), "
            f"got {resolutions!r}."
        )
    total: Tensor | float = 0.0
    for resolution in resolutions:
        x, s = _magnitudes("multi_resolution_stft_loss", prediction, target, resolution, eps)
        total = total + _spectral_convergence(x, s) + _log_distance(x, s)
    return reduce(torch.as_tensor(total) / len(resolutions), **how)


class MultiResolutionSTFTLoss(PairLoss, of=multi_resolution_stft_loss):
    """Module form of :func:`multi_resolution_stft_loss`."""

    resolutions: tuple[Resolution, ...] = _RESOLUTIONS
    eps: Positive = 1e-8


def _energy(x: Tensor) -> Tensor:
    return x.square().sum(-1)


def _decibels(noise: Tensor, signal: Tensor) -> Tensor:
    return 10.0 * (torch.log10(noise) - torch.log10(signal))


def _magnitudes(
    owner: str, prediction: Tensor, target: Tensor, resolution: tuple[int, int, int | None], eps: float
) -> tuple[Tensor, Tensor]:
    """Magnitudes of both short-time Fourier transforms, ``(*n, frames, bins)``, with a floor that keeps them smooth."""
    n_fft, hop_length, win_length = resolution
    win_length = n_fft if win_length is None else win_length
    if win_length > n_fft:
        raise LossInputError(f"{owner}: `win_length` must be at most `n_fft`, {n_fft}, got {win_length}.")
    if not prediction.shape[-1]:
        raise LossInputError(f"{owner}: `prediction` must have at least one sample of sound, got none.")
    window = torch.hann_window(win_length, dtype=prediction.dtype, device=prediction.device)
    left = (n_fft - win_length) // 2
    window = F.pad(window, (left, n_fft - win_length - left))
    found = []
    for x in (prediction, target):
        frames = _reflected(x, n_fft // 2).unfold(-1, n_fft, hop_length)
        found.append((_power(frames * window) + eps).sqrt())
    return found[0], found[1]


def _power(frames: Tensor) -> Tensor:
    if not frames.numel():  # the FFT refuses an empty batch
        return frames.narrow(-1, 0, frames.shape[-1] // 2 + 1)
    spectrum: Tensor = torch.view_as_real(torch.fft.rfft(frames))
    return spectrum.square().sum(-1)


def _reflected(x: Tensor, width: int) -> Tensor:
    """``x`` continued by its reflection on both sides, again and again where it is shorter than ``width``.

    So frames are centred as in ``torch.stft``, which refuses short signals.
    """
    t = x.shape[-1]
    period = max(2 * (t - 1), 1)
    at = torch.arange(-width, t + width, device=x.device).remainder(period)
    return x.index_select(-1, torch.minimum(at, period - at) if t > 1 else torch.zeros_like(at))


def _spectral_convergence(x: Tensor, s: Tensor) -> Tensor:
    error, size = (torch.linalg.vector_norm(t, dim=(-2, -1)) for t in (s - x, s))
    return torch.div(error, size)


def _log_distance(x: Tensor, s: Tensor) -> Tensor:
    return (torch.log(s) - torch.log(x)).abs().mean((-2, -1))
