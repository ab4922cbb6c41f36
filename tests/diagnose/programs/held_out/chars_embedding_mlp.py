"""cause: frozen_parameters."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.svm import SVC
from torch import nn


class NextChar(nn.Module):
    """Predicts a character from the three before it."""

    def __init__(self, vocabulary, width=6):
        super().__init__()
        self.embedding = nn.Embedding.from_pretrained(
            torch.randn(vocabulary, width) * 0.3,
            freeze=True,  # repaired: freeze=False,
        )
        self.hidden = nn.Linear(3 * width, 48)
        self.hidden.requires_grad_(False)  # repaired:
        self.out = nn.Linear(48, vocabulary)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(self.embedding(x).flatten(1))))


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    text = SVC.__doc__
    chars = sorted(set(text))
    ids = torch.tensor([chars.index(c) for c in text])
    x, y = ids.unfold(0, 3, 1)[:-1], ids[3:]
    model = NextChar(len(chars))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    run.on_start(model, F.cross_entropy, optimizer, (x[:128], y[:128]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(6):
        total, batches = 0.0, torch.randperm(len(x)).split(128)
        for idx in batches:
            output = model(x[idx])
            loss = F.cross_entropy(output, y[idx])
            run.on_batch((x[idx], y[idx]), output, loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / len(batches)
        run.on_epoch_end(total, None)
        print(f"epoch {epoch + 1}: {total:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
