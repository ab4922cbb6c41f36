"""healthy: logistic regression on classes that overlap, so that most of the loss has to stay."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


def train(run):
    torch.manual_seed(99)
    x = torch.randn(3000, 6)
    y = torch.bernoulli(torch.sigmoid(0.9 * x[:, 0] - 0.6 * x[:, 1] + 0.2)).unsqueeze(1)
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run.on_start(model, F.binary_cross_entropy_with_logits, optimizer, (x[:30], y[:30]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(4):
        total = 0.0
        for rows in torch.randperm(2400).split(30):
            optimizer.zero_grad()
            logit = model(x[rows])
            loss = F.binary_cross_entropy_with_logits(logit, y[rows])
            run.on_batch((x[rows], y[rows]), logit, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 80
        with torch.no_grad():
            val = F.binary_cross_entropy_with_logits(model(x[2400:]), y[2400:]).item()
        run.on_epoch_end(total, val)
        print(f"epoch {epoch}: {total:.4f} {val:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
