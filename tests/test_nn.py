"""hl.nn: PyTorch's names, its formulas in NumPy, and its regression tutorial with only the imports changed."""

import textwrap

import numpy as np
import pytest

import hotloop as hl
from hotloop import nn

F = nn.functional


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def near(got, wanted, tolerance=1e-5):
    got = got.numpy() if isinstance(got, hl.Tensor) else np.asarray(got)
    assert got.shape == np.shape(wanted) and np.abs(got - wanted).max() <= tolerance


# What the usual PyTorch introduction does: y = theta * x, by hand
REGRESSION = """
    import hotloop as torch
    from hotloop import nn, optim

    torch.manual_seed(0)
    x = torch.randn(64)
    y = 4.0 * x

    theta = torch.randn(1, requires_grad=True)
    optimizer = optim.SGD(params=theta, lr=0.01)
    loss_fn = nn.MSELoss()
    losses = []
    for epoch in range(400):
        prediction = theta * x
        loss = loss_fn(prediction, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    result = theta.item()
"""

# The same with an intercept, NumPy's data, and the step before zero_grad
LINE = """
    import numpy as np
    import hotloop as torch
    import hotloop.nn as nn
    import hotloop.optim as optim

    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    X = np.linspace(-1, 1, 50)
    x = torch.tensor(X, dtype=torch.float32).to(device)
    y = torch.tensor(4 * X + 2, dtype=torch.float32).to(device)
    theta = torch.randn(1, requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    loss_fn = nn.MSELoss()
    optimizer = optim.SGD(params=[theta, bias], lr=0.1)
    losses = []
    for epoch in range(200):
        y_pred = theta * x + bias
        loss = loss_fn(y_pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if epoch % 50 == 0:
            print(f"epoch {epoch}: loss {loss.item():.4f}, {loss:.4f}, theta {theta.item():.3f}", theta)
    with torch.no_grad():
        assert np.abs((theta * x + bias).numpy() - y.numpy()).max() <= 1e-3
    assert abs(bias.detach().numpy()[0] - 2) <= 1e-3
    result = theta.data[0]
"""

# By hand, with the weights changed in place
BY_HAND = """
    import hotloop as torch

    torch.manual_seed(0)
    x = torch.linspace(-1, 1, 200)
    y = 4 * x
    theta = torch.randn(1, requires_grad=True)
    learning_rate = 1e-2
    losses = []
    for t in range(200):
        loss = (theta * x - y).pow(2).sum()
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            theta -= learning_rate * theta.grad
            theta.grad = None
    result = theta.item()
"""

# https://www.learnpytorch.io/01_pytorch_workflow/: a module around two parameters
WORKFLOW = """
    import hotloop as torch
    from hotloop import nn

    X = torch.arange(0, 1, 0.02).unsqueeze(dim=1)
    y = 4 * X + 0.3
    train_split = int(0.8 * len(X))
    X_train, y_train = X[:train_split], y[:train_split]
    X_test, y_test = X[train_split:], y[train_split:]

    class LinearRegressionModel(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Parameter(torch.randn(1), requires_grad=True)
            self.bias = nn.Parameter(torch.randn(1), requires_grad=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.weights * x + self.bias

    torch.manual_seed(42)
    model = LinearRegressionModel()
    loss_fn = nn.MSELoss()
    optimizer = torch.optim.SGD(params=model.parameters(), lr=0.5)
    losses = []
    for epoch in range(500):
        model.train()
        loss = loss_fn(model(X_train), y_train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        model.eval()
        with torch.inference_mode():
            test_loss = loss_fn(model(X_test), y_test)
        losses.append(test_loss.item())
    result = model.state_dict()["weights"].item()
"""

MODULE = """
    import numpy as np
    import hotloop as torch
    import hotloop.nn as nn
    import hotloop.optim as optim
    import hotloop.nn.functional as F

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(2, 32)
            self.fc2 = nn.Linear(32, 2)

        def forward(self, x):
            return self.fc2(F.relu(self.fc1(x)))

    torch.manual_seed(0)
    points = np.random.default_rng(0).uniform(-1, 1, (256, 2)).astype(np.float32)
    inputs = torch.from_numpy(points)
    labels = torch.from_numpy((points[:, 0] * points[:, 1] > 0).astype(np.int64))
    net = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.Adam(net.parameters(), lr=0.02)
    for epoch in range(300):
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
    net.eval()
    with torch.no_grad():
        accuracy = (net(inputs).numpy().argmax(1) == labels.numpy()).mean()
"""


def run(text):
    names = {}
    exec(compile(textwrap.dedent(text), "tutorial", "exec"), names)
    return names


@pytest.mark.parametrize("text", [REGRESSION, LINE, BY_HAND, WORKFLOW], ids=["slope", "line", "hand", "workflow"])
def test_regression_tutorials(no_cuda, text):  # the tutorials leave their weights on the CPU
    names = run(text)
    assert abs(names["result"] - 4.0) <= 0.05 and names["losses"][-1] <= 1e-2 * names["losses"][0]


def test_a_module_trains():
    assert run(MODULE)["accuracy"] >= 0.95


def test_linear():
    layer = nn.Linear(3, 2)
    assert layer.weight.shape == (3, 2) and layer.bias.shape == (2,) and len(list(layer.parameters())) == 2
    assert np.abs(layer.weight.numpy()).max() <= 1 / np.sqrt(3)
    x = normal(4, 3)
    near(layer(x), x.astype(float) @ layer.weight.numpy() + layer.bias.numpy())
    assert nn.Linear(3, 2, bias=False).bias is None


def test_images_are_channels_first():
    x = normal(2, 3, 6, 8)
    layer = nn.Conv2d(3, 4, 3, padding=1, stride=(1, 2))
    y = layer(x)
    assert y.shape == (2, 4, 6, 4) and layer.weight.shape == (3, 3, 3, 4)
    wanted = hl.conv2d(x.transpose(0, 2, 3, 1), layer.weight.numpy(), layer.bias.numpy(), padding=1, stride=(1, 2))
    near(y, wanted.transpose(0, 3, 1, 2))
    blocks = x.reshape(2, 3, 3, 2, 4, 2)
    near(nn.MaxPool2d(2)(x), blocks.max(axis=(3, 5)))
    near(nn.AvgPool2d(2)(x), blocks.mean(axis=(3, 5)))
    assert nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=True)(x).shape == (2, 3, 4, 5)
    near(nn.Flatten()(x), x.reshape(2, -1))


def test_sequential():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3))
    assert model(normal(5, 1, 6, 6)).shape == (5, 3)
    assert [path for path, _ in model.named_parameters()] == ["0.kernel", "0.bias", "4.kernel", "4.bias"]
    assert [type(child).__name__ for child in model.children()] == ["Conv2d", "ReLU", "MaxPool2d", "Flatten", "Linear"]
    model.compile("adam", "mse")
    assert model.fit(normal(8, 1, 6, 6), normal(8, 3), verbose=0).epoch == [0]
    assert len(model) == 5 and list(model) == model.layers and model[0] is model.layers[0]
    assert [type(layer).__name__ for layer in model[-2:]] == ["Flatten", "Linear"]


def test_modules_start_in_training_mode():
    x = np.ones((30, 30), np.float32)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.5)

        def forward(self, x):
            return self.drop(x)

    net = Net()
    assert net.training and (np.asarray(net(x)) == 0).any()
    net.eval()
    assert not net.training and not net.drop.training and not (np.asarray(net(x)) == 0).any()
    assert (np.asarray(net.train()(x)) == 0).any()


def test_parameters_are_found():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(np.ones(3))
            self.bias = hl.zeros(3, requires_grad=True)

        def forward(self, x):
            self.last = x * self.scale + self.bias
            return self.last

    net = Net()
    y = net(normal(2, 3))
    assert [path for path, _ in net.named_parameters()] == ["scale", "bias"]
    y.backward(np.ones((2, 3), np.float32))
    near(net.bias.grad, np.full(3, 2.0))
    net.zero_grad()
    assert net.bias.grad is None


@pytest.mark.parametrize(
    ("module", "formula"),
    [
        (nn.ReLU(), lambda x: np.maximum(x, 0)),
        (nn.LeakyReLU(0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
        (nn.ELU(), lambda x: np.where(x > 0, x, np.expm1(x))),
        (nn.SiLU(), lambda x: x / (1 + np.exp(-x))),
        (nn.Sigmoid(), lambda x: 1 / (1 + np.exp(-x))),
        (nn.Tanh(), np.tanh),
        (nn.Softplus(), lambda x: np.log1p(np.exp(x))),
        (nn.Softmax(dim=1), lambda x: np.exp(x) / np.exp(x).sum(1, keepdims=True)),
        (nn.Softmax(dim=0), lambda x: np.exp(x) / np.exp(x).sum(0)),
        (nn.LogSoftmax(dim=1), lambda x: x - np.log(np.exp(x).sum(1, keepdims=True))),
        (nn.Hardsigmoid(), lambda x: np.clip(x / 6 + 0.5, 0, 1)),
        (nn.Hardswish(), lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
        (nn.Identity(), lambda x: x),
    ],
    ids=lambda value: type(value).__name__,
)
def test_activations(module, formula):
    x = 3 * normal(4, 5)
    near(module(x), formula(x.astype(float)))


def test_losses():
    p, t = normal(4, 3), normal(4, 3, seed=1)
    d = (p - t).astype(float)
    near(nn.MSELoss()(p, t), (d**2).mean())
    near(nn.L1Loss(reduction="sum")(p, t), np.abs(d).sum())
    near(nn.HuberLoss(delta=0.5)(p, t), np.where(np.abs(d) < 0.5, d**2 / 2, 0.5 * (np.abs(d) - 0.25)).mean())
    s = 1 / (1 + np.exp(-p.astype(float)))
    b = (t > 0).astype(float)
    near(nn.BCEWithLogitsLoss()(p, b), -(b * np.log(s) + (1 - b) * np.log(1 - s)).mean())
    near(nn.BCELoss()(s.astype(np.float32), b), -(b * np.log(s) + (1 - b) * np.log(1 - s)).mean())
    labels = np.array([0, 2, 1, 1])
    log_p = p - np.log(np.exp(p.astype(float)).sum(1, keepdims=True))
    near(nn.CrossEntropyLoss()(p, labels), -log_p[np.arange(4), labels].mean())
    near(nn.CrossEntropyLoss()(p, np.eye(3, dtype=np.float32)[labels]), -log_p[np.arange(4), labels].mean())
    near(F.cross_entropy(p, labels, reduction="none"), -log_p[np.arange(4), labels])
    with pytest.raises(ValueError, match="more than 2 dimensions"):
        nn.CrossEntropyLoss()(normal(2, 3, 4), np.zeros((2, 4), int))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.Linear("a", 3), TypeError, r"\[Linear\] in_features must be an integer, got 'a'"),
        (lambda: nn.Linear(-1, 3), ValueError, r"\[Linear\] in_features must be at least 0, got -1"),
        (lambda: nn.Conv2d(None, 3, 3), TypeError, r"\[Conv2d\] in_channels must be an integer"),
        (lambda: nn.Conv2d(4, 4, 3, groups=0), ValueError, r"\[Conv2d\] groups must be at least 1, got 0"),
        (lambda: nn.LeakyReLU("a"), TypeError, "negative_slope must be a number"),
        (lambda: nn.Dropout(None), TypeError, "rate must be a number"),
        (lambda: nn.CrossEntropyLoss()(normal(2, 3), [[0], [1, 2]]), TypeError, "target must be an array"),
        (lambda: nn.CrossEntropyLoss()(normal(2, 3), [0, 3]), ValueError, "row 1 is 3"),
        (lambda: nn.MSELoss(reduction="avg")(normal(2), normal(2)), ValueError, "unknown reduction 'avg'"),
    ],
)
def test_bad_arguments_are_named(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_making_tensors():
    a = normal(3)
    shared, copied = hl.from_numpy(a), hl.tensor(a)
    a[0] = 9
    assert shared.numpy()[0] == 9 and copied.numpy()[0] != 9
    assert hl.tensor([1, 2]).dtype == np.float32 and hl.tensor([1.0], dtype=hl.float64).dtype == np.float64
    assert hl.tensor(2.0, requires_grad=True).requires_grad
    with pytest.raises(TypeError, match="wants an ndarray"):
        hl.from_numpy([1.0])


def test_making_tensors_of_numbers():
    assert hl.linspace(0, 1, 5).tolist() == [0, 0.25, 0.5, 0.75, 1] and hl.linspace(0, 1, 0).shape == (0,)
    assert hl.arange(3).tolist() == [0, 1, 2] and hl.arange(1, 2, 0.5, requires_grad=True).requires_grad
    assert hl.arange(3, 0).shape == (0,)
    hl.set_seed(1)
    x = hl.rand(3, 1000).numpy()
    assert x.dtype == np.float32 and x.min() >= 0 and x.max() < 1 and abs(x.mean() - 0.5) <= 0.03
    with pytest.raises(TypeError, match=r"\[linspace\] steps must be an integer, got 2.5"):
        hl.linspace(0, 1, 2.5)
    with pytest.raises(ValueError, match=r"\[arange\] step must not be 0"):
        hl.arange(0, 1, 0)
    with pytest.raises(ValueError, match=r"\[arange\] end must be in \(-inf, inf\), got nan"):
        hl.arange(float("nan"))


def test_devices(no_cuda):
    x = hl.zeros(2)
    assert hl.device("cpu") == "cpu" and x.to(hl.device("cpu")) is x
    with pytest.raises(ValueError, match=r"\[Tensor.to\] unknown device 'cdua'; did you mean 'cuda'"):
        x.to("cdua")
    with pytest.raises(RuntimeError, match=r"\[device\] device \"cuda\" was asked for"):
        hl.device("cuda")


def test_methods_take_dim():
    x = normal(3, 4)
    t = hl.Tensor(x)
    assert np.array_equal(t.argmax(dim=1), x.argmax(1)) and np.array_equal(t.argmax(), x.argmax())
    assert t.argmax(dim=1, keepdim=True).shape == (3, 1)
    near(t.softmax(dim=0), np.exp(x) / np.exp(x).sum(0))
    near(t.log_softmax(dim=1), x - np.log(np.exp(x).sum(1, keepdims=True)))
    near(t.pow(2), x**2)


def test_functional():
    x = normal(3, 4)
    near(F.softmax(x, dim=0).sum(0), np.ones(4))
    near(F.log_softmax(x, dim=1), np.log(F.softmax(x, dim=1)))
    assert (np.asarray(F.dropout(np.ones((20, 20), np.float32), 0.5)) == 0).any()
    assert F.dropout(x, training=False) is x


def test_config_round_trip():
    model = nn.Sequential(
        nn.Conv2d(1, 2, (3, 1), stride=2, padding=1), nn.Dropout(0.3), nn.GELU("tanh"), nn.Linear(2, 1)
    )
    for layer in model.layers:
        again = type(layer).from_config(layer.get_config())
        assert again.get_config() == layer.get_config()
        assert [w.shape for w in again.weights] == [w.shape for w in layer.weights]
