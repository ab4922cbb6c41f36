"""healthy: a small transformer whose learning rate warms up from almost nothing."""

import sklearn.svm
import torch
import torch.nn.functional as F
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)
CONTEXT = 32


class TinyGPT(nn.Module):
    def __init__(self, vocab, dim=48):
        super().__init__()
        self.tok = nn.Embedding(vocab, dim)
        self.pos = nn.Parameter(0.02 * torch.randn(CONTEXT, dim))
        layer = nn.TransformerEncoderLayer(dim, 4, 96, dropout=0.1, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(dim, vocab)

    def forward(self, x):
        mask = nn.Transformer.generate_square_subsequent_mask(x.size(1))
        return self.head(self.blocks(self.tok(x) + self.pos[: x.size(1)], mask=mask, is_causal=True))


def loss_fn(logits, targets):
    return F.cross_entropy(logits.reshape(-1, logits.size(-1)), targets.reshape(-1))


def train(run):
    torch.manual_seed(0)
    text = sklearn.svm.SVC.__doc__ + sklearn.svm.SVR.__doc__ + sklearn.svm.LinearSVC.__doc__
    chars = sorted(set(text))
    data = torch.tensor([chars.index(c) for c in text])

    def get_batch(n=12):
        start = torch.randint(len(data) - CONTEXT - 1, (n, 1))
        window = data[start + torch.arange(CONTEXT + 1)]
        return window[:, :-1], window[:, 1:]

    model = TinyGPT(len(chars))
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.1)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 50))
    run.on_start(model, loss_fn, optimizer, get_batch())
    run.on_context(None, None, scheduler)
    running = 0.0
    for step in range(180):
        x, y = get_batch()
        logits = model(x)
        loss = loss_fn(logits, y)
        run.on_batch((x, y), logits, loss)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        run.on_step_end(step, step // 30, model, optimizer)
        running += loss.item() / 30
        if step % 30 == 29:
            run.on_epoch_end(running, None)
            print(f"iter {step + 1}: lr {scheduler.get_last_lr()[0]:.1e} loss {running:.3f}")
            running = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
