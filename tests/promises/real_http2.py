"""gRPC over its C core. `serve ADDRESS`: a server that takes eight calls at once on a connection. `call ADDRESS`: calls
of every kind, from twenty-four channels at once; exits with 1 if one fails."""

import sys
import threading
import time
from concurrent import futures

import grpc

mode, address = sys.argv[1:]


def stream(request, context):
    for number in range(10):
        yield request + b"%d" % number
        time.sleep(0.005)


handlers = {
    "/test/Unary": grpc.unary_unary_rpc_method_handler(lambda request, context: request[::-1]),
    "/test/Fail": grpc.unary_unary_rpc_method_handler(
        lambda request, context: context.abort(grpc.StatusCode.NOT_FOUND, "no such thing \u00fc")
    ),
    "/test/Stream": grpc.unary_stream_rpc_method_handler(stream),
    "/test/Echo": grpc.stream_stream_rpc_method_handler(lambda requests, context: requests),
    "/test/Count": grpc.stream_unary_rpc_method_handler(lambda requests, context: b"%d" % sum(map(len, requests))),
}


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        return handlers.get(details.method)


def serve():
    options = [("grpc.max_concurrent_streams", 8)]
    server = grpc.server(futures.ThreadPoolExecutor(32), options=options)
    server.add_generic_rpc_handlers((Handler(),))
    server.add_insecure_port(address)
    server.start()
    server.wait_for_termination()


failures = []


def call():
    channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
    unary, fail = channel.unary_unary("/test/Unary"), channel.unary_unary("/test/Fail")
    streaming, echo = channel.unary_stream("/test/Stream"), channel.stream_stream("/test/Echo")
    count = channel.stream_unary("/test/Count")

    def check(name, expected, actual):
        try:
            outcome = actual()
        except grpc.RpcError as error:
            outcome = error.code(), error.details()
        if outcome != expected:
            failures.append((name, str(outcome)[:200]))

    for number in range(30):
        message = b"abc" * (1 + 100 * number)
        check("unary", message[::-1], lambda: unary(message, timeout=20))
        check("fail", (grpc.StatusCode.NOT_FOUND, "no such thing \u00fc"), lambda: fail(b"x", timeout=20))
        if number % 5 == 0:
            check("stream", [b"q%d" % i for i in range(10)], lambda: list(streaming(b"q", timeout=20)))
            parts = [b"1", b"", b"3" * 70_000]
            check("echo", parts, lambda: list(echo(iter(parts), timeout=20)))
            check("count", b"300000", lambda: count(iter([b"z" * 10_000] * 30), timeout=20))
    channel.close()


if mode == "serve":
    serve()
else:
    threads = [threading.Thread(target=call) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for failure in failures:
        print(*failure, file=sys.stderr)
    sys.exit(1 if failures else 0)
