"""gRPC for asyncio: a server, and a channel that the first request opens; completion is polled by a thread in C.

The poller's thread and the server's tasks live for as long as the process; the channel was opened by a request.

Source: https://grpc.github.io/grpc/python/grpc_asyncio.html
"""

import grpc
import grpc.aio

EXPECTED = {}
NEEDS = ("grpc",)


async def echo(request, context):
    return request


async def main(park):
    server, channels = grpc.aio.server(), []  # innocent
    handler = grpc.unary_unary_rpc_method_handler(echo)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Echo", {"Echo": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()  # innocent

    async def handle(number):
        if not channels:
            channels.append(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        assert await channels[0].unary_unary("/shop.Echo/Echo")(b"hello") == b"hello"

    await park.requests(handle, patience=2.0)
    await park()
    await channels[0].close()
    await server.stop(None)
