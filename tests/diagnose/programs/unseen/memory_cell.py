"""cause: exploding_gradient; accepts: bad_initialization."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Memory(nn.Module):
    """Says how much more of the numbers of a sequence is marked than not."""

    def __init__(self):
        super().__init__()
        self.take, self.carry = nn.Linear(2, 20), nn.Linear(20, 20, bias=False)
        gain = 1.25  # repaired: gain = 0.99
        nn.init.orthogonal_(self.carry.weight, gain=gain)
        self.head = nn.Linear(20, 1)

    def forward(self, x):
        state = x.new_zeros(len(x), 20)
        for at in range(x.shape[1]):
            state = self.carry(state) + self.take(x[:, at]).tanh()
        return self.head(state)


def marked(count, length=36):
    number = torch.rand(count, length)
    mark = (torch.rand(count, length) < 0.3).float()
    return torch.stack([number, mark], 2), (mark - number).mean(1, keepdim=True) * 4 + 0.8


def train(run):
    torch.manual_seed(47)
    model = Memory()
    optimizer = torch.optim.SGD(model.parameters(), lr=5e-3, momentum=0.9)
    run.on_start(model, F.mse_loss, optimizer, marked(24))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(5):
        total = 0.0
        for _ in range(80):
            x, y = marked(24)
            optimizer.zero_grad()
            guess = model(x)
            loss = F.mse_loss(guess, y)
            run.on_batch((x, y), guess, loss)
            loss.backward()
            # repaired only: nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
