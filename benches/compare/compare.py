"""Runs reverse proxies side by side in front of one fast backend and prints what a request costs each of them.

Every figure is the CPU time of the proxy (user and system, all its processes and threads, from /proc) divided by the
requests it answered, as a ratio to HAProxy within the same round. Rounds are interleaved and every contestant is a fresh
process in each, so that a drifting machine drifts for all. Only loopback is used; only own children are ended.

See README.md beside this file for what is needed.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
CORES = sorted(os.sched_getaffinity(0))
# The proxies on one core, load and backend on the others.
PROXY_CORE, LOAD_CORES = CORES[0], CORES[1:] or CORES

SCENARIOS = {
    "ok": dict(path="/ok", tool="wrk", status=200),
    "404": dict(path="/404", tool="wrk", status=404, rewrite=True),
    "500": dict(path="/500", tool="wrk", status=500, rewrite=True),
    "chunked": dict(path="/chunked", tool="wrk", status=200),
    "headers": dict(path="/headers", tool="wrk", status=200, script="headers.lua"),
    "post": dict(path="/post", tool="wrk", status=200, script="post.lua"),
    "big": dict(path="/big", tool="wrk", status=200),
    "h2": dict(path="/ok", tool="h2load", status=200, h2=True),
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fill(name, directory, **values):
    text = (HERE / "peers" / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    path = directory / name
    path.write_text(text)
    return str(path)


def comment(rewrite):
    return "" if rewrite else "#"


def haproxy(binary, bufsize):
    def command(directory, listen, backend, scenario):
        proto = "proto h2" if scenario.get("h2") else ""
        conf = fill("haproxy.cfg", directory, LISTEN=listen, BACKEND=backend, BUFSIZE=bufsize, PROTO=proto,
                    REWRITE=comment(scenario.get("rewrite")))
        return [binary, "-db", "-f", conf]
    return command


def nginx(directory, listen, backend, scenario):
    conf = fill("nginx.conf", directory, LISTEN=listen, BACKEND=backend, DIR=directory,
                PROTO="http2" if scenario.get("h2") else "", REWRITE=comment(scenario.get("rewrite")))
    return [shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "nginx", "-c", conf, "-e", "stderr"]


def envoy(directory, listen, backend, scenario):
    conf = fill("envoy.yaml", directory, LISTEN=listen, BACKEND=backend, REWRITE=comment(scenario.get("rewrite")))
    return [os.environ["ENVOY"], "-c", conf, "--concurrency", "1", "--use-dynamic-base-id", "-l", "critical"]


def naive(directory, listen, backend, scenario):
    mode = "rewrite" if scenario.get("rewrite") else "pass"
    return [str(RELEASE / "naive"), f"127.0.0.1:{listen}", f"127.0.0.1:{backend}", mode]


def own(binary):
    def command(directory, listen, backend, scenario):
        return [binary, "run", "--listen", f"127.0.0.1:{listen}", "--admin", f"127.0.0.1:{free_port()}", "--upstream",
                f"http://127.0.0.1:{backend}", "--catalog", "sfs", "--workers", str(scenario.get("workers", 1))]
    return command


def contestants(names, extra):
    known = {
        "haproxy": haproxy("haproxy", 65536),
        "haproxy16": haproxy("haproxy", 16384),
        "nginx": nginx,
        "envoy": envoy,
        "naive": naive,
        "status-proxy": own(str(RELEASE / "status-proxy")),
    }
    for item in extra:
        name, _, binary = item.partition("=")
        known[name] = own(binary)
        names.append(name)
    return {name: known[name] for name in names}


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
    until = time.monotonic() + deadline
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.0005)
    raise RuntimeError(f"nothing listens on {port}")


def accepted(backend):
    with urllib.request.urlopen(f"http://127.0.0.1:{backend}/accepted") as answer:
        return int(answer.read())


class Contestant:
    def __init__(self, name, command, backend, scenario):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="compare-"))
        self.port = free_port()
        argv = command(self.directory, self.port, backend, scenario)
        started = time.perf_counter()
        self.process = subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=open(self.directory / "stderr", "wb"),
            preexec_fn=lambda: os.sched_setaffinity(0, {PROXY_CORE}))
        wait_for(self.port)
        self.startup_ms = (time.perf_counter() - started) * 1000
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


def load(scenario, port, seconds, connections, rate=None):
    url = f"http://127.0.0.1:{port}{scenario['path']}"
    pin = ["taskset", "-c", ",".join(map(str, LOAD_CORES))]
    if scenario["tool"] == "wrk":
        argv = pin + ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
        if "script" in scenario:
            argv += ["-s", str(HERE / scenario["script"])]
        out = subprocess.run(argv + [url], capture_output=True, text=True, timeout=seconds + 30).stdout
        requests = int(re.search(r"(\d+) requests in", out).group(1))
        if "Socket errors" in out:
            print(out, file=sys.stderr)
        errors = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
        wrong = int(errors.group(1)) if errors else 0
        if scenario["status"] >= 400:
            wrong = requests - wrong
    else:
        argv = pin + ["h2load", "-t1", f"-c{connections}", "-m8", "-D", str(seconds), url]
        out = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 30).stdout
        requests = int(re.search(r"(\d+) succeeded", out).group(1))
        wrong = int(re.search(r"(\d+) failed", out).group(1))
    if not requests or wrong > connections * 8:
        raise RuntimeError(f"wrong answers: {wrong} of {requests}\n{out}")
    return requests


def latency(scenario, port, seconds, rate):
    """p50 and p99 in microseconds at a fixed rate, from h2load's per-request log."""
    log = tempfile.NamedTemporaryFile(suffix=".tsv")
    connections = 16
    argv = ["taskset", "-c", ",".join(map(str, LOAD_CORES)), "h2load", "-t1", f"-c{connections}", "-D", str(seconds),
            f"--rps={rate / connections}", "--log-file", log.name]
    if not scenario.get("h2"):
        argv.append("--h1")
    subprocess.run(argv + [f"http://127.0.0.1:{port}{scenario['path']}"], capture_output=True, timeout=seconds + 30)
    times = sorted(int(line.split(b"\t")[2]) for line in pathlib.Path(log.name).read_bytes().splitlines())
    if len(times) < 100:
        return None
    return times[len(times) // 2], times[len(times) * 99 // 100]


def idle_cost(contestant, scenario, count):
    """KiB of memory per client connection that has been used once and waits for its next request."""
    before = rss(contestant.pids)
    sockets = []
    try:
        for _ in range(count):
            s = socket.create_connection(("127.0.0.1", contestant.port))
            s.sendall(b"GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n")
            sockets.append(s)
            s.recv(65536)
        time.sleep(3)
        return (rss(tree(contestant.process.pid)) - before) / count
    finally:
        for s in sockets:
            s.close()


def start_backend():
    port = free_port()
    process = subprocess.Popen([str(RELEASE / "backend"), str(port)],
                               preexec_fn=lambda: os.sched_setaffinity(0, set(LOAD_CORES)))
    wait_for(port)
    return process, port


def versions(names):
    def first(*argv):
        try:
            out = subprocess.run(argv, capture_output=True, text=True)
            return (out.stdout + out.stderr).strip().splitlines()[0]
        except (OSError, IndexError):
            return "?"
    found = {"kernel": platform.release(), "cores": len(CORES)}
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    found["cpu"] = model.group(1) if model else "?"
    found["status-proxy"] = first(str(RELEASE / "status-proxy"), "--version")
    if any(name.startswith("haproxy") for name in names):
        found["haproxy"] = first("haproxy", "-v")
    if "nginx" in names:
        found["nginx"] = first("/usr/sbin/nginx", "-v")
    if "envoy" in names:
        found["envoy"] = first(os.environ["ENVOY"], "--version").split("version: ")[-1]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load per contestant, scenario and round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--rate", type=int, default=4000, help="requests per second for p50 and p99")
    parser.add_argument("--idle", type=int, default=0, help="idle connections to measure memory with (8000 for the record)")
    parser.add_argument("--scenarios", default=",".join(SCENARIOS))
    parser.add_argument("--peers", default="haproxy,haproxy16,nginx,envoy,naive,status-proxy")
    parser.add_argument("--also", action="append", default=[], metavar="NAME=BINARY", help="another build of status-proxy")
    parser.add_argument("--out", help="a directory for results.json, table.md and chart.svg")
    options = parser.parse_args()

    names = [name for name in options.peers.split(",") if name != "envoy" or "ENVOY" in os.environ]
    peers = contestants(names, options.also)
    scenarios = {name: SCENARIOS[name] for name in options.scenarios.split(",")}
    backend_process, backend = start_backend()
    results = {name: {s: [] for s in scenarios} for name in peers}
    extras = {name: {"startup_ms": [], "p50_us": [], "p99_us": []} for name in peers}
    try:
        for number in range(options.rounds):
            for scenario_name, scenario in scenarios.items():
                for name, command in peers.items():
                    contestant = Contestant(name, command, backend, scenario)
                    try:
                        load(scenario, contestant.port, 1, options.connections)
                        connections = accepted(backend)
                        before = cpu_ns(contestant.pids)
                        requests = load(scenario, contestant.port, options.seconds, options.connections)
                        used = cpu_ns(contestant.pids) - before
                        # Two of the connections are the question itself.
                        opened = max(0, accepted(backend) - connections - 1)
                        result = dict(us=used / requests / 1000, requests=requests, new_connections=opened / requests,
                                      rss_kib=rss(contestant.pids), peak_kib=rss(contestant.pids, "VmHWM"))
                        results[name][scenario_name].append(result)
                        extras[name]["startup_ms"].append(contestant.startup_ms)
                        if scenario_name == "ok":
                            if measured := latency(scenario, contestant.port, 3, options.rate):
                                extras[name]["p50_us"].append(measured[0])
                                extras[name]["p99_us"].append(measured[1])
                            if options.idle and number == 0:
                                extras[name]["idle_kib"] = idle_cost(contestant, scenario, options.idle)
                    finally:
                        contestant.end()
                    print(f"round {number + 1} {scenario_name:8} {name:14} {result['us']:7.2f} us/req "
                          f"{requests / options.seconds:8.0f} req/s  peak {result['peak_kib'] / 1024:.1f} MiB", file=sys.stderr)
    finally:
        backend_process.terminate()
        backend_process.wait()
    report(peers, scenarios, results, extras, versions(peers), options)


def ratio(results, name, scenario):
    pairs = [mine["us"] / theirs["us"] for mine, theirs in zip(results[name][scenario], results["haproxy"][scenario])]
    return statistics.median(pairs)


def report(peers, scenarios, results, extras, found, options):
    lines = ["| CPU per request, x HAProxy | " + " | ".join(scenarios) + " |", "|---|" + "---:|" * len(scenarios)]
    base = "haproxy" in peers
    for name in peers:
        cells = []
        for scenario in scenarios:
            us = statistics.median(run["us"] for run in results[name][scenario])
            cells.append(f"{ratio(results, name, scenario):.2f} ({us:.1f} us)" if base else f"{us:.1f} us")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| | start-up ms | p50 us | p99 us | peak MiB after load | idle connection KiB | new upstream connections per rewritten error |",
              "|---|---:|---:|---:|---:|---:|---:|"]
    for name in peers:
        extra = extras[name]
        peak = max(run["peak_kib"] for s in scenarios for run in results[name][s]) / 1024
        rewritten = [run["new_connections"] for s in scenarios if scenarios[s].get("rewrite") for run in results[name][s]]

        def middle(key):
            return f"{statistics.median(extra[key]):.1f}" if extra.get(key) else "-"
        idle = f"{extra['idle_kib']:.2f}" if "idle_kib" in extra else "-"
        opened = f"{statistics.median(rewritten):.2f}" if rewritten else "-"
        lines.append(f"| {name} | {middle('startup_ms')} | {middle('p50_us')} | {middle('p99_us')} | {peak:.1f} | {idle} | {opened} |")
    table = "\n".join(lines)
    print(table)
    if options.out:
        out = pathlib.Path(options.out)
        out.mkdir(parents=True, exist_ok=True)
        about = dict(date=datetime.date.today().isoformat(), versions=found, rounds=options.rounds, seconds=options.seconds,
                     connections=options.connections, rate=options.rate)
        (out / "results.json").write_text(json.dumps(dict(about=about, results=results, extras=extras), indent=1) + "\n")
        heading = "\n".join(f"- {key}: {value}" for key, value in found.items())
        command = "python3 benches/compare/compare.py " + " ".join(sys.argv[1:])
        (out / "README.md").write_text(f"# {about['date']}\n\n{heading}\n\n`{command}`\n\n{table}\n")
        if base:
            chart(peers, scenarios, results, out / "chart.svg")


def chart(peers, scenarios, results, path):
    try:
        import pygal
    except ImportError:
        print("no chart: the package pygal is not installed", file=sys.stderr)
        return
    bars = pygal.Bar(title="CPU per request, x HAProxy (lower is better)", legend_at_bottom=True, y_title="x HAProxy",
                     width=1000, height=460, disable_xml_declaration=False, js=[])
    bars.x_labels = list(scenarios)
    for name in peers:
        bars.add(name, [round(ratio(results, name, scenario), 2) for scenario in scenarios])
    bars.render_to_file(str(path))


if __name__ == "__main__":
    main()
