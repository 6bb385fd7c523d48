"""Runs reverse proxies side by side in front of one fast backend and prints what a request costs each of them.

Every figure is the CPU time of the proxy (user and system, all its processes and threads, from /proc) divided by the
requests it answered, as a ratio to HAProxy's in the turn beside it. In a round every contestant is a fresh process, and they
take turns of half a second under load, so that a drifting machine drifts for all. Only loopback is used; only own children
are ended.

See README.md beside this file for what is needed.
"""

import argparse
import collections
import contextlib
import http.client
import multiprocessing
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from contestants import HERE, RELEASE, contestants, free_port, versions
from report import save, tables

CORES = sorted(os.sched_getaffinity(0))
# One worker: the proxies on one core, load and backend on the others.
PROXY_CORE, LOAD_CORES = CORES[0], CORES[1:] or CORES
# Times that each contestant is started for its start-up time alone.
STARTS = 9
# Seconds under load in a turn. Bodies that take long have longer ones (`turn`), for what is under way at the end is lost.
TURN = 0.5
# Turns of a second at a fixed rate, for p50 and p99.
LATENCY_TURNS = 8

SCENARIOS = {
    "ok": dict(path="/ok", tool="wrk", status=200),
    "404": dict(path="/404", tool="wrk", status=404, rewrite=True),
    "404 passed": dict(path="/404", tool="wrk", status=404, mode="off"),
    "500": dict(path="/500", tool="wrk", status=500, rewrite=True),
    "500 passed": dict(path="/500", tool="wrk", status=500, mode="off"),
    "problem": dict(path="/problem", tool="wrk", status=404),
    "chunked": dict(path="/chunked", tool="wrk", status=200),
    "headers": dict(path="/headers", tool="wrk", status=200, script="headers.lua"),
    "post": dict(path="/post", tool="wrk", status=200, script="post.lua"),
    "big": dict(path="/big", tool="wrk", status=200, script="big.lua", size=10 << 20, turn=1.0),
    "upload": dict(path="/post", tool="wrk", status=200, script="upload.lua", upload=10 << 20, turn=1.0),
    "h2": dict(path="/ok", tool="h2load", status=200, h2=True),
    "2 workers": dict(path="/ok", tool="wrk", status=200, workers=2),
    "10k idle": dict(path="/ok", tool="wrk", status=200, idle=10_000),
}


def tree(pid):
    """The process and its children (nginx and envoy fork or thread), alive now."""
    found = [pid]
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += tree(int(child))
    return found


def cpu_ns(pids):
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            try:
                total += int((task / "schedstat").read_text().split()[0])
            except (FileNotFoundError, ProcessLookupError):
                pass
    return total


def rss(pids, field="VmRSS"):
    total = 0
    for pid in pids:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        total += int(re.search(field + r":\s+(\d+)", status).group(1))
    return total


def wait_for(port, deadline=10.0):
    """A connection to the port, as soon as it is listened on: tried again within 0.1 ms."""
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except ConnectionRefusedError:
            time.sleep(0.00002)
    raise RuntimeError(f"nothing listens on {port}")


def ask(connection):
    connection.sendall(b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if not (answer := connection.recv(65536)).startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"answered {answer[:100]}")


def ask_for_a_rewrite(connection, scenario):
    connection.sendall(f"GET {scenario['path']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    with http.client.HTTPResponse(connection) as answer:
        answer.begin()
        body = answer.read()
        if answer.status != scenario["status"] or not body.startswith(b"{"):
            raise RuntimeError(f"answered {answer.status} {body[:100]}")


def told(backend, what):
    """What the backend has counted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{backend}/{what}") as answer:
        return int(answer.read())


class Contestant:
    def __init__(self, command, backend, scenario):
        self.scenario = scenario
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="compare-"))
        self.port = free_port()
        argv = command(self.directory, self.port, backend, scenario)
        with open(self.directory / "stderr", "wb") as stderr:
            # A child inherits the cores. `taskset` would take 2 ms more, and so would `preexec_fn`, for which Python copies itself.
            os.sched_setaffinity(0, [PROXY_CORE] if scenario.get("workers", 1) == 1 else CORES)
            self.started = time.perf_counter()
            self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=stderr)
            os.sched_setaffinity(0, LOAD_CORES)

    def settle(self):
        with wait_for(self.port) as connection:
            if self.scenario.get("rewrite"):
                ask_for_a_rewrite(connection, self.scenario)
        time.sleep(0.3)
        self.pids = tree(self.process.pid)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def startup_ms(command, backend):
    """Until a client that has been trying since just before the start has its first answer from the backend."""
    contestant = Contestant(command, backend, SCENARIOS["ok"])
    try:
        with wait_for(contestant.port) as connection:
            ask(connection)
            return (time.perf_counter() - contestant.started) * 1000
    finally:
        contestant.end()


def load(scenario, port, seconds, connections, streams):
    """How many requests were answered, those under way at the end by what was received of them if answers have a size."""
    url = f"http://127.0.0.1:{port}{scenario['path']}"
    argv = ["taskset", "-c", ",".join(map(str, LOAD_CORES))]
    if scenario["tool"] == "wrk":
        # wrk takes whole seconds only: it is interrupted, whereupon it tells what it has.
        argv += ["wrk", "-t1", f"-c{connections}", f"-d{int(seconds) + 30}s"]
        if "script" in scenario:
            argv += ["-s", str(HERE / scenario["script"])]
        for field in scenario.get("fields", ()):
            argv += ["-H", field]
        wrk = subprocess.Popen(argv + [url], stdout=subprocess.PIPE, text=True)
        time.sleep(seconds)
        wrk.send_signal(signal.SIGINT)
        out = wrk.communicate(timeout=30)[0]
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        if "Socket errors" in out:
            print(out, file=sys.stderr)
        errors = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        wrong = int(errors.group(1)) if errors else 0
        if scenario["status"] >= 400:
            wrong = requests - wrong
    else:
        argv += ["h2load", "-t1", f"-c{connections}", f"-m{streams}", "-D", f"{round(seconds * 1000)}ms", url]
        out = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 30).stdout
        requests = int(re.search(r"(\d+) succeeded", out).group(1))
        wrong = int(re.search(r"(\d+) failed", out).group(1))
    if size := scenario.get("size"):
        requests = int(re.search(r"received (\d+) bytes", out).group(1)) / size
    if not requests or wrong > connections * streams:
        raise RuntimeError(f"wrong answers: {wrong} of {requests}\n{out}")
    return requests


def latency(scenario, port, seconds, rate):
    """Microseconds that each answer took at a fixed rate, from h2load's per-request log."""
    log = tempfile.NamedTemporaryFile(suffix=".tsv")
    connections = 16
    argv = ["taskset", "-c", ",".join(map(str, LOAD_CORES)), "h2load", "-t1", f"-c{connections}", "-D", str(seconds),
            f"--rps={rate / connections}", "--log-file", log.name]
    if not scenario.get("h2"):
        argv.append("--h1")
    subprocess.run(argv + [f"http://127.0.0.1:{port}{scenario['path']}"], capture_output=True, timeout=seconds + 30)
    answers = [line.split(b"\t") for line in pathlib.Path(log.name).read_bytes().splitlines()]
    times = [int(took) for _, status, took in answers if status == b"200"]
    if not times:
        raise RuntimeError(f"no answers at {rate} requests a second")
    return times


def hold(port, count, ready, over):
    with contextlib.ExitStack() as open_sockets:
        for _ in range(count):
            ask(open_sockets.enter_context(socket.create_connection(("127.0.0.1", port))))
        ready.set()
        over.wait()


@contextlib.contextmanager
def idle_connections(port, count):
    """Client connections that have been used once and wait for their next request: a process has descriptors for some 10,000."""
    ready, over = multiprocessing.Event(), multiprocessing.Event()
    holder = multiprocessing.Process(target=hold, args=(port, count, ready, over), daemon=True)
    holder.start()
    try:
        if not ready.wait(60):
            raise RuntimeError(f"{count} idle connections are not to be had")
        time.sleep(3)
        yield
    finally:
        over.set()
        holder.join()


def start_backend():
    port = free_port()
    process = subprocess.Popen([str(RELEASE / "backend"), str(port)],
                               preexec_fn=lambda: os.sched_setaffinity(0, set(LOAD_CORES)))
    wait_for(port).close()
    return process, port


class Measurement:
    """CPU per request, memory and new upstream connections of one contestant under one load, in turns."""

    def __init__(self, name, scenario_name, contestant, backend, options):
        self.name, self.scenario_name, self.contestant = name, scenario_name, contestant
        self.scenario, self.backend, self.options = contestant.scenario, backend, options
        self.turn_seconds = self.scenario.get("turn", TURN)
        self.turns = max(1, round(options.seconds / self.turn_seconds))
        self.opened = 0
        # Of each turn: the CPU time, and how many requests it was for.
        self.spent_ns, self.requests = [], []
        self.times = []

    def load(self):
        return load(self.scenario, self.contestant.port, self.turn_seconds, self.options.connections, self.options.streams)

    def turn(self):
        connections, received = told(self.backend, "accepted"), told(self.backend, "received")
        before = cpu_ns(self.contestant.pids)
        requests = self.load()
        self.spent_ns.append(cpu_ns(self.contestant.pids) - before)
        # Two of the connections are the questions themselves.
        self.opened += max(0, told(self.backend, "accepted") - connections - 2)
        if size := self.scenario.get("upload"):
            requests = (told(self.backend, "received") - received) / size
        self.requests.append(requests)

    def latency_turn(self):
        self.times += latency(self.scenario, self.contestant.port, 1, self.options.rate)

    def result(self):
        pids = self.contestant.pids
        requests = sum(self.requests)
        turns_us = [spent / requests / 1000 for spent, requests in zip(self.spent_ns, self.requests)]
        figures = dict(us=sum(self.spent_ns) / requests / 1000, turns_us=turns_us, requests=requests,
                       new_connections=self.opened / requests, rss_kib=rss(pids), peak_kib=rss(pids, "VmHWM"))
        per_second = requests / self.turns / self.turn_seconds
        print(f"{self.scenario_name:10} {self.name:14} {figures['us']:7.2f} us/req {per_second:8.0f} req/s "
              f"peak {figures['peak_kib'] / 1024:.1f} MiB", file=sys.stderr)
        return figures

    def percentiles(self):
        times = sorted(self.times)
        return times[len(times) // 2], times[len(times) * 99 // 100]


def turns(measurements):
    """Each has a turn, then each has one in the opposite order, and so on, so that none is always the later one."""
    for measurement in measurements:
        measurement.load()
    for number in range(measurements[0].turns):
        for measurement in measurements if number % 2 == 0 else reversed(measurements):
            measurement.turn()


def heats(scenarios, names):
    """What takes turns with one another: all contestants, in a scenario and in the one that it is compared with."""
    by_load = collections.defaultdict(list)
    for scenario in scenarios:
        by_load[scenario.removesuffix(" passed")].append(scenario)
    for together in by_load.values():
        yield [(name, scenario) for name in names for scenario in together]


def run_heat(heat, peers, scenarios, backend, options, results, extras):
    """A fresh process for each, and what they cost."""
    with contextlib.ExitStack() as until_the_end:
        measurements = []
        for name, scenario_name in heat:
            scenario = scenarios[scenario_name]
            contestant = Contestant(peers[name], backend, scenario)
            until_the_end.callback(contestant.end)
            contestant.settle()
            measurements.append(Measurement(name, scenario_name, contestant, backend, options))
            if idle := scenario.get("idle"):
                rss_before = rss(contestant.pids)
                until_the_end.enter_context(idle_connections(contestant.port, idle))
                extras[name]["idle_kib"].append((rss(contestant.pids) - rss_before) / idle)
        turns(measurements)
        for measurement in measurements:
            results[measurement.name][measurement.scenario_name].append(measurement.result())
        by_rate = [measurement for measurement in measurements if measurement.scenario_name == "ok"]
        for _ in range(LATENCY_TURNS):
            for measurement in by_rate:
                measurement.latency_turn()
        for measurement in by_rate:
            p50, p99 = measurement.percentiles()
            extras[measurement.name]["p50_us"].append(p50)
            extras[measurement.name]["p99_us"].append(p99)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load per contestant, scenario and round, in turns")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--streams", type=int, default=8, help="requests at a time on an HTTP/2 connection")
    parser.add_argument("--rate", type=int, default=4000, help="requests per second for p50 and p99")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--peers", default="haproxy,haproxy16,haproxy-next,nginx,envoy,pingora,naive,status-proxy")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=BINARY", help="another build of status-proxy")
    parser.add_argument("--out", type=pathlib.Path, help="a directory for results.json, README.md and chart.svg")
    options = parser.parse_args()
    if unknown := set(options.scenarios.split(",")) - set(SCENARIOS):
        parser.error(f"no such scenario: {', '.join(unknown)}")
    if not (RELEASE / "backend").exists():
        parser.error(f"{RELEASE / 'backend'} is to be built first, see README.md")

    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    peers = contestants(options.peers.split(","), options.also)
    found = versions(peers)
    scenarios = {name: SCENARIOS[name] for name in options.scenarios.split(",")}
    backend_process, backend = start_backend()
    results = {name: {s: [] for s in scenarios} for name in peers}
    extras = {name: {"startup_ms": [], "p50_us": [], "p99_us": [], "idle_kib": []} for name in peers}
    try:
        for _ in range(STARTS):
            for name, command in peers.items():
                extras[name]["startup_ms"].append(startup_ms(command, backend))
        for number in range(options.rounds):
            print(f"round {number + 1}", file=sys.stderr)
            # Another one begins in each round: what the machine does meanwhile is nobody's.
            first = number % len(peers)
            order = [*peers][first:] + [*peers][:first]
            for heat in heats(scenarios, order):
                run_heat(heat, peers, scenarios, backend, options, results, extras)
            save(peers, scenarios, results, extras, found, options)
    finally:
        backend_process.terminate()
        backend_process.wait()
    print(tables(peers, scenarios, results, extras))


if __name__ == "__main__":
    main()
