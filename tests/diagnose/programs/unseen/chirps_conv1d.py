"""cause: lr_too_low."""

import torch
from nobody import Nobody
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


def chirps(count, length=48):
    """Tones of four pitches with any phase, in noise."""
    kind = torch.randint(4, (count,))
    time = torch.arange(length) / length
    phase = 6.3 * torch.rand(count, 1)
    wave = torch.sin(2 * torch.pi * (2 + 2 * kind[:, None]) * time + phase)
    return (wave + 0.3 * torch.randn(count, length)).unsqueeze(1), kind


def train(run):
    torch.manual_seed(41)
    loader = DataLoader(TensorDataset(*chirps(1536)), batch_size=64, shuffle=True)
    val_x, val_y = chirps(400)
    model = nn.Sequential(
        nn.Conv1d(1, 12, 7, padding=3), nn.GELU(), nn.MaxPool1d(2),
        nn.Conv1d(12, 24, 5, padding=2), nn.GELU(), nn.AdaptiveMaxPool1d(4), nn.Flatten(), nn.Linear(96, 4),
    )  # fmt: skip
    criterion = nn.CrossEntropyLoss()
    rate = 3e-6  # repaired: rate = 3e-3
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    run.on_start(model, criterion, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(5):
        total = 0.0
        for wave, kind in loader:
            optimizer.zero_grad(set_to_none=False)
            scores = model(wave)
            loss = criterion(scores, kind)
            run.on_batch((wave, kind), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        with torch.no_grad():
            scores = model(val_x)
        run.on_epoch_end(total, criterion(scores, val_y).item())
        print(f"epoch {epoch}: {total:.3f}, accuracy {(scores.argmax(1) == val_y).float().mean():.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
