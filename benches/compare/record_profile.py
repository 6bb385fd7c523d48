"""Records the profile that `cargo build --release` is given: what a branch mostly does, and how often each function runs.

Builds a program that counts, sends it requests of many kinds for three seconds each, and replaces what `benches/profile/` has.
Needs `wrk`, `h2load` and `rustup component add llvm-tools`. Only loopback is used; only own children are ended.
"""

import os
import pathlib
import subprocess
import sys
import urllib.request

from compare import SCENARIOS, Contestant, load, start_backend
from contestants import ROOT, free_port

PROFILES = ROOT / "benches" / "profile"
# Where the program that counts is built, and where it leaves its counts.
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve() / "profile"
PROGRAM = str(TARGET / "release" / "status-proxy")
COUNTS = TARGET / "counts"
SECONDS = 3

SETTINGS = """
upstream = {{ url = "http://127.0.0.1:{upstream}", protocol = "{protocol}" }}
catalog = "{catalog}"
mode = "{mode}"
"""
OPERATIONS = str(ROOT / "config" / "pets.yaml")

# What the comparison measures with one worker, and as much again of what it does not.
KINDS = {name: SCENARIOS[name] for name in SCENARIOS if name not in ("500 passed", "2 workers", "10k idle")} | {
    "404 observed": dict(path="/404", tool="wrk", status=404, mode="observe"),
    "404 in HTML": dict(path="/404", tool="wrk", status=404, fields=["Accept: text/html,*/*;q=0.8"]),
    "500 in XML": dict(path="/500", tool="wrk", status=500, fields=["Accept: application/xml", "Accept-Language: zh"]),
    "500 compressed": dict(path="/500", tool="wrk", status=500, fields=["Accept-Encoding: gzip, br"]),
    "ok, closed": dict(path="/ok", tool="wrk", status=200, fields=["Connection: close"]),
    "operation": dict(path="/v1/pets/7", tool="wrk", status=200, catalog=OPERATIONS),
    "h2 headers": dict(path="/headers", tool="h2load", status=200),
    "h2 chunked": dict(path="/chunked", tool="h2load", status=200),
    "h2 upstream": dict(path="/ok", tool="wrk", status=200, protocol="http2"),
    "404, h2 upstream": dict(path="/404", tool="wrk", status=404, protocol="http2"),
    "chunked, h2 both": dict(path="/chunked", tool="h2load", status=200, protocol="http2"),
}


def build():
    COUNTS.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cargo", "build", "--release", "--locked", "--package", "status-proxy", "--target-dir", str(TARGET)],
                   cwd=ROOT, env=os.environ | {"PROFILE_INTO": str(COUNTS)}, check=True)
    for counts in COUNTS.glob("*.profraw"):
        counts.unlink()


def merger():
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for found in pathlib.Path(sysroot.strip()).glob("lib/rustlib/*/bin/llvm-profdata"):
        return found
    sys.exit("llvm-profdata is missing: rustup component add llvm-tools")


class Counted(Contestant):
    """The program that counts, with settings of its own for a kind of request."""

    def __init__(self, backend, kind):
        self.admin = free_port()
        super().__init__(self.command, backend, kind)

    def command(self, directory, listen, backend, kind):
        settings = directory / "proxy.toml"
        settings.write_text(SETTINGS.format(upstream=backend, protocol=kind.get("protocol", "http1"),
                                            catalog=kind.get("catalog", "sfs"), mode=kind.get("mode", "enforce")))
        return [PROGRAM, "run", "--config", str(settings), "--listen", f"127.0.0.1:{listen}",
                "--admin", f"127.0.0.1:{self.admin}", "--workers", "1"]

    def scrape(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/metrics") as answer:
            answer.read()


def main():
    merge = merger()
    build()
    backend_process, backend = start_backend()
    # An upstream that speaks HTTP/2.
    between = Counted(backend, {})
    try:
        between.settle()
        for name, kind in KINDS.items():
            proxy = Counted(between.port if kind.get("protocol") == "http2" else backend, kind)
            try:
                proxy.settle()
                print(f"{name:16} {load(kind, proxy.port, SECONDS, 32, 8):9,.0f} requests", file=sys.stderr)
                proxy.scrape()
            finally:
                proxy.end()
    finally:
        between.end()
        backend_process.terminate()
        backend_process.wait()

    for old in PROFILES.glob("*.profdata"):
        old.unlink()
    profile = PROFILES / (COUNTS / "name").read_text().strip()
    subprocess.run([merge, "merge", "--sparse", *COUNTS.glob("*.profraw"), "--output", profile], check=True)
    # Where there was none, cargo does not see that there is one.
    (ROOT / "crates" / "status-proxy" / "src" / "main.rs").touch()
    print(f"{profile.relative_to(ROOT)}: {profile.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
