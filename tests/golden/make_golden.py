"""Makes the golden numbers of tests/golden with PyTorch, in double precision.

Recipe (Debian 12: apt install python3-torch python3-numpy), from the root of the repository:

    /usr/bin/python3 tests/golden/make_golden.py            # writes tests/golden/*.txt
    /usr/bin/python3 tests/golden/make_golden.py --check    # writes nothing, compares with the files

What the files hold is described in tests/golden/README.md.

Nothing is written before it agrees with a second implementation, in numpy and in the layouts of charrnn, that
shares no code with PyTorch: the forward pass to 1e-12, every gradient (by complex steps through that forward
pass, so without the error of finite differences) to 1e-12, and the ten training steps to 1e-10.
"""

import argparse
import os
import sys

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))

VOCAB, HIDDEN = 7, (5, 6)
STEPS, LANES, WINDOWS = 6, 3, 3
ADAM_STEPS, LR, BETA1, BETA2, EPS, MAX_NORM = 10, 0.01, 0.9, 0.999, 1e-8, 0.5


# ---------------------------------------------------------------- the problem


def exact(random, shape, scale):
    """Random multiples of 1/1024: short in decimal and exact in float32, so that a float test starts equal."""
    return np.round(random.uniform(-scale, scale, shape) * 1024) / 1024


def make_parameters(cell, random):
    """The parameters in the layout and the order of charrnn."""
    gates = {"lstm": 4, "rnn": 1, "gru": 3}[cell]
    parameters, width = {}, VOCAB
    for layer, hidden in enumerate(HIDDEN):
        parameters[f"layer{layer}.Wi"] = exact(random, (width, gates * hidden), 0.9)
        parameters[f"layer{layer}.Wh"] = exact(random, (hidden, gates * hidden), 0.9)
        parameters[f"layer{layer}.b"] = exact(random, (1, (4 if cell == "gru" else gates) * hidden), 0.3)
        width = hidden
    parameters["dense.W"] = exact(random, (width, VOCAB), 2.4)
    parameters["dense.b"] = exact(random, (1, VOCAB), 0.3)
    return parameters


def make_windows(random):
    """Consecutive windows over LANES streams. The masked targets hold an id like any other.

    Ids 0..4 are random. Id 6 is read in the first window only and id 5 in the second only, so that rows of the
    first Wi have a gradient of exactly zero in some windows: Adam has to go on moving the row of 6 (by its
    moments) and must not move the row of 5 before it is read.
    """
    stream = random.randint(0, 5, (LANES, STEPS * WINDOWS + 1))
    stream[0, 3] = 6
    stream[1, STEPS + 2] = 5
    windows = []
    for index in range(WINDOWS):
        begin = index * STEPS
        inputs = stream[:, begin : begin + STEPS].T.copy()
        targets = stream[:, begin + 1 : begin + STEPS + 1].T.copy()
        valid = np.full(LANES, STEPS)
        if index == WINDOWS - 1:
            valid[-1] = STEPS - 2
            targets[STEPS - 2 :, -1] = 6
        mask = (np.arange(STEPS)[:, None] < valid[None, :]).astype(int)
        windows.append({"inputs": inputs, "targets": targets, "valid": valid, "mask": mask})
    return windows


def make_state(cell, random):
    parts = ("h", "c") if cell == "lstm" else ("h",)
    return {f"layer{l}.{p}": exact(random, (LANES, n), 0.7) for l, n in enumerate(HIDDEN) for p in parts}


# ---------------------------------------------------------------- PyTorch


class TorchModel:
    """Our parameters inside torch.nn modules: one module a layer, since the layers differ in size."""

    def __init__(self, cell, parameters):
        self.cell, self.layers, width = cell, [], VOCAB
        kind = {"lstm": torch.nn.LSTM, "rnn": torch.nn.RNN, "gru": torch.nn.GRU}[cell]
        for layer, hidden in enumerate(HIDDEN):
            module = kind(width, hidden).double()
            b = parameters[f"layer{layer}.b"].reshape(-1)
            b_ih, b_hh = b, np.zeros_like(b)
            if cell == "gru":  # ours is [r, z, in, hn]
                b_ih = b[: 3 * hidden]
                b_hh = np.concatenate([np.zeros(2 * hidden), b[3 * hidden :]])
            with torch.no_grad():
                module.weight_ih_l0.copy_(torch.tensor(parameters[f"layer{layer}.Wi"].T))
                module.weight_hh_l0.copy_(torch.tensor(parameters[f"layer{layer}.Wh"].T))
                module.bias_ih_l0.copy_(torch.tensor(b_ih))
                module.bias_hh_l0.copy_(torch.tensor(b_hh))
            if cell == "gru":  # r and z have one bias: only the part of n is trained
                only_n = torch.zeros(3 * hidden, dtype=torch.double)
                only_n[2 * hidden :] = 1
                module.bias_hh_l0.register_hook(lambda gradient, only_n=only_n: gradient * only_n)
            else:
                module.bias_hh_l0.requires_grad_(False)
            self.layers.append(module)
            width = hidden
        self.dense = torch.nn.Linear(width, VOCAB).double()
        with torch.no_grad():
            self.dense.weight.copy_(torch.tensor(parameters["dense.W"].T))
            self.dense.bias.copy_(torch.tensor(parameters["dense.b"].reshape(-1)))

    def trained(self):
        modules = self.layers + [self.dense]
        return [p for module in modules for p in module.parameters() if p.requires_grad]

    def _ours(self, of):
        """The parameters (of = identity) or their gradients in the layout of charrnn."""
        result = {}
        for layer, module in enumerate(self.layers):
            b = of(module.bias_ih_l0)
            if self.cell == "gru":
                b = torch.cat([b, of(module.bias_hh_l0)[2 * module.hidden_size :]])
            result[f"layer{layer}.Wi"] = of(module.weight_ih_l0).T
            result[f"layer{layer}.Wh"] = of(module.weight_hh_l0).T
            result[f"layer{layer}.b"] = b[None, :]
        result["dense.W"] = of(self.dense.weight).T
        result["dense.b"] = of(self.dense.bias)[None, :]
        return {name: value.detach().numpy().copy() for name, value in result.items()}

    def parameters(self):
        return self._ours(lambda p: p)

    def gradients(self):
        return self._ours(lambda p: p.grad)

    def forward(self, window, state):
        """Tensors: the logits (STEPS * LANES, VOCAB), the mean loss of the valid targets, the new state."""
        x = torch.nn.functional.one_hot(torch.tensor(window["inputs"]), VOCAB).double()
        after = {}
        for layer, module in enumerate(self.layers):
            h = state[f"layer{layer}.h"][None]
            if self.cell == "lstm":
                x, (h, c) = module(x, (h, state[f"layer{layer}.c"][None]))
                after[f"layer{layer}.c"] = c[0]
            else:
                x, h = module(x, h)
            after[f"layer{layer}.h"] = h[0]
        logits = self.dense(x).reshape(STEPS * LANES, VOCAB)
        losses = torch.nn.functional.cross_entropy(
            logits, torch.tensor(window["targets"]).reshape(-1), reduction="none"
        )
        mask = torch.tensor(window["mask"]).reshape(-1).double()
        return logits, (losses * mask).sum() / mask.sum(), after


def torch_window(cell, parameters, window, state):
    """Loss, logits, new state and all gradients (also of the state before the window)."""
    model = TorchModel(cell, parameters)
    before = {name: torch.tensor(value, requires_grad=True) for name, value in state.items()}
    logits, loss, after = model.forward(window, before)
    loss.backward()
    gradients = model.gradients()
    gradients.update({name: value.grad.numpy().copy() for name, value in before.items()})
    after = {name: value.detach().numpy().copy() for name, value in after.items()}
    return logits.detach().numpy().copy(), loss.item(), after, gradients


def torch_train(cell, parameters, windows, clip):
    """ADAM_STEPS steps. clip: None, 'exact' (factor max / norm) or 'torch' (clip_grad_norm_, max / (norm + 1e-6))."""
    model = TorchModel(cell, parameters)
    adam = torch.optim.Adam(model.trained(), lr=LR, betas=(BETA1, BETA2), eps=EPS, foreach=False)
    losses, norms = [], []
    for step in range(ADAM_STEPS):
        if step % WINDOWS == 0:
            state = {name: torch.tensor(value) for name, value in zero_state(cell).items()}
        adam.zero_grad(set_to_none=True)
        _, loss, after = model.forward(windows[step % WINDOWS], state)
        loss.backward()
        norm = torch.sqrt(sum((p.grad**2).sum() for p in model.trained())).item()
        if clip == "torch":
            torch.nn.utils.clip_grad_norm_(model.trained(), MAX_NORM)
        elif clip == "exact" and norm > MAX_NORM:
            for p in model.trained():
                p.grad.mul_(MAX_NORM / norm)
        adam.step()
        state = {name: value.detach() for name, value in after.items()}
        losses.append(loss.item())
        norms.append(norm)
    return losses, norms, model.parameters()


# ---------------------------------------------------------------- numpy, in the layouts of charrnn


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def zero_state(cell):
    return {name: np.zeros_like(value) for name, value in make_state(cell, np.random.RandomState(0)).items()}


def numpy_forward(cell, p, window, state):
    """As TorchModel.forward, written from the formulas. Parameters and state may be complex."""
    state, rows = dict(state), []
    for ids in window["inputs"]:
        for l, n in enumerate(HIDDEN):
            wi, wh, b, h = p[f"layer{l}.Wi"], p[f"layer{l}.Wh"], p[f"layer{l}.b"][0], state[f"layer{l}.h"]
            a = wi[ids] if l == 0 else x @ wi  # one-hot input: rows of Wi
            s = h @ wh
            if cell == "lstm":
                i, f, g, o = np.split(a + s + b, 4, axis=1)
                c = sigmoid(f) * state[f"layer{l}.c"] + sigmoid(i) * np.tanh(g)
                state[f"layer{l}.c"] = c
                x = sigmoid(o) * np.tanh(c)
            elif cell == "rnn":
                x = np.tanh(a + s + b)
            else:
                r = sigmoid(a[:, :n] + s[:, :n] + b[:n])
                z = sigmoid(a[:, n : 2 * n] + s[:, n : 2 * n] + b[n : 2 * n])
                c = np.tanh(a[:, 2 * n :] + b[2 * n : 3 * n] + r * (s[:, 2 * n :] + b[3 * n :]))
                x = (1 - z) * c + z * h
            state[f"layer{l}.h"] = x
        rows.append(x @ p["dense.W"] + p["dense.b"])
    logits = np.concatenate(rows)
    shifted = logits - logits.real.max(axis=1, keepdims=True)
    losses = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(shifted)), window["targets"].reshape(-1)]
    mask = window["mask"].reshape(-1)
    return logits, (losses * mask).sum() / mask.sum(), state


def numpy_gradients(cell, parameters, window, state):
    """d loss / d value by complex steps: Im loss(value + i e) / e, exact up to rounding."""
    step, gradients = 1e-30, {}
    p = {name: value.astype(complex) for name, value in parameters.items()}
    s = {name: value.astype(complex) for name, value in state.items()}
    for group in (p, s):
        for name, value in group.items():
            gradients[name] = np.zeros(value.shape)
            for index in np.ndindex(value.shape):
                value[index] += 1j * step
                gradients[name][index] = numpy_forward(cell, p, window, s)[1].imag / step
                value[index] = value[index].real
    return gradients


def numpy_train(cell, parameters, windows, clip):
    p = {name: value.copy() for name, value in parameters.items()}
    m = {name: np.zeros_like(value) for name, value in p.items()}
    v = {name: np.zeros_like(value) for name, value in p.items()}
    losses = []
    for step in range(ADAM_STEPS):
        if step % WINDOWS == 0:
            state = zero_state(cell)
        window = windows[step % WINDOWS]
        g = numpy_gradients(cell, p, window, state)
        _, loss, state = numpy_forward(cell, p, window, state)
        losses.append(loss)
        norm = np.sqrt(sum((g[name] ** 2).sum() for name in p))
        factor = 1.0
        if clip and norm > MAX_NORM:
            factor = MAX_NORM / (norm + (1e-6 if clip == "torch" else 0))
        for name in p:
            gradient = g[name] * factor
            m[name] = BETA1 * m[name] + (1 - BETA1) * gradient
            v[name] = BETA2 * v[name] + (1 - BETA2) * gradient**2
            m_hat = m[name] / (1 - BETA1 ** (step + 1))
            v_hat = v[name] / (1 - BETA2 ** (step + 1))
            p[name] = p[name] - LR * m_hat / (np.sqrt(v_hat) + EPS)
    return losses, p


def agree(what, a, b, tolerance):
    if np.shape(a) != np.shape(b):
        raise SystemExit(f"{what}: the shapes {np.shape(a)} and {np.shape(b)} differ")
    difference = float(np.max(np.abs(np.asarray(a) - np.asarray(b))))
    if not difference <= tolerance:
        raise SystemExit(f"{what}: differs by {difference:g}")
    return difference


# ---------------------------------------------------------------- the files


class File:
    def __init__(self, name, title):
        self.name, self.title, self.arrays = name, title, {}

    def add(self, name, value):
        value = np.atleast_2d(np.asarray(value))
        assert value.ndim == 2 and name not in self.arrays and np.isfinite(value).all(), name
        self.arrays[name] = value

    def add_all(self, prefix, values):
        for name, value in values.items():
            self.add(prefix + name, value)

    def text(self):
        lines = [f"# {self.title}", f"# Made by make_golden.py with PyTorch {torch.__version__}; see README.md."]
        for name, value in self.arrays.items():
            lines.append(f"{name} {value.shape[0]} {value.shape[1]}")
            lines += [" ".join("%.17g" % x for x in row) for row in value]
        return "\n".join(lines) + "\n"

    def path(self):
        return os.path.join(HERE, self.name + ".txt")

    def write(self):
        with open(self.path(), "w", encoding="ascii", newline="\n") as out:
            out.write(self.text())

    def check(self):
        """The file on disk has the same arrays: the same names in the same order, values to 1e-12."""
        with open(self.path(), encoding="ascii") as f:
            lines = [line for line in f.read().split("\n") if line and not line.startswith("#")]
        found, at = {}, 0
        while at < len(lines):
            name, rows, cols = lines[at].split()
            values = " ".join(lines[at + 1 : at + 1 + int(rows)]).split()
            found[name] = np.array(values, dtype=float).reshape(int(rows), int(cols))
            at += 1 + int(rows)
        assert list(found) == list(self.arrays), f"{self.name}: other arrays"
        return max(agree(f"{self.name}: {n}", found[n], value, 1e-12) for n, value in self.arrays.items())


def add_problem(file, parameters, windows):
    for name, value in (("lr", LR), ("beta1", BETA1), ("beta2", BETA2), ("eps", EPS), ("max_norm", MAX_NORM)):
        if name != "max_norm" or file.name.endswith("clip"):
            file.add("adam." + name, value)
    for index, window in enumerate(windows, 1):
        file.add_all(f"window{index}.", window)
        file.add(f"window{index}.count", window["mask"].sum())
    file.add_all("init.", parameters)


def add_training(file, prefix, cell, parameters, windows, clip):
    losses, norms, final = torch_train(cell, parameters, windows, clip)
    other_losses, other_final = numpy_train(cell, parameters, windows, clip)
    worst = agree(f"{file.name} {prefix} losses", losses, other_losses, 1e-10)
    worst = max([worst] + [agree(f"{file.name} {prefix} {n}", final[n], other_final[n], 1e-10) for n in final])
    file.add(prefix + "loss", losses)
    file.add(prefix + "norm", norms)
    file.add_all(prefix + "final.", final)
    print(f"{file.name} {prefix}: losses {losses[0]:.6f} .. {losses[-1]:.6f}, norms {min(norms):.3f} .. "
          f"{max(norms):.3f}, numpy differs by {worst:.1e}")
    return norms


def cell_case(cell, seed):
    """The problem of a cell and its file: forward and backward of the windows, then ten steps of Adam."""
    random = np.random.RandomState(seed)
    parameters, windows, state = make_parameters(cell, random), make_windows(random), make_state(cell, random)
    title = {"lstm": "LSTM", "rnn": "tanh RNN", "gru": "GRU (reset after the product)"}[cell]
    file = File(cell, f"Two {title} layers and Dense: windows, gradients, ten Adam steps.")
    add_problem(file, parameters, windows)
    file.add_all("state0.", state)
    worst = {"forward": 0.0, "gradient": 0.0}
    smallest = np.inf
    for index, window in enumerate(windows, 1):
        logits, loss, after, gradients = torch_window(cell, parameters, window, state)
        numpy_logits, numpy_loss, numpy_after = numpy_forward(cell, parameters, window, state)
        pairs = [(logits, numpy_logits), (loss, numpy_loss)] + [(after[n], numpy_after[n]) for n in after]
        other = numpy_gradients(cell, parameters, window, state)
        assert sorted(other) == sorted(gradients)
        worst["forward"] = max([worst["forward"]] + [agree(f"{cell} forward", a, b, 1e-12) for a, b in pairs])
        worst["gradient"] = max(
            [worst["gradient"]] + [agree(f"{cell} d {n}", gradients[n], other[n], 1e-12) for n in gradients]
        )
        smallest = min(smallest, *(np.abs(g[g != 0]).min() for g in gradients.values()))
        if index == 1:
            file.add("window1.logits", logits)
        file.add(f"window{index}.loss", loss)
        file.add_all(f"state{index}.", {name: after[name] for name in state})
        if index in (1, WINDOWS):
            file.add_all(f"grad{index}.", gradients)
        state = after
    print(f"{cell}: numpy differs by {worst['forward']:.1e} (forward), {worst['gradient']:.1e} (gradients); "
          f"smallest gradient that is not 0: {smallest:.1e}")
    add_training(file, "adam.", cell, parameters, windows, None)
    return file, parameters, windows


def clip_case(parameters, windows):
    file = File("lstm_clip", "The problem of lstm.txt: ten Adam steps with clipping of the gradient's norm.")
    add_problem(file, parameters, windows)
    for clip in ("exact", "torch"):
        norms = add_training(file, f"{clip}.", "lstm", parameters, windows, clip)
        assert sum(n > MAX_NORM for n in norms) >= 3, "too few steps are clipped: change the seed"
        assert sum(n < MAX_NORM for n in norms) >= 3, "too few steps are not clipped: change the seed"
        assert min(abs(n - MAX_NORM) for n in norms) > 1e-3, "a norm is too near to the limit: change the seed"
    return file


def mapping_case(seed):
    """A torch.nn.LSTM of two layers, both biases nonzero, and a Linear, in PyTorch's names and layouts."""
    random = np.random.RandomState(seed)
    hidden, steps = 5, 8
    lstm = torch.nn.LSTM(VOCAB, hidden, num_layers=2).double()
    linear = torch.nn.Linear(hidden, VOCAB).double()
    file = File("torch_lstm_mapping", "State dicts of torch.nn.LSTM(7, 5, num_layers=2) and torch.nn.Linear(5, 7).")
    p = {}
    for module, prefix in ((lstm, ""), (linear, "linear.")):
        for name, value in module.state_dict().items():
            p[prefix + name] = exact(random, tuple(value.shape), 0.6)
            value.copy_(torch.tensor(p[prefix + name]))
            file.add(prefix + name, p[prefix + name])
    ids = random.randint(0, VOCAB, steps)
    with torch.no_grad():
        out, (h, c) = lstm(torch.nn.functional.one_hot(torch.tensor(ids), VOCAB).double()[:, None, :])
        logits = linear(out)[:, 0].numpy()
    x = np.eye(VOCAB)[ids]
    for l in range(2):  # what an import has to do: transpose, add the two biases
        wi, wh = p[f"weight_ih_l{l}"].T, p[f"weight_hh_l{l}"].T
        b, hn, cn, rows = p[f"bias_ih_l{l}"] + p[f"bias_hh_l{l}"], np.zeros(hidden), np.zeros(hidden), []
        for row in x:
            i, f, g, o = np.split(row @ wi + hn @ wh + b, 4)
            cn = sigmoid(f) * cn + sigmoid(i) * np.tanh(g)
            hn = sigmoid(o) * np.tanh(cn)
            rows.append(hn)
        x = np.array(rows)
        agree("mapping h", hn, h[l, 0].numpy(), 1e-12)
        agree("mapping c", cn, c[l, 0].numpy(), 1e-12)
    worst = agree("mapping logits", logits, x @ p["linear.weight"].T + p["linear.bias"], 1e-12)
    file.add("ids", ids)
    file.add("logits", logits)
    file.add("h_n", h[:, 0].numpy())
    file.add("c_n", c[:, 0].numpy())
    print(f"{file.name}: numpy differs by {worst:.1e}")
    return file


def main():
    parser = argparse.ArgumentParser(description="Makes the golden numbers of tests/golden with PyTorch.")
    parser.add_argument("--check", action="store_true", help="write nothing, compare with the files to 1e-12")
    options = parser.parse_args()
    torch.set_num_threads(1)

    files = []
    for seed, cell in ((3, "lstm"), (1, "rnn"), (2, "gru")):
        file, parameters, windows = cell_case(cell, seed)
        files.append(file)
        if cell == "lstm":
            files.append(clip_case(parameters, windows))
    files.append(mapping_case(4))

    for file in files:
        if options.check:
            print(f"{file.name}.txt: differs by {file.check():.1e}")
        else:
            file.write()
            print(f"{file.name}.txt: {os.path.getsize(file.path())} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
