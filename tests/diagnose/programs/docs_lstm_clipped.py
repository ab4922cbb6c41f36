"""healthy: gradients clipped at 1.0, which bites in the early steps."""

import sklearn.cluster
import torch
import torch.nn.functional as F
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)


class Model(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.embedding = nn.Embedding(vocab, 32)
        self.lstm = nn.LSTM(32, 64, batch_first=True)
        self.out = nn.Linear(64, vocab)

    def forward(self, x):
        h, _ = self.lstm(self.embedding(x))
        return self.out(h).transpose(1, 2)


def train(run):
    torch.manual_seed(0)
    text = "".join(m.__doc__ for m in vars(sklearn.cluster).values() if isinstance(m, type))
    chars = sorted(set(text))
    data = torch.tensor([chars.index(c) for c in text])
    data = data[: len(data) // (16 * 24 + 1) * (16 * 24 + 1)]
    model = Model(len(chars))
    optimizer = torch.optim.SGD(model.parameters(), lr=2.0, momentum=0.9)
    first = data[: 16 * 24].view(16, 24)
    run.on_start(model, F.cross_entropy, optimizer, (first, first))
    run.on_context(None, None, None)
    running = 0.0
    for step in range(240):
        starts = torch.randint(len(data) - 25, (16, 1))
        window = data[starts + torch.arange(25)]
        x, y = window[:, :-1], window[:, 1:]
        optimizer.zero_grad()
        output = model(x)
        loss = F.cross_entropy(output, y)
        run.on_batch((x, y), output, loss)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        run.on_step_end(step, step // 60, model, optimizer)
        running += loss.item() / 60
        if step % 60 == 59:
            run.on_epoch_end(running, None)
            print(f"step {step + 1}: loss {running:.3f}")
            running = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
