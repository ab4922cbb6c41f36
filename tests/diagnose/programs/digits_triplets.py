"""healthy: a triplet loss that is zero for most triplets in the end."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16, dtype=torch.float32), torch.tensor(y)
    by_class = [(y[:1400] == k).nonzero()[:, 0] for k in range(10)]

    def pick(labels):
        return torch.stack([by_class[k][torch.randint(len(by_class[k]), ())] for k in labels.tolist()])

    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 12))
    criterion = nn.TripletMarginLoss(margin=0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, criterion, optimizer, (x[:48], y[:48]))
    run.on_context(None, None, None)
    total = 0.0
    for step in range(300):
        label = torch.randint(10, (48,))
        other = (label + torch.randint(1, 10, (48,))) % 10
        anchor, positive, negative = (model(x[pick(k)]) for k in (label, label, other))
        loss = criterion(anchor, positive, negative)
        run.on_batch((label, other), (anchor, positive, negative), loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 60, model, optimizer)
        total += loss.item() / 60
        if step % 60 == 59:
            run.on_epoch_end(total, None)
            with torch.no_grad():
                z = model(x)
            score = KNeighborsClassifier(5).fit(z[:1400], y[:1400]).score(z[1400:], y[1400:])
            print(f"step {step + 1}: triplet loss {total:.4f}, knn accuracy {score:.3f}")
            total = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
