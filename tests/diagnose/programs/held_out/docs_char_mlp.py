"""cause: overfitting."""

import sklearn.ensemble
import sklearn.linear_model
import torch
import torch.nn.functional as F
from nobody import Nobody
from torch import nn

torch.set_num_threads(1)


def windows(text, chars, context):
    ids = torch.tensor([chars.index(c) for c in text])
    return ids.unfold(0, context, 1)[:-1], ids[context:]


def train(run):
    torch.manual_seed(0)
    docs = [m.__doc__ for m in vars(sklearn.ensemble).values() if isinstance(m, type)]
    chars, context = sorted(set("".join(docs))), 8
    x_val, y_val = windows(docs[0][-2000:], chars, context)
    text = docs[1][:1500]  # repaired: text = "".join(docs[1:])
    x, y = windows(text, chars, context)

    model = nn.Sequential(
        nn.Embedding(len(chars), 12), nn.Flatten(), nn.Linear(12 * context, 96), nn.Tanh(), nn.Linear(96, len(chars))
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    run.on_start(model, F.cross_entropy, optimizer, (x[:64], y[:64]))
    run.on_context(None, None, None)
    total = 0.0
    for step in range(800):
        idx = torch.randint(len(x), (64,))
        output = model(x[idx])
        loss = F.cross_entropy(output, y[idx])
        run.on_batch((x[idx], y[idx]), output, loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        run.on_step_end(step, step // 50, model, optimizer)
        total += loss.item() / 50
        if step % 50 == 49:
            with torch.no_grad():
                val_loss = F.cross_entropy(model(x_val), y_val).item()
            run.on_epoch_end(total, val_loss)
            print(f"step {step + 1}: train {total:.3f} val {val_loss:.3f}")
            total = 0.0
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
