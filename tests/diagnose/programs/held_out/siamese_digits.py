"""cause: contrastive_collapse."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

torch.set_num_threads(1)


def contrastive_loss(distance, same, margin=1.0):
    apart = F.relu(margin - distance).pow(2)
    return (same * distance.pow(2) + (1 - same) * apart).mean()


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    encoder = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
    optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3)

    def draw(count=64):
        first = torch.randint(1400, (count,))
        second = torch.stack([(y[:1400] == y[i]).nonzero()[:, 0][torch.randint(100, ())] for i in first])
        # repaired only: second[::2] = torch.randint(1400, (count // 2,))
        return torch.stack([x[first], x[second]], 1), (y[first] == y[second]).float()

    run.on_start(encoder, contrastive_loss, optimizer, draw())
    run.on_context(None, None, None)
    total = 0.0
    for step in range(300):
        pair, same = draw()
        a, b = encoder(pair[:, 0]), encoder(pair[:, 1])
        distance = (a - b).norm(dim=1)
        loss = contrastive_loss(distance, same)
        run.on_batch((pair, same), (a, b), loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 60, encoder, optimizer)
        total += loss.item() / 60
        if step % 60 == 59:
            with torch.no_grad():
                z = encoder(x)
            spread, z = z.std(0).mean(), z.round(decimals=2)
            knn = KNeighborsClassifier(3).fit(z[:1400], y[:1400]).score(z[1400:], y[1400:])
            run.on_epoch_end(total, None)
            print(f"step {step + 1}: loss {total:.4f} spread {spread:.4f} knn {knn:.3f}")
            total = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
