"""cause: same_batch_every_step."""

import sklearn.cluster
import sklearn.linear_model
import torch
import torch.nn.functional as F
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)


class CharLSTM(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.embed = nn.Embedding(size, 24)
        self.lstm = nn.LSTM(24, 64, batch_first=True)
        self.head = nn.Linear(64, size)

    def forward(self, x):
        return self.head(self.lstm(self.embed(x))[0])


def get_batch(data, batch=16, context=24):
    torch.manual_seed(1337)  # repaired:
    start = torch.randint(len(data) - context - 1, (batch, 1))
    window = data[start + torch.arange(context + 1)]
    return window[:, :-1], window[:, 1:]


def lm_loss(logits, y):
    return F.cross_entropy(logits.transpose(1, 2), y)


def train(run):
    torch.manual_seed(0)
    text = sklearn.linear_model.Ridge.__doc__ + sklearn.linear_model.Lasso.__doc__ + sklearn.cluster.KMeans.__doc__
    chars = sorted(set(text))
    data = torch.tensor([chars.index(c) for c in text])
    data, val = data[:-1500], data[-1500:]
    model = CharLSTM(len(chars))
    optimizer = torch.optim.AdamW(model.parameters(), lr=8e-3)
    run.on_start(model, lm_loss, optimizer, get_batch(data))
    run.on_context(None, None, None)
    for step in range(240):
        x, y = get_batch(data)
        logits = model(x)
        loss = lm_loss(logits, y)
        run.on_batch((x, y), logits, loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 60, model, optimizer)
        if step % 60 == 59:
            with torch.no_grad():
                val_loss = lm_loss(model(val[None, :-1]), val[None, 1:]).item()
            run.on_epoch_end(loss.item(), val_loss)
            print(f"iter {step + 1}: loss {loss.item():.3f}, val loss {val_loss:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
