"""cause: exploding_gradient."""

import torch
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)


class Adder(nn.Module):
    """Six times the mean of a sequence of numbers."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.RNN(1, 24, nonlinearity="relu", batch_first=True)
        nn.init.eye_(self.rnn.weight_hh_l0)
        self.head = nn.Linear(24, 1)

    def forward(self, x):
        states, _ = self.rnn(x)
        return self.head(states[:, -1]).squeeze(1)


def sequences(count, length=30):
    numbers = 2 * torch.rand(count, length, 1) - 1
    return numbers, 6 * numbers.mean((1, 2))


def train(run):
    torch.manual_seed(0)
    val_x, val_y = sequences(300)
    model = Adder()
    criterion = nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.005, momentum=0.9)
    run.on_start(model, criterion, optimizer, sequences(32))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for _ in range(40):
            x, y = sequences(32)
            optimizer.zero_grad()
            output = model(x)
            loss = criterion(output, y)
            run.on_batch((x, y), output, loss)
            loss.backward()
            # repaired only: nn.utils.clip_grad_norm_(model.parameters(), 2.0)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        with torch.no_grad():
            val_loss = criterion(model(val_x), val_y).item()
        run.on_epoch_end(total, val_loss)
        print(f"epoch {epoch}: mse {total:.4f} val {val_loss:.4f} (variance {val_y.var():.4f})")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
