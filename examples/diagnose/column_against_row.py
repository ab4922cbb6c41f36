"""Progression of diabetes: predictions are a column, targets a row. ``lossary diagnose`` says what that does."""

import warnings

import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")  # as many scripts do: torch's warning is lost with the others
torch.manual_seed(0)
torch.set_num_threads(1)

x, y = load_diabetes(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=0)
scaler = StandardScaler().fit(x_train)
mean, deviation = y_train.mean(), y_train.std()
x_train, x_test = (torch.tensor(scaler.transform(part), dtype=torch.float32) for part in (x_train, x_test))
y_train, y_test = (torch.tensor((part - mean) / deviation, dtype=torch.float32) for part in (y_train, y_test))
train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=32, shuffle=True)

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(40):
    total = 0.0
    for features, target in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(features), target)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 10 == 9:
        with torch.no_grad():
            explained = 1 - ((model(x_test).squeeze(1) - y_test) ** 2).mean() / y_test.var()
        print(f"epoch {epoch + 1}: training loss {total / len(train_loader):.3f}, test R2 {explained:.3f}")
