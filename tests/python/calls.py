"""gRPC with the real grpcio, on both sides of the gateway. Messages are plain bytes, so that no compiler is needed.

`serve` prints the port that it listens on, and every call that was cancelled; with `KEY CERTIFICATE ROOT` it speaks TLS, and asks
for a certificate under that root. `call ADDRESS COOKIE SCENARIO` makes one call and prints, as JSON, what came of it. `repeat ADDRESS
COOKIE` makes calls until it is asked to end (SIGTERM), and prints how many were answered and what the others came to; one that a
GOAWAY says nobody has begun with is made again by grpcio itself, as it is by default.
"""

import json
import signal
import sys
import threading
import time
from concurrent import futures

import grpc

MANY = 2000


def unary(request, context):
    fields = dict(context.invocation_metadata())
    if request == b"fail":
        context.set_trailing_metadata((("grpc-status-details-bin", b"\x00\xffdetails"),))
        context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: \u00e9")
    context.set_trailing_metadata((("x-secret", "stays here"),))
    who = {"authorization": fields.get("authorization", "")[:9], "cookie": fields.get("cookie", "")}
    return json.dumps({"got": request.decode(), **who}).encode()


def down(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def up(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def both(requests, context):
    for request in requests:
        yield request[::-1]


def forever(request, context):
    over = threading.Event()
    context.add_callback(over.set)
    yield b"begun"
    over.wait(60)
    print("cancelled " + request.decode(), flush=True)


def slow(request, context):
    over = threading.Event()
    context.add_callback(over.set)
    over.wait(60)
    print("cancelled " + request.decode(), flush=True)
    return b""


def serve(*files):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Slow": grpc.unary_unary_rpc_method_handler(slow),
        "Down": grpc.unary_stream_rpc_method_handler(down),
        "Forever": grpc.unary_stream_rpc_method_handler(forever),
        "Up": grpc.stream_unary_rpc_method_handler(up),
        "Both": grpc.stream_stream_rpc_method_handler(both),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Calls", handlers),))
    if files:
        key, certificate, root = (open(name, "rb").read() for name in files)
        shown = grpc.ssl_server_credentials([(key, certificate)], root, require_client_auth=True)
        port = server.add_secure_port("127.0.0.1:0", shown)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"port {port}", flush=True)
    server.wait_for_termination()


def call(channel, metadata, scenario):
    path = "/test.Calls/"
    if scenario in ("unary", "fail"):
        done, seen = channel.unary_unary(path + "Unary").with_call(scenario.encode(), metadata=metadata)
        return {"answer": json.loads(done), "trailers": [name for name, _ in seen.trailing_metadata()]}
    if scenario == "down":
        answers = list(channel.unary_stream(path + "Down")(b"%d" % MANY, metadata=metadata))
        return {"answer": answers == [b"%d" % number for number in range(MANY)]}
    if scenario == "up":
        messages = (b"x" * 1000 for _ in range(MANY))
        return {"answer": int(channel.stream_unary(path + "Up")(messages, metadata=metadata))}
    if scenario == "both":
        turn, sent = threading.Semaphore(1), []

        # Each message waits for the answer to the one before it: nothing may be held back on the way.
        def messages():
            for number in range(100):
                turn.acquire()
                sent.append(b"message %d" % number)
                yield sent[-1]

        answers = []
        for answer in channel.stream_stream(path + "Both")(messages(), metadata=metadata):
            answers.append(answer[::-1])
            turn.release()
        return {"answer": answers == sent}
    if scenario == "deadline":
        channel.unary_unary(path + "Slow")(b"slow", timeout=1, metadata=metadata)
    if scenario == "cancel":
        stream = channel.unary_stream(path + "Forever")(b"stream", metadata=metadata)
        first = next(stream)
        stream.cancel()
        return {"answer": first.decode()}
    raise ValueError(scenario)


def repeat(channel, metadata):
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    answered, failed = 0, []
    print("begun", flush=True)
    while not over.is_set():
        for scenario in ("unary", "both"):
            try:
                assert call(channel, metadata, scenario)["answer"]
                answered += 1
            except (grpc.RpcError, AssertionError) as error:
                failed.append(repr(error))
        time.sleep(0.02)
    return {"answered": answered, "failed": failed}


def main():
    if sys.argv[1] == "serve":
        return serve(*sys.argv[2:])
    _, kind, address, cookie, *scenario = sys.argv
    options = [("grpc.default_authority", "gw.test")]
    if kind != "repeat":
        options.append(("grpc.enable_retries", 0))
    metadata = (("cookie", cookie),) if cookie else ()
    with grpc.insecure_channel(address, options=options) as channel:
        try:
            result = repeat(channel, metadata) if kind == "repeat" else call(channel, metadata, *scenario)
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
            result = {"code": error.code().value[0], "details": error.details(), "bin": details.hex()}
    print(json.dumps(result), flush=True)
    return None


main()
