"""cause: lr_too_high."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.linear_model import LogisticRegression
from torch import nn


class CharModel(nn.Module):
    def __init__(self, vocabulary, context, width=32):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        layer = nn.TransformerEncoderLayer(width, 2, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(width, vocabulary)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(context))

    def forward(self, x):
        h = self.tokens(x) + self.positions(torch.arange(x.shape[1]))
        h = self.encoder(h, mask=self.mask, is_causal=True)
        return self.head(h)


def train(run):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    text = LogisticRegression.__doc__
    chars = sorted(set(text))
    data = torch.tensor([chars.index(c) for c in text])
    context = 24

    model = CharModel(len(chars), context)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=0.1,  # repaired: lr=0.004,
    )

    def loss_fn(logits, targets):
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def batch():
        starts = torch.randint(len(data) - context - 1, (32,))
        windows = torch.stack([data[s : s + context + 1] for s in starts])
        return windows[:, :-1], windows[:, 1:]

    run.on_start(model, loss_fn, optimizer, batch())
    run.on_context(None, None, None)
    running = 0.0
    for step in range(300):
        x, y = batch()
        optimizer.zero_grad()
        logits = model(x)
        loss = loss_fn(logits, y)
        run.on_batch((x, y), logits, loss)
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 50, model, optimizer)
        running += loss.item()
        if step % 50 == 49:
            run.on_epoch_end(running / 50, None)
            print(f"step {step + 1}: loss {running / 50:.3f}")
            running = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
