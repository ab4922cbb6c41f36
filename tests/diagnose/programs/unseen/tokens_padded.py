"""healthy: sequences of several lengths, padded and masked, with two kinds of parameter groups."""

import torch
from nobody import Nobody
from torch import nn
from torch.nn import functional as F

torch.set_num_threads(1)


class Tagger(nn.Module):
    """Says for each token whether one like it came before."""

    def __init__(self):
        super().__init__()
        self.token, self.place = nn.Embedding(9, 24, padding_idx=0), nn.Embedding(12, 24)
        self.attend = nn.MultiheadAttention(24, 2, batch_first=True)
        self.norm, self.head = nn.LayerNorm(24), nn.Sequential(nn.Linear(24, 32), nn.ReLU(), nn.Linear(32, 2))

    def forward(self, x):
        h = self.token(x) + self.place(torch.arange(x.shape[1]))
        later = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1)
        seen, _ = self.attend(h, h, h, key_padding_mask=x == 0, attn_mask=later, need_weights=False)
        return self.head(self.norm(h + seen))


def sequences(count, length=12):
    x = torch.randint(1, 9, (count, length))
    y = torch.stack([(x[:, :at] == x[:, at : at + 1]).any(1) for at in range(length)], 1).long()
    off = torch.arange(length) >= torch.randint(5, length + 1, (count, 1))
    return x.masked_fill(off, 0), y.masked_fill(off, -100)


def loss_of(scores, y):
    return F.cross_entropy(scores.flatten(0, 1), y.flatten(), ignore_index=-100)


def train(run):
    torch.manual_seed(101)
    x, y = sequences(1500)
    model = Tagger()
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}], lr=5e-3
    )
    run.on_start(model, loss_of, optimizer, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(8):
        total = 0.0
        for rows in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            scores = model(x[rows])
            loss = loss_of(scores, y[rows])
            run.on_batch((x[rows], y[rows]), scores, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 30
        run.on_epoch_end(total, None)
        print(f"epoch {epoch}: {total:.4f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
