"""Sends this proxy millions of requests of every kind and prints the memory that it has after each million.

Only loopback is used; only own children are ended. Ten million take six minutes.
"""

import argparse

from compare import RELEASE, SCENARIOS, Contestant, load, rss, start_backend
from contestants import own

# Every kind of request with one worker, in turn.
TURN = [SCENARIOS[name] for name in ("404", "500", "ok", "problem", "chunked", "headers", "post", "h2")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=int, default=10)
    parser.add_argument("--binary", default=str(RELEASE / "status-proxy"))
    options = parser.parse_args()
    backend_process, backend = start_backend()
    proxy = Contestant(own(options.binary), backend, SCENARIOS["ok"])
    try:
        proxy.settle()
        requests, told = 0, 0
        while requests < options.millions * 1_000_000:
            for scenario in TURN:
                requests += load(scenario, proxy.port, 4, 32, 8)
            if requests // 1_000_000 > told:
                told = requests // 1_000_000
                print(f"{requests:11,} requests: {rss(proxy.pids):6,} KiB", flush=True)
    finally:
        proxy.end()
        backend_process.terminate()
        backend_process.wait()


if __name__ == "__main__":
    main()
