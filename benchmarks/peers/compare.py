"""charrnn and its peers in turn: what `benchmarks/run --peers` runs.

    step/...    whole training steps beside PyTorch's
    layer/...   one recurrent layer beside oneDNN's, forward, and forward with backward
    sample/...  writing, one stream or several, beside PyTorch

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

# cell, layers x hidden, lanes x window: those of the Flux documents first
SETTINGS = [
    {"cell": cell, "layers": layers, "hidden": hidden, "lanes": lanes, "window": window}
    for layers, hidden, lanes, window in ((2, 128, 50, 50), (2, 256, 50, 50), (2, 512, 64, 64), (1, 64, 16, 32))
    for cell in ("lstm", "gru", "rnn")
]
LAYERS = [{"cell": cell, "hidden": hidden, "lanes": 50, "window": 50}
          for cell in ("lstm", "gru", "rnn") for hidden in (128, 256, 512)]
WRITING = [{"cell": cell, "layers": 2, "hidden": hidden, "streams": streams}
           for cell, hidden in (("lstm", 128), ("lstm", 512), ("gru", 128), ("rnn", 128)) for streams in (1, 32)]


def name(setting):
    if "streams" in setting:
        return "sample/{cell}/{layers}x{hidden}/streams:{streams}".format(**setting)
    if "layers" not in setting:
        return "layer/{cell}/{hidden}/lanes:{lanes}/window:{window}".format(**setting)
    return "step/{cell}/{layers}x{hidden}/lanes:{lanes}/window:{window}".format(**setting)


# Threads that wait by spinning fight for the processors of a virtual machine: PyTorch's two were four times as slow.
ENVIRONMENT = {"OMP_WAIT_POLICY": "passive", **os.environ}


def run(command, options, environment=None):
    words = [str(word) for option, value in options.items() for word in ("--" + option, value)]
    done = subprocess.run([*command, *words], stdout=subprocess.PIPE, text=True, check=False,
                          env={**ENVIRONMENT, **(environment or {})})
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
        if "share_of_bandwidth" in self.turns[0] and self.options["streams"] == 1:
            text += "  {:5.1f} % of reading the weights".format(100 * self.median("share_of_bandwidth"))
        elif "share_of_peak" in self.turns[0]:
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
    writes = "streams" in setting
    for source, adam in itertools.product(("onehot", "embedding"), ("single",) if writes else ("foreach", "single")):
        options = dict(setting, threads=threads, input=source, adam=adam)
        label = "PyTorch, threads {}, {}{}".format(threads, source, "" if writes else ", Adam " + adam)
        sides.append(Side(label, [sys.executable, PEER], options))
    for _ in range(2):
        for side in sides:
            side.turn(seconds)
    tried = {side.label: min(turn["seconds_per_step"] for turn in side.turns) for side in sides}
    best = min(sides, key=lambda side: tried[side.label])
    best.turns = []
    del best.options["steps"]
    return best, tried


def compare_layer(setting, arguments):
    """A layer beside oneDNN's, in turn within one process; oneDNN's threads wait passively, or not."""
    results = []
    print(name(setting))
    for threads in sorted({1, min(2, os.cpu_count() or 1)} | set(arguments.threads)):
        options = dict(setting, threads=threads, rounds=arguments.rounds)
        policies = ("passive", "active") if threads > 1 else ("passive",)
        tried = {policy: run([arguments.onednn], options,
                             {"OMP_WAIT_POLICY": policy, "OMP_NUM_THREADS": str(threads)}) for policy in policies}
        for what in ("forward", "forward_backward"):
            # Threads of oneDNN that wait actively keep ours from a processor: each side has its better try.
            ours = min((t[what] for t in tried.values()), key=lambda r: r["charrnn_seconds"])
            theirs = min((t[what] for t in tried.values()), key=lambda r: r["onednn_seconds"])
            print("  threads {}, {:<18} charrnn {:8.3f} ms ({:4.1f} % of the peak)  oneDNN {:8.3f} ms  ratio {:.2f}".format(
                threads, what.replace("_", " + "), 1e3 * ours["charrnn_seconds"], 100 * ours["share_of_peak"],
                1e3 * theirs["onednn_seconds"], theirs["onednn_seconds"] / ours["charrnn_seconds"]))
        print("  numbers differ by {:.1e} of the largest at most".format(max(t["difference"] for t in tried.values())),
              flush=True)
        results.append({"threads": threads, "tried": tried})
    print()
    return {"setting": setting, "name": name(setting), "onednn": results}


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
                                     description="charrnn beside PyTorch and oneDNN, in turn.")
    parser.add_argument("--ours", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--onednn", help=argparse.SUPPRESS)
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
    settings = [setting for setting in SETTINGS + LAYERS + WRITING if re.search(arguments.filter, name(setting))]
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
        seconds = 0.3 if arguments.quick else 2.0
        if "streams" in setting:
            results.append(compare(dict(setting, mode="sample", vocab=101), arguments, seconds / 2))
        elif "layers" in setting:
            results.append(compare(dict(setting, vocab=101, clip=arguments.clip), arguments, seconds))
        elif arguments.onednn:
            results.append(compare_layer(setting, arguments))
        else:
            print(name(setting) + ": oneDNN was not found when the benchmarks were built\n")
    if arguments.json:
        report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
                  "processors": os.cpu_count(), "load_before": load, "rounds": arguments.rounds, "steps": results}
        pathlib.Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
