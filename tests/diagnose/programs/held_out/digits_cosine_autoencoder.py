"""cause: loss_sign_wrong."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn


def cosine_loss(output, target):
    similarity = F.cosine_similarity(output, target, dim=1)
    return similarity.mean()  # repaired: return 1 - similarity.mean()


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X = torch.tensor(load_digits().data).float() / 16
    X = X - X.mean(0)
    train_X, test_X = X[:1500], X[1500:]
    encoder = nn.Sequential(nn.Linear(64, 32), nn.ELU(), nn.Linear(32, 8), nn.ELU())
    model = nn.Sequential(encoder, nn.Linear(8, 32), nn.ELU(), nn.Linear(32, 64))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
    run.on_start(model, cosine_loss, optimizer, (train_X[:50], train_X[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for x in train_X[torch.randperm(1500)].split(50):
            output = model(x)
            loss = cosine_loss(output, x)
            run.on_batch((x, x), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        with torch.no_grad():
            output = model(test_X)
        run.on_epoch_end(total, cosine_loss(output, test_X).item())
        if epoch % 3 == 0:
            similarity = F.cosine_similarity(output, test_X).mean()
            print(f"epoch {epoch}: loss {total:.3f}, similarity of reconstructions {similarity:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
