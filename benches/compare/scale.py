"""How the proxy's cost grows with what it is given: routes, operations, catalogs, header fields, connections.

Instructions per request are counted by callgrind, from after the first requests to before the end, so they repeat on any
machine; what the program does each second besides is in them. Start-up and memory are those of the program without
callgrind. Only loopback is used; only own children are ended.
"""

import argparse
import json
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import time

from compare import rss, start_backend, wait_for
from contestants import RELEASE, free_port

PROXY = str(RELEASE / "status-proxy")
# Requests before any is counted, and those that are.
FEW, MANY = 300, 1000
# Starts, of which the one in the middle is told.
STARTS = 9


def request(path="/ok", fields=0):
    lines = [f"GET {path} HTTP/1.1", "Host: localhost", "Accept: */*"]
    lines += [f"X-Request-Field-{n}: some value of ordinary length {n}" for n in range(fields)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def ask(port, text, count):
    """Sends `count` requests over one connection, one after the other."""
    with socket.create_connection(("127.0.0.1", port), 30) as s:
        for _ in range(count):
            s.sendall(text)
            got = b""
            while b"\r\n\r\n" not in got:
                got += read(s)
            head, _, body = got.partition(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            left = int(re.search(rb"(?i)content-length: (\d+)", head).group(1)) - len(body)
            while left:
                left -= len(read(s))


def read(s):
    got = s.recv(65536)
    if not got:
        raise RuntimeError("the proxy closed the connection")
    return got


class Proxy:
    def __init__(self, arguments, before=()):
        self.port = free_port()
        argv = [*before, PROXY, "run", "--listen", f"127.0.0.1:{self.port}", "--admin", f"127.0.0.1:{free_port()}",
                "--workers", "1", *arguments]
        started = time.perf_counter()
        self.process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.port, 120).close()
        self.startup_ms = (time.perf_counter() - started) * 1000

    def count(self, switch):
        subprocess.run(["callgrind_control", f"--instr={switch}", str(self.process.pid)], capture_output=True, check=True)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)


def instructions(arguments, text):
    """Instructions that a request costs."""
    with tempfile.NamedTemporaryFile() as log:
        proxy = Proxy(arguments, ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=/dev/null",
                                  f"--log-file={log.name}"])
        try:
            ask(proxy.port, text, FEW)
            proxy.count("on")
            ask(proxy.port, text, MANY)
            proxy.count("off")
        finally:
            proxy.end()
        return int(re.search(r"Collected : (\d+)", pathlib.Path(log.name).read_text()).group(1)) / MANY


def figures(arguments, text=request()):
    """Instructions per request, milliseconds to start, MiB after some requests."""
    startup_ms = []
    for _ in range(STARTS):
        proxy = Proxy(arguments)
        try:
            ask(proxy.port, text, FEW)
            memory = rss([proxy.process.pid]) / 1024
        finally:
            proxy.end()
        startup_ms.append(proxy.startup_ms)
    return dict(instructions=round(instructions(arguments, text)), startup_ms=round(statistics.median(startup_ms), 1),
                rss_mib=round(memory, 1))


def routes(directory, backend, count):
    """A configuration with that many routes beside the default one, and the path of one in the middle."""
    named = [f'[[route]]\nname = "r{n}"\npath = "/service-{n}/items/{{id}}"\n' for n in range(count)]
    file = directory / "routes.toml"
    file.write_text(f'upstream = "http://127.0.0.1:{backend}"\n' + "\n".join(named))
    return ["--config", str(file)], f"/service-{count // 2}/items/7" if count else "/ok"


def catalogs(directory, backend, count):
    """As many routes, each with a catalog of its own."""
    text = subprocess.run([PROXY, "catalog", "show", "vpn", "--format", "toml"], capture_output=True, text=True, check=True).stdout
    routes = []
    for n in range(count):
        (directory / f"c{n}.toml").write_text(text.replace('name = "vpn"', f'name = "c{n}"'))
        routes.append(f'[[route]]\nname = "r{n}"\npath = "/service-{n}/{{*rest}}"\ncatalog = "c{n}.toml"\n')
    file = directory / "catalogs.toml"
    file.write_text(f'upstream = "http://127.0.0.1:{backend}"\n' + "\n".join(routes))
    return ["--config", str(file)], f"/service-{count // 2}/a"


def operations(directory, backend, count):
    """An OpenAPI description with that many operations."""
    paths = {}
    for n in range(count // 2):
        responses = {"200": {"description": f"Item {n}."}, "404": {"description": f"There is no item {n}."}}
        paths[f"/service-{n}/items/{{item}}/parts/{{part}}"] = {m: {"responses": responses} for m in ("get", "delete")}
    file = directory / "api.json"
    file.write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "Scale", "version": "1"}, "paths": paths}))
    return ["--upstream", f"http://127.0.0.1:{backend}", "--catalog", str(file)], f"/service-{count // 4}/items/7/parts/8"


def connections(backend, count, seconds=3):
    """Microseconds of CPU per request with that many connections busy at a time."""
    from compare import cpu_ns, load
    proxy = Proxy(["--upstream", f"http://127.0.0.1:{backend}"])
    try:
        scenario = dict(tool="wrk", path="/ok", status=200)
        load(scenario, proxy.port, 1, count, 1)
        before = cpu_ns([proxy.process.pid])
        requests = load(scenario, proxy.port, seconds, count, 1)
        used = cpu_ns([proxy.process.pid]) - before
        return dict(us=round(used / requests / 1000, 1), rss_mib=round(rss([proxy.process.pid]) / 1024, 1))
    finally:
        proxy.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subjects", nargs="*", default=["fields", "routes", "catalogs", "operations", "connections"])
    options = parser.parse_args()
    backend_process, backend = start_backend()
    try:
        with tempfile.TemporaryDirectory() as name:
            for subject in options.subjects:
                table(subject, pathlib.Path(name), backend)
    finally:
        backend_process.terminate()
        backend_process.wait()


def table(subject, directory, backend):
    upstream = ["--upstream", f"http://127.0.0.1:{backend}"]
    if subject == "connections":
        print("\n| busy connections | us of CPU per request | RSS MiB |\n|---:|---:|---:|")
        for count in (1, 8, 64, 512, 4096):
            found = connections(backend, count)
            print(f"| {count} | {found['us']} | {found['rss_mib']} |", flush=True)
        return
    if subject == "fields":
        print("\n| request fields | instructions per request |\n|---:|---:|")
        for count in (0, 10, 20, 40, 80):
            print(f"| {count + 2} | {instructions(upstream, request(fields=count)):.0f} |", flush=True)
        return
    made = {"routes": routes, "catalogs": catalogs, "operations": operations}[subject]
    print(f"\n| {subject} | instructions per request | start-up ms | RSS MiB |\n|---:|---:|---:|---:|")
    for count in {"routes": (0, 1, 10, 100, 1000, 10000), "catalogs": (1, 10, 100, 1000), "operations": (2, 20, 200, 700, 10000)}[subject]:
        arguments, path = made(directory, backend, count)
        found = figures(arguments, request(path))
        print(f"| {count} | {found['instructions']} | {found['startup_ms']} | {found['rss_mib']} |", flush=True)


if __name__ == "__main__":
    main()
