"""healthy: a frozen teacher whose answers a smaller student learns."""

import torch
import torch.nn.functional as F
from nobody import Nobody
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import nn

torch.set_num_threads(1)


class Distillation(nn.Module):
    def __init__(self, teacher):
        super().__init__()
        self.teacher = teacher.requires_grad_(False).eval()
        self.student = nn.Sequential(nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))

    def forward(self, x):
        return self.student(x), self.teacher(x)


def train(run):
    torch.manual_seed(0)
    x, y = load_digits(return_X_y=True)
    x = x / 16
    fitted = LogisticRegression(tol=0.05).fit(x[:1400], y[:1400])
    teacher = nn.Linear(64, 10)
    teacher.weight.data = torch.tensor(fitted.coef_, dtype=torch.float32)
    teacher.bias.data = torch.tensor(fitted.intercept_, dtype=torch.float32)
    x, y = torch.tensor(x, dtype=torch.float32), torch.tensor(y)

    def loss_fn(output, labels, t=2.0):
        student, taught = output
        soft = F.kl_div(F.log_softmax(student / t, 1), F.softmax(taught / t, 1), reduction="batchmean") * t * t
        return 0.7 * soft + 0.3 * F.cross_entropy(student, labels)

    model = Distillation(teacher)
    optimizer = torch.optim.Adam(model.student.parameters(), lr=4e-3)
    run.on_start(model, loss_fn, optimizer, (x[:50], y[:50]))
    run.on_context(None, None, None)
    step = 0
    for epoch in range(22):
        total = 0.0
        for idx in torch.randperm(1400).split(50):
            optimizer.zero_grad()
            output = model(x[idx])
            loss = loss_fn(output, y[idx])
            run.on_batch((x[idx], y[idx]), output, loss)
            loss.backward()
            optimizer.step()
            run.on_step_end(step, epoch, model, optimizer)
            step += 1
            total += loss.item() / 28
        with torch.no_grad():
            output = model(x[1400:])
            val_loss = loss_fn(output, y[1400:]).item()
        run.on_epoch_end(total, val_loss)
        if epoch % 4 == 1:
            accuracy = (output[0].argmax(1) == y[1400:]).float().mean()
            print(f"epoch {epoch + 1}: {total:.3f} val {val_loss:.3f} acc {accuracy:.3f}")
    run.on_end()


if __name__ == "__main__":
    train(Nobody())
