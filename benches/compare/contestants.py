"""How each contestant is started. The settings, with the reason for each, are in `peers/` and `pingora/`."""

import os
import pathlib
import platform
import re
import shutil
import socket
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
RELEASE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fill(name, directory, scenario, **values):
    text = (HERE / "peers" / name).read_text()
    values |= dict(WORKERS=scenario.get("workers", 1), REWRITE="" if scenario.get("rewrite") else "#")
    for key, value in values.items():
        text = text.replace(f"@{key}@", str(value))
    path = directory / name
    path.write_text(text)
    return str(path)


def haproxy(bufsize, variable="HAPROXY"):
    def command(directory, listen, backend, scenario):
        proto = "proto h2" if scenario.get("h2") else ""
        conf = fill("haproxy.cfg", directory, scenario, LISTEN=listen, BACKEND=backend, BUFSIZE=bufsize, PROTO=proto)
        return [os.environ.get(variable, shutil.which("haproxy", path=PATH) or "haproxy"), "-db", "-f", conf]
    return command


def nginx(directory, listen, backend, scenario):
    conf = fill("nginx.conf", directory, scenario, LISTEN=listen, BACKEND=backend, DIR=directory,
                PROTO="http2" if scenario.get("h2") else "")
    return [shutil.which("nginx", path=PATH) or "nginx", "-c", conf, "-e", "stderr"]


def envoy(directory, listen, backend, scenario):
    conf = fill("envoy.yaml", directory, scenario, LISTEN=listen, BACKEND=backend)
    workers = str(scenario.get("workers", 1))
    return [os.environ["ENVOY"], "-c", conf, "--concurrency", workers, "--use-dynamic-base-id", "-l", "critical"]


def pingora(directory, listen, backend, scenario):
    mode = "rewrite" if scenario.get("rewrite") else "pass"
    return [os.environ["PINGORA"], f"127.0.0.1:{listen}", f"127.0.0.1:{backend}", str(scenario.get("workers", 1)), mode]


def naive(directory, listen, backend, scenario):
    mode = "rewrite" if scenario.get("rewrite") else "pass"
    return [str(RELEASE / "naive"), f"127.0.0.1:{listen}", f"127.0.0.1:{backend}", mode]


def own(binary):
    def command(directory, listen, backend, scenario):
        return [binary, "run", "--listen", f"127.0.0.1:{listen}", "--admin", f"127.0.0.1:{free_port()}", "--upstream",
                f"http://127.0.0.1:{backend}", "--catalog", "sfs", "--workers", str(scenario.get("workers", 1)),
                "--mode", scenario.get("mode", "enforce")]
    return command


PEERS = {
    "haproxy": haproxy(65536),
    "haproxy16": haproxy(16384),
    "haproxy-next": haproxy(65536, "HAPROXY_NEXT"),
    "nginx": nginx,
    "envoy": envoy,
    "pingora": pingora,
    "naive": naive,
}


def contestants(names, extra):
    """The contestants by name, without those whose program is not there."""
    known = PEERS | {"status-proxy": own(str(RELEASE / "status-proxy"))}
    needed = {"envoy": "ENVOY", "haproxy-next": "HAPROXY_NEXT", "pingora": "PINGORA"}
    names = [name for name in names if needed.get(name, "PATH") in os.environ]
    for item in extra:
        name, _, binary = item.partition("=")
        known[name] = own(binary)
        names.append(name)
    return {name: known[name] for name in names}


def versions(names):
    """What ran, and on what."""
    def first(*argv):
        try:
            out = subprocess.run(argv, capture_output=True, text=True)
            return (out.stdout + out.stderr).strip().splitlines()[0]
        except (OSError, IndexError):
            return "?"
    model = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    found = {"kernel": platform.release(), "cores": len(os.sched_getaffinity(0)), "cpu": model.group(1) if model else "?"}
    found["congestion control"] = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    found["status-proxy"] = first(str(RELEASE / "status-proxy"), "--version")
    found["commit"] = first("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD")
    found["rustc"] = first("rustc", "--version")
    found["wrk"] = first("wrk", "--version")
    found["h2load"] = first("h2load", "--version")
    if "haproxy" in names:
        found["haproxy"] = first(os.environ.get("HAPROXY", shutil.which("haproxy", path=PATH) or "haproxy"), "-v")
    if "haproxy-next" in names:
        found["haproxy-next"] = first(os.environ["HAPROXY_NEXT"], "-v")
    if "nginx" in names:
        found["nginx"] = first(shutil.which("nginx", path=PATH) or "nginx", "-v")
    if "envoy" in names:
        found["envoy"] = first(os.environ["ENVOY"], "--version").split("version: ")[-1]
    if "pingora" in names:
        lock = (HERE / "pingora" / "Cargo.lock").read_text()
        found["pingora"] = re.search(r'name = "pingora"\nversion = "(.*)"', lock).group(1)
    return found
