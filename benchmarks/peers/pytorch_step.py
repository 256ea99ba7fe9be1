"""One training step, or sampling, of a character model in PyTorch: the peer that charrnn is compared with.

    /usr/bin/python3 benchmarks/peers/pytorch_step.py --cell lstm --hidden 128 --layers 2 --lanes 50 --window 50 \
        --vocab 101 --threads 1 --steps 50 --warmup 10 --input onehot --clip 5
    /usr/bin/python3 benchmarks/peers/pytorch_step.py --mode sample --streams 32 --steps 500

Prints one line of JSON: the setting, the times and what PyTorch was running on. Float, CPU only.

A training step is what a user of PyTorch would write: batch (and, for onehot, its conversion), forward,
cross-entropy, backward, clipping if asked for, Adam. The windows of random ids are made beforehand. The
recurrent state is carried and detached from one step to the next.

--input onehot feeds one-hot vectors to the recurrent module: the model that charrnn trains, but with a full
product where rows of a matrix would do. --input embedding puts torch.nn.Embedding(vocab, hidden) before it:
the usual way in PyTorch, but another model, with more parameters and a product in place of the lookup.
Note that PyTorch trains two biases a layer (see "parameters").

A sampling step is one character in every stream: embedding or one-hot, recurrent module for one step, softmax,
torch.multinomial, in torch.inference_mode.
"""

import argparse
import json
import os
import re
import statistics
import sys
import time


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def parse():
    parser = argparse.ArgumentParser(description="Times a PyTorch training step or sampling; prints JSON.")
    parser.add_argument("--mode", choices=("train", "sample"), default="train")
    parser.add_argument("--cell", choices=("lstm", "rnn", "gru"), default="lstm")
    parser.add_argument("--hidden", type=positive, default=128)
    parser.add_argument("--layers", type=positive, default=2)
    parser.add_argument("--lanes", type=positive, default=50, help="streams that are trained in parallel")
    parser.add_argument("--window", type=positive, default=50, help="characters of a lane in a step")
    parser.add_argument("--vocab", type=positive, default=101)
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--steps", type=positive, default=50, help="steps that are timed")
    parser.add_argument("--warmup", type=int, default=10, help="steps before those")
    parser.add_argument("--input", choices=("onehot", "embedding"), default="onehot")
    parser.add_argument("--adam", choices=("auto", "fused", "foreach", "single"), default="auto",
                        help="auto: fused if PyTorch has it for the CPU, else foreach")
    parser.add_argument("--lr", type=float, default=0.002)
    parser.add_argument("--clip", type=float, default=0.0, help="largest norm of the gradient; 0: no clipping")
    parser.add_argument("--streams", type=positive, default=1, help="streams that are sampled in parallel")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def blas_libraries():
    """The names of the matrix libraries in this process: on Debian libblas.so.3 is whatever is configured."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as maps:
            names = {os.path.basename(line.split()[-1]) for line in maps if "/" in line}
    except OSError:
        return []
    return sorted(name for name in names if re.search(r"blas|mkl|dnnl", name))


def make_adam(torch, parameters, options):
    """The optimizer and which implementation it is. Whether fused works is only known after a step."""
    for kind in ("fused", "foreach", "single") if options.adam == "auto" else (options.adam,):
        flags = {} if kind == "single" else {kind: True}
        try:
            probe = torch.nn.Parameter(torch.zeros(1))
            probe.grad = torch.ones(1)
            torch.optim.Adam([probe], **flags).step()
            if kind == "single":
                flags = {"foreach": False} if "foreach" in torch.optim.Adam([probe]).defaults else {}
            return torch.optim.Adam(parameters, lr=options.lr, **flags), kind
        except (RuntimeError, TypeError):
            if options.adam != "auto":
                raise
    raise RuntimeError("no Adam works")


def make_model(torch, options):
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            width = options.vocab
            if options.input == "embedding":
                width = options.hidden
                self.embedding = nn.Embedding(options.vocab, width)
            kind = {"lstm": nn.LSTM, "rnn": nn.RNN, "gru": nn.GRU}[options.cell]
            self.recurrent = kind(width, options.hidden, num_layers=options.layers)
            self.linear = nn.Linear(options.hidden, options.vocab)

        def forward(self, ids, state):
            if options.input == "embedding":
                x = self.embedding(ids)
            else:
                x = torch.zeros(*ids.shape, options.vocab).scatter_(-1, ids[..., None], 1.0)
            x, state = self.recurrent(x, state)
            return self.linear(x), state

    return Model()


def zero_state(torch, options, lanes):
    h = torch.zeros(options.layers, lanes, options.hidden)
    return (h, torch.zeros_like(h)) if options.cell == "lstm" else h


def detached(state):
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


def train(torch, options):
    model = make_model(torch, options)
    parameters = list(model.parameters())
    adam, kind = make_adam(torch, parameters, options)
    stream = torch.randint(options.vocab, (8 * options.window + 1, options.lanes))
    cross_entropy = torch.nn.CrossEntropyLoss()
    state = zero_state(torch, options, options.lanes)
    times, losses = [], []
    for step in range(options.warmup + options.steps):
        begin = time.perf_counter()
        at = step % 8 * options.window
        inputs = stream[at : at + options.window]
        targets = stream[at + 1 : at + options.window + 1]
        adam.zero_grad(set_to_none=True)
        logits, state = model(inputs, state)
        loss = cross_entropy(logits.view(-1, options.vocab), targets.reshape(-1))
        loss.backward()
        if options.clip > 0:
            torch.nn.utils.clip_grad_norm_(parameters, options.clip)
        adam.step()
        state = detached(state)
        losses.append(loss.item())
        times.append(time.perf_counter() - begin)
    result = {"lanes": options.lanes, "window": options.window, "adam": kind, "clip": options.clip}
    result.update(first_loss=round(losses[0], 4), last_loss=round(losses[-1], 4))
    return model, times[options.warmup :], options.lanes * options.window, result


def sample(torch, options):
    model = make_model(torch, options)
    model.eval()
    times = []
    with torch.inference_mode():
        state = zero_state(torch, options, options.streams)
        ids = torch.randint(options.vocab, (1, options.streams))
        for _ in range(options.warmup + options.steps):
            begin = time.perf_counter()
            logits, state = model(ids, state)
            probabilities = torch.softmax(logits[0] / options.temperature, dim=-1)
            ids = torch.multinomial(probabilities, 1).view(1, -1)
            ids.tolist()  # the characters reach the caller
            times.append(time.perf_counter() - begin)
    return model, times[options.warmup :], options.streams, {"streams": options.streams}


def main():
    options = parse()
    if options.warmup < 0:
        sys.exit("--warmup must not be negative")
    if options.temperature <= 0:
        sys.exit("--temperature must be positive")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(options.threads)  # before the libraries are loaded
    import torch

    torch.set_num_threads(options.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(options.seed)
    model, times, characters, extra = (train if options.mode == "train" else sample)(torch, options)
    median = statistics.median(times)
    result = {"peer": "pytorch", "mode": options.mode}
    for name in ("cell", "hidden", "layers", "vocab", "threads", "input", "steps", "warmup"):
        result[name] = getattr(options, name)
    result.update(extra)
    result.update(
        parameters=sum(p.numel() for p in model.parameters()),
        seconds_per_step=median,
        seconds_min=min(times),
        seconds_max=max(times),
        characters_per_second=characters / median,
        dtype="float32",
        torch=torch.__version__,
        mkldnn=torch.backends.mkldnn.is_available(),
        blas=blas_libraries(),
    )
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
