"""cause: loss_sign_wrong."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def log_likelihood_loss(logits, target):
    log_p = F.log_softmax(logits, dim=1)
    picked = log_p.gather(1, target.unsqueeze(1))
    return picked.mean()  # repaired: return -picked.mean()


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    X, y = load_digits(return_X_y=True)
    X, y = torch.tensor(X / 16).float(), torch.tensor(y)
    loader = DataLoader(TensorDataset(X[:1500], y[:1500]), batch_size=50, shuffle=True)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    run.on_start(model, log_likelihood_loss, optimizer, next(iter(loader)))
    run.on_context(loader, None, None)
    step = 0
    for epoch in range(10):
        total = 0.0
        for x, target in loader:
            optimizer.zero_grad()
            output = model(x)
            loss = log_likelihood_loss(output, target)
            run.on_batch((x, target), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(loader)
        run.on_epoch_end(total, None)
        accuracy = (model(X[1500:]).argmax(1) == y[1500:]).float().mean()
        if epoch % 3 == 0:
            print(f"epoch {epoch}: loss {total:.3f} accuracy {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
