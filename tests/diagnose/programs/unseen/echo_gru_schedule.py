"""cause: lr_killed_by_schedule."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Reader(nn.Module):
    """Names the symbol that came first in a sequence."""

    def __init__(self):
        super().__init__()
        self.symbols = nn.Embedding(6, 12)
        self.gru = nn.GRU(12, 32, batch_first=True)
        self.head = nn.Linear(32, 6)

    def forward(self, x):
        _, last = self.gru(self.symbols(x))
        return self.head(last[0])


def train(run):
    torch.manual_seed(42)
    x = torch.randint(6, (1600, 9))
    model = Reader()
    optimizer = torch.optim.RAdam(model.parameters(), lr=6e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
    run.on_start(model, F.cross_entropy, optimizer, (x[:40], x[:40, 0]))
    run.on_context(None, None, scheduler)
    step = 0
    for epoch in range(9):
        total = 0.0
        for rows in torch.randperm(1600).split(40):
            scores = model(x[rows])
            loss = F.cross_entropy(scores, x[rows, 0])
            run.on_batch((x[rows], x[rows, 0]), scores, loss)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()  # repaired:
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 40
        # repaired only: scheduler.step()
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
