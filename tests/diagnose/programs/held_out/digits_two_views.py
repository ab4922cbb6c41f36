"""healthy: InfoNCE over a batch, whose loss starts at the logarithm of the batch size."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

torch.set_num_threads(1)


def info_nce(a, b, temperature=0.2):
    logits = F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / temperature
    return F.cross_entropy(logits, torch.arange(len(a)))


def view(x):
    keep = (torch.rand_like(x) > 0.3).float()
    return x * keep + 0.1 * torch.randn_like(x)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x / 16, dtype=torch.float32)
    encoder = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 24))
    optimizer = torch.optim.Adam(encoder.parameters(), lr=2e-3)
    run.on_start(encoder, info_nce, optimizer, (view(x[:128]), view(x[:128])))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(14):
        losses = []
        for idx in torch.randperm(1408).split(128):
            first, second = view(x[idx]), view(x[idx])
            a, b = encoder(first), encoder(second)
            loss = info_nce(a, b)
            run.on_batch((first, second), (a, b), loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, encoder, optimizer)
            step += 1
            losses.append(loss.item())
        run.on_epoch_end(sum(losses) / len(losses), None)
        if epoch % 4 == 1:
            with torch.no_grad():
                z = F.normalize(encoder(x), dim=1)
            score = KNeighborsClassifier(5).fit(z[:1408], y[:1408]).score(z[1408:], y[1408:])
            print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.3f} knn accuracy {score:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
