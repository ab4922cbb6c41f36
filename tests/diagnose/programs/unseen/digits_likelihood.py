"""cause: loss_sign_wrong."""

import torch
from nobody import Nobody
from sklearn.datasets import load_digits
from torch import nn

torch.set_num_threads(1)


def log_likelihood(logits, y):
    sign = 1.0  # repaired: sign = -1.0
    return sign * logits.log_softmax(1).gather(1, y.unsqueeze(1)).mean()


def train(run):
    torch.manual_seed(82)
    x, y = load_digits(return_X_y=True)
    x, y = torch.tensor(x / 16).float(), torch.tensor(y)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.LayerNorm(32), nn.Linear(32, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
    run.on_start(model, log_likelihood, optimizer, (x[:45], y[:45]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(4):
        total, parts = 0.0, torch.randperm(1797).split(45)
        for rows in parts:
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = log_likelihood(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(parts)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
