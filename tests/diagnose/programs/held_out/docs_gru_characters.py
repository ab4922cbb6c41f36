"""healthy: a recurrent character model whose loss falls to what the text leaves open."""

import sklearn.decomposition
import torch
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)


class CharGRU(nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.embedding = nn.Embedding(vocab, 24)
        self.gru = nn.GRU(24, 72, batch_first=True)
        self.out = nn.Linear(72, vocab)

    def forward(self, x):
        return self.out(self.gru(self.embedding(x))[0]).flatten(0, 1)


def train(run):
    torch.manual_seed(2)
    text = "".join(m.__doc__ for m in vars(sklearn.decomposition).values() if isinstance(m, type))
    vocab = {c: i for i, c in enumerate(sorted(set(text)))}
    ids = torch.tensor([vocab[c] for c in text])
    train_ids, val_ids = ids[:-1200], ids[-1200:]
    model = CharGRU(len(vocab))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    run.on_start(model, loss_fn, optimizer, (ids[:240].view(10, 24), ids[1:241]))
    run.on_context(None, None, None)
    total = 0.0
    for step in range(250):
        at = torch.randint(len(train_ids) - 31, (16,))
        x = torch.stack([train_ids[i : i + 30] for i in at])
        y = torch.cat([train_ids[i + 1 : i + 31] for i in at])
        optimizer.zero_grad()
        output = model(x)
        loss = loss_fn(output, y)
        run.on_batch((x, y), output, loss)
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 50, model, optimizer)
        total += loss.item() / 50
        if step % 50 == 49:
            with torch.no_grad():
                val_loss = loss_fn(model(val_ids[None, :-1]), val_ids[1:]).item()
            run.on_epoch_end(total, val_loss)
            print(f"step {step + 1} train {total:.3f} val {val_loss:.3f}")
            total = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
