"""cause: contrastive_collapse."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

torch.set_num_threads(1)


class SimSiam(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 32))
        self.predictor = nn.Sequential(nn.Linear(32, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 32))

    def forward(self, x):
        z = self.encoder(x)
        return z, self.predictor(z)


def loss_fn(p, z):
    z = z  # repaired: z = z.detach()
    return -F.cosine_similarity(p, z).mean()


def augment(x):
    return x + 0.2 * torch.randn_like(x)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x = torch.tensor(x / 16, dtype=torch.float32)
    model = SimSiam()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    run.on_start(model, loss_fn, optimizer, (augment(x[:100]), augment(x[:100])))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(10):
        model.train()
        total = 0.0
        for idx in torch.randperm(1400).split(100):
            first, second = augment(x[idx]), augment(x[idx])
            (z1, p1), (z2, p2) = model(first), model(second)
            loss = loss_fn(p1, z2) / 2 + loss_fn(p2, z1) / 2
            run.on_batch((first, second), (z1, z2), loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 14
        run.on_epoch_end(total, None)
        if epoch % 3 == 0:
            model.eval()
            with torch.no_grad():
                z = F.normalize(model.encoder(x), dim=1)
            knn = KNeighborsClassifier(5).fit(z[:1400], y[:1400]).score(z[1400:], y[1400:])
            print(f"epoch {epoch}: loss {total:.3f}, std of embeddings {z.std(0).mean():.3f}, knn accuracy {knn:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
