"""cause: gradients_never_zeroed."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(1, 24, batch_first=True)
        self.head = nn.Linear(24, 1)

    def forward(self, x):
        return self.head(self.rnn(x)[1][-1]).squeeze(1)


def train(run):
    torch.manual_seed(63)
    x = torch.randint(2, (1200, 10, 1)).float()
    y = x.sum((1, 2)) / 2.5 - 2
    model = Counter()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
    run.on_start(model, F.mse_loss, optimizer, (x[:24], y[:24]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(5):
        total = 0.0
        for rows in torch.randperm(1200).split(24):
            # repaired only: model.zero_grad()
            guess = model(x[rows])
            loss = F.mse_loss(guess, y[rows])
            run.on_batch((x[rows], y[rows]), guess, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 50
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
