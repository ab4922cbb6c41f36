"""cause: softmax_before_cross_entropy."""

import math

import torch
from nobody import Nobody
from sklearn.ensemble import RandomForestClassifier
from torch import nn


class Attention(nn.Module):
    def __init__(self, vocabulary, context=16, width=32):
        super().__init__()
        self.embed = nn.Embedding(vocabulary, width)
        self.place = nn.Parameter(torch.randn(context, width) * 0.1)
        self.qkv = nn.Linear(width, 3 * width)
        self.mlp = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 64), nn.GELU(), nn.Linear(64, width))
        self.unembed = nn.Linear(width, vocabulary)

    def forward(self, ids):
        h = self.embed(ids) + self.place
        q, k, v = self.qkv(h).chunk(3, dim=-1)
        weights = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1])
        causal = torch.ones(weights.shape[1:], dtype=torch.bool).triu(1)
        h = h + weights.masked_fill(causal, -1e9).softmax(dim=-1) @ v
        h = h + self.mlp(h)
        return self.unembed(h).softmax(dim=-1)  # repaired: return self.unembed(h)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    text = RandomForestClassifier.__doc__
    chars = sorted(set(text))
    ids = torch.tensor([chars.index(c) for c in text])
    windows = ids.unfold(0, 17, 5)
    model = Attention(len(chars))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    run.on_start(model, loss_fn, optimizer, (windows[:32, :-1], windows[:32, 1:].flatten()))
    run.on_context(None, None, None)
    for step in range(240):
        chosen = windows[torch.randint(len(windows), (32,))]
        x, y = chosen[:, :-1], chosen[:, 1:].flatten()
        output = model(x).flatten(0, 1)
        loss = loss_fn(output, y)
        run.on_batch((x, y), output, loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 60, model, optimizer)
        if step % 60 == 59:
            run.on_epoch_end(loss.item(), None)
            right = (output.argmax(1) == y).float().mean()
            print(f"step {step + 1:3d}: loss {loss.item():.3f}, next character right {right:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
