"""Whole training steps of charrnn and of PyTorch, in turn: what `benchmarks/run --peers` runs.

PyTorch is first tried briefly at each of its settings (threads, one-hot or embedding, Adam foreach or single); its
best one for each number of threads then takes turns with ours, A B A B, so that a machine that is busier at one
moment than at the next is unfair to neither. Medians are over the turns, of each turn's median step.
"""

import argparse
import datetime
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

PEER = pathlib.Path(__file__).with_name("pytorch_step.py")

# cell, layers x hidden, lanes x window: the seeds' sizes first
SETTINGS = [
    {"cell": cell, "layers": layers, "hidden": hidden, "lanes": lanes, "window": window}
    for layers, hidden, lanes, window in ((2, 128, 50, 50), (2, 256, 50, 50), (2, 512, 64, 64), (1, 64, 16, 32))
    for cell in ("lstm", "rnn")
]


def name(setting):
    return "{cell}/{layers}x{hidden}/lanes:{lanes}/window:{window}".format(**setting)


# Threads that wait by spinning fight for the processors of a virtual machine: PyTorch's two were four times as slow.
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", **os.environ}


def run(command, options):
    words = [str(word) for option, value in options.items() for word in ("--" + option, value)]
    done = subprocess.run([*command, *words], stdout=subprocess.PIPE, text=True, check=False, env=ENVIRONMENT)
    if done.returncode != 0:
        sys.exit("failed (exit code {}): {}".format(done.returncode, " ".join(map(str, [*command, *words]))))
    return json.loads(done.stdout)


def steps_for(seconds_per_step, seconds):
    return max(3, min(2000, int(seconds / seconds_per_step)))


class Side:
    """One of the two at one setting, and its turns."""

    def __init__(self, label, command, options):
        self.label, self.command, self.options = label, command, options
        self.turns = []

    def turn(self, seconds):
        if "steps" not in self.options:
            self.options.update(steps=3, warmup=2)
            steps = steps_for(run(self.command, self.options)["seconds_per_step"], seconds)
            self.options.update(steps=steps, warmup=2 + steps // 5)
        result = run(self.command, self.options)
        self.turns.append(result)
        return result

    def median(self, key="seconds_per_step"):
        return statistics.median(turn[key] for turn in self.turns)

    def line(self):
        turns = [turn["seconds_per_step"] for turn in self.turns]
        text = "  {:<44} {:9.3f} ms  {:9.3f} - {:<9.3f} {:9,.0f} characters/s".format(
            self.label, 1e3 * self.median(), 1e3 * min(turns), 1e3 * max(turns),
            self.median("characters_per_second"))
        if "share_of_peak" in self.turns[0]:
            text += "  {:5.1f} % of the peak".format(100 * self.median("share_of_peak"))
            if self.median("cores") < 0.8 * self.options["threads"]:
                text += " (had only {:.1f} cores)".format(self.median("cores"))
        return text

    def as_json(self):
        return {"label": self.label, "seconds_per_step": self.median(),
                "characters_per_second": self.median("characters_per_second"), "turns": self.turns}


def best_of_pytorch(setting, threads, seconds):
    """PyTorch's fastest setting for this number of threads: two short tries of each, the better one counts."""
    sides = []
    for source, adam in itertools.product(("onehot", "embedding"), ("foreach", "single")):
        options = dict(setting, threads=threads, input=source, adam=adam)
        label = "PyTorch, threads {}, {}, Adam {}".format(threads, source, adam)
        sides.append(Side(label, [sys.executable, PEER], options))
    for _ in range(2):
        for side in sides:
            side.turn(seconds)
    tried = {side.label: min(turn["seconds_per_step"] for turn in side.turns) for side in sides}
    best = min(sides, key=lambda side: tried[side.label])
    best.turns = []
    del best.options["steps"]
    return best, tried


def compare(setting, arguments, seconds):
    ours, theirs, tried = [], [], {}
    threads = sorted({1, min(2, os.cpu_count() or 1)} | set(arguments.threads))
    for count in threads:
        options = dict(setting, threads=count)
        ours.append(Side("charrnn, threads {}".format(count), [arguments.ours], options))
        best, times = best_of_pytorch(setting, count, seconds / 4)
        theirs.append(best)
        tried.update(times)
    for _ in range(arguments.rounds):
        for mine, other in zip(ours, theirs):
            mine.turn(seconds)
            other.turn(seconds)
    print(name(setting))
    for side in (*ours, *theirs):
        print(side.line())
    ratios = {}
    for count, mine, other in zip(threads, ours, theirs):
        ratios["threads {}".format(count)] = other.median() / mine.median()
    mine, other = min(ours, key=Side.median), min(theirs, key=Side.median)
    ratios["best"] = other.median() / mine.median()
    print("  ratio: " + ", ".join("{} {:.2f}".format(*item) for item in ratios.items())
          + "  (best: {} to {})\n".format(mine.label, other.label), flush=True)
    return {"setting": setting, "name": name(setting), "charrnn": [side.as_json() for side in ours],
            "pytorch": [side.as_json() for side in theirs], "tried_seconds_per_step": tried, "ratio": ratios}


def main():
    parser = argparse.ArgumentParser(prog="benchmarks/run --peers",
                                     description="Training steps of charrnn and PyTorch, in turn.")
    parser.add_argument("--ours", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, nargs="+", default=[], help="more numbers of threads than 1 and 2")
    parser.add_argument("--clip", type=float, default=5.0, help="both clip the gradient's norm (0: neither)")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("filter", nargs="?", default="")
    arguments = parser.parse_args()
    if arguments.rounds is None:
        arguments.rounds = 1 if arguments.quick else 5
    settings = [setting for setting in SETTINGS if re.search(arguments.filter, name(setting))]
    if arguments.list:
        print("\n".join(map(name, settings)))
        return 0
    if not settings or arguments.rounds < 1:
        parser.error("nothing to compare")
    load = os.getloadavg()[0]
    if load > 0.5:
        print("The machine is busy with other things (load {:.1f}): do not trust these times.".format(load))
    print("Seconds a step: median of {} turns, least - most; with clipping at {:g} and Adam.\n".format(
        arguments.rounds, arguments.clip))
    results = []
    for setting in settings:
        results.append(compare(dict(setting, vocab=101, clip=arguments.clip), arguments,
                               0.3 if arguments.quick else 2.0))
    if arguments.json:
        report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                  "processors": os.cpu_count(), "load_before": load, "rounds": arguments.rounds, "steps": results}
        pathlib.Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
