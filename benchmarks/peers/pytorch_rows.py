"""Rows of docs/results.md once more in PyTorch: the same text, split, lanes, windows, first values and optimiser.

    /usr/bin/python3 benchmarks/peers/pytorch_rows.py --corpus nietzsche.txt --row stateful --seed 1 --threads 1

Rows, and what trains them here:
    stateful, gru, lstm, seq, identity    examples/nietzsche/run --rung ROW
    lux-rnn, lux-lstm, lux-gru            examples/lux_shakespeare/run --cell CELL
    shakespeare                           examples/shakespeare/run (the training loss alone)
    kernel                                examples/linux_kernel/run --corpus FILE --lr 0.002; one epoch

Prints a line an epoch: training loss (a mean that forgets over some hundred steps), loss on what was held out from a
zero state, both in nats a character, and the seconds of the training steps so far. Float, CPU only.

The Nietzsche rows have PyTorch's own first values. The others have Flux's, and one bias where PyTorch has two: its
second is zero and stays so (in a GRU but for the part that the reset gate multiplies). --one-bias does the same to the
Nietzsche rows. Random numbers are not those of charrnn, so compare several seeds of each.
"""

import argparse
import math
import time

import torch
from torch import nn


def parse():
    rows = ("stateful", "gru", "lstm", "seq", "identity", "lux-rnn", "lux-lstm", "lux-gru", "shakespeare", "kernel")
    parser = argparse.ArgumentParser(description="Trains a row of docs/results.md in PyTorch.")
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--row", choices=rows, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=0, help="stop after so many; 0: all of the row's")
    parser.add_argument("--hidden", type=int, default=0, help="0: the row's")
    parser.add_argument("--training", type=int, default=493747, help="Nietzsche: characters to learn from")
    parser.add_argument("--no-jitter", action="store_true", help="Nietzsche: all windows of one length")
    parser.add_argument("--one-bias", action="store_true", help="train one bias a layer, not PyTorch's two")
    return parser.parse_args()


class CharRnn(nn.Module):
    """An embedding (or one-hot rows), recurrent layers, a linear layer."""

    def __init__(self, cell, symbols, hidden, layers=1, embedding=0, dropout=0.0):
        super().__init__()
        self.symbols, self.embedding = symbols, embedding
        self.e = nn.Embedding(symbols, embedding) if embedding else None
        kind = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.rnn = kind(embedding or symbols, hidden, layers, dropout=dropout)
        self.out = nn.Linear(hidden, symbols)

    def forward(self, ids, state):
        x = self.e(ids) if self.e else nn.functional.one_hot(ids, self.symbols).float()
        y, state = self.rnn(x, state)
        return self.out(y), state


def glorot(model, forget):
    """Flux's first values: Glorot uniform, a vector's fan its length; a forget bias of 1; no bias in the output."""
    for name, p in model.rnn.named_parameters():
        nn.init.uniform_(p, *(lambda a: (-a, a))(math.sqrt(6 / sum(p.shape))))
        if forget and "bias_ih" in name:
            p.data[p.numel() // 4:p.numel() // 2] = 1
    nn.init.xavier_uniform_(model.out.weight)
    nn.init.zeros_(model.out.bias)


def one_bias(model, gru):
    """Only the first of the two biases learns, and in a GRU the part of the second that the reset gate multiplies."""
    for name, p in model.rnn.named_parameters():
        if "bias_hh" not in name:
            continue
        learning = torch.zeros_like(p)
        if gru:
            learning[p.numel() // 3 * 2:] = 1
        p.data *= learning
        p.register_hook(lambda g, learning=learning: g * learning)


class Lanes:
    """A text of S ids as N lanes of ceil(S / N): lane j reads from jL on, and only the last one is padded."""

    def __init__(self, ids, lanes, window):
        size, self.window = len(ids), window
        length = -(-size // lanes)
        padded = torch.cat((ids, ids.new_full((lanes * length + 1 - size,), -1)))
        self.x = padded[:-1].view(lanes, length).t().contiguous()
        self.y = padded[1:].view(lanes, length).t().contiguous()  # -1 where nothing is to be predicted
        self.x.clamp_(min=0)

    def cuts(self):
        return list(range(0, len(self.x), self.window)) + [len(self.x)]

    def windows(self, cuts):
        for first, last in zip(cuts, cuts[1:]):
            yield self.x[first:last], self.y[first:last]


def jittered(length, window, generator):
    """Where windows of random lengths begin: normal numbers, at least 5, around the length or (1 in 20) half of it."""
    starts = [0]
    while starts[-1] < length:
        mean = window if torch.rand(1, generator=generator).item() < 0.95 else window / 2
        drawn = min(torch.normal(mean, 5.0, (1,), generator=generator).item(), 2 * window + 20)
        starts.append(min(length, starts[-1] + int(max(5, drawn))))
    return starts


def detached(state):
    return tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()


def loss_of(model, x, y, state):
    logits, state = model(x, state)
    return nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=-1), state


def evaluate(model, windows, stateful):
    model.eval()
    total, count, state = 0.0, 0, None
    with torch.no_grad():
        for x, y in windows:
            valid = int((y >= 0).sum())
            if valid == 0:
                continue
            loss, state = loss_of(model, x, y, state if stateful else None)
            total, count = total + loss.item() * valid, count + valid
    model.train()
    return total / max(1, count)


def half_cosine(share):
    return 0.5 * (1 + math.cos(math.pi * share))


def restarts(t):
    length = 1
    while t >= length:
        t, length = t - length, length * 2
    return half_cosine(t / length)


def lstm_rate(t):
    return 1.0 if t < 2 else restarts(t - 2) if t < 17 else restarts(t - 17)


def after(n):
    return lambda t: 1.0 if t < n else 0.1


def main():
    o = parse()
    torch.set_num_threads(o.threads)
    torch.manual_seed(o.seed)
    generator = torch.Generator().manual_seed(o.seed)
    decay = 0.0
    nietzsche = o.row in ("stateful", "gru", "lstm", "seq", "identity")
    raw = open(o.corpus, encoding="latin-1" if o.row == "shakespeare" else "utf-8", newline="").read()

    def encode(text, symbols, unknown=None):
        index = {c: i for i, c in enumerate(symbols)}
        return torch.tensor([index.get(c, unknown) for c in text])

    if o.row in ("stateful", "gru", "lstm"):
        text = raw.lower()
        most = o.training if o.training < len(text) else len(text) // 5 * 4
        count = {}
        for c in text[:most]:
            count[c] = count.get(c, 0) + 1
        symbols = ["pad", "unknown"] + sorted(c for c, n in count.items() if n >= 3)
        ids = encode(text, symbols, 1)
        training, held = Lanes(ids[:most], 64, 8), Lanes(ids[most:], 64, 8)
        starts = jittered(len(training.x), 8, generator)

        def training_windows(epoch):
            if o.no_jitter:
                return training.windows(training.cuts())
            shift = int(torch.randint(len(starts) - 1, (1,), generator=generator)) if epoch else 0
            lengths = [b - a for a, b in zip(starts, starts[1:])]
            cuts = [0]
            for n in lengths[shift:] + lengths[:shift]:
                cuts.append(cuts[-1] + n)
            return training.windows(cuts)

        steps, stateful = len(training.cuts() if o.no_jitter else starts) - 1, True
        held_windows = lambda: held.windows(held.cuts())
    elif nietzsche:
        symbols = ["\0"] + sorted(set(raw))
        ids = encode(raw, symbols)
        rows = (len(ids) - 1 - 8) // 8 + 1
        read, wanted = ids[:8 * rows].view(rows, 8), ids[1:8 * rows + 1].view(rows, 8)
        order = torch.randperm(rows, generator=generator)
        held_rows, rows_left = order[:rows // 5], order[rows // 5:]

        def batches(chosen):
            for first in range(0, len(chosen), 512):
                part = chosen[first:first + 512]
                yield read[part].t(), wanted[part].t()

        training_windows = lambda epoch: batches(
            rows_left[torch.randperm(len(rows_left), generator=generator)])
        steps, stateful = -(-len(rows_left) // 512), False
        held_windows = lambda: batches(held_rows)
    else:
        symbols = list(dict.fromkeys(raw)) + ["stop"]
        lux = o.row.startswith("lux")
        lanes = Lanes(encode(raw, symbols), 32 if lux else 50, 32 if lux else 50)
        cuts = lanes.cuts()
        every = list(range(len(cuts) - 1))
        if lux:
            every = torch.randperm(len(every), generator=generator).tolist()
        most = math.floor(0.95 * len(every)) if lux else len(every)

        def chosen_windows(chosen):
            for i in chosen:
                yield lanes.x[cuts[i]:cuts[i + 1]], lanes.y[cuts[i]:cuts[i + 1]]

        training_windows = lambda epoch: chosen_windows(every[:most])
        steps, stateful = most, not lux
        held_windows = lambda: chosen_windows(every[most:])

    V = len(symbols)
    H = o.hidden
    cells = {"gru": "gru", "lstm": "lstm", "lux-gru": "gru", "lux-lstm": "lstm", "shakespeare": "lstm",
             "kernel": "lstm"}
    cell = cells.get(o.row, "rnn")
    if o.row == "lstm":
        model = CharRnn("lstm", V, H or 512, 2, 42, 0.5)
        lr, rate, epochs, decay = 1e-2, lstm_rate, 80, 1e-5
    elif nietzsche:
        model = CharRnn(cell, V, H or 256, 1, 42)
        lr = 1e-2 if o.row == "identity" else 1e-3
        rate = after(6 if o.row == "gru" else 4)
        epochs = {"stateful": 8, "gru": 9, "seq": 5, "identity": 8}[o.row]
        if o.row == "identity":
            nn.init.eye_(model.rnn.weight_hh_l0)
    else:
        model = CharRnn(cell, V, H or 128, 2)
        glorot(model, cell == "lstm")
        lr, rate = (0.002 if o.row == "kernel" else 0.01), lambda t: 1.0
        epochs = 3 if o.row.startswith("lux") else 1
    if o.one_bias or not nietzsche:
        one_bias(model, cell == "gru")

    adam = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=decay)
    print(f"PyTorch {torch.__version__}, {o.threads} threads; {o.row}: {V} symbols, {steps} steps an epoch, "
          f"{sum(p.numel() for p in model.parameters()):,} parameters", flush=True)
    seconds, step, mean, weight = 0.0, 0, 0.0, 0.0
    for epoch in range(min(epochs, o.epochs or epochs)):
        state = None
        for x, y in training_windows(epoch):
            begin = time.perf_counter()
            for group in adam.param_groups:
                group["lr"] = lr * rate(step / steps)
            loss, state = loss_of(model, x, y, state if stateful else None)
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            state = detached(state)
            weight = 0.99 * weight + 1
            mean += (loss.item() - mean) / weight
            step += 1
            seconds += time.perf_counter() - begin
        on_held = "" if o.row in ("shakespeare", "kernel") else \
            f"  validation {evaluate(model, held_windows(), stateful):.4f}"
        print(f"epoch {epoch + 1}  training {mean:.4f}{on_held}  {seconds:.1f} s", flush=True)


if __name__ == "__main__":
    main()
